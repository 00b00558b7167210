"""Phones and browsers in the report, beside what others publish of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.report.choice import FILL_ANDROID, FILL_DEVICE, FILL_IOS, label, of_kind
from ralikit.report.page import NOT_MEASURED, Section, Table, megabytes, milliseconds

FILL_DEVICES = f"{FILL_ANDROID}; {FILL_IOS}; or {FILL_DEVICE}"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure that somebody else printed: never measured here."""

    model: str
    device: str
    milliseconds: float
    source: str


PUBLISHED = (
    Published(
        model="MobileNetV2 1.0, float16",
        device="iPhone 15 Pro",
        milliseconds=0.49,
        source="Core ML Tools guide, quantization performance",
    ),
    Published(
        model="MobileNetV2 1.0, 8-bit weights and activations",
        device="iPhone 15 Pro",
        milliseconds=0.20,
        source="Core ML Tools guide, quantization performance",
    ),
    Published(
        model="NIMA, aesthetic and technical: both, MobileNet, float16",
        device="Pixel 8a",
        milliseconds=173,
        source="model card of litert-community/NIMA-LiteRT: ~173 ms for both models, on the GPU",
    ),
    Published(
        model="ViT-B/16, w8a8, TFLite on the NPU",
        device="Samsung Galaxy S25",
        milliseconds=3.389,
        source="Qualcomm AI Hub Models, models/vit/perf.yaml (QAIRT 2.41)",
    ),
    Published(
        model="MobileCLIP2-S4, image encoder",
        device="iPhone 12 Pro Max",
        milliseconds=19.6,
        source="MobileCLIP2's table of checkpoints; device as its authors name it",
    ),
)


def device_section(records: Sequence[Record]) -> Section:
    """Phones and browsers; what ran under emulation is named and kept out."""
    latency = of_kind(records, "latency")
    real = [r for r in latency if r.device.kind in {"phone", "browser"} and not r.device.emulated]
    emulated = [r for r in latency if r.device.emulated]
    rows = []
    for record in real:
        inference = summarise(record.samples["inference_s"])
        rows.append(
            (
                f"{record.device.name} ({record.device.chip}, {record.device.os})",
                label(record),
                record.runtime.unit,
                milliseconds(inference.median),
                milliseconds(inference.p90),
                megabytes(record.memory.peak_bytes if record.memory else None),
                f"{record.state.thermal_before} to {record.state.thermal_after}",
            )
        )
    table = Table(
        title="Devices",
        columns=("device", "file", "compute unit", "median", "p90", "peak memory", "thermal state"),
        rows=tuple(rows) or (("phones", *([NOT_MEASURED] * 6)),),
        conditions=tuple(
            f"Left out, since emulated (numerics, never speed): {label(r)} on {r.device.name}."
            for r in emulated
        ),
        fill=FILL_DEVICES,
    )
    return Section(title="Phones and browsers", tables=(table, _published()))


def _published() -> Table:
    return Table(
        title="What others publish",
        columns=("model", "device", "time", "source"),
        rows=tuple((p.model, p.device, f"{p.milliseconds:g} ms", p.source) for p in PUBLISHED),
        conditions=(
            "Published, not measured here: other models, inputs and ways to measure. For the order "
            "of magnitude alone.",
        ),
    )
