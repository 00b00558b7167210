"""A whole corpus: rows as `Scorer.score` has them, whatever happens on the way."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support_corpus import Deadly, contents, member, picture, rows_of, settings, write_tar
from support_docs import script
from support_scorer import brightness_bundle, reasoned_file

from ralikit.corpus import score_corpus
from ralikit.corpus.items import Item, Row
from ralikit.corpus.job import MANIFEST
from ralikit.corpus.parquet import provenance_of
from ralikit.errors import BundleError, DataError, PhotoError, RalikitError, UsageError
from ralikit.files import sha256_path
from ralikit.scorer import load

pa = pytest.importorskip("pyarrow", reason="the extra 'corpus' is not installed")
pq = pytest.importorskip("pyarrow.parquet")

KILLS = script("benchmarks/corpus_kills.py")
BROKEN = b"\xff\xd8\xff\xe0 nothing more"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(brightness_bundle(tmp_path_factory.mktemp("model") / "model").root)


@pytest.fixture(scope="module")
def reasoned(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(reasoned_file(tmp_path_factory.mktemp("reasoned") / "tiny.onnx"))


def files() -> dict[str, bytes]:
    """Twenty-three pictures by key, two of them broken."""
    good = {f"k{i:02d}": picture(i, (30 + i, 50 - i)) for i in range(21)}
    return {**good, "k90": BROKEN, "k91": b""}


def make(source: str, root: Path) -> list[Path]:
    """The same pictures in two shards."""
    named = list(files().items())
    halves = named[:12], named[12:]
    root.mkdir()
    if source == "folder":
        for key, data in named:
            (root / f"{key}.png").write_bytes(data)
        return [root]
    paths = []
    for i, half in enumerate(halves):
        if source == "webdataset":
            path = root / f"{i}.tar{'.gz' * i}"
            write_tar(path, (member(f"{key}.png", data) for key, data in half))
        else:
            path = root / f"{i}.parquet"
            keys, pictures = zip(*half, strict=True)
            pq.write_table(pa.table({"image": list(pictures), "key": list(keys)}), path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("source", ["folder", "webdataset", "parquet"])
def test_rows_are_the_scorers(tmp_path: Path, source: Any, reasoned: str) -> None:
    paths, out = make(source, tmp_path / "in"), tmp_path / "out"
    told: list[tuple[str, float]] = []
    asked = settings(source, out, *paths, model=reasoned, shard_pictures=12)
    result = score_corpus(asked, progress=lambda *said: told.append(said))
    assert (result.shards, result.written, result.pictures, result.errors) == (2, 2, 23, 2)
    assert result.failures == ()
    assert told[-1][1] == 1.0
    assert "23 pictures (2 not scored)" in told[-1][0]

    scorer, rows = load(reasoned, threads=1), rows_of(out)
    prefix = f"{tmp_path}/in/" if source == "folder" else ""
    assert [row["key"] for row in rows] == [
        f"{prefix}{key}{'.png' if prefix else ''}" for key in files()
    ]
    for row, data in zip(rows, files().values(), strict=True):
        if row["error"] is not None:
            with pytest.raises(PhotoError, match=re.escape(row["error"])):
                scorer.score(data)
            assert row["score"] is None
            continue
        score = scorer.score(data)
        assert row["score"] == score.value  # the very same
        assert row["tie_width"] == score.tie_width
        assert (row["width"], row["height"]) == (score.width, score.height)
        assert [(r["id"], r["value"]) for r in row["reasons"]] == [
            (r.id, r.value) for r in score.reasons
        ]
        assert row["notes"] == list(score.notes)
    assert any(row["reasons"] for row in rows)

    said, counts = provenance_of(out / sorted(p.name for p in out.glob("*.parquet"))[0])
    assert said["model"]["hash"] == sha256_path(Path(reasoned))
    assert said["facts"]["reasons"]
    assert counts == {"rows": 12, "errors": 0, "left_out": {}}
    assert pq.read_table(out).num_rows == 23  # the manifest is in nobody's way


def test_the_same_command_finds_nothing_left(tmp_path: Path, model: str) -> None:
    paths, out = make("webdataset", tmp_path / "in"), tmp_path / "out"
    asked = settings("webdataset", out, *paths, model=model)
    score_corpus(asked)
    before = contents(out)
    again = score_corpus(asked)
    assert (again.shards, again.written, again.pictures) == (2, 0, 0)
    next(out.glob("00001*")).unlink()
    (out / ".ralikit-draft-dead.held").mkdir()  # what a killed process leaves
    third = score_corpus(asked)
    assert (third.written, third.pictures) == (1, 11)
    assert contents(out) == before  # byte by byte


def test_a_folder_of_something_else_is_refused(tmp_path: Path, model: str, reasoned: str) -> None:
    paths, out = make("webdataset", tmp_path / "in"), tmp_path / "out"
    score_corpus(settings("webdataset", out, *paths, model=model))
    before = contents(out)
    for kind, message, asked in [
        (UsageError, r"holds scores of brightness \(.*\), not of .*; choose another folder",
         settings("webdataset", out, *paths, model=reasoned)),
        (UsageError, "holds scores of other inputs .*2 shards|1 shards now, 2 before",
         settings("webdataset", out, paths[0], model=model)),
        (UsageError, "was begun with .*'picture_bytes': 268435456",
         settings("webdataset", out, *paths, model=model, picture_bytes=9)),
    ]:  # fmt: skip
        with pytest.raises(kind, match=message):
            score_corpus(asked)
    assert contents(out) == before
    first = next(out.glob("00000*"))
    first.write_bytes(first.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a file of scores, or not whole; remove it"):
        score_corpus(settings("webdataset", out, *paths, model=model))
    paths[0].write_bytes(paths[0].read_bytes() + b"\0" * 512)
    with pytest.raises(UsageError, match=r"other inputs \(.*0\.tar now, another size than before"):
        score_corpus(settings("webdataset", out, *paths, model=model))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").touch()
    with pytest.raises(UsageError, match=f"holds notes.txt and no {MANIFEST}"):
        score_corpus(settings("webdataset", tmp_path / "mine", *paths, model=model))


def test_a_damaged_shard_stops_no_other_and_has_no_output(tmp_path: Path, model: str) -> None:
    paths, out = make("webdataset", tmp_path / "in"), tmp_path / "out"
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:9000])
    said: list[str] = []
    asked = settings("webdataset", out, *paths, model=model)
    result = score_corpus(asked, warn=said.append)
    assert (result.written, result.pictures) == (1, 11)
    assert list(result.failures) == said
    assert "0.tar cannot be read to its end" in said[0]
    assert sorted(contents(out)) == ["00001-1.parquet", MANIFEST]
    assert score_corpus(asked).failures == result.failures  # it is tried again


def test_a_picture_that_ends_its_process_is_a_row(model: str) -> None:
    from dataclasses import dataclass

    from ralikit.corpus.job import identity_of
    from ralikit.corpus.pool import Pool

    @dataclass
    class Piece:
        items: list[Item]

    pieces = [
        Piece([Item(key=f"{i}-{j}", picture=picture(i + j)) for j in range(3)]) for i in range(6)
    ]
    pieces[2].items[1] = Item(key="deadly", picture=Deadly())
    pieces[4].items = []
    with Pool[Piece](model, identity_of(load(model), model), 2) as pool:
        found = list(pool.in_order(pieces))
    assert [piece for piece, _ in found] == pieces
    for piece, rows in found:
        assert [row.key for row in rows] == [item.key for item in piece.items]
    bad = [row for _, rows in found for row in rows if row.error]
    assert bad == [Row(key="deadly", error="ended the process that scored it, twice (exit code 9)")]


def test_a_model_that_fails_stops_the_work(tmp_path: Path, model: str) -> None:
    from ralikit.corpus.job import identity_of
    from ralikit.corpus.pool import Pool

    identity = identity_of(load(model), model)
    with pytest.raises(BundleError, match="nothing"), Pool[Any]("/nothing", identity, 1) as pool:
        list(pool.in_order([type("Piece", (), {"items": [Item(key="a", picture=b"")]})()]))
    other = {**identity, "hash": "0"}
    with pytest.raises(RalikitError, match="changed meanwhile"), Pool[Any](model, other, 1) as pool:
        list(pool.in_order([type("Piece", (), {"items": [Item(key="a", picture=b"")]})()]))


def command(paths: list[Path], out: Path, model: str, *words: str) -> list[str]:
    program = "from ralikit.cli import main; main()"
    return [
        sys.executable, "-c", program, "score", "--from", "webdataset", *map(str, paths),
        "--out", str(out), "--format", "parquet", "--model", model, "--processes", "2", *words,
    ]  # fmt: skip


def kills_that_lose_nothing(tmp_path: Path, model: str, kills: int, seed: int) -> int:
    """How many came before the command had ended."""
    found = KILLS.killed_until_done(tmp_path, model, kills=kills, seed=seed)
    print(found)
    assert found["kills"] == kills
    assert (found["rows"], found["lost"], found["doubled"]) == (200, 0, 0)
    assert found["same_bytes"]
    return int(found["midway"])


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, model: str) -> None:
    kills_that_lose_nothing(tmp_path, model, kills=1, seed=0)


@pytest.mark.slow
def test_kill_9_twenty_times(tmp_path: Path, model: str) -> None:
    assert kills_that_lose_nothing(tmp_path, model, kills=20, seed=1) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_tidily(tmp_path: Path, model: str, number: signal.Signals) -> None:
    data = picture(1, (900, 700))
    path = write_tar(tmp_path / "a.tar", (member(f"{i}.png", data) for i in range(600)))
    out = tmp_path / "out"
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    words = command([path], out, model)
    words[2] = program + words[2]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while (
        len(KILLS.children(process.pid)) < 3 and time.monotonic() < deadline
    ):  # two, and the tracker
        time.sleep(0.05)
    time.sleep(0.5)
    workers = KILLS.children(process.pid)
    process.send_signal(number)
    said = process.communicate(timeout=60)
    word = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
    assert (process.returncode, *said) == (128 + number, "", f"ralikit: {word}\n")
    assert sorted(contents(out)) == [MANIFEST]
    time.sleep(0.2)
    assert all(map(KILLS.gone, workers))


def test_two_may_not_write_one_folder(tmp_path: Path, model: str) -> None:
    from ralikit.drafts import only_writer

    paths, out = make("webdataset", tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    with only_writer(out / MANIFEST):
        done = subprocess.run(command(paths, out, model), capture_output=True, text=True)
    assert done.returncode == 1
    assert "is being written by another ralikit" in done.stderr


def test_what_a_script_reads(tmp_path: Path, model: str) -> None:
    paths, out = make("webdataset", tmp_path / "in"), tmp_path / "out"
    done = subprocess.run(
        command(paths, out, model, "--json"), capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert (said["pictures"], said["errors"], said["failures"]) == (23, 2, [])
    assert done.stderr == ""
