"""The command against a server that speaks S3 (moto's), where that and s3fs are installed.

`test_stores.py` holds the same in memory, in seconds.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support_corpus import member, picture, write_tar
from support_scorer import brightness_bundle

pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
moto_server: Any = pytest.importorskip("moto.server", reason="moto is not installed")
pq = pytest.importorskip("pyarrow.parquet")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # theirs

SECRET = "hush-hush-hush-hush"  # noqa: S105 (any will do)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(brightness_bundle(tmp_path_factory.mktemp("model") / "model").root)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The server's file system, with a bucket; commands find it in their environment."""
    import s3fs

    server = moto_server.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAHUSHHUSHHUSH",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    system = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    system.mkdir("corpus")
    yield system
    system.rm("corpus", recursive=True)  # servers of one process share what they hold
    server.stop()


def fill(s3: Any, tmp_path: Any, shards: int = 3, pictures: int = 20) -> None:
    for s in range(shards):
        named = {f"{s}-{i:02d}.png": picture(s + i, (200, 150)) for i in range(pictures)}
        path = write_tar(tmp_path / f"{s}.tar", (member(n, d) for n, d in named.items()))
        s3.put_file(str(path), f"corpus/in/{s}.tar")


def command(*words: str) -> list[str]:
    program = "from ralikit.cli import main; main()"
    return [sys.executable, "-c", program, "score", *words, "--processes", "2"]


def rows(s3: Any, prefix: str) -> list[dict[str, Any]]:
    found = []
    for name in s3.find(prefix):
        if name.endswith(".parquet"):
            with s3.open(name) as stream:
                found += pq.read_table(stream).to_pylist()
    return found


def test_shards_in_and_rows_out(tmp_path: Any, model: str, s3: Any) -> None:
    fill(s3, tmp_path)
    here = [str(tmp_path), "--out", str(tmp_path / "out"), "--model", model]
    subprocess.run(command("--from", "webdataset", *here), check=True, capture_output=True)
    there = ["--from", "s3://corpus/in", "--out", "s3://corpus/out", "--model", model]
    said = subprocess.run(command(*there), check=True, capture_output=True, text=True).stdout
    assert "60 pictures in 3 of 3 shards" in said
    assert "s3://corpus/out" in said
    local = [r for p in sorted((tmp_path / "out").glob("*.parquet")) for r in
             pq.read_table(p).to_pylist()]  # fmt: skip
    assert rows(s3, "corpus/out") == local
    again = subprocess.run(command(*there), check=True, capture_output=True, text=True).stdout
    assert "0 pictures in 0 of 3 shards" in again


def test_photos_below_a_prefix(tmp_path: Any, model: str, s3: Any) -> None:
    for i in range(5):
        s3.pipe_file(f"corpus/photos/{i}.png", picture(i))
    s3.pipe_file("corpus/photos/bad.jpg", b"no")
    words = ["--from", "folder", "s3://corpus/photos", "--out", "s3://corpus/out"]
    done = subprocess.run(command(*words, "--model", model), capture_output=True, text=True)
    assert done.returncode == 0
    found = rows(s3, "corpus/out")
    assert [r["key"] for r in found] == [
        *(f"s3://corpus/photos/{i}.png" for i in range(5)), "s3://corpus/photos/bad.jpg"
    ]  # fmt: skip
    assert sum(r["error"] is None for r in found) == 5


def test_kills_lose_and_double_nothing(tmp_path: Any, model: str, s3: Any) -> None:
    fill(s3, tmp_path, shards=6, pictures=40)
    words = ["--from", "s3://corpus/in", "--out", "s3://corpus/out", "--model", model]
    rng = random.Random(0)
    for _ in range(5):
        with subprocess.Popen(
            command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(rng.uniform(2, 8))
            process.kill()
        for name in s3.find("corpus/out"):  # whole, or not there
            if name.endswith(".parquet"):
                with s3.open(name) as stream:
                    assert pq.read_table(stream).num_rows == 40
    subprocess.run(command(*words), check=True, capture_output=True)
    keys = Counter(r["key"] for r in rows(s3, "corpus/out"))
    assert keys == Counter(f"{s}-{i:02d}" for s in range(6) for i in range(40))


def test_a_refusal_is_a_sentence_without_secrets(model: str, s3: Any) -> None:
    for address in ("s3://corpus/none", "s3://no-such-bucket/x"):
        words = ["--from", "webdataset", address, "--out", "s3://corpus/out", "--model", model]
        done = subprocess.run(command(*words), capture_output=True, text=True)
        assert done.returncode != 0
        assert done.stderr.splitlines()[-1].startswith(f"ralikit: {address}")
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stderr + done.stdout
        assert os.environ["AWS_ACCESS_KEY_ID"] not in done.stderr + done.stdout
