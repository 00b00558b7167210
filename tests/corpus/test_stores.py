"""Object stores, by fsspec's own in memory: what is read, what is written, what is refused."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_corpus import contents, member, picture, settings, write_tar
from support_scorer import brightness_bundle

from ralikit.corpus import CorpusSettings, score_corpus
from ralikit.corpus.actor import ShardScorer, packed
from ralikit.corpus.items import Item, Remote, score_item
from ralikit.corpus.job import MANIFEST, make_job, opened_folder
from ralikit.corpus.shards import find_shards, source_at
from ralikit.corpus.stores import Store, check_address, opened, without_secrets
from ralikit.corpus.tar import read_tar
from ralikit.errors import DataError, MissingExtraError, RalikitError, UsageError
from ralikit.scorer import load

fsspec = pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
pa = pytest.importorskip("pyarrow", reason="the extra 'corpus' is not installed")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(brightness_bundle(tmp_path_factory.mktemp("model") / "model").root)


@pytest.fixture
def store() -> Iterator[Any]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/", recursive=True)


def fill(store: Any, tmp_path: Path, source: str) -> Path:
    """The same two shards here and at memory://bucket/in; the folder here."""
    here = tmp_path / "in"
    here.mkdir()
    for s in range(2):
        named = {f"{s}{i}": picture(9 * s + i) for i in range(9)} | {f"{s}bad": b"no"}
        if source == "webdataset":
            write_tar(
                here / f"{s}.tar{'.gz' * s}", (member(f"{k}.png", d) for k, d in named.items())
            )
        else:
            columns = {"image": list(named.values()), "key": list(named)}
            pq.write_table(pa.table(columns), here / f"{s}.parquet")
    for file in here.iterdir():
        store.pipe_file(f"/bucket/in/{file.name}", file.read_bytes())
    store.pipe_file(f"/bucket/in/.hidden/{next(here.iterdir()).name}", b"hidden")
    return here


def rows(files: dict[str, bytes]) -> list[Any]:
    shards = sorted(name for name in files if name.endswith(".parquet"))
    return [r for n in shards for r in pq.read_table(pa.BufferReader(files[n])).to_pylist()]


def objects(store: Any, prefix: str) -> dict[str, bytes]:
    return {Path(name).name: store.cat_file(name) for name in store.find(prefix)}


def score(asked: CorpusSettings) -> dict[str, list[Any]]:
    """What `score_corpus` does, without processes of its own: what became of the missing shards."""
    job = make_job(asked, load(asked.model, threads=1))
    with opened_folder(job, find_shards(asked, warn=pytest.fail)) as missing:
        return ShardScorer(job)({"shard": [packed(shard) for shard in missing]})


@pytest.mark.parametrize("source", ["webdataset", "parquet"])
def test_a_store_gives_and_takes_what_folders_do(
    tmp_path: Path, model: str, store: Any, source: Any
) -> None:
    here = fill(store, tmp_path, source)
    score(settings(source, tmp_path / "out", here, model=model))
    asked = settings(source, "memory://bucket/out/", "memory://bucket/in", model=model)
    assert source_at("memory://bucket/in") == source
    assert score(asked)["rows"] == [10, 10]
    there, local = objects(store, "/bucket/out"), contents(tmp_path / "out")
    assert sorted(there) == sorted(local)
    assert rows(there) == rows(local)

    assert score(asked)["name"] == []
    shard = next(name for name in there if name.startswith("00001"))
    store.rm_file(f"/bucket/out/{shard}")
    assert score(asked)["name"] == [shard]  # the same command goes on
    assert objects(store, "/bucket/out") == there
    store.pipe_file(f"/bucket/in/{min(p.name for p in here.iterdir())}", b"longer")
    with pytest.raises(
        UsageError, match=r"bucket/out/ holds scores of other inputs \(.*another size"
    ):
        score(asked)


def test_processes_of_this_computer_do_the_same(tmp_path: Path, model: str, store: Any) -> None:
    here = fill(store, tmp_path, "webdataset")
    asked = settings("webdataset", "memory://bucket/out", "memory://bucket/in", model=model)
    result = score_corpus(asked)
    assert (result.shards, result.written, result.pictures, result.errors) == (2, 2, 20, 2)
    score(settings("webdataset", tmp_path / "out", here, model=model))
    assert rows(objects(store, "/bucket/out")) == rows(contents(tmp_path / "out"))


def test_a_damaged_output_or_a_foreign_prefix_is_refused(
    tmp_path: Path, model: str, store: Any
) -> None:
    here = fill(store, tmp_path, "webdataset")
    asked = settings("webdataset", "memory://bucket/out", here, model=model)
    store.pipe_file("/bucket/out/notes.txt", b"mine")
    with pytest.raises(UsageError, match=f"holds notes.txt and no {MANIFEST}"):
        score(asked)
    store.rm_file("/bucket/out/notes.txt")
    score(asked)
    (name,) = (n for n in objects(store, "/bucket/out") if n.startswith("00000"))
    store.pipe_file(f"/bucket/out/{name}", store.cat_file(f"/bucket/out/{name}")[:-9])
    with pytest.raises(DataError, match=r"memory://bucket/out/00000.*or not whole; remove it"):
        score(asked)
    store.pipe_file(f"/bucket/out/{MANIFEST}", b"{")
    with pytest.raises(DataError, match="is not valid JSON"):
        score(asked)


