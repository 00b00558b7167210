"""`ralikit score` and `ralikit rank` as a person or a script meets them."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from support_scorer import brightness_bundle, grey, reasoned_file
from typer.testing import CliRunner

from ralikit.cli import app, main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return brightness_bundle(tmp_path_factory.mktemp("model") / "model").root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name, value in [
        ("dark.png", 51),
        ("sub/white.png", 255),
        ("mid.png", 127),
        ("near.png", 130),
    ]:
        grey(value).save(root / name)
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    return root


def run(*words: str | Path) -> tuple[int, str, str]:
    """Run the command line in this process, errors turned to exit codes as `main` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ralikit", *map(str, words)])
        out, err = io.StringIO(), io.StringIO()
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as caught:
            main()
    code = caught.value.code
    return (code if isinstance(code, int) else 0), out.getvalue(), err.getvalue()


def test_a_folder_scores_and_a_broken_photo_is_one_line(photos: Path, model: Path) -> None:
    code, out, err = run("score", photos, "--model", model)
    assert code == 1
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["1.80", "2.99", "3.04", "5.00"]
    assert lines[-1].endswith("white.png")
    assert "\x1b" not in out
    assert err.count("\n") == 1
    assert "broken.jpg" in err


def test_all_good_is_exit_0(photos: Path, model: Path) -> None:
    code, out, err = run("score", photos / "*.png", "--model", model)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 3


def test_json_is_complete_and_names_the_failures(photos: Path, model: Path) -> None:
    code, out, _ = run("score", photos, photos / "gone.png", "--json", "--model", model)
    assert code == 1
    document = json.loads(out)
    assert [round(p["score"], 2) for p in document["photos"]] == [1.8, 2.99, 3.04, 5.0]
    assert document["photos"][0]["width"] == 40
    assert document["scale"] == {"minimum": 1.0, "maximum": 5.0}
    assert document["tie_width"] == 0.25
    assert document["tie_width_note"] == "made up"
    assert document["resolution"] == 0.25  # the former name, for scripts that read it
    assert document["resolution_note"] == "made up"
    assert document["complete"] is True
    failures = {Path(e["photo"]).name: e["error"] for e in document["errors"]}
    assert failures["gone.png"] == "there is no such file"
    assert set(failures) == {"gone.png", "broken.jpg"}


def test_csv_parses_with_errors_elsewhere(photos: Path, model: Path) -> None:
    code, out, err = run("score", photos, "--csv", "--model", model)
    assert code == 1
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [Path(row["photo"]).name for row in rows] == [
        "dark.png",
        "mid.png",
        "near.png",
        "white.png",
    ]
    assert float(rows[3]["score"]) == pytest.approx(5.0, abs=1e-4)
    assert "broken" not in out
    assert "broken" in err


def test_rank_puts_the_best_first_and_marks_ties(photos: Path, model: Path) -> None:
    _, out, _ = run("rank", photos, "--model", model)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["1", "2=", "2=", "4"]
    assert [Path(line.split()[-1]).name for line in lines[:2]] == ["white.png", "near.png"]
    assert "0.25" in lines[4]
    assert "made up" in lines[4]
    _, out, _ = run("rank", photos, "--json", "--model", model)
    places = [(p["place"], p["tied"]) for p in json.loads(out)["photos"]]
    assert places == [(1, False), (2, True), (2, True), (4, False)]
    _, out, _ = run("rank", photos, "--csv", "--model", model)
    assert [row["place"] for row in csv.DictReader(io.StringIO(out))] == ["1", "2", "2", "4"]


def test_rank_says_where_a_place_parts_what_the_model_cannot(model: Path, tmp_path: Path) -> None:
    for level in (140, 132, 120):  # 3.20, 3.07, 2.88: the last two lie within 0.25
        Image.new("L", (9, 9), level).save(tmp_path / f"{level}.png")
    _, out, _ = run("rank", tmp_path, "--model", model)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["1=", "1=", "3"]
    assert "3.07 and 2.88, of two places, are not told apart either" in lines[4]
    _, out, _ = run("rank", tmp_path / "140.png", tmp_path / "132.png", "--model", model)
    assert "either" not in out


