"""`ralikit data check` finds what is missing, broken, or twice, and substitutes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.data.check import DataReport, check_images, near_groups, perceptual_hash
from ralikit.data.metas import read_meta
from ralikit.errors import DataError, UsageError


def _picture(seed: int, edge: int = 96) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((edge, edge), Image.Resampling.BICUBIC)


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Path, Path]:
    """a: fine; b: a's bytes; c: a smaller and darker; d: another; e: broken; f: absent."""
    root = tmp_path / "images"
    root.mkdir()
    _picture(0).save(root / "a.png")
    (root / "b.png").write_bytes((root / "a.png").read_bytes())
    _picture(0).resize((70, 50)).point(lambda v: int(v * 0.7)).save(root / "c.jpg", quality=60)
    _picture(1).save(root / "d.png")
    (root / "e.png").write_bytes((root / "d.png").read_bytes()[:200])
    rows = ["a.png,1,train,1", "b.png,2,train,1", "c.jpg,3,test,2", "d.png,4,test,3"]
    rows += ["e.png,5,train,4", "f.png,3,train,5", "d.png,4,train,3"]
    meta = tmp_path / "labels.csv"
    meta.write_text("file,mos,split,group\n" + "\n".join(rows) + "\n")
    return meta, root


def test_every_fault_is_found(labelled: tuple[Path, Path]) -> None:
    meta, root = labelled
    report = check_images(read_meta(meta, root, mos_range=(1, 5)))
    assert report.images == 6
    assert report.missing == ["f.png"]
    assert [name for name, _ in report.unreadable] == ["e.png"]
    assert str(root) not in report.unreadable[0][1]
    assert report.labelled_twice == ["d.png"]
    assert report.exact == [["a.png", "b.png"]]
    assert report.near == [["a.png", "b.png", "c.jpg"]]
    assert report.across == [(["a.png", "b.png", "c.jpg"], ["test", "train"])]
    assert report.split_groups == ["3"]
    assert not report.sound


def test_the_command_lists_them_and_fails(labelled: tuple[Path, Path]) -> None:
    meta, root = labelled
    words = ["data", "check", str(meta), "--root", str(root)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 1
    assert "missing: f.png\n" in told.stdout
    assert "same bytes: a.png = b.png\n" in told.stdout
    assert "across test, train: a.png ~ b.png ~ c.jpg\n" in told.stdout
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found["sound"], found["missing"]) == (False, ["f.png"])


def test_a_sound_set_passes(tmp_path: Path) -> None:
    for k in range(3):
        _picture(k).save(tmp_path / f"{k}.png")
    meta = tmp_path / "labels.csv"
    meta.write_text("file,mos\n0.png,1\n1.png,2\n2.png,3\n")
    told = CliRunner().invoke(app, ["data", "check", str(meta), "--root", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("3 images: 0 missing")


def test_the_hash_follows_the_picture_not_its_coding() -> None:
    gray = np.asarray(_picture(3).convert("L").resize((32, 32)), dtype=np.float64)
    same = perceptual_hash((gray * 0.5 + 20).astype(np.uint8))
    other = perceptual_hash(np.ascontiguousarray(gray[:, ::-1]).astype(np.uint8))
    here = perceptual_hash(gray.astype(np.uint8))
    assert (here != same).sum() <= 4
    assert (here != other).sum() > 16


def test_links_chain_into_one_group() -> None:
    hashes = np.zeros((4, 64), dtype=bool)
    hashes[1, :5] = True  # 5 bits from 0
    hashes[2, :10] = True  # 5 bits from 1, 10 from 0
    hashes[3, 30:] = True
    assert near_groups(hashes, distance=5) == [[0, 1, 2]]
    assert near_groups(hashes, distance=4) == []
    assert near_groups(np.zeros((0, 64), dtype=bool), distance=5) == []


def _checked(folder: Path, *names: str) -> DataReport:
    splits = ["train", "test"] * len(names)
    rows = [
        f"{name},{1 + k % 5},{split}"
        for k, (name, split) in enumerate(zip(names, splits, strict=False))
    ]
    meta = folder / "labels.csv"
    meta.write_text("file,mos,split\n" + "\n".join(rows) + "\n")
    return check_images(read_meta(meta, folder, mos_range=(1, 5)))


def test_photos_of_sixteen_bits_are_told_apart(tmp_path: Path) -> None:
    for seed in range(4):
        gray = np.asarray(_picture(seed).convert("L"), dtype=np.uint16) * 257
        Image.fromarray(gray).save(tmp_path / f"g{seed}.png")
    report = _checked(tmp_path, *(f"g{seed}.png" for seed in range(4)))
    assert report.sound
    assert report.near == []


def test_a_photo_and_its_turned_copy_are_the_same(tmp_path: Path) -> None:
    upright = _picture(0).crop((0, 0, 96, 60))
    upright.save(tmp_path / "up.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert _checked(tmp_path, "up.png", "turned.png").near == [["up.png", "turned.png"]]


def test_what_scores_is_readable_and_what_does_not_is_not(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(_picture(0)).save(tmp_path / "a.heic")
    (tmp_path / "b.avif").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0" + bytes(200))
    report = _checked(tmp_path, "a.heic", "b.avif")
    assert [name for name, _ in report.unreadable] == ["b.avif"]
    assert report.unreadable[0][1].startswith("is AVIF, which is not read")


def test_scores_outside_the_stated_scale_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (40, 30), (number * 90,) * 3).save(tmp_path / f"{number}.png")
    meta = tmp_path / "labels.csv"
    meta.write_text("image,mos\n0.png,12\n1.png,101\n")
    words = ["data", "check", str(meta), "--root", str(tmp_path)]
    told = CliRunner().invoke(app, words)
    assert "scores go from 12 to 101; --mos-range LOW,HIGH states the scale's ends" in told.output
    refused = CliRunner().invoke(app, [*words, "--mos-range", "0,100"])
    assert isinstance(refused.exception, DataError)
    assert "101" in str(refused.exception)
    within = CliRunner().invoke(app, [*words, "--mos-range", "0,110"])
    assert "scores go from 12 to 101\n" in within.output
    wrong = CliRunner().invoke(app, [*words, "--mos-range", "wide"])
    assert isinstance(wrong.exception, UsageError)
    assert "LOW,HIGH such as 0,1" in str(wrong.exception)
