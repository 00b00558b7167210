"""The report: every figure comes from a record, gaps say so, and regressions are named."""

from __future__ import annotations

import re
from dataclasses import replace as field_replace
from pathlib import Path

import numpy as np
import pytest
from support_bench import made_up_record
from typer.testing import CliRunner

from ralikit.bench.records import Device, Record, append, replace
from ralikit.cli import app
from ralikit.errors import UsageError
from ralikit.report.bench import sections
from ralikit.report.brief import srcc_interval
from ralikit.report.choice import label
from ralikit.report.compare import regressions
from ralikit.report.page import NOT_MEASURED, Section, Table, html, markdown

runner = CliRunner()


def _glance(records: list[Record]) -> Table:
    """The one table of the files at a glance."""
    part = next(p for p in sections(records) if p.title == "Every file at a glance")
    (table,) = part.tables
    return table


def _parity() -> Record:
    return made_up_record(
        kind="parity",
        samples={},
        figures={
            "photos": 5,
            "max_drift": 0.5,
            "p95_drift": 0.04,
            "mean_drift": 0.01,
            "srcc": 0.998,
            "plcc": 0.999,
            "reference": "made-up-fp32.onnx",
        },
        photos=({"name": "<b>x</b>.png", "score": 3.5, "reference": 3.0},),
    )


def _phone(*, emulated: bool) -> Record:
    device = Device(
        kind="phone",
        name="made-up phone",
        os="none",
        chip="made-up chip",
        cores=8,
        memory_bytes=1 << 33,
        emulated=emulated,
    )
    return made_up_record(run=f"phone-{emulated}", device=device)


def _slower(record: Record, factor: float) -> Record:
    samples = dict(record.samples)
    samples["inference_s"] = [v * factor for v in samples["inference_s"]]
    return replace(record, samples=samples, time="2026-01-02T00:00:00Z")


def test_gaps_read_not_measured_with_the_command_that_fills_them() -> None:
    text = markdown("t", "l", sections([made_up_record()]))
    assert NOT_MEASURED in text
    assert "ralikit bench parity" in text
    assert "ralikit bench teacher" in text


def test_the_summary_shows_final_figures_on_the_fewest_threads() -> None:
    made_up = made_up_record()
    base = replace(made_up, runtime=field_replace(made_up.runtime, threads=1))
    final = field_replace(base.protocol, quick=False)
    looked = replace(_slower(base, 5.0), protocol=field_replace(final, quick=True))
    wide = replace(
        _slower(base, 0.5), protocol=final, runtime=field_replace(base.runtime, threads=2)
    )
    batch = replace(_slower(base, 9.0), runtime=field_replace(base.runtime, batch=8))

    def row(*records: Record) -> tuple[str, ...]:
        table = _glance(list(records))
        (found,) = table.rows
        return found[table.columns.index("median") : table.columns.index("threads") + 1]

    plain = replace(base, protocol=final)
    alone = row(plain)
    assert alone[1] == "1"
    assert row(looked, wide, plain, batch) == alone
    assert row(looked, wide)[1] == "2"


def test_the_summary_compares_files_on_one_set_of_photos() -> None:
    """A file's newest record may be of photos that the others never saw."""
    base = _parity()
    rated = replace(base, figures={**base.figures, "srcc_mos": 0.8}, run="rated")
    other = replace(
        rated, model=field_replace(base.model, precision="fp32"), time="2026-01-02T00:00:00Z"
    )
    stray = replace(
        rated,
        run="stray",
        figures={**base.figures, "photos": 9, "srcc_mos": 0.1},
        time="2026-01-03T00:00:00Z",
    )
    table = _glance([rated, other, stray])
    at = table.columns.index("SRCC with MOS")
    assert [row[at] for row in table.rows] == ["0.8", "0.8"]
    parity = next(part for part in sections([rated, other, stray]) if part.title == "Parity")
    assert [len(t.rows) for t in parity.tables] == [2, 1]


def test_emulated_rows_never_enter_the_device_table() -> None:
    text = markdown("t", "l", sections([_phone(emulated=True)]))
    assert "| made-up phone" not in text
    assert "Left out, since emulated" in text
    text = markdown("t", "l", sections([_phone(emulated=False)]))
    assert "| made-up phone" in text


def test_names_are_escaped_and_the_page_refers_to_nothing_outside() -> None:
    text = html("t", "l", sections([made_up_record(), _parity()]))
    assert "<b>x</b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt;.png" in text
    assert 'src="http' not in text
    assert 'href="http' not in text


def test_the_same_records_give_the_same_page() -> None:
    records = [made_up_record(), _parity(), _phone(emulated=False)]
    assert html("t", "l", sections(records)) == html("t", "l", sections(records))


