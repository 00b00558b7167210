"""Kill a process that publishes pairs of file and manifest, again and again, and look each time.

    python tests/fuzz/kills.py --kills 300

After every kill the file must be whole, with its own manifest beside it (the old pair or the new),
and what the killed one left must be gone once another has published.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from ralikit.export.manifest import manifest_text, publish_pair, read_manifest
from ralikit.files import sha256_path

SIZE = 200_000


def publish(file: Path, number: int) -> None:
    """One pair whose every byte says which it is."""
    with publish_pair(file, overwrite=True) as (draft, manifest):
        draft.write_bytes(number.to_bytes(4, "big") * (SIZE // 4))
        text = manifest_text(draft, {"number": number}, name=file.name)
        manifest.write_text(text, encoding="utf-8")


def problem(file: Path) -> str | None:
    """What is wrong with the pair, or None."""
    data = file.read_bytes()
    if len(data) != SIZE or data != data[:4] * (SIZE // 4):
        return "the file is not whole"
    manifest = read_manifest(file)
    if manifest is None:
        return "the file has no manifest"
    if manifest["sha256"] != sha256_path(file):
        return "the manifest is another file's"
    return None


def child(file: Path, begin: int) -> None:
    """Publish without end."""
    number = begin
    while True:
        number += 1
        publish(file, number)


def main() -> None:
    """Kill, look, repeat; exit code 1 at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        publish(file, 0)
        for kill in range(arguments.kills):
            begin = 1 + int.from_bytes(file.read_bytes()[:4], "big")
            process = os.fork()
            if process == 0:
                child(file, begin)
            time.sleep(rng.uniform(0.001, 0.08))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            if wrong := problem(file):
                sys.exit(f"kill {kill}: {wrong}")
        left = len([p for p in Path(folder).iterdir() if p.name.startswith(".")])
        publish(file, 0)
        after = [p.name for p in Path(folder).iterdir() if p.name.startswith(".")]
        if after:
            sys.exit(f"{len(after)} drafts of killed processes stayed: {after[0]}")
    print(f"{arguments.kills} kills: every pair whole, {left} drafts left by the last, then none")


if __name__ == "__main__":
    main()
