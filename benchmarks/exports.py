"""What a folder of exports says of itself, as one record: sizes, parity, stored types.

    ralikit bench standin runs/vitl
    ralikit export runs/vitl --target all --precision int8 --out runs/exports   # and the others
    python benchmarks/exports.py runs/exports --out benchmarks/results/vitl-exports.json

Every figure comes from the manifests that `ralikit export` wrote after it had run the converted
file; files of different models are refused.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from ralikit.errors import UsageError
from ralikit.export.manifest import read_manifest
from ralikit.files import publish, to_json


def row(manifest: dict[str, Any]) -> dict[str, Any]:
    """What one manifest says that a table compares."""
    mix = manifest.get("auto")
    return {
        "target": manifest["target"],
        "precision": manifest["precision"],
        **({"layout": manifest["layout"]} if "layout" in manifest else {}),
        **({"auto": {key: mix[key] for key in ("budgets", "trials")}} if mix else {}),
        "bytes": manifest["bytes"],
        "sha256": manifest["sha256"],
        "layers": dict(sorted(Counter(manifest["layers"].values()).items())),
        "parity": manifest["parity"],
        "checks": {check["name"]: check["passed"] for check in manifest["checks"]},
        "tools": manifest["tools"],
    }


def collected(folders: list[Path]) -> dict[str, Any]:
    """The record of all exported files in some folders.

    Raises:
        UsageError: If there are none, or they are of different models.
        BundleError: If a manifest cannot be read.
    """
    files = [path for folder in folders for path in sorted(folder.iterdir())]
    manifests = [m for path in files if (m := read_manifest(path)) is not None]
    if not manifests:
        raise UsageError(f"there are no manifests in {', '.join(map(str, folders))}")
    models = {m["model"]["bundle"] for m in manifests}
    if len(models) > 1:
        raise UsageError(f"the manifests speak of {len(models)} models; one is expected")
    first = manifests[0]
    rows = sorted((row(m) for m in manifests), key=lambda r: (r["target"], -r["bytes"]))
    return {
        "what": "size and parity with the float32 reference, as the exports found them",
        "model": first["model"]["name"],
        "bundle": first["model"]["bundle"],
        "weights": first["model"]["weights"],
        "fold": first["fold"],
        "gate": first["gate"],
        "rows": rows,
    }


def main() -> None:
    """Read the manifests, write the record, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    record = collected(arguments.folders)
    for r in record["rows"]:
        parity = r["parity"]
        shift = parity.get("shift")
        print(
            f"{r['target']:7} {r['precision']:13} {r.get('layout', ''):13} "
            f"{r['bytes'] / 1e6:8.1f} MB  largest drift {parity['max_drift']:.6f}  "
            f"embedding error over spread {'not measured' if shift is None else f'{shift:.4f}'}"
        )
    with publish(arguments.out, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()
