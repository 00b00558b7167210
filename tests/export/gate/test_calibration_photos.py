"""The built-in photos: the same every time, disjoint, varied; and a user's own, split fairly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ralikit.errors import ExportError, MissingExtraError, UsageError
from ralikit.export.gate import calibration_photos
from ralikit.export.gate.calibration_photos import built_in, from_folder, packaged, too_few
from ralikit.photo.views import Preprocess

SMALL = Preprocess(size=32, shortest_edge=40, anchors=((0.0, 0.0), (1.0, 1.0)))


def test_the_same_photos_every_time() -> None:
    first, again = (built_in("gate", SMALL, 6) for _ in range(2))
    assert first.hash == again.hash
    assert first.names == again.names
    assert first.hash != built_in("calibration", SMALL, 6).hash


def test_no_packaged_pixel_is_in_both_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    # Left halves are blue, right halves red: what is made of one must hold nothing of the other.
    halves = np.zeros((60, 80, 3), dtype=np.uint8)
    halves[:, :40, 2] = halves[:, 40:, 0] = 200
    monkeypatch.setattr(calibration_photos, "packaged", lambda: (("halves", halves),))
    monkeypatch.setattr(calibration_photos, "_CLEAN", 1.0)
    for view in built_in("calibration", SMALL, 4).views:
        assert view[..., 0].max() == 0
    for view in built_in("gate", SMALL, 4).views:
        assert view[..., 2].max() == 0


def test_a_photo_continued_by_its_mirror_has_no_seam() -> None:
    ramp = np.arange(20, dtype=np.uint8)[:, None, None].repeat(20, axis=1).repeat(3, axis=2)
    whole = calibration_photos._continued(ramp, 100, 90, np.random.default_rng(0))
    assert whole.shape == (90, 100, 3)
    assert np.abs(np.diff(whole.astype(int), axis=0)).max() <= 1


def test_photos_come_from_the_installed_packages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    packaged.cache_clear()
    found = dict(packaged())
    assert {"china", "flower", "astronaut"} <= set(found)
    assert all(p.dtype == np.uint8 and p.shape[2] == 3 for p in found.values())


def test_without_the_extra_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    packaged.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingExtraError, match=r"ralikit\[export\]"):
        built_in("gate", SMALL, 1)
    packaged.cache_clear()


def _write(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for index in range(count):
        pixels = rng.integers(0, 256, size=(48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")


def test_a_users_folder_is_split_without_overlap(tmp_path: Path) -> None:
    _write(tmp_path, 12)
    (tmp_path / "000 again.png").write_bytes((tmp_path / "000.png").read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    gate, calibration = from_folder(tmp_path, SMALL, gate=8, calibration=4)
    assert len(gate) == 8
    assert len(calibration) == 4
    assert not set(gate.names) & set(calibration.names)
    assert len({*gate.names, *calibration.names} & {"000.png", "000 again.png"}) == 1


def test_renaming_photos_changes_nothing(tmp_path: Path) -> None:
    _write(tmp_path, 6)
    before = from_folder(tmp_path, SMALL, gate=4, calibration=2)
    for path in sorted(tmp_path.iterdir()):
        path.rename(path.with_name(f"x{9 - int(path.stem)}.png"))
    after = from_folder(tmp_path, SMALL, gate=4, calibration=2)
    assert [p.hash for p in before] == [p.hash for p in after]


def test_too_few_photos_says_how_many_are_needed(tmp_path: Path) -> None:
    _write(tmp_path, 5)
    with pytest.raises(ExportError, match="has 5 readable, different photos; 32 are the least"):
        from_folder(tmp_path, SMALL)


def test_fewer_photos_than_wanted_are_shared_out(tmp_path: Path) -> None:
    _write(tmp_path, 40)
    gate, calibration = from_folder(tmp_path, SMALL)
    assert (len(gate), len(calibration)) == (20, 20)
    assert not set(gate.names) & set(calibration.names)
    assert "20 calibration photos are fewer than 128" in too_few(20)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        from_folder(tmp_path / "nowhere", SMALL)
    with pytest.raises(UsageError, match=r"cannot be used: .*no photo is in this folder"):
        from_folder(tmp_path, SMALL)
