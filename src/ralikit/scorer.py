"""Score photos: `load()` once, then `Scorer.score(photo)`; offline and without torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import BoundedSemaphore, Lock

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, MissingExtraError, PhotoError, UsageError
from ralikit.extras import require
from ralikit.malloc import map_large_blocks
from ralikit.model.bundle import MANIFEST, Bundle, read_bundle
from ralikit.model.reasons import Reason, named_reasons, quality_values
from ralikit.models import resolve
from ralikit.photo.decode import PhotoLike
from ralikit.photo.fingerprint import photo_fingerprint
from ralikit.photo.views import decode_photo, make_views
from ralikit.runtimes import Processor, Runtime, checked_reasons, checked_score, open_runtime

_AHEAD = 2
"""Photos decoded before they are needed: enough to keep inference busy, few enough for memory."""
_DECODERS = 2
"""Photos decoded at once by all threads that share a scorer; a large one takes 0.3 GB meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One photo's score; ``float(score)`` is its value.

    Attributes:
        value: Higher is better, on the model's scale.
        minimum: Worst end of the scale.
        maximum: Best end of the scale.
        tie_width: Scores closer than this are not told apart by the model; None: not measured.
        source: The photo's name, printable on one line.
        width: Width of the photo, upright, pixels.
        height: Height of the photo, upright, pixels.
        notes: What a reader should know about how this score came about.
        runtime: What ran the model, e.g. ``"onnxruntime 1.31.1"``.
        licence: Of the model's weights, in a sentence; empty: not stated.
        reasons: Why it is low: those of 0.5 and more, the highest first; none where there is none,
            or the model has no bank of reasons.
        reason_values: Every reason's value by its id, 0..1; empty where the model has none.
        qualities: Every good side, 0..1, by its name: 1 minus the highest reason against it.
        taken: When the photo was taken, seconds on the camera's clock; None: its EXIF does not say.
        fingerprint: 192 bytes that tell scenes apart (`ralikit.photo.fingerprint`), where they
            were asked for; else none.
    """

    value: float
    minimum: float
    maximum: float
    tie_width: float | None
    source: str
    width: int
    height: int
    notes: tuple[str, ...]
    runtime: str
    licence: str = ""
    reasons: tuple[Reason, ...] = ()
    reason_values: Mapping[str, float] = field(default_factory=dict, hash=False)
    qualities: Mapping[str, float] = field(default_factory=dict, hash=False)
    taken: float | None = None
    fingerprint: bytes = b""

    def __float__(self) -> float:
        """The value."""
        return self.value

    @property
    def resolution(self) -> float | None:
        """The former name of `tie_width`."""
        return self.tie_width


@dataclass(frozen=True)
class _Prepared:
    views: NDArray[np.uint8]
    source: str
    width: int
    height: int
    notes: tuple[str, ...]
    taken: float | None
    fingerprint: bytes


class Scorer:
    """A loaded model. Make one with `load`.

    Several threads may share one: photos are then decoded two at a time and scored one at a time,
    so that memory stays near one thread's however many there are. What scores in parallel is
    several scorers of one thread each (docs/serving.md).

    Attributes:
        name: The model's name.
        scale: Its score scale.
        tie_width: Scores closer than this are not told apart; None: not measured.
        tie_width_note: How that was measured.
        preprocess: From photo to views.
        reasons: What each reason means that it gives; none where the model has no bank.
        runtime: What runs it.
        licence: Of its weights, in a sentence; empty: not stated.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Wrap an open runtime."""
        facts = runtime.facts
        self.runtime = runtime
        self.preprocess, self.scale, self.reasons = facts.preprocess, facts.scale, facts.reasons
        self.name = facts.model.name
        self.licence = facts.model.licence
        self.tie_width = facts.model.tie_width
        self.tie_width_note = facts.model.tie_width_note
        self._decoding = BoundedSemaphore(_DECODERS)
        self._alone = Lock()  # held by the first of those who decode
        self._running = Lock()  # an interpreter has one set of buffers, a graph one arena

    @property
    def resolution(self) -> float | None:
        """The former name of `tie_width`."""
        return self.tie_width

    @property
    def resolution_note(self) -> str:
        """The former name of `tie_width_note`."""
        return self.tie_width_note

    def score(self, photo: PhotoLike) -> Score:
        """Score one photo.

        Args:
            photo: A path, a file's bytes, a PIL image, or an array (`ralikit.photo.decode.decode`).

        Raises:
            PhotoError: If it cannot be read; one sentence that names it.
            BundleError: If the model fails.
        """
        return self._finish(self._prepare(photo))

    def score_many(
        self,
        photos: Iterable[PhotoLike],
        *,
        on_error: Callable[[PhotoLike, PhotoError], None] | None = None,
        scenes: bool = False,
    ) -> Iterator[Score]:
        """Score photos one after another; the next is decoded while the last is scored.

        Every photo's score is the one it has alone: photos never share an inference.

        Args:
            photos: Any number; taken as they are needed.
            on_error: Called with a photo that cannot be read and the reason; the photo is then left
                out. None: the reason is raised in the photo's place.
            scenes: Also take every photo's fingerprint, for `ralikit.best`.

        Yields:
            Scores in the photos' order.
        """
        pending: deque[tuple[PhotoLike, Future[_Prepared]]] = deque()
        source = iter(photos)
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ralikit-decode")
        try:
            for photo in islice(source, _AHEAD):
                pending.append((photo, pool.submit(self._prepare, photo, scenes)))
            while pending:
                photo, future = pending.popleft()
                try:
                    prepared = future.result()
                except PhotoError as error:
                    if on_error is None:
                        raise
                    on_error(photo, error)
                    prepared = None
                for following in islice(source, 1):
                    pending.append((following, pool.submit(self._prepare, following, scenes)))
                if prepared is not None:
                    yield self._finish(prepared)
        finally:
            # Also when the caller stops early or presses Ctrl-C: nothing decodes on.
            pool.shutdown(wait=False, cancel_futures=True)

    def score_view(self, view: NDArray[np.uint8]) -> tuple[float, list[float]]:
        """Score one view as if the whole photo looked like it: every view of the graph is this one.

        A graph averages over its views, embeddings or scores; the mean of equal ones is any of
        them, so this is what the model says of this view alone.

        Args:
            view: (S, S, 3), S the preprocessing's size.

        Returns:
            The score, and each reason's value in the order of `reasons`; none without a bank.

        Raises:
            UsageError: If the view has another shape or type.
            BundleError: If the model fails.
        """
        views = np.broadcast_to(view, (self.preprocess.views, *view.shape))
        with self._running:
            return self._run(np.ascontiguousarray(views))

    def _prepare(self, photo: PhotoLike, scenes: bool = False) -> _Prepared:
        with self._decoding:
            alone = self._alone.acquire(blocking=False)
            if not alone:
                map_large_blocks()  # else every thread's heap keeps what it decoded: GBs of many
            try:
                opened = decode_photo(photo, self.preprocess)
                views = make_views(opened, self.preprocess)
                look = photo_fingerprint(opened) if scenes else b""
            finally:
                if alone:
                    self._alone.release()
        return _Prepared(
            views,
            opened.source,
            opened.width,
            opened.height,
            opened.notes + _doubts(opened.width, opened.height, views),
            opened.taken,
            look,
        )

    def _finish(self, prepared: _Prepared) -> Score:
        note = (self.runtime.note,) if self.runtime.note else ()
        with self._running:
            value, reasons = self._run(prepared.views)
        infos = self.reasons
        return Score(
            value=value,
            minimum=self.scale.minimum,
            maximum=self.scale.maximum,
            tie_width=self.tie_width,
            source=prepared.source,
            width=prepared.width,
            height=prepared.height,
            notes=prepared.notes + note,
            runtime=self.runtime.name,
            licence=self.licence,
            reasons=named_reasons(reasons, infos),
            reason_values={info.id: v for info, v in zip(infos, reasons, strict=True)},
            qualities=quality_values(reasons, infos),
            taken=prepared.taken,
            fingerprint=prepared.fingerprint,
        )

    def _run(self, views: NDArray[np.uint8]) -> tuple[float, list[float]]:
        """The score, and the reasons where the model gives any."""
        if not self.reasons:
            return self.runtime.run(views), []
        given, name = self.runtime.outputs(views), self.name
        values = checked_reasons(given["reasons"], len(self.reasons), where=name)
        score = float(given["score"].reshape(-1)[0])
        return checked_score(score, where=name), [float(v) for v in values]


_ENLARGED = 8
"""Photos that are enlarged so many times are hardly more than a few colours."""


def _doubts(width: int, height: int, views: NDArray[np.uint8]) -> tuple[str, ...]:
    """What makes a score say little, whatever the model: nothing to see, or hardly any pixels."""
    first = views[0, 0, 0]
    # Its first row tells most photos apart, in a three-hundredth of the time of all pixels.
    if bool((views[0, 0] == first).all()) and bool((views == first).all()):
        return ("it is of one colour: its score means nothing",)
    times = views.shape[1] / min(width, height)
    if times >= _ENLARGED:
        return (
            f"it has {width} x {height} pixels, enlarged {times:.0f} times: its score says little",
        )
    return ()


def load(
    model: str | Path | None = None,
    *,
    threads: int | None = None,
    processor: Processor = "cpu",
) -> Scorer:
    """Load a scorer.

    Args:
        model: A bundle folder, an exported file, or the name of a model that comes with the
            package, e.g. ``"mini"`` (a path of that name goes first); None: the default one.
        threads: Threads of one inference; None leaves the runtime's default.
        processor: What computes: ``"cpu"``, or ``"cuda"`` or ``"tensorrt"`` of an ONNX Runtime that
            has them (.onnx files, and bundles that carry one). A GPU's scores are not the CPU's to
            the last digit.

    Raises:
        UsageError: If there is no such model, its kind is unknown, or the processor is not there.
        BundleError: If it is incomplete or altered.
        MissingExtraError: If its runtime is not installed.
    """
    found = resolve(model)
    if found.kind == "bundle":
        return Scorer(_bundle_runtime(read_bundle(found.path), threads, processor))
    if found.kind == "teacher":
        raise UsageError(f"{found.path} is no bundle: it has no {MANIFEST}")
    return Scorer(open_runtime(found.path, threads=threads, processor=processor))


def _bundle_runtime(bundle: Bundle, threads: int | None, processor: Processor) -> Runtime:
    if bundle.scorer is not None:
        runtime = open_runtime(bundle.scorer, threads=threads, processor=processor)
        if runtime.facts.model.bundle != bundle.hash:
            raise BundleError(f"{bundle.scorer} was made from another bundle; export it again")
        return runtime
    if processor != "cpu":
        raise UsageError(f"{bundle.root} carries no scorer.onnx for {processor}; export one")
    try:
        torch = require("torch", extra="export", job=f"Scoring with {bundle.root}")
    except MissingExtraError as error:
        raise MissingExtraError(
            "torch", "export", f"{bundle.root} carries no scorer.onnx, so scoring with it"
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    from ralikit.runtimes.torch import TorchRuntime

    return TorchRuntime(bundle)
