"""The .aimodel folder is read as untrusted and without Apple's library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ralikit.errors import BundleError, MissingExtraError
from ralikit.model.facts import KEY
from ralikit.runtimes import open_runtime
from ralikit.runtimes.aimodel.asset import (
    METADATA,
    PROGRAM,
    Asset,
    check_seal,
    open_asset,
    seal,
    with_entries,
)
from ralikit.runtimes.digest import DIGEST_KEY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "x.aimodel"
    root.mkdir()
    (root / PROGRAM).write_bytes(bytes(range(200)))
    (root / METADATA).write_text('{"assetVersion": "2.0"}', encoding="utf-8")
    seal(with_entries(open_asset(root), {KEY: '{"a": "ä"}'}))
    return root


def test_what_was_sealed_is_whole(folder: Path) -> None:
    asset = open_asset(folder)
    assert check_seal(asset)
    assert asset.metadata[KEY] == '{"a": "ä"}'
    before = (folder / METADATA).read_bytes()
    seal(asset)
    assert (folder / METADATA).read_bytes() == before
    assert not check_seal(_without_digest(folder))


@pytest.mark.parametrize("name", [METADATA, PROGRAM])
def test_every_flipped_bit_is_noticed(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        (folder / name).write_bytes(bytes(damaged))
        try:
            noticed = not check_seal(open_asset(folder))
        except BundleError:
            noticed = True
        assert noticed, at


def test_a_file_that_is_added_is_noticed(folder: Path) -> None:
    (folder / "more.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match="is damaged"):
        check_seal(open_asset(folder))


def test_foreign_folders_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="it is no folder"):
        open_asset(tmp_path / "absent.aimodel")
    (folder / METADATA).write_text('{"creatorDefinedMetadata": {"a": 1}}', encoding="utf-8")
    with pytest.raises(BundleError, match="holds no table of texts"):
        open_asset(folder)
    (folder / METADATA).write_text("[", encoding="utf-8")
    with pytest.raises(BundleError, match="is unusable"):
        open_asset(folder)
    (folder / METADATA).unlink()
    (folder / METADATA).symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="a link to outside"):
        open_asset(folder)


def test_without_the_library_it_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "coreai", None)
    with pytest.raises(MissingExtraError, match=r"ralikit\[coreai\]"):
        open_runtime(folder)


def _without_digest(folder: Path) -> Asset:
    written = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    del written["creatorDefinedMetadata"][DIGEST_KEY]
    (folder / METADATA).write_text(json.dumps(written), encoding="utf-8")
    return open_asset(folder)
