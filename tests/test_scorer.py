"""The scorer: values, order, errors, and what a large photo costs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_scorer import SMALL, brightness_bundle, brightness_onnx, grey

import ralikit
from ralikit.errors import BundleError, PhotoError, UsageError
from ralikit.model.bundle import read_bundle, write_bundle
from ralikit.model.facts import facts_of
from ralikit.models import bundled_path
from ralikit.photo.decode import PhotoLike, decode
from ralikit.photo.opened import Photo
from ralikit.photo.views import Preprocess, decode_photo, make_views
from ralikit.runtimes import Views
from ralikit.scorer import Scorer, load


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return load(brightness_bundle(tmp_path / "model").root)


def flat(value: int, width: int = 40, height: int = 30) -> Image.Image:
    return Image.new("RGB", (width, height), (value, value, value))


def test_a_score_says_all_about_itself(scorer: Scorer, tmp_path: Path) -> None:
    path = tmp_path / "gray.png"
    grey(51).save(path)
    score = scorer.score(path)
    assert float(score) == score.value == pytest.approx(1.8, abs=1e-5)
    assert (score.minimum, score.maximum, score.tie_width) == (1.0, 5.0, 0.25)
    assert (score.source, score.width, score.height) == (str(path), 40, 30)
    assert score.runtime.startswith("onnxruntime ")
    assert score.notes == ()


def test_paths_bytes_images_and_arrays_score_alike(scorer: Scorer, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    photos: list[PhotoLike] = [path, str(path), path.read_bytes(), Image.open(path), pixels]
    values = {scorer.score(photo).value for photo in photos}
    assert len(values) == 1


def test_many_scores_are_the_single_ones_in_order(scorer: Scorer) -> None:
    rng = np.random.default_rng(1)
    photos = [rng.integers(0, 256, (*rng.integers(1, 90, 2), 3), dtype=np.uint8) for _ in range(20)]
    together = [score.value for score in scorer.score_many(photos)]
    alone = [scorer.score(photo).value for photo in photos]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(alone)) > 10


def test_a_bad_photo_is_reported_and_the_rest_score(scorer: Scorer) -> None:
    bad: list[tuple[object, str]] = []
    photos: list[PhotoLike] = [flat(0), b"junk", flat(255), b""]
    scores = list(scorer.score_many(photos, on_error=lambda p, e: bad.append((p, str(e)))))
    assert [score.value for score in scores] == pytest.approx([1.0, 5.0], abs=1e-5)
    assert [photo for photo, _ in bad] == [b"junk", b""]


def test_without_a_handler_a_bad_photo_raises_in_its_place(scorer: Scorer) -> None:
    scores = scorer.score_many([flat(0), b"junk", flat(255)])
    assert next(scores).value == pytest.approx(1.0)
    with pytest.raises(PhotoError):
        next(scores)


def test_photos_are_taken_as_needed_and_stopping_early_stops_the_thread(scorer: Scorer) -> None:
    taken = 0

    def endless() -> Iterator[Image.Image]:
        nonlocal taken
        while True:
            taken += 1
            yield flat(taken % 256)

    scores = scorer.score_many(endless())
    next(scores)
    scores.close()  # type: ignore[attr-defined]
    assert taken <= 4
    for thread in threading.enumerate():
        if thread.name.startswith("ralikit-decode"):
            thread.join(5)
            assert not thread.is_alive()


def test_an_exported_file_is_enough(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "model")
    path = tmp_path / "alone.onnx"
    path.write_bytes((bundle.root / "scorer.onnx").read_bytes())
    scorer = load(path, threads=1)
    assert scorer.name == "brightness"
    assert scorer.tie_width_note == "made up"
    assert scorer.score(flat(255)).value == pytest.approx(5.0, abs=1e-5)


def test_a_scorer_of_another_bundle_is_refused(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "model")
    facts = facts_of(bundle)
    facts["model"]["bundle"] = "0" * 64
    other = write_bundle(
        tmp_path / "other",
        bundle.info,
        tower={"stand_in": np.zeros(1, dtype=np.float32)},
        head=bundle.head(),
        extra={"scorer.onnx": brightness_onnx(facts)},
    )
    with pytest.raises(BundleError, match="another bundle"):
        load(other.root)


def test_a_model_that_is_not_there_or_unknown_is_named(tmp_path: Path) -> None:
    for name, word in [
        ("nothing", "no model"),
        ("file.bin", "no runtime"),
        ("folder", "no bundle"),
    ]:
        path = tmp_path / name
        if name == "folder":
            path.mkdir()
        elif name != "nothing":
            path.write_bytes(b"x")
        with pytest.raises(UsageError, match=word):
            load(path)


def test_a_bundle_without_a_scorer_is_folded_in_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from support import lively_tower, make_head

    from ralikit.model.bundle import BundleInfo, TowerSpec

    tower = lively_tower()
    info = BundleInfo(
        name="small",
        tower=TowerSpec(kind="mobilenet_v2", config=tower.config(), weights="random"),
        preprocess=SMALL,
        temperature=0.1,
    )
    weights = {name: tensor.numpy() for name, tensor in tower.state_dict().items()}
    bundle = write_bundle(tmp_path / "small", info, tower=weights, head=make_head())
    scorer = load(bundle.root)
    assert scorer.runtime.name.startswith("torch ")
    assert 1.0 <= scorer.score(flat(100)).value <= 5.0


def test_the_package_offers_load() -> None:
    assert ralikit.load is load


@pytest.mark.skipif(not (bundled_path() / "ralikit.json").is_file(), reason="no bundled model yet")
def test_the_bundled_model_scores_offline_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import socket; socket.socket = None\n"
        "import numpy, ralikit\n"
        "photo = numpy.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype('uint8')\n"
        "print(float(ralikit.load().score(photo)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 1.0 <= float(done.stdout) <= 5.0


def detailed(width: int, height: int, source: Image.Image) -> Image.Image:
    """A large photo with detail at every scale: enlarged, with fresh noise at full size."""
    large = source.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    tile = np.random.default_rng(0).normal(0, 8, (512, 512, 1))
    for top in range(0, height, 512):
        for left in range(0, width, 512):
            box = (left, top, min(left + 512, width), min(top + 512, height))
            piece = np.asarray(large.crop(box)).astype(np.float32)
            piece += tile[: piece.shape[0], : piece.shape[1]]
            large.paste(Image.fromarray(piece.clip(0, 255).astype(np.uint8)), box)
    return large


@pytest.fixture(scope="module")
def large_jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 megapixels, taken with the camera held upright (EXIF orientation 6)."""
    skimage = pytest.importorskip("skimage")
    path = tmp_path_factory.mktemp("large") / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    source = Image.open(Path(skimage.__file__).parent / "data" / "coffee.png")
    detailed(8660, 5774, source).save(path, quality=90, exif=exif)
    return path


