"""Published sets, in small, from their own layouts to the one layout; what differs is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.data import published as sets
from ralikit.data.metas import read_meta, require_images
from ralikit.data.papers import known_set
from ralikit.data.prepare import prepare
from ralikit.data.published import SETS, PublishedSet, published_set
from ralikit.data.xlsx import read_xlsx
from ralikit.errors import DataError, RalikitError, UsageError
from ralikit.typed import typed

COUNT = 6


def _photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _xlsx(path: Path, sheets: dict[str, list[list[object]]], *, shared: bool = True) -> None:
    """A spreadsheet as Excel writes it: shared strings, empty cells left out."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    strings: list[str] = []

    def cell(place: str, value: object) -> str:
        if isinstance(value, str) and not shared:
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        if isinstance(value, str):
            strings.append(value)
            return f'<c r="{place}" t="s"><v>{len(strings) - 1}</v></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        links, names = [], []
        for number, (name, rows) in enumerate(sheets.items(), start=1):
            names.append(f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>')
            links.append(f'<Relationship Id="rId{number}" Target="worksheets/s{number}.xml"/>')
            body = "".join(
                f'<row r="{i}">'
                + "".join(
                    cell(f"{chr(65 + k)}{i}", value)
                    for k, value in enumerate(row)
                    if value is not None
                )
                + "</row>"
                for i, row in enumerate(rows, start=1)
            )
            sheet = f"<worksheet {main}><sheetData>{body}</sheetData></worksheet>"
            archive.writestr(f"xl/worksheets/s{number}.xml", sheet)
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        book = f'<workbook {main} xmlns:r="{office}"><sheets>{"".join(names)}</sheets></workbook>'
        archive.writestr("xl/workbook.xml", book)
        package = "http://schemas.openxmlformats.org/package/2006/relationships"
        rels = f'<Relationships xmlns="{package}">{"".join(links)}</Relationships>'
        archive.writestr("xl/_rels/workbook.xml.rels", rels)
        items = "".join(f"<si><t>{s}</t></si>" for s in strings)
        archive.writestr("xl/sharedStrings.xml", f"<sst {main}>{items}</sst>")


def _koniq(root: Path) -> None:
    lines = [f"{i}.jpg,0,0,0,0,9,9,{1.5 + i / 2},{0.5},{50}" for i in range(COUNT)]
    _text(
        root / "koniq10k_scores_and_distributions.csv",
        "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore",
        *lines,
    )
    for i in range(COUNT):
        _photo(root / "1024x768" / f"{i}.jpg", i)
        _photo(root / "512x384" / f"{i}.jpg", i + 50)  # another set with the same names


def _spaq(root: Path) -> None:
    rows: list[list[object]] = [["Image name", "MOS", "Brightness"]]
    rows += [[f"0000{i}.jpg", 10.0 * i + 5, 50] for i in range(COUNT)]
    _xlsx(root / "Annotations" / "MOS and Image attribute scores.xlsx", {"Sheet1": rows})
    for i in range(COUNT):
        _photo(root / "TestImage" / f"0000{i}.jpg", i)


def _kadid(root: Path) -> None:
    names = [f"I0{1 + i // 3}_01_0{1 + i % 3}.png" for i in range(COUNT)]
    lines = [f"{n},{n[:3]}.png,{1 + 0.7 * i:.2f},0.8" for i, n in enumerate(names)]
    _text(root / "dmos.csv", "dist_img,ref_img,dmos,var", *lines)
    for i, name in enumerate(names):
        _photo(root / "images" / name, i)
    _photo(root / "images" / "I01.png", 9)


def _pipal(root: Path) -> None:
    for ref in (1, 2):
        names = [f"A000{ref}_00_0{k}.bmp" for k in range(3)]
        lines = [f"{n},{1300.5 + 10 * ref + k}" for k, n in enumerate(names)]
        _text(root / "Train_Label" / f"A000{ref}.txt", *lines)
        for k, name in enumerate(names):
            _photo(root / "Train_Dist" / f"Distortion_{ref}" / name, 10 * ref + k)


def _livew(root: Path) -> None:
    from scipy.io import savemat

    names = [f"t{i}.bmp" for i in range(1, 8)] + [f"{i}.bmp" for i in range(COUNT)]
    folder = root / "Data"
    folder.mkdir(parents=True)
    table = np.empty((len(names), 1), dtype=object)
    table[:, 0] = names
    savemat(folder / "AllImages_release.mat", {"AllImages_release": table})
    scores = np.arange(len(names), dtype=float)[None] * 7
    savemat(folder / "AllMOS_release.mat", {"AllMOS_release": scores})
    savemat(folder / "AllStdDev_release.mat", {"AllStdDev_release": scores / 10})
    for i in range(COUNT):
        _photo(root / "Images" / f"{i}.bmp", i)


def _agiqa3k(root: Path) -> None:
    lines = [f'g_{i}.jpg,"a cat, {i // 2}",,,,{i / 2},0.5,1,1' for i in range(COUNT)]
    header = "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align"
    _text(root / "data.csv", header, *lines)
    for i in range(COUNT):
        _photo(root / "pictures" / f"g_{i}.jpg", i)


def _csiq(root: Path) -> None:
    header: list[object] = [None] * 3
    header += ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"]
    kinds = ["noise", "blur", "contrast", "fnoise", "jpeg", "jpeg 2000"]
    tokens = ["AWGN", "BLUR", "contrast", "fnoise", "JPEG", "jpeg2000"]
    folders = ["awgn", "blur", "contrast", "fnoise", "jpeg", "jpeg2000"]
    rows: list[list[object]] = [["CSIQ"], [None], header]
    rows += [[None, None, None, 1600, i, kinds[i], 1 + i % 5, 0.1, i / 10] for i in range(COUNT)]
    _xlsx(root / "csiq.DMOS.xlsx", {"about": [["x"]], "all_by_image": rows}, shared=False)
    for i in range(COUNT):
        _photo(root / "dst_imgs" / folders[i] / f"1600.{tokens[i]}.{1 + i % 5}.png", i)


def _tid2013(root: Path) -> None:
    names = [f"I0{1 + i // 3}_01_{1 + i % 3}.bmp" for i in range(COUNT)]
    lines = [f"{3 + i / 2:.5f} {n}" for i, n in enumerate(names)]
    _text(root / "mos_with_names.txt", *lines)
    for i, name in enumerate(names):  # some are written otherwise than their labels say
        _photo(root / "distorted_images" / (name.lower() if i % 2 else name), i)


def _biq2021(root: Path) -> None:
    for k, split in enumerate(("Train", "Test")):
        lines = [f"ss01 ({3 * k + i}).jpg,{0.1 + i / 5 + k / 20}" for i in range(3)]
        _text(root / f"{split} (Images and MOS).csv", "Image Name,MOS", *lines)
    for i in range(COUNT):
        _photo(root / "Images" / f"ss01 ({i}).jpg", i)


DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "koniq": _koniq,
    "spaq": _spaq,
    "kadid": _kadid,
    "pipal": _pipal,
    "livew": _livew,
    "agiqa3k": _agiqa3k,
    "csiq": _csiq,
    "tid2013": _tid2013,
    "biq2021": _biq2021,
}
_PLACES = {
    "koniq": "KONIQ/images/0.jpg",
    "spaq": "SPAQ/images/00000.jpg",
    "kadid": "KADID10K/images/I01_01_01.png",
    "pipal": "PIPAL/images/Distortion_1/A0001_00_00.bmp",
    "livew": "LIVE-WILD/images/0.bmp",
    "agiqa3k": "AGIQA3K/images/g_0.jpg",
    "csiq": "CSIQ/images/dst_imgs/awgn/1600.AWGN.1.png",
    "tid2013": "TID2013/images/distorted_images/I01_01_1.bmp",
    "biq2021": "BIQ2021/images/ss01 (0).jpg",
}
_FIRST = {  # what the first label says: its score, deviation, group and split
    "koniq": (1.5, 0.5, None, None),
    "spaq": (5.0, None, None, None),
    "kadid": (1.0, None, "I01.png", None),
    "pipal": (1310.5, None, "A0001", None),
    "livew": (49.0, 4.9, None, None),
    "agiqa3k": (0.0, 0.5, "a cat, 0", None),
    "csiq": (1.0, 0.1, "1600", None),
    "tid2013": (3.0, None, "I01", None),
    "biq2021": (0.1, None, None, "train"),
}


