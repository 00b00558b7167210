"""The facts an exported file carries about itself, the same in its manifest and its metadata."""

from __future__ import annotations

import json
from typing import Any

from ralikit.config import from_mapping, to_mapping
from ralikit.errors import BundleError, UsageError
from ralikit.model.bundle import Bundle
from ralikit.photo.views import Preprocess

SCHEMA = 1
KEY = "ralikit"
"""Name of the one metadata entry, a JSON text, in every format."""


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
            "resolution": info.resolution,
            "resolution_note": info.resolution_note,
        },
        "preprocess": to_mapping(info.preprocess),
        "scale": to_mapping(info.scale),
    }


def dump_facts(facts: dict[str, Any]) -> str:
    """The metadata entry's text: compact JSON, sorted keys."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_facts(text: str | None, *, where: str) -> dict[str, Any]:
    """Read a metadata entry, untrusted.

    Raises:
        BundleError: If it is missing, not JSON, or of another schema.
    """
    if text is None:
        raise BundleError(f"{where} carries no ralikit metadata: it was not made by ralikit export")
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{where}: its ralikit metadata is not valid JSON: {error}") from error
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise BundleError(f"{where}: its metadata is of another schema than {SCHEMA}")
    preprocess_of(facts, where=where)
    return facts


def preprocess_of(facts: dict[str, Any], *, where: str) -> Preprocess:
    """The preprocessing a file's facts declare.

    Raises:
        BundleError: If it is missing or out of range.
    """
    try:
        return from_mapping(Preprocess, facts.get("preprocess", {}), where=f"{where}: preprocess")
    except UsageError as error:
        raise BundleError(str(error)) from error
