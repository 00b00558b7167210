"""The actor class as Ray Data calls it, without Ray and, where it is installed, with it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support_corpus import contents, member, picture, settings, write_tar
from support_scorer import brightness_bundle

from ralikit.corpus import CorpusScorer, score_corpus
from ralikit.corpus.actor import ShardScorer, packed, unpacked
from ralikit.corpus.job import make_job
from ralikit.corpus.parquet import row_schema
from ralikit.corpus.shards import find_shards
from ralikit.errors import RalikitError, UsageError
from ralikit.scorer import load

pa = pytest.importorskip("pyarrow", reason="the extra 'corpus' is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(brightness_bundle(tmp_path_factory.mktemp("model") / "model").root)


def test_batches_of_either_format_give_one_table(model: str) -> None:
    actor = CorpusScorer(model, image="bytes", key="path")
    files = [picture(i) for i in range(3)]
    columns = {"bytes": np.array([*files, b"no"], dtype=object), "path": np.array(list("abcd"))}
    table = actor(columns)
    assert table.schema == row_schema()
    assert table.column("key").to_pylist() == list("abcd")
    assert table.column("score").to_pylist()[:3] == [load(model).score(f).value for f in files]
    assert table.column("error").to_pylist()[3].startswith("is no photo that can be read")
    assert actor(pa.table({"bytes": [*files, b"no"], "path": list("abcd")})).equals(table)
    array = np.full((20, 30, 3), 51, dtype=np.uint8)
    (row,) = actor.rows([array], [7])
    assert (row.key, row.width, row.height) == ("7", 30, 20)
    assert row.score == pytest.approx(1.8, abs=1e-5)
    with pytest.raises(UsageError, match="no column 'bytes', only image, path"):
        actor({"image": [], "path": []})
    assert actor({"bytes": [], "path": []}).num_rows == 0


def test_an_unforeseen_error_is_a_row_too(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = CorpusScorer(model)

    def score(_photo: bytes) -> None:
        raise KeyError("gap")

    monkeypatch.setattr(actor._scorer, "score", score)
    (row,) = actor.rows([b""], ["a"])
    assert row.error == "cannot be scored (KeyError: 'gap')"


def corpus(tmp_path: Path) -> list[Path]:
    return [
        write_tar(tmp_path / f"{s}.tar", (member(f"{s}{i}.png", picture(i)) for i in range(9)))
        for s in range(3)
    ]


def test_whole_shards_by_an_actor_are_the_same_files(tmp_path: Path, model: str) -> None:
    paths = corpus(tmp_path)
    score_corpus(settings("webdataset", tmp_path / "here", *paths, model=model))
    out = tmp_path / "there"
    asked = settings("webdataset", out, *paths, model=model)
    out.mkdir()
    job = make_job(asked, load(model))
    shards = find_shards(asked, warn=pytest.fail)
    actor = ShardScorer(pickle.loads(pickle.dumps(job)))
    paths[1].write_bytes(paths[1].read_bytes()[:700])
    done = actor({"shard": np.array([packed(shard) for shard in shards])})
    assert done["rows"] == [9, 0, 9]
    assert "cannot be read to its end" in done["failure"][1]
    here, there = contents(tmp_path / "here"), contents(out)
    assert sorted(there) == [shards[0].name, shards[2].name]
    assert all(here[name] == data for name, data in there.items())


def test_another_model_on_another_machine_is_refused(tmp_path: Path, model: str) -> None:
    asked = settings("webdataset", tmp_path / "out", *corpus(tmp_path), model=model)
    job = make_job(asked, load(model))
    job.model["hash"] = "0"
    with pytest.raises(RalikitError, match="another brightness than the one that began"):
        ShardScorer(job)


def test_a_shard_of_any_names_travels_as_text(tmp_path: Path) -> None:
    (tmp_path / "a\udcff\n.tar").touch()
    (shard,) = find_shards(settings("webdataset", tmp_path, tmp_path), warn=pytest.fail)
    assert unpacked(packed(shard)) == shard
    packed(shard).encode()  # no half characters


def test_importing_needs_no_pyarrow() -> None:
    program = "import sys; sys.modules['pyarrow'] = None; import ralikit.corpus"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.filterwarnings("ignore")  # Ray warns of its own settings as it sets them
def test_on_ray(tmp_path: Path, model: str) -> None:
    pytest.importorskip("ray.data", reason="the extra 'ray' is not installed")
    paths = corpus(tmp_path)
    score_corpus(settings("webdataset", tmp_path / "here", *paths, model=model))
    asked = settings("webdataset", tmp_path / "there", *paths, model=model, ray="local")
    result = score_corpus(asked)
    assert (result.written, result.pictures, result.failures) == (3, 27, ())
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert score_corpus(asked).written == 0
