"""What a file says of itself: one text in its metadata, the same in its manifest, read once.

Whoever writes a file makes plain values (`facts_of`, to which the chain of export adds what it
found); whoever reads one gets `Facts`. What stands in a file is untrusted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ralikit.config import from_mapping, known_names, renamed, to_mapping
from ralikit.errors import BundleError, UsageError
from ralikit.files import parse_json
from ralikit.model.bundle import Bundle, Scale
from ralikit.model.reasons import ReasonInfo
from ralikit.model.reasons_head import check_bank
from ralikit.photo.views import Preprocess
from ralikit.printable import shown

SCHEMA = 1
KEY = "ralikit"
"""Name of the one metadata entry, a JSON text, in every format."""

SCORER, PREPROCESS = "scorer", "preprocess"
"""What a file can be: a whole scorer, or only the way from pixels to its views."""

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What plain values of another shape raise as they are read; `UsageError` is a ValueError."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Which model a file holds.

    Attributes:
        name: The model's name.
        bundle: Hash of the bundle it was made from, or "".
        tower: Kind of its image tower, or "".
        weights: ``"trained"`` or ``"random"``.
        licence: Licence of its weights, in a sentence.
        notice: What a user must know before shipping them.
        tie_width: Scores closer than this are not told apart; None: not measured.
        tie_width_note: How that was measured.
    """

    name: str
    bundle: str = ""
    tower: str = ""
    weights: str = "trained"
    licence: str = ""
    notice: str = ""
    tie_width: float | None = renamed("resolution", default=None)
    tie_width_note: str = renamed("resolution_note", default="")

    def __post_init__(self) -> None:
        if not self.name.isprintable():
            raise UsageError(f"a model's name is printable text, not {shown(self.name)!r}")
        if self.tie_width is not None and not math.isfinite(self.tie_width):
            raise UsageError(f"tie_width must be a number, not {self.tie_width}")


@dataclass(frozen=True, kw_only=True)
class GoldenScore:
    """A golden photo as a file names it: its pixels' hash, and what the float32 pipeline gives.

    Attributes:
        name: Of the photo.
        sha256: Of its pixels.
        reference: Its score.
        reasons: Its reasons, (K,), where the file gives any.
    """

    name: str
    sha256: str
    reference: float
    reasons: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How large values got on photos inside the graph, and in which tensor or layer."""

    largest: float
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckFacts:
    """One check of the export: what, whether it held (None: not checked), and the detail."""

    name: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that a file says of itself.

    What a reader cannot do without is checked as a file is read. The rest is None, or empty, where
    a file does not say it in a way that can be read; `written` has the words themselves.

    Attributes:
        model: Which model it is.
        preprocess: From photo to views.
        scale: The score scale; the default one in files that give no score.
        kind: `SCORER`, or `PREPROCESS`: no scorer, only what makes the views of one.
        target: Its format, or "".
        precision: What it was exported as, or "".
        outputs: What it gives, by name.
        reasons: What each number of the output ``reasons`` means; none where it has no such output.
        layers: Stored type of every layer.
        golden: The golden photos and their scores.
        limits: How far it may drift, by figure.
        checks: What was looked at as it was exported.
        activations: How large values get inside.
        gpu: Whether it was made to run on a phone's GPU as a whole.
        npu: Whether it was made to run on a phone's NPU as a whole.
        digested: Whether the file carries a digest of itself, which was checked as it was read.
        written: Everything as it stands in the file, also what this version does not know.
    """

    model: ModelFacts
    preprocess: Preprocess
    scale: Scale = field(default_factory=Scale)
    kind: str = SCORER
    target: str = ""
    precision: str = ""
    outputs: tuple[str, ...] = ("score",)
    reasons: tuple[ReasonInfo, ...] = ()
    layers: Mapping[str, str] | None = None
    golden: tuple[GoldenScore, ...] | None = None
    limits: Mapping[str, float] | None = None
    checks: tuple[CheckFacts, ...] = ()
    activations: Reach | None = None
    gpu: bool = False
    npu: bool = False
    digested: bool = False
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of one photo's views, (V, S, S, 3)."""
        preprocess = self.preprocess
        return (preprocess.views, preprocess.size, preprocess.size, 3)


def facts_of(bundle: Bundle) -> dict[str, Any]:
    """What a runtime needs and a reader asks: model, preprocessing, scale, licence. JSON-ready.

    Exporters add `target`, `precision`, `tools`, `calibration`, `golden`, `parity`.
    """
    info = bundle.info
    return {
        "schema": SCHEMA,
        "model": {
            "name": info.name,
            "bundle": bundle.hash,
            "tower": info.tower.kind,
            "weights": info.tower.weights,
            "licence": info.licence,
            "notice": info.notice,
            "tie_width": info.tie_width,
            "tie_width_note": info.tie_width_note,
        },
        "preprocess": to_mapping(info.preprocess),
        "scale": to_mapping(info.scale),
    }