def test_ratios_compare_models_of_one_run() -> None:
    base = made_up_record()
    fp32 = replace(_slower(base, 2.0), model=field_replace(base.model, precision="fp32"))
    text = markdown("t", "l", sections([base, fp32]))
    row = next(line for line in text.splitlines() if "int8 |" in line and "0.50 (" in line)
    assert "made-up onnx int8" in row


def test_a_planted_slowdown_is_a_regression_and_noise_is_not() -> None:
    old = made_up_record()
    assert regressions([_slower(old, 1.0)], [old]) == []
    found = regressions([_slower(old, 1.10)], [old])
    assert [r.what.split(" (")[0] for r in found] == ["median inference_s"]
    rng = np.random.default_rng(5)
    noisy = replace(
        old,
        samples={**old.samples, "inference_s": rng.normal(0.010, 0.0003, 40).tolist()},
        time="2026-01-03T00:00:00Z",
    )
    assert regressions([noisy], [old]) == []


def test_drift_memory_and_size_regressions_are_named() -> None:
    old = _parity()
    worse = replace(old, figures={**old.figures, "p95_drift": 0.06, "srcc": 0.99})
    assert {r.what for r in regressions([worse], [old])} == {"p95_drift", "srcc"}
    record = made_up_record()
    assert record.memory is not None
    from dataclasses import replace as dataclass_replace

    fat = replace(
        record,
        memory=dataclass_replace(record.memory, peak_bytes=200 << 20),
        model=dataclass_replace(record.model, size_bytes=2_000_000),
    )
    assert {r.what for r in regressions([fat], [record])} == {"peak memory, MB", "size, MB"}


