"""Shards that nobody vouches for: what is read, what is left out, what is refused."""

from __future__ import annotations

import gzip
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support_corpus import member, picture, settings, write_tar

from ralikit.corpus.items import Span
from ralikit.corpus.shards import find_shards, read_shard
from ralikit.corpus.tar import read_tar
from ralikit.errors import DataError, UsageError

pa = pytest.importorskip("pyarrow", reason="the extra 'corpus' is not installed")
pq = pytest.importorskip("pyarrow.parquet")


def read(path: Path, most: int = 1 << 20) -> tuple[list[tuple[str, Any]], Counter[str]]:
    """Keys and bytes of a tar file's pictures (or errors), and what was left out."""
    left_out: Counter[str] = Counter()
    found = []
    for item in read_tar(path, most=most, left_out=left_out):
        value: Any = item.picture
        if isinstance(value, Span):
            value = Path(value.path).read_bytes()[value.offset : value.offset + value.size]
        found.append((item.key, item.error or value))
    return found, left_out


@pytest.mark.parametrize("name", ["s.tar", "s.tar.gz", "s.tgz"])
def test_a_tar_gives_its_pictures_and_counts_the_rest(tmp_path: Path, name: str) -> None:
    first, second = picture(1), picture(2)
    path = write_tar(
        tmp_path / name,
        [
            member("a/000.png", first),
            member("a/000.json", b"{}"),
            member("a/link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            member("a/hard.png", type=tarfile.LNKTYPE, linkname="a/000.png"),
            member("a/fifo.png", type=tarfile.FIFOTYPE),
            member("d.png", type=tarfile.DIRTYPE),
            member("a/._000.png", b"fork"),
            member("../../b/001.left.JPG", second),
            member("large.png", b"x" * 5000),
            member("n\new\x1b\udcff.png", first),
        ],
    )
    found, left_out = read(path, most=4000)
    assert found == [
        ("a/000", first),
        ("../../b/001.left", second),
        ("large", "has 5,000 bytes, over 4,000"),
        ("n\\new\\x1b\\xff", first),
    ]
    assert left_out == {
        "other files": 1, "links": 2, "devices and the like": 1, "folders": 1, "hidden files": 1
    }  # fmt: skip
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [name]  # nothing is extracted


def whole_tar(folder: Path) -> bytes:
    members = [member(f"{i}.png", picture(i, (90, 70))) for i in range(4)]
    return write_tar(folder / "whole.tar", members).read_bytes()


@pytest.mark.parametrize("harm", ["cut in a header", "cut in a picture", "garbage", "flip"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_tar_is_never_a_short_one(tmp_path: Path, harm: str, packed: bool) -> None:
    data = bytearray(whole_tar(tmp_path))
    with tarfile.open(tmp_path / "whole.tar") as archive:
        third = archive.getmembers()[2]
    if harm == "cut in a header":
        del data[third.offset + 100 :]
    elif harm == "cut in a picture":
        del data[third.offset_data + 10 :]
    elif harm == "garbage":
        data[third.offset :] = b"\x01" * 3000
    else:
        data[third.offset + 3] ^= 1  # its checksum no longer fits: tarfile alone ends here, quietly
    path = tmp_path / ("s.tar.gz" if packed else "s.tar")
    path.write_bytes(gzip.compress(bytes(data)) if packed else bytes(data))
    with pytest.raises(DataError, match=r"cannot be read to its end \(.*; get a complete copy"):
        read(path)


def test_headers_have_bounds(tmp_path: Path) -> None:
    huge = {"path": "x" * (2 << 20) + ".png"}
    path = write_tar(tmp_path / "pax.tar", [member("a.png", b"x", pax_headers=huge)])
    with pytest.raises(DataError, match="own header has"):
        read(path)
    path = write_tar(
        tmp_path / "back.tar", [member("a.png", b"x" * 600, pax_headers={"size": "-9999"})]
    )
    with pytest.raises(DataError, match="less than no bytes"):
        read(path)
    path = write_tar(tmp_path / "name.tar", [member("x" * 5000 + ".png", b"x")])
    with pytest.raises(DataError, match="a name has 5,004 characters"):
        read(path)
    one = tarfile.TarInfo("x").tobuf()[:512]
    header = tarfile.TarInfo.create_pax_global_header({"comment": "x"})[:1024]
    (tmp_path / "deep.tar").write_bytes(header * 3000 + one)
    with pytest.raises(DataError, match="cannot be read to its end"):
        read(tmp_path / "deep.tar")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"no tar" * 200, b"\x1f\x8b" + b"x" * 600])
def test_no_tar_at_all(tmp_path: Path, data: bytes) -> None:
    for name in ("s.tar", "s.tar.gz"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match="cannot be read to its end"):
            read(tmp_path / name)


def parquet_items(path: Path, **more: Any) -> list[tuple[str, Any]]:
    asked = settings("parquet", path.parent / "out", path, **more)
    (shard,) = find_shards(asked, warn=pytest.fail)
    items = read_shard(shard, asked, base=Path.cwd(), left_out=Counter())
    return [(item.key, item.error or item.picture) for item in items]


def test_parquet_columns(tmp_path: Path) -> None:
    first, path = picture(1), tmp_path / "a.parquet"
    pq.write_table(pa.table({"jpg": [first, b"", None], "n": [3, 4, None]}), path)
    assert parquet_items(path) == [
        ("0", first), ("1", "the row has no bytes"), ("2", "the row has no bytes")
    ] or parquet_items(path)[1] == ("1", b"")  # fmt: skip
    assert parquet_items(path, key="n")[0] == ("3", first)
    nested = pa.array(
        [{"bytes": first, "path": "/etc/passwd"}, {"bytes": None, "path": "/etc/passwd"}, None],
        pa.struct([("bytes", pa.large_binary()), ("path", pa.string())]),
    )
    pq.write_table(
        pa.table({"image": nested, "raw": [b"x"] * 3, "__key__": ["a", "b\n", None]}), path
    )
    assert parquet_items(path) == [
        ("a", first), ("b\\n", "the row has no bytes"), ("None", "the row has no bytes")
    ]  # fmt: skip
    assert parquet_items(path, image="raw")[0] == ("a", b"x")
    assert parquet_items(path, picture_bytes=10)[0][1] == f"has {len(first):,} bytes, over 10"


def test_parquet_says_which_columns_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [b"x"], "b": [b"y"], "t": ["z"], "f": [1.5]}), path)
    with pytest.raises(DataError, match=r"name it \(--image\); those that hold bytes are a, b"):
        parquet_items(path)
    with pytest.raises(DataError, match="no column 't' holds pictures"):
        parquet_items(path, image="t")
    with pytest.raises(DataError, match="no column 'f' of texts or whole numbers; there are t"):
        parquet_items(path, image="a", key="f")
    pq.write_table(pa.table({"f": [1.5]}), path)
    with pytest.raises(DataError, match="none holds bytes"):
        parquet_items(path)


