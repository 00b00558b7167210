"""Label files are read as published, and what is not there is said, never made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ralikit.config import from_mapping
from ralikit.data.metas import (
    Columns,
    MetaSpec,
    read_meta,
    require_images,
    require_one_score,
    select_split,
)
from ralikit.data.splits import SIX_TWO_TWO, group_by_name, split_by_group
from ralikit.errors import DataError, UsageError


def _csv(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_is_rescaled_by_the_published_rule(tmp_path: Path) -> None:
    path = _csv(tmp_path, "file,MOS,std,split,group\na.jpg,0,0.1,train,1\nb.jpg,0.25,,test,2\n")
    first, second = read_meta(path, tmp_path / "images", mos_range=(0, 1))
    assert (first.score, second.score) == (1.0, 2.0)  # 4 (mos - 0) / (1 - 0) + 1
    assert first.std == pytest.approx(0.4)  # a spread scales with the factor alone
    assert second.std is None
    assert (second.image, second.raw) == (tmp_path / "images" / "b.jpg", 0.25)
    assert (second.split, second.group, second.dataset) == ("test", "2", tmp_path.name)


def test_the_range_is_never_guessed(tmp_path: Path) -> None:
    path = _csv(tmp_path, "image,mos\na.jpg,10\nb.jpg,90\n")
    with pytest.raises(UsageError, match=r"MOS from 10 to 90 .* --mos-range"):
        read_meta(path, tmp_path)
    assert [s.score for s in read_meta(path, tmp_path, mos_range="observed")] == [1.0, 5.0]
    with pytest.raises(DataError, match=r"line 3: MOS 90 lies outside"):
        read_meta(path, tmp_path, mos_range=(0, 50))
    with pytest.raises(UsageError, match="from low to high"):
        read_meta(path, tmp_path, mos_range=(5, 1))


def test_an_unknown_column_names_those_there(tmp_path: Path) -> None:
    path = _csv(tmp_path, "photo,quality\na.jpg,3\n")
    with pytest.raises(UsageError, match=r"no column for image .* photo, quality"):
        read_meta(path, tmp_path, mos_range=(1, 5))
    with pytest.raises(UsageError, match=r"no column 'mos'; its columns are photo, quality"):
        read_meta(path, tmp_path, mos_range=(1, 5), columns=Columns(image="photo", mos="mos"))
    named = Columns(image="photo", mos="quality")
    assert read_meta(path, tmp_path, mos_range=(1, 5), columns=named)[0].score == 3.0


@pytest.mark.parametrize("cell", ["", "good", "nan", "inf"])
def test_a_score_that_is_none_is_an_error_with_its_line(tmp_path: Path, cell: str) -> None:
    path = _csv(tmp_path, f"file,mos\na.jpg,1\nb.jpg,{cell}\n")
    with pytest.raises(DataError, match=r"labels.csv, line 3: mos is"):
        read_meta(path, tmp_path, mos_range=(1, 5))


def test_deqa_metas_state_their_own_scale(tmp_path: Path) -> None:
    entry = {
        "id": "x.jpg->55.5",
        "image": "KONIQ/images/x.jpg",
        "gt_score": 55.5,
        "gt_score_norm": 3.2,
        "std": 12.0,
        "std_norm": 0.6,
    }
    path = tmp_path / "test_koniq_2k.json"
    path.write_text(json.dumps([entry]))
    (sample,) = read_meta(path, tmp_path)
    assert (sample.score, sample.raw, sample.std) == (3.2, 55.5, 0.6)
    assert sample.dataset == "KONIQ"
    # A range that is given wins: the raw MOS is rescaled with it.
    assert read_meta(path, tmp_path, mos_range=(0, 100))[0].score == pytest.approx(3.22)
    path.write_text(json.dumps([{"image": "x.jpg"}]))
    with pytest.raises(DataError, match="entry 1 has neither gt_score nor gt_score_norm"):
        read_meta(path, tmp_path)
    path.write_text(json.dumps({"image": "x.jpg"}))
    with pytest.raises(DataError, match="a JSON list is expected"):
        read_meta(path, tmp_path)


def test_visualquality_lines(tmp_path: Path) -> None:
    line = {
        "id": 1,
        "dataset_name": "KADID10K",
        "image": ["I01_01_01.png"],
        "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": 4.5}],
    }
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(line) + "\n\n")
    (sample,) = read_meta(path, tmp_path, mos_range=(1, 5))
    assert (sample.score, sample.dataset, sample.name) == (4.5, "KADID10K", "I01_01_01.png")
    with pytest.raises(UsageError, match="does not state its scale"):
        read_meta(path, tmp_path)
    path.write_text(json.dumps({**line, "image": ["a", "b"]}))
    with pytest.raises(DataError, match="line 1: one image is expected"):
        read_meta(path, tmp_path, mos_range=(1, 5))
    path.write_text("{")
    with pytest.raises(DataError, match="line 1 is not valid JSON"):
        read_meta(path, tmp_path, mos_range=(1, 5))


def test_separators_inside_a_name_end_no_line(tmp_path: Path) -> None:
    names = ["a\u2028b.jpg", "c\u2029\x85d.jpg", "e.jpg"]
    path = tmp_path / "train.jsonl"
    path.write_text(
        "\r\n".join(
            json.dumps(
                {"image": [name], "conversations": [{"from": "gpt", "value": 3}]},
                ensure_ascii=False,
            )
            for name in names
        ),
        encoding="utf-8",
        newline="",
    )
    assert [s.name for s in read_meta(path, tmp_path, mos_range=(1, 5))] == names


def test_a_quoted_newline_belongs_to_its_name(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    text = 'file,mos\r\n"a\nb.jpg",1\r\n"c\r\nd\u2028.jpg",2\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    samples = read_meta(path, tmp_path, mos_range=(1, 5))
    assert [s.name for s in samples] == ["a\nb.jpg", "c\r\nd\u2028.jpg"]
    path.write_text("file,mos\n" + "x" * 200_000 + ",1\n")
    with pytest.raises(DataError, match="line 2 is not CSV: field larger"):
        read_meta(path, tmp_path, mos_range=(1, 5))


def test_a_stated_score_off_the_scale_is_said(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text(json.dumps([{"image": "x.jpg", "gt_score": 84.0, "gt_score_norm": 84.0}]))
    with pytest.raises(DataError, match="entry 1: gt_score_norm is 84 and goes from 1 to 5"):
        read_meta(path, tmp_path)
    assert read_meta(path, tmp_path, mos_range=(0, 100))[0].score == pytest.approx(4.36)
    path.write_text('[{"image": "x.jpg", "gt_score": 1' + "0" * 400 + "}]")
    with pytest.raises(DataError, match="a finite number is expected"):
        read_meta(path, tmp_path, mos_range=(0, 1))
    path.write_text("[" * 200_000)
    with pytest.raises(DataError, match="not valid JSON"):
        read_meta(path, tmp_path)


def test_two_scores_of_one_photo_are_said(tmp_path: Path) -> None:
    path = _csv(tmp_path, "file,mos\na.jpg,1\nb.jpg,2\na.jpg,1\n")
    assert require_one_score(read_meta(path, tmp_path, mos_range=(1, 5))) == 1
    path = _csv(tmp_path, "file,mos\na.jpg,1\nb.jpg,2\na.jpg,3\n")
    with pytest.raises(DataError, match=r"a\.jpg is labelled twice, 1 and 3"):
        require_one_score(read_meta(path, tmp_path, mos_range=(1, 5)))


def test_backslashes_are_said(tmp_path: Path) -> None:
    path = _csv(tmp_path, "file,mos\nimages\\a.jpg,1\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    with pytest.raises(DataError, match="write paths with backslashes"):
        require_images(read_meta(path, tmp_path, mos_range=(1, 5)))


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.xml", b"x", "is no label file"),
        ("a.csv", b"file,mos\n", "holds no labels"),
        ("a.csv", b"\xff\xfe\x00", "is not UTF-8"),
        ("a.json", b"[", "not valid JSON"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((DataError, UsageError), match=error):
        read_meta(tmp_path / name, tmp_path, mos_range=(1, 5))
    with pytest.raises(DataError, match="cannot read the labels"):
        read_meta(tmp_path / "absent.csv", tmp_path)


def test_missing_images_are_counted_and_looked_for(tmp_path: Path) -> None:
    path = _csv(tmp_path, "file,mos\na.jpg,1\nb.jpg,2\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"")
    samples = read_meta(path, tmp_path, mos_range=(1, 5))
    with pytest.raises(DataError, match=r"2 of 2 images are missing.*seem to lie in .*images"):
        require_images(samples)
    with pytest.raises(DataError, match=r"1 of 2 images are missing.*b\.jpg; run `ralikit data"):
        require_images(read_meta(path, tmp_path / "images", mos_range=(1, 5)))


def test_a_spec_from_a_recipe_selects_its_split(tmp_path: Path) -> None:
    path = _csv(tmp_path, "file,mos,split\na.jpg,1,train\nb.jpg,2,test\n")
    spec = from_mapping(
        MetaSpec, {"path": str(path), "root": ".", "mos_range": [1, 5], "split": "test"}
    )
    assert [s.name for s in spec.read()] == ["b.jpg"]
    with pytest.raises(UsageError, match=r"no split 'val'; it has test, train"):
        select_split(read_meta(path, tmp_path, mos_range=(1, 5)), "val")


def test_groups_stay_whole_and_a_seed_stays_a_split(tmp_path: Path) -> None:
    lines = [f"I{r:02d}_{k:02d}.png,{(r + k) % 5}" for r in range(30) for k in range(7)]
    path = _csv(tmp_path, "file,mos\n" + "\n".join(lines) + "\n")
    samples = group_by_name(read_meta(path, tmp_path, mos_range=(0, 4)), r"^(I\d\d)_")
    parts = split_by_group(samples, SIX_TWO_TWO, seed=1)
    assert {k: len(v) for k, v in parts.items()} == {"train": 126, "validation": 42, "test": 42}
    owner = {s.group: name for name, part in parts.items() for s in part}
    assert all(owner[s.group] == name for name, part in parts.items() for s in part)
    again = split_by_group(samples[::-1], SIX_TWO_TWO, seed=1)
    assert {s.name for s in again["test"]} == {s.name for s in parts["test"]}
    other = split_by_group(samples, SIX_TWO_TWO, seed=2)
    assert {s.name for s in other["test"]} != {s.name for s in parts["test"]}


def test_splits_refuse_what_cannot_be_split(tmp_path: Path) -> None:
    samples = read_meta(_csv(tmp_path, "file,mos\na.jpg,1\n"), tmp_path, mos_range=(1, 5))
    with pytest.raises(UsageError, match="sum to 1"):
        split_by_group(samples, {"train": 0.5}, seed=0)
    with pytest.raises(DataError, match="1 groups cannot be split into 3"):
        split_by_group(samples, SIX_TWO_TWO, seed=0)
    with pytest.raises(UsageError, match="one \\(capture\\)"):
        group_by_name(samples, "I")
    with pytest.raises(DataError, match="does not match"):
        group_by_name(samples, "(I)")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a.jpg 2.9 17.5\nb.jpg 3 2\n", [("a.jpg", 2.9, 17.5, None), ("b.jpg", 3, 2, None)]),
        ("a.jpg\t2.5\r\n\n", [("a.jpg", 2.5, None, None)]),
        ("I01.png I01_01.png 4.6 0.7\n", [("I01_01.png", 4.6, 0.7, "I01.png")]),
        ("r.bmp d.bmp 1.5\n", [("d.bmp", 1.5, None, "r.bmp")]),
    ],
)
def test_visualquality_text_labels(
    text: str, rows: list[tuple[str, float, float | None, str | None]], tmp_path: Path
) -> None:
    path = tmp_path / "KADID-10K_train_set.txt"
    path.write_bytes(text.encode())
    found = read_meta(path, tmp_path, mos_range=(1, 5))
    assert [(s.name, s.raw, s.std, s.group) for s in found] == rows


@pytest.mark.parametrize("line", ["a.jpg", "a b c 3.0", "3.0 2.0", "a.jpg 1 2 3", "a.jpg x"])
def test_wrong_text_labels_are_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(f"good.jpg 3.0\n{line}\n")
    with pytest.raises(DataError, match=r"labels\.txt, line 2 is not"):
        read_meta(path, tmp_path, mos_range=(1, 5))


def test_a_text_label_must_be_finite(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("a.jpg nan\n")
    with pytest.raises(DataError, match="line 1: the MOS is 'nan'"):
        read_meta(path, tmp_path, mos_range=(1, 5))