def _small(key: str) -> PublishedSet:
    return replace(published_set(key), photos=COUNT)


@pytest.mark.parametrize("key", [s.key for s in SETS])
def test_a_published_set_is_laid_out_as_recipes_name_it(key: str, tmp_path: Path) -> None:
    download, data = tmp_path / "unpacked" / "deep", tmp_path / "data"
    DOWNLOADS[key](download)
    made = prepare(_small(key), download.parent, data)
    assert made.photos == COUNT
    samples = read_meta(made.meta, data)
    require_images(samples)
    first = samples[0]
    assert first.name == _PLACES[key]
    mos, std, group, split = _FIRST[key]
    assert first.raw == pytest.approx(mos)
    entry = json.loads(made.meta.read_text())[0]
    assert (entry.get("std"), first.group, first.split) == (pytest.approx(std), group, split)
    # By the ends of the whole set, as DeQA-Score's metas.
    assert {min(s.score for s in samples), max(s.score for s in samples)} == {1.0, 5.0}
    photo = data / first.name
    assert photo.is_symlink()
    with Image.open(photo) as opened:
        assert opened.size == (9, 8)
    assert (made.folder / "LICENCE.txt").read_text().startswith(published_set(key).name)
    known = known_set(first.dataset)
    assert known is not None or key == "biq2021"
    if known is not None and known.photos is not None and key in ("agiqa3k", "csiq"):
        assert published_set(key).photos == known.photos
    with pytest.raises(UsageError, match="exists"):
        prepare(_small(key), download, data)
    again = prepare(_small(key), download, data, copy=True, overwrite=True)
    assert not (data / first.name).is_symlink()
    assert again.meta.read_bytes() == made.meta.read_bytes()