def test_a_damaged_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [picture(i, (90, 70)) for i in range(40)]}), path)
    whole = path.read_bytes()
    for data in (b"", b"PAR1", whole[: len(whole) // 2], whole[:4] + b"\xff" * 40 + whole[44:]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="cannot be read to its end"):
            parquet_items(path)


def test_shards_are_found_in_one_order(tmp_path: Path) -> None:
    for name in ("b/x.tar", "a/x.tar", "a/odd \udcff\n.tar.gz", "a/.hidden.tar", "a/y.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a/again").symlink_to(tmp_path / "b")
    said: list[str] = []
    asked = settings("webdataset", tmp_path / "out", tmp_path, tmp_path / "a/x.tar")
    shards = find_shards(asked, warn=said.append)
    assert [shard.name for shard in shards] == [
        "00000-odd_.parquet", "00001-x.parquet", "00002-x.parquet"
    ]  # fmt: skip
    assert len(said) == 1
    assert "links to folders are not followed" in said[0]
    assert len({shard.digest for shard in shards}) == 3


@pytest.mark.parametrize(
    ("source", "name", "kind", "message"),
    [
        ("webdataset", "a.zip", UsageError, "does not end in .tar or .tar.gz or .tgz"),
        ("webdataset", "none.tar", DataError, "there is no such file or folder"),
        ("webdataset", "empty", UsageError, "no .tar or .tar.gz or .tgz file in"),
        ("parquet", "empty", UsageError, "no .parquet file in"),
        ("parquet", "http://host/x", UsageError, "http:// is none of s3://"),
        ("parquet", "a\0b", DataError, "there is no such file or folder"),
        ("folder", "empty", UsageError, "no photo found"),
    ],
)
def test_paths_that_name_nothing(
    tmp_path: Path, source: Any, name: str, kind: type[Exception], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.zip").touch()
    path = name if ":" in name else f"{tmp_path}/{name}"
    with pytest.raises(kind, match=message):
        find_shards(settings(source, tmp_path / "out", path), warn=lambda _: None)