def test_a_shard_that_is_cut_has_no_output_and_leaves_no_draft(
    tmp_path: Path, model: str, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(drafts))
    (drafts / ".ralikit-draft-dead.held").mkdir()  # what a killed process leaves
    here = fill(store, tmp_path, "webdataset")
    store.pipe_file("/bucket/in/0.tar", (here / "0.tar").read_bytes()[:3000])
    asked = settings("webdataset", "memory://bucket/out", "memory://bucket/in", model=model)
    done = score(asked)
    assert done["rows"] == [0, 10]
    assert "memory://bucket/in/0.tar cannot be read to its end" in done["failure"][0]
    assert [name for name in objects(store, "/bucket/out") if name.startswith("00000")] == []
    assert list(drafts.iterdir()) == []


def test_pictures_of_a_prefix_are_fetched_by_who_scores_them(
    tmp_path: Path, model: str, store: Any
) -> None:
    good, bad = picture(3), b"no"
    for name, data in {"a.png": good, "b/c.JPG": bad, "d.txt": b"", "e.png": good * 50}.items():
        store.pipe_file(f"/bucket/photos/{name}", data)
    asked = settings(
        "folder", tmp_path / "out", "memory://bucket/photos", model=model, picture_bytes=len(good)
    )
    assert source_at("memory://bucket/photos") == "folder"
    assert score(asked)["rows"] == [3]
    first, second, third = rows(contents(tmp_path / "out"))
    assert [r["key"] for r in (first, second, third)] == [
        f"memory://bucket/photos/{name}" for name in ("a.png", "b/c.JPG", "e.png")
    ]
    assert first["score"] == load(model).score(good).value
    assert second["error"].startswith("is no photo")
    assert third["error"] == f"has over {len(good):,} bytes"
    gone = score_item(load(model), Item(key="x", picture=Remote("memory://bucket/x.png", 9)))
    assert gone.error == "cannot be read: there is no such object"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://host/x", "http:// is none of s3://.*mount or fetch"),
        ("s3://AKIASECRET:hush-hush@bucket/x", "without @, .* or #: credentials belong"),
        ("s3://bucket/x?token=hush-hush", "credentials belong"),
        ("s3:///", "names no bucket; write s3://BUCKET/PREFIX"),
    ],
)
def test_addresses_that_are_refused_repeat_no_secret(
    tmp_path: Path, address: str, message: str
) -> None:
    cases: list[tuple[str, Path | str]] = [(address, tmp_path), ("a.tar", address)]
    for path, out in cases:
        with pytest.raises(UsageError, match=message) as caught:
            settings("webdataset", out, path)
        assert "hush" not in str(caught.value)
        assert "AKIA" not in str(caught.value)


def test_what_a_store_says_is_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, store: Any
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush-hush")
    monkeypatch.setenv("HOME_KEY", "short")
    assert without_secrets("no: hush-hush-hush is short") == "no: … is short"

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("the key hush-hush-hush is wrong\ntrace")

    place = Store("memory://bucket/x")
    words = "memory://bucket/x cannot be read: the key … is wrong"
    with monkeypatch.context() as broken:
        for verb in ("find", "cat_file", "pipe_file"):
            broken.setattr(type(store), verb, refuse)
        for call in (place.found, place.get):
            with pytest.raises(DataError, match=f"^{words}$") as caught:
                call()
            assert caught.value.__suppress_context__  # no traceback shows it either
        with pytest.raises(RalikitError, match=r"^cannot write memory://bucket/x: the key … is"):
            place.put(b"")


def test_nothing_there_and_several_kinds_are_sentences(tmp_path: Path, store: Any) -> None:
    with pytest.raises(DataError, match="memory://bucket/x: there is no such object or prefix"):
        find_shards(settings("webdataset", tmp_path, "memory://bucket/x"), warn=pytest.fail)
    store.pipe_file("/bucket/x/a.tar", b"")
    store.pipe_file("/bucket/x/b.png", b"")
    with pytest.raises(UsageError, match="holds webdataset and folder; say which: --from KIND"):
        source_at("memory://bucket/x")
    with pytest.raises(UsageError, match=r"b.png does not end in .tar"):
        find_shards(settings("webdataset", tmp_path, "memory://bucket/x/b.png"), warn=pytest.fail)
    with pytest.raises(OSError, match="no such object"), opened("memory://bucket/gone"):
        pass
    with pytest.raises(DataError, match=r"gone\.tar cannot be read to its end \(no such object"):
        list(read_tar("memory://bucket/gone.tar", most=9, left_out=Counter()))


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    check_address("gs://bucket/x")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"s3:// .*s3fs.*pip install 'ralikit\[s3\]'"):
        Store("s3://bucket/x").found()
    with pytest.raises(UsageError, match=r"gs:// needs gcsfs, .* run: pip install gcsfs"):
        Store("gs://bucket/x").found()
