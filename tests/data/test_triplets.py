"""Triplets: whole lines or none, resumable, refused where they are not triplets."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ralikit.data.triplets import (
    Rejected,
    Text,
    Triplet,
    TripletWriter,
    described,
    read_triplets,
    write_triplets,
)
from ralikit.errors import DataError


def triplet(name: str, **more: object) -> Triplet:
    text = Text(text="soft, “noisy”\nand dark", seed=3, source="rules", rating=2.5)
    return Triplet(image=name, score=2.25, texts=(text,), **more)  # type: ignore[arg-type]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    full = triplet(
        "a/b.jpg",
        dataset="koniq",
        group="b",
        rejected=(Rejected(seed=4, reason="no tag", answer=""),),
    )
    write_triplets(tmp_path / "t.jsonl", [full, triplet("c.jpg")])
    assert read_triplets(tmp_path / "t.jsonl") == [full, triplet("c.jpg")]
    assert (tmp_path / "t.jsonl").read_bytes().count(b"\n") == 2


def test_photo_without_usable_text_is_kept_apart(tmp_path: Path) -> None:
    write_triplets(tmp_path / "t.jsonl", [Triplet(image="a.jpg", score=3.0, texts=())])
    assert read_triplets(tmp_path / "t.jsonl") == []
    assert len(read_triplets(tmp_path / "t.jsonl", keep_empty=True)) == 1


def test_torn_line_is_cut_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write_triplets(path, [triplet("a.jpg"), triplet("b.jpg")])
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with TripletWriter(path) as writer:
        assert writer.done == {"a.jpg"}
        writer.append(triplet("b.jpg"))
    assert path.read_bytes() == whole


def test_full_disk_leaves_the_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.jsonl"
    real = os.write

    def full_disk(descriptor: int, data: memoryview) -> int:
        if len(data) > 10:
            return real(descriptor, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with TripletWriter(path) as writer:
        writer.append(triplet("a.jpg"))
        before = path.read_bytes()
        monkeypatch.setattr(os, "write", full_disk)
        with pytest.raises(DataError, match="No space left on device; the 1 photos in it"):
            writer.append(triplet("b.jpg"))
    assert path.read_bytes() == before


def test_second_writer_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with (
        TripletWriter(path),
        pytest.raises(DataError, match="another process is writing"),
        TripletWriter(path),
    ):
        pass
    with TripletWriter(path) as writer:
        writer.append(triplet("a.jpg"))


def test_described_counts_whole_lines_of_all_files(tmp_path: Path) -> None:
    write_triplets(tmp_path / "a.jsonl", [triplet("a.jpg"), triplet("b.jpg")])
    write_triplets(tmp_path / "b.jsonl", [triplet("c.jpg")])
    torn = tmp_path / "b.jsonl"
    torn.write_bytes(torn.read_bytes() + b'{"image": "d.j')
    files = [tmp_path / "a.jsonl", torn, tmp_path / "none.jsonl"]
    assert described(files) == {"a.jpg", "b.jpg", "c.jpg"}


BREAKS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"


def test_separators_inside_a_text_end_no_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    odd = Triplet(image="a.jpg", score=2.0, texts=(Text(text=BREAKS, seed=0, source="t"),))
    write_triplets(path, [odd, triplet("b.jpg")])
    assert path.read_bytes().count(b"\n") == 2
    assert read_triplets(path) == [odd, triplet("b.jpg")]
    assert described([path]) == {"a.jpg", "b.jpg"}
    with TripletWriter(path) as writer:  # what a teacher wrote is taken up again
        assert writer.done == {"a.jpg", "b.jpg"}


def test_other_editors_files(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = triplet("a.jpg").to_line() + triplet("b.jpg").to_line()
    path.write_bytes(b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode())
    assert read_triplets(path) == [triplet("a.jpg"), triplet("b.jpg")]
    path.write_bytes(lines.encode() + b"\xff\n")
    with pytest.raises(DataError, match="line 3 is not UTF-8"):
        described([path])


def test_photo_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    line = triplet("a.jpg").to_line()
    path.write_text(line + line)
    with pytest.raises(DataError, match=r"line 2: a\.jpg stands in line 1 already"):
        read_triplets(path)
    path.write_text(line)
    with TripletWriter(path) as writer, pytest.raises(DataError, match="in the file already"):
        writer.append(triplet("a.jpg"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "not JSON"),
        ("[1]", "not a triplet"),
        ('{"image": "a", "texts": []}', "no 'score'"),
        ('{"image": "a", "score": 7, "texts": []}', r"is 7\.0, expected 1\.\.5"),
        ('{"image": "a", "score": NaN, "texts": []}', "is nan, expected"),
        ('{"image": "", "score": 3, "texts": []}', "text is expected"),
        (
            '{"image": "a", "score": 3, "texts": [{"text": " ", "seed": 0, "source": "s"}]}',
            "text is",
        ),
    ],
)
def test_other_lines_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        read_triplets(path)


def test_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none\.jsonl: No such file"):
        read_triplets(tmp_path / "none.jsonl")