def test_rank_says_when_the_tie_width_was_not_measured(photos: Path, tmp_path: Path) -> None:
    model = brightness_bundle(tmp_path / "model", tie_width=None).root
    _, out, _ = run("rank", photos, "--model", model)
    assert "not measured" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing-here*"], "no photo found"),
        (["{photos}", "--json", "--csv"], "exclude each other"),
        (["{photos}", "--model", "nowhere"], "there is no model nowhere"),
    ],
)
def test_wrong_words_are_exit_2_and_one_sentence(
    words: list[str], sentence: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    code, out, err = run("score", *(word.replace("{photos}", str(photos)) for word in words))
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_threads_below_one_are_refused(photos: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(photos), "--threads", "0"])
    assert result.exit_code == 2


def test_names_cannot_break_the_terminal_the_table_or_the_json(model: Path, tmp_path: Path) -> None:
    awkward = [b"a\nb.png", b"\x1b[31mred.png", b"bad\xff.png", b"=1+1.png", b'quote",.png']
    for name in awkward:
        stream = io.BytesIO()
        Image.new("L", (9, 9), 200).save(stream, "PNG")
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(stream.getvalue())
    results = {}
    for form in ("--json", "--csv", None):
        ralikit = str(Path(sys.executable).with_name("ralikit"))
        command = [ralikit, "score", ".", "--model", str(model), *([form] if form else [])]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        results[form] = done.stdout.decode()  # valid UTF-8 whatever the names are
    assert len(json.loads(results["--json"])["photos"]) == len(awkward)
    rows = list(csv.reader(io.StringIO(results["--csv"])))
    assert len(rows) == len(awkward) + 1
    assert {row[0] for row in rows[1:]} >= {"'=1+1.png", "bad\\xff.png", "a\\nb.png"}
    assert len(results[None].splitlines()) == len(awkward)
    assert not any("\x1b" in text for text in results.values())


