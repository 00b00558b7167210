"""Facts into an ONNX model's metadata, and the digest that seals its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from ralikit.model.facts import KEY, dump_facts
from ralikit.runtimes.digest import BLANK, DIGEST_KEY, DIGEST_MARK, sealed


def with_facts(model: onnx.ModelProto, facts: Mapping[str, Any]) -> bytes:
    """A model's file with its facts, replacing those there, and the digest over all of it."""
    kept = {p.key: p.value for p in model.metadata_props if p.key not in (KEY, DIGEST_KEY)}
    ours = {KEY: dump_facts(facts), DIGEST_KEY: BLANK.decode()}
    onnx.helper.set_model_props(model, {**kept, **ours})
    data: bytes = model.SerializeToString(deterministic=True)
    return sealed(data, data.rindex(BLANK) + len(DIGEST_MARK))  # metadata follow the graph