def test_the_command_writes_page_and_markdown_and_exits_1_on_a_regression(tmp_path: Path) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    append(old, [made_up_record()])
    append(new, [_slower(made_up_record(), 1.2)])
    out = tmp_path / "r.html"
    done = runner.invoke(app, ["report", str(new), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert "# ralikit benchmark report" in out.with_suffix(".md").read_text()
    done = runner.invoke(app, ["report", str(new), "--out", str(out), "--against", str(old)])
    assert done.exit_code == 1
    assert "worse: made-up onnx int8" in done.output


def test_comparing_unlike_records_is_refused(tmp_path: Path) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    append(old, [made_up_record()])
    append(new, [_phone(emulated=False)])
    done = runner.invoke(
        app, ["report", str(new), "--out", str(tmp_path / "r.html"), "--against", str(old)]
    )
    assert isinstance(done.exception, UsageError)


def test_a_ragged_table_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table(title="t", columns=("a", "b"), rows=(("x",),))


def _trained(precision: str, size: int, srcc: float, **figures: object) -> Record:
    base = _parity()
    model = field_replace(base.model, weights="trained", precision=precision, size_bytes=size)
    return replace(base, model=model, figures={**base.figures, "srcc": srcc, **figures}, run="all")


def test_the_report_begins_with_a_verdict_for_each_target() -> None:
    """The smallest file that keeps the order; its time is of one run with float32, never of two."""
    records = [
        _trained("fp32", 9_000_000, 1.0),
        _trained("int8", 3_000_000, 0.9991),
        _trained("int4", 1_000_000, 0.9989),
    ]
    model = field_replace(records[0].model, precision="fp32")
    one = {"runtime": field_replace(records[0].runtime, threads=1)}
    fp32 = replace(made_up_record(run="one", **one), model=model)
    int8 = replace(_slower(fp32, 0.25), model=field_replace(model, precision="int8"))
    elsewhere = replace(_slower(int8, 9.0), run="two", time="2026-01-09T00:00:00Z")
    onnx, tflite, coreml, coreai = sections([*records, fp32, int8, elsewhere])[0].text
    assert onnx.startswith("ONNX: made-up in int8, 3.0 MB.")
    assert "It takes 0.25 (0." in onnx
    assert "for 95 % of them and within 0.5 for all; their order is kept (SRCC 0.9991)" in onnx
    assert tflite == (
        "TFLite: not measured "
        "(ralikit bench parity REFERENCE FILE... --photos DIR --out records.jsonl)."
    )
    assert coreml.startswith("Core ML: not measured")
    assert coreai.startswith("Core AI: not measured")
    (lost, *_) = sections([records[2]])[0].text
    assert lost == "ONNX: no file keeps the order of photos (SRCC 0.9989 at best)."
    assert sections([made_up_record()])[0].title == "Every file at a glance"


def test_the_interval_of_a_rank_correlation() -> None:
    """By hand: atanh(0.6) = 0.693147, √((1 + 0.18) / 97) = 0.110295, times 1.96."""
    low, high = srcc_interval(0.6, 100)
    assert low == pytest.approx(np.tanh(0.693147 - 0.216175), abs=1e-5)
    assert high == pytest.approx(np.tanh(0.693147 + 0.216175), abs=1e-5)
    assert srcc_interval(1.0, 50) == (1.0, 1.0)
    assert srcc_interval(0.5, 3) == (-1.0, 1.0)


def test_files_that_photos_do_not_tell_apart_are_not_called_better() -> None:
    one = field_replace(made_up_record().runtime, threads=1)

    def caption(low: float) -> str:
        files = [_trained("fp32", 9, 1.0, srcc_mos=0.8, photos=500)]
        files.append(_trained("int8", 3, 1.0, srcc_mos=low, photos=500))
        timed = [
            replace(_slower(made_up_record(runtime=one), factor), model=file.model)
            for factor, file in zip((2.0, 1.0), files, strict=True)
        ]
        (figure,) = sections([*files, *timed])[0].figures
        return figure.caption

    assert "do not tell the files apart by accuracy, and made-up onnx int8 is" in caption(0.79)
    assert "better in both than: made-up onnx fp32, made-up onnx int8" in caption(0.4)


def test_columns_without_a_figure_become_a_sentence() -> None:
    rows = (("a", "1", NOT_MEASURED, NOT_MEASURED), ("b", NOT_MEASURED, NOT_MEASURED, "2"))
    table = Table(title="t", columns=("file", "x", "y", "z"), rows=rows, fill="do it").folded()
    assert table.columns == ("file", "x", "z")
    assert table.rows == (("a", "1", NOT_MEASURED), ("b", NOT_MEASURED, "2"))
    assert table.conditions == ("Not measured of any file: y.",)
    whole = Table(title="t", columns=("file", "y"), rows=(("a", NOT_MEASURED),), fill="do it")
    assert whole.folded().conditions == ("Not measured of any file: y (do it).",)


def test_published_figures_are_marked_and_have_a_source() -> None:
    text = markdown("t", "l", sections([_phone(emulated=False)]))
    assert "Published, not measured here" in text
    assert "| MobileNetV2 1.0, 8-bit weights and activations | iPhone 15 Pro | 0.2 ms |" in text


def test_without_a_phone_the_report_says_which_command_fills_the_table() -> None:
    assert "ralikit bench android FILE" in markdown("t", "l", sections([made_up_record()]))


def test_core_ai_in_its_own_runtime_needs_no_suffix() -> None:
    record = made_up_record()
    record = replace(
        record,
        model=field_replace(record.model, format="coreai"),
        runtime=field_replace(record.runtime, name="coreai"),
    )
    assert label(record) == "made-up coreai int8"


def test_what_was_not_measured_is_one_line_with_its_command() -> None:
    rows = (("a", "1", NOT_MEASURED), ("b", NOT_MEASURED, "2"))
    table = Table(title="t", columns=("file", "x", "y"), rows=rows, fill="do it")
    text = table.markdown()
    assert "| a | 1 | – |" in text
    assert text.count(NOT_MEASURED) == 1
    assert "– not measured: `do it`" in text
    page = html("t", "l", [Section(title="s", tables=(table,))])
    assert page.startswith("<!DOCTYPE html>")
    assert '<abbr title="not measured">–</abbr>' in page
    assert '<td role="cell" data-label="x">1</td>' in page  # a phone shows each cell by its name
    assert page.count("<code>do it</code>") == 1


def test_the_report_begins_with_its_pictures_and_tables_name_their_model() -> None:
    teacher = {"role": "teacher"}
    beside = [
        made_up_record(kind="teacher", samples={"photo_s": [9.0]}, figures=teacher),
        made_up_record(kind="teacher", samples={"photo_s": [1.0]}, figures={"role": "rali"}),
    ]
    other = field_replace(made_up_record().model, name="another")
    compared = replace(_parity(), model=field_replace(other, name="made-up", weights="trained"))
    records = [*beside, made_up_record(), made_up_record(run="b", model=other), compared]
    page = html("t", "l", sections(records))
    assert page.index("<figure") < page.index("ONNX: ") < page.index("<table")
    titles = [t.title for part in sections(records) for t in part.tables]
    assert [title.partition(",")[0] for title in titles if "run of" in title] == [
        "another",
        "made-up",
        "made-up",
    ]
    assert (
        f"made-up, 5 photos, run of {compared.time}: the same photos through every file" in titles
    )
    assert page.count('role="region"') == len(titles)
    labels = re.findall(
        r'role="region" aria-label="([^"]+)"', html("t", "l", sections([*records, compared]))
    )
    assert len(set(labels)) == len(labels)  # equal tables too: a screen reader lists them


def test_an_evaluator_is_called_what_it_is() -> None:
    record = made_up_record()
    evaluator = field_replace(record.runtime, name="ralikit's")
    model = field_replace(record.model, format="coreml")
    assert label(replace(record, runtime=evaluator, model=model)).endswith("evaluated off-device")
