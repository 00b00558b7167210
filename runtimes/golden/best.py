"""Golden cases of the best shot: fingerprints, likenesses, and scenes with the best of each.

    python runtimes/golden/best.py            # write best.json
    python runtimes/golden/best.py --check    # change nothing; exit 1 where it differs

Scores, times and colours of the cases are made up; docs/contract.md has the rule.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.best import SceneRule, Shot, find_scenes
from ralikit.config import to_mapping
from ralikit.files import read_json, to_json, write_text
from ralikit.photo.decode import decode
from ralikit.photo.fingerprint import fingerprint, likeness

ROOT = Path(__file__).parent
OUT = ROOT / "best.json"
SIZES = ((1, 1), (7, 9), (3, 500), (8, 8), (255, 256), (512, 513), (1100, 517), (520, 1031))
"""Of patterns: fewer pixels than cells, cells of unequal size, steps of 1 and 2."""

Array = NDArray[np.uint8]


def pattern(width: int, height: int) -> Array:
    """Pixels that any language can make: (7 x + 13 y + 29 c + x y mod 11) mod 256."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    made: Array = ((7 * x + 13 * y + 29 * c + (x * y) % 11) % 256).astype(np.uint8)
    return made


def look(seed: int, *, blend: int = 0, towards: int = 0) -> bytes:
    """A made-up fingerprint; blended with another by `blend` tenths they are alike."""
    one = np.random.default_rng(seed).integers(0, 256, 192)
    other = np.random.default_rng(towards).integers(0, 256, 192)
    return ((one * (10 - blend) + other * blend) // 10).astype(np.uint8).tobytes()


def shot(value: float, print_: bytes, taken: float | None = None) -> Shot:
    """One shot, in short."""
    return Shot(value=value, fingerprint=print_, taken=taken)


def cases() -> list[tuple[str, Sequence[Shot], float | None, SceneRule]]:
    """Name, shots, tie width and rule of every case: together they reach every branch."""
    a, b, c = look(1), look(2), look(3)
    near_a = look(1, blend=2, towards=9)  # likeness 0.97: a copy by any measure
    like_a = look(1, blend=4, towards=9)  # 0.83: the same scene if the time agrees
    flat, other_flat = bytes([90] * 192), bytes([91] * 192)
    rule, every = SceneRule(), SceneRule(seconds=10, likeness=-1)
    chain = [shot(3, look(1, blend=n, towards=9), n) for n in (0, 3, 5, 7)]
    between = [shot(3, look(1, blend=n, towards=9), n) for n in (1, 7, 9)]
    between[2] = shot(4, look(1, blend=5, towards=9), 9)
    pauses = [shot(3, a, 0), shot(3.5, a, 60), shot(4, a, 120)]
    unmeasured = [shot(3.0, a, 0), shot(3.01, a, 1), shot(3.01, a, 2)]
    return [
        ("nothing", [], 0.2, rule),
        ("one photo", [shot(3.0, a, 5.0)], 0.2, rule),
        ("a burst", [shot(3.0, a, 0), shot(3.6, near_a, 1), shot(2.0, like_a, 2)], 0.2, rule),
        ("two scenes in turn", [shot(3, a, 0), shot(2, b, 1), shot(4, near_a, 2)], 0.2, rule),
        ("too close to call", [shot(3.0, a, 0), shot(3.1, near_a, 1)], 0.2, rule),
        ("just far enough", [shot(3.0, a, 0), shot(3.25, near_a, 1)], 0.25, rule),
        ("tie width not measured", unmeasured, None, rule),
        ("equal scores: the first taken", [shot(3.0, a, 9), shot(3.0, a, 4)], 0.0, rule),
        ("given out of order", [shot(3, a, 90), shot(2, near_a, 31), shot(1, a, 0)], 0.1, rule),
        ("the pause counts from the latest", pauses, 0.1, rule),
        ("a pause too long", [shot(3, a, 0), shot(4, a, 61)], 0.1, rule),
        ("alike, but the time is not known", [shot(3, a, 0), shot(4, like_a)], 0.1, rule),
        ("a copy without a time", [shot(3, b, 0), shot(3, a, 10), shot(4, near_a)], 0.1, rule),
        ("no times at all", [shot(3, a), shot(3, b), shot(4, a), shot(2, c)], 0.1, rule),
        ("those without a time come last", [shot(2, a), shot(3, a, 5), shot(4, a, 7)], 0.1, rule),
        ("the closest scene, not the first", between, 0.1, rule),
        ("held to the first photo", chain, 0.1, rule),
        ("one colour only", [shot(3, flat, 0), shot(4, flat), shot(2, other_flat, 2)], 0.1, rule),
        ("another rule", [shot(3, a, 0), shot(4, b, 9), shot(5, c, 20)], 0.1, every),
    ]


def golden() -> dict[str, Any]:
    """The whole of `best.json`."""
    photos = sorted(p for p in (ROOT / "images").iterdir() if p.suffix == ".png")
    prints = [look(1), look(2), look(1, blend=4, towards=9), bytes(192), bytes([90] * 192)]
    return {
        "schema": 1,
        "patterns": [
            {"width": w, "height": h, "fingerprint": fingerprint(pattern(w, h)).hex()}
            for w, h in SIZES
        ],
        "photos": {p.name: fingerprint(decode(p).pixels).hex() for p in photos},
        "likenesses": [
            {"one": one.hex(), "other": other.hex(), "likeness": likeness(one, other)}
            for one in prints
            for other in prints
        ],
        "cases": [
            {
                "name": name,
                "rule": to_mapping(rule),
                "tie_width": tie_width,
                "shots": [
                    {"value": s.value, "taken": s.taken, "fingerprint": s.fingerprint.hex()}
                    for s in shots
                ],
                "scenes": [
                    {"shots": list(s.shots), "best": s.best, "rivals": list(s.rivals)}
                    for s in find_scenes(shots, tie_width=tie_width, rule=rule)
                ],
            }
            for name, shots, tie_width, rule in cases()
        ],
    }


def main() -> int:
    """Write the file, or compare it."""
    made = to_json(golden())
    if "--check" in sys.argv[1:]:
        same = to_json(read_json(OUT)) == made
        print("best.json holds" if same else "best.json differs: run runtimes/golden/best.py")
        return 0 if same else 1
    write_text(OUT, made)
    print(f"wrote {OUT}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