def test_koniqs_other_resolution_is_another_set(tmp_path: Path) -> None:
    _koniq(tmp_path / "k")
    made = prepare(_small("koniq"), tmp_path / "k", tmp_path / "data")
    assert (made.folder / "images" / "0.jpg").resolve().parent.name == "1024x768"
    for photo in (tmp_path / "k" / "1024x768").iterdir():
        photo.unlink()
    with pytest.raises(DataError, match=r"6 of 6 photos .* in a folder 1024x768"):
        prepare(_small("koniq"), tmp_path / "k", tmp_path / "other")


def test_published_label_files_are_taken_over_where_all_their_photos_are(tmp_path: Path) -> None:
    _koniq(tmp_path / "k")
    metas = tmp_path / "metas"
    entry = {"image": "KONIQ/images/3.jpg", "gt_score": 3.0, "gt_score_norm": 3.0}
    _text(metas / "test_koniq_2k.json", json.dumps([entry]))
    made = prepare(_small("koniq"), tmp_path / "k", tmp_path / "data", metas=metas)
    assert made.metas == {"test_koniq_2k.json": 1}
    assert (made.folder / "metas" / "test_koniq_2k.json").is_file()
    _text(metas / "train_koniq_7k.json", json.dumps([{**entry, "image": "KONIQ/images/9.jpg"}]))
    with pytest.raises(DataError, match="1 of 1 images are missing"):
        prepare(_small("koniq"), tmp_path / "k", tmp_path / "other", metas=metas)
    assert not (tmp_path / "other" / "KONIQ").exists()
    with pytest.raises(DataError, match="holds no label files"):
        prepare(_small("koniq"), tmp_path / "k", tmp_path / "other", metas=tmp_path)