def outputs_facts(bundle: Bundle, outputs: Sequence[str]) -> dict[str, Any]:
    """What a file of a bundle says of its outputs: their names, and what the reasons mean."""
    said: dict[str, Any] = {"outputs": list(outputs)}
    if "reasons" in outputs and bundle.info.reasons is not None:
        said["reasons"] = [to_mapping(reason) for reason in bundle.info.reasons.bank]
    return said


def dump_facts(facts: Mapping[str, Any]) -> str:
    """The metadata entry's text: compact JSON, sorted keys."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_facts(text: str | None, *, where: str) -> Facts:
    """Read a metadata entry, untrusted.

    Raises:
        BundleError: If it is missing, not JSON, of another schema, or lacks what a reader needs.
    """
    if text is None:
        raise BundleError(f"{where} carries no ralikit metadata: it was not made by ralikit export")
    try:
        facts = parse_json(text)
    except ValueError as error:
        raise BundleError(f"{where}: its ralikit metadata is not valid JSON: {error}") from error
    return read_facts(facts, where=where)


def read_facts(values: object, *, where: str) -> Facts:
    """Facts from plain values, untrusted: a metadata entry's, or what `facts_of` began.

    Args:
        values: What the JSON text held. Keys that this version does not know are kept in `written`.
        where: The file, named in errors.

    Raises:
        BundleError: If they are of another schema, or lack what a reader needs.
    """
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise BundleError(f"{where}: its metadata is of another schema than {SCHEMA}")
    kind = values.get("kind", SCORER)
    try:
        preprocess = from_mapping(
            Preprocess, values.get("preprocess", {}), where=f"{where}: preprocess"
        )
    except UsageError as error:
        raise BundleError(str(error)) from error
    try:
        model = from_mapping(ModelFacts, _known(ModelFacts, values["model"]), where="model")
        scale = Scale()
        if kind != PREPROCESS:
            scale = from_mapping(Scale, values["scale"], where="scale")
    except _UNREADABLE as error:
        said = shown(str(error), most=300)
        raise BundleError(f"{where}: its metadata is incomplete ({said})") from error
    return Facts(
        model=model,
        preprocess=preprocess,
        scale=scale,
        kind=_word(kind),
        target=_word(values.get("target")),
        precision=_word(values.get("precision")),
        outputs=_outputs(values, where=where),
        reasons=_reasons(values, where=where),
        layers=_readable(lambda: {str(k): str(v) for k, v in values["layers"].items()}),
        golden=_readable(lambda: tuple(_golden(entry) for entry in values["golden"])),
        limits=_readable(lambda: {str(k): float(v) for k, v in values["limits"].items()}),
        checks=_readable(lambda: tuple(_lenient(CheckFacts, c) for c in values["checks"])) or (),
        activations=_readable(lambda: _lenient(Reach, values["activations"])),
        gpu=bool(values.get("gpu")),
        npu=bool(values.get("npu")),
        written=values,
    )


def _outputs(values: Mapping[str, Any], *, where: str) -> tuple[str, ...]:
    # Files of the first version call them functions.
    given = values.get("outputs", values.get("functions", ["score"]))
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        said = shown(repr(given))
        raise BundleError(f"{where}: its metadata names its outputs as {said}, not as a list")
    return tuple(given)


def _reasons(values: Mapping[str, Any], *, where: str) -> tuple[ReasonInfo, ...]:
    # What they mean is needed wherever they are given; elsewhere it would mean nothing.
    if "reasons" not in _outputs(values, where=where):
        return ()
    try:
        bank = tuple(_lenient(ReasonInfo, entry) for entry in values["reasons"])
        check_bank(bank)
    except _UNREADABLE as error:
        said = shown(str(error), most=300)
        raise BundleError(
            f"{where}: its metadata does not say what its reasons mean ({said})"
        ) from error
    return bank


def _golden(entry: Mapping[str, Any]) -> GoldenScore:
    if not (isinstance(entry["name"], str) and isinstance(entry["sha256"], str)):
        raise TypeError("a golden photo's name and hash are text")
    return GoldenScore(
        name=entry["name"],
        sha256=entry["sha256"],
        reference=float(entry["reference"]),
        reasons=tuple(float(value) for value in entry.get("reasons", ())),
    )


def _lenient(cls: type[T], values: Mapping[str, Any]) -> T:
    return from_mapping(cls, _known(cls, values))


def _known(cls: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    # A later version may say more; what it adds is no reason to refuse a file.
    names = known_names(cls)
    return {key: value for key, value in values.items() if key in names}


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _readable(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except _UNREADABLE:
        return None