def model_under_test(folder: Path) -> Path:
    """The bundled model; until it is there, a stand-in with views like its."""
    from ralikit.photo.views import Preprocess

    if (bundled_path() / "ralikit.json").is_file():
        return bundled_path()
    five = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5))
    wanted = Preprocess(size=256, shortest_edge=512, anchors=five)
    return brightness_bundle(folder / "stand_in", wanted).root


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_fifty_megapixels_peak_under_400_mb(large_jpeg: Path, tmp_path: Path) -> None:
    program = (
        "import json, re, sys, ralikit\n"
        "score = ralikit.load(sys.argv[1]).score(sys.argv[2])\n"
        "status = open('/proc/self/status').read()\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) * 1024\n"
        "print(json.dumps([score.width, score.height, peak]))"
    )
    command = [sys.executable, "-c", program, str(model_under_test(tmp_path)), str(large_jpeg)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    width, height, peak = json.loads(done.stdout)
    assert (width, height) == (5774, 8660)
    assert peak < 400e6


def test_the_reduced_decode_moves_scores_by_less_than_a_fiftieth(
    large_jpeg: Path, tmp_path: Path
) -> None:
    scorer = load(model_under_test(tmp_path))
    reduced = decode(large_jpeg, target=scorer.preprocess.resized)
    assert reduced.reduction > 1
    full = make_views(decode(large_jpeg), scorer.preprocess)
    views = make_views(reduced, scorer.preprocess)
    assert abs(scorer.runtime.run(views) - scorer.runtime.run(full)) < 0.02
    # The same place of the photo: a shift of one view pixel would cost far more than this.
    assert np.abs(views.astype(int) - full).mean() < 2


def test_a_note_of_the_decoder_reaches_the_score(scorer: Scorer) -> None:
    stream = io.BytesIO()
    grey(9).save(stream, "PNG", icc_profile=b"damaged")
    (note,) = scorer.score(stream.getvalue()).notes
    assert "profile" in note


def test_pictures_that_say_little_are_scored_with_a_note(scorer: Scorer) -> None:
    (note,) = scorer.score(flat(200)).notes
    assert note == "it is of one colour: its score means nothing"
    (note,) = scorer.score(grey(200, 2, 1)).notes
    size = scorer.preprocess.size
    assert note == f"it has 2 x 1 pixels, enlarged {size} times: its score says little"
    assert scorer.score(grey(200, size, size)).notes == ()


def test_a_written_bundle_keeps_its_scorer(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "model")
    assert read_bundle(bundle.root).scorer == bundle.root / "scorer.onnx"


class Counting:
    """How many threads are inside at once, and the most that were."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self.now -= 1


def test_sixteen_threads_share_a_scorer_within_bounds(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every thread's scores are its own, two photos are decoded at once and one is scored."""
    decoding, running = Counting(), Counting()
    plain_decode, plain_run = decode_photo, scorer.runtime.run

    def counted_decode(photo: PhotoLike, preprocess: Preprocess) -> Photo:
        with decoding:
            return plain_decode(photo, preprocess)

    def counted_run(views: Views) -> float:
        with running:
            return plain_run(views)

    monkeypatch.setattr("ralikit.scorer.decode_photo", counted_decode)
    monkeypatch.setattr(scorer.runtime, "run", counted_run)
    values = list(range(0, 256, 5))
    with ThreadPoolExecutor(16) as pool:
        scores = list(pool.map(lambda v: scorer.score(flat(v)).value, values))
    assert scores == pytest.approx([1 + 4 * v / 255 for v in values], abs=1e-4)
    assert decoding.most == 2
    assert running.most == 1