def test_a_download_that_differs_is_refused(tmp_path: Path) -> None:
    root, data = tmp_path / "t", tmp_path / "data"
    _tid2013(root)
    with pytest.raises(DataError, match="3000 labelled photos, and 6 labels are there"):
        prepare(published_set("tid2013"), root, data)
    labels = (root / "mos_with_names.txt").read_text()
    _text(root / "mos_with_names.txt", labels.strip().replace("3.00000", "12.0"))
    with pytest.raises(DataError, match=r"I01_01_1\.bmp is labelled 12; .* 0 to 9"):
        prepare(_small("tid2013"), root, data)
    _text(root / "mos_with_names.txt", labels.strip().replace("3.00000", "many"))
    with pytest.raises(DataError, match="'many' is no score"):
        prepare(_small("tid2013"), root, data)
    _text(root / "mos_with_names.txt", labels.strip().replace("I01_01_2", "I01_01_1"))
    with pytest.raises(DataError, match="name a photo more than once"):
        prepare(_small("tid2013"), root, data)
    _text(root / "mos_with_names.txt", *(f"4.0 {line.split()[1]}" for line in labels.splitlines()))
    with pytest.raises(DataError, match="all photos of TID2013 are labelled 4"):
        prepare(_small("tid2013"), root, data)
    _text(root / "copy" / "mos_with_names.txt", labels.strip())
    with pytest.raises(DataError, match="more than once"):
        prepare(_small("tid2013"), root, data)
    with pytest.raises(DataError, match=r"labels are missing: no mos_with_names\.txt"):
        prepare(_small("tid2013"), root / "distorted_images", data)
    with pytest.raises(DataError, match="is no folder"):
        prepare(_small("tid2013"), root / "nowhere", data)
    assert not (data / "TID2013").exists()


def test_two_photos_of_one_name_are_refused(tmp_path: Path) -> None:
    _kadid(tmp_path / "k")
    other = tmp_path / "k" / "more" / "I01_01_01.png"
    _photo(other, 77)
    Image.new("RGB", (50, 40)).save(other)
    with pytest.raises(DataError, match=r"two photos are called I01_01_01\.png"):
        prepare(_small("kadid"), tmp_path / "k", tmp_path / "data")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    _text(tmp_path / "dmos.csv", "dist_img,dmos", "a.png,3")
    with pytest.raises(DataError, match="no column 'ref_img'; its columns are dist_img, dmos"):
        prepare(_small("kadid"), tmp_path, tmp_path / "data")
    _xlsx(tmp_path / "s" / "MOS and Image attribute scores.xlsx", {"a": [["Image name"], ["x"]]})
    with pytest.raises(DataError, match="no line with the columns Image name, MOS"):
        prepare(_small("spaq"), tmp_path / "s", tmp_path / "data")
    with pytest.raises(UsageError, match="unknown set 'x'; there are koniq, spaq"):
        published_set("x")


def test_a_spreadsheet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with pytest.raises(DataError, match="cannot read"):
        read_xlsx(path)
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="is no spreadsheet"):
        read_xlsx(path)
    _xlsx(path, {"one": [["a", None, 2.5]], "two": [["b"]]})
    assert read_xlsx(path) == [["a", "", "2.5"]]
    assert read_xlsx(path, "two") == [["b"]]
    with pytest.raises(DataError, match="has no sheet 'three'; it has one, two"):
        read_xlsx(path, "three")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    with pytest.raises(DataError, match="declares entities"):
        read_xlsx(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * (65 << 20))
    with pytest.raises(DataError, match="unpacks to more than 64 MB"):
        read_xlsx(path)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _agiqa3k(tmp_path / "a")
    monkeypatch.setattr(sets, "SETS", (_small("agiqa3k"),))
    words = ["data", "prepare", "agiqa3k", str(tmp_path / "a"), "--data", str(tmp_path / "data")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, (told.output, told.exception)
    assert "AGIQA-3K: MIT, (c) 2023 lcysyzxdxc." in told.output
    assert "6 photos, linked to" in told.output
    meta = tmp_path / "data" / "AGIQA3K" / "metas" / "agiqa3k.json"
    assert f"next: {typed('ralikit')} data check {meta} --root {tmp_path / 'data'}" in told.output
    checked = CliRunner().invoke(
        app, ["data", "check", str(meta), "--root", str(tmp_path / "data")]
    )
    assert checked.exit_code == 0, checked.output
    assert isinstance(CliRunner().invoke(app, words).exception, RalikitError)