def test_what_libraries_print_stays_off_stderr(model: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(stream, "TIFF", compression="tiff_adobe_deflate")
    data = bytearray(stream.getvalue())
    data[12:24] = b"\xff" * 12  # inside the compressed strip: libtiff complains by itself
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_bytes(data)
    ralikit = str(Path(sys.executable).with_name("ralikit"))
    command = [ralikit, "score", str(tmp_path), "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["ralikit", "ralikit"]


def on_a_terminal(command: list[str], **env: str) -> str:
    """What a terminal would show on stdout and stderr."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        command, stdout=follower, stderr=follower, stdin=follower, env={**os.environ, **env}
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the child closed its end
            break
        if not part:
            break
        shown += part
    child.wait()
    os.close(leader)
    return shown.decode(errors="replace")


def test_a_terminal_gets_a_coloured_bar_unless_unwanted(photos: Path, model: Path) -> None:
    command = [str(Path(sys.executable).with_name("ralikit")), "score", str(photos / "dark.png")]
    command += ["--model", str(model)]
    shown = on_a_terminal(command, TERM="xterm", PYTHONIOENCODING="utf-8")
    assert "\x1b[31m████" in shown
    plain = on_a_terminal(command, TERM="xterm", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert "####----" in plain
    assert "\x1b[3" not in plain


def test_long_work_shows_progress_on_a_terminal_and_results_survive_it(
    model: Path, tmp_path: Path
) -> None:
    for index in range(12):
        Image.new("L", (9, 9), 20 * index).save(tmp_path / f"{index:02}.png")
    # Each photo takes so long that the bar's first second is over before the last.
    slow = (
        "import time; from ralikit import cli, scorer; score = scorer.Scorer.score_many\n"
        "def slowly(*a, **k):\n  for s in score(*a, **k): time.sleep(0.2); yield s\n"
        "scorer.Scorer.score_many = slowly; cli.main()"
    )
    (tmp_path / "slow.py").write_text(slow)
    redirected = tmp_path / "out.csv"
    ralikit = f"'{sys.executable}' '{tmp_path / 'slow.py'}'"
    line = f"{ralikit} score '{tmp_path}' --csv --model '{model}' > '{redirected}'"
    shown = on_a_terminal(["sh", "-c", line], TERM="xterm")
    assert "photos" in shown
    assert "left" in shown
    assert len(redirected.read_text().splitlines()) == 13


def test_ctrl_c_ends_cleanly_with_what_was_done(model: Path, tmp_path: Path) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "one.png")
    many = tmp_path / "many"
    many.mkdir()
    for index in range(6000):
        (many / f"{index:03}.png").symlink_to(tmp_path / "one.png")
    command = [str(Path(sys.executable).with_name("ralikit")), "score", str(many)]
    command += ["--csv", "--model", str(model)]
    # A test run started in the background has Ctrl-C ignored, and its children inherit that.
    heed = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL)"
    command = [sys.executable, "-c", f"{heed}; os.execv(sys.argv[1], sys.argv[1:])", *command]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = [child.stdout.readline() for _ in range(3)]
    child.send_signal(signal.SIGINT)
    start = time.monotonic()
    rest, err = child.communicate(timeout=20)
    assert time.monotonic() - start < 15
    assert child.returncode == 130
    assert "Traceback" not in err
    assert all(line.endswith("\n") for line in first)
    assert rest == "" or rest.endswith("\n")


def test_a_closed_pipe_is_no_error(photos: Path, model: Path) -> None:
    ralikit = Path(sys.executable).with_name("ralikit")
    line = f"'{ralikit}' score '{photos}' --csv --model '{model}' | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("photo,score")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


# Reasons, with a model whose reasons are a photo's brightness.


@pytest.fixture(scope="module")
def reasoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reasoned_file(tmp_path_factory.mktemp("reasoned") / "brightness.onnx")


@pytest.fixture
def greys(tmp_path: Path) -> Path:
    for name, value in (("dark", 51), ("mid", 120), ("light", 204)):
        grey(value).save(tmp_path / f"{name}.png")
    return tmp_path


def test_a_line_ends_in_the_words(greys: Path, reasoned: Path) -> None:
    code, out, _ = run("score", greys / "dark.png", greys / "light.png", "--model", reasoned)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"1.80  {greys / 'dark.png'}  too dark"
    assert lines[1] == f"4.20  {greys / 'light.png'}  too bright"


def test_json_has_named_ones_and_all_values(greys: Path, reasoned: Path) -> None:
    _, out, _ = run("score", greys / "dark.png", "--json", "--model", reasoned)
    (photo,) = json.loads(out)["photos"]
    assert photo["reasons"] == [{"id": "too-dark", "words": "too dark", "value": 0.8}]
    assert photo["reason_values"] == {"too-dark": 0.8, "too-bright": 0.2}


def test_csv_has_them_after_the_columns_of_before(greys: Path, reasoned: Path) -> None:
    _, out, _ = run("score", greys / "dark.png", "--csv", "--model", reasoned)
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0][:5] == ["photo", "score", "width", "height", "notes"]
    assert rows[0][5:] == ["reasons", "too-dark", "too-bright"]
    assert rows[1][5:] == ["too dark", "0.800000", "0.200000"]


def test_rank_by_a_quality_is_not_rank_by_the_score(greys: Path, reasoned: Path) -> None:
    _, out, _ = run("rank", greys, "--by", "exposure", "--json", "--model", reasoned)
    document = json.loads(out)
    assert document["by"] == "exposure"
    names = [Path(photo["photo"]).stem for photo in document["photos"]]
    assert names[0] == "mid"  # neither too dark nor too bright; the score puts light first
    assert document["photos"][0]["quality"] == pytest.approx(1 - 135 / 255, abs=1e-5)
    _, out, _ = run("rank", greys, "--by", "exposure", "--model", reasoned)
    assert out.splitlines()[0].split() == ["1", "0.47", str(greys / "mid.png"), "too", "dark"]
    _, out, _ = run("rank", greys, "--by", "exposure", "--csv", "--model", reasoned)
    assert next(csv.DictReader(io.StringIO(out)))["exposure"] == f"{1 - 135 / 255:.6f}"


def test_a_model_without_a_bank_says_so_before_any_work(greys: Path, tmp_path: Path) -> None:
    plain = brightness_bundle(tmp_path / "plain").root
    code, out, err = run("rank", greys / "dark.png", "--by", "sharpness", "--model", plain)
    assert code == 2
    assert out == ""
    assert "has no bank of reasons" in err.splitlines()[-1]


def test_a_quality_that_nobody_knows_is_refused(greys: Path, reasoned: Path) -> None:
    code, _, err = run("rank", greys, "--by", "charm", "--model", reasoned)
    assert code == 2
    assert err.count("\n") == 1
    assert "knows exposure" in err
