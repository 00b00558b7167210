"""Made-up benchmark records, for tests alone: no figure here was measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from ralikit.bench.records import Device, Memory, Model, Protocol, RanBy, Record, replace


def made_up_record(**changes: Any) -> Record:
    """A latency record with invented samples, named so."""
    rng = np.random.default_rng(0)
    record = Record(
        kind="latency",
        run="made-up",
        time="2026-01-01T00:00:00Z",
        commit="",
        model=Model(
            name="made-up",
            hash="0" * 64,
            bundle="1" * 64,
            format="onnx",
            precision="int8",
            size_bytes=1_000_000,
            weights="random",
            input=(2, 8, 8, 3),
        ),
        device=Device(
            kind="host", name="made-up host", os="none", chip="none", cores=2, memory_bytes=1 << 30
        ),
        runtime=RanBy(name="onnxruntime", version="0", unit="cpu", threads=2),
        protocol=Protocol(quick=True, rounds=4, warmups=1, cooldown_s=0.0, command="made up"),
        samples={
            "inference_s": rng.normal(0.010, 0.0003, 40).round(6).tolist(),
            "round": np.repeat(np.arange(4), 10).tolist(),
        },
        load_s=0.1,
        first_s=0.02,
        memory=Memory(
            peak_bytes=100 << 20, steady_bytes=90 << 20, private_bytes=80 << 20, how="made up"
        ),
    )
    return replace(record, **changes)
