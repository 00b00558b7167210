"""The Swift resize against Pillow's: the same pixels, in the same run, taking turns.

    python resize_ratio.py -- COMMAND…      # COMMAND runs resize-bench; its FILE is written first
    python resize_ratio.py --raw FILE -- COMMAND…

COMMAND gets FILE, sizes and rounds appended. Both run on one thread and are timed in CPU seconds;
the results must be equal bytes. Prints a row a size and exits 1 where bytes differ; the ratio is a
figure to read, not a limit, since other work on the machine moves it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, __version__

WIDTH, HEIGHT = 4000, 3000
TARGETS = ((683, 512), (224, 224), (2000, 1500))
ROUNDS, TURNS = 5, 3


def photo() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Twelve megapixels of noise on a ramp: every rounding, and no two rows alike."""
    rng = np.random.default_rng(18)
    ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))[..., None] // 28
    noise = rng.integers(-60, 60, (HEIGHT, WIDTH, 3))
    clipped: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
    clipped = np.clip(ramp + noise, 0, 255).astype(np.uint8)
    return clipped


def pillow(image: Image.Image, size: tuple[int, int]) -> tuple[list[float], str]:
    """CPU seconds of every round, one axis at a time as docs/pixels.md says, and the hash."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        narrow = image.resize((size[0], HEIGHT), Image.Resampling.BICUBIC)
        whole = narrow.resize(size, Image.Resampling.BICUBIC)
        seconds.append(time.process_time() - start)
    return seconds, hashlib.sha256(whole.tobytes()).hexdigest()


def swift(command: list[str], size: tuple[int, int]) -> tuple[list[float], str]:
    """The same of `resize-bench`."""
    words = [*command, str(WIDTH), str(HEIGHT), str(size[0]), str(size[1]), str(ROUNDS)]
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    found = json.loads(run.stdout)
    return found["seconds"], found["sha256"]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="where the raw pixels are written")
    parser.add_argument("--inside", help="the same file's name as COMMAND sees it")
    parser.add_argument("command", nargs="+")
    words = parser.parse_args()
    pixels = photo()
    words.raw.write_bytes(pixels.tobytes())
    image = Image.fromarray(pixels)
    command = [*words.command, words.inside or str(words.raw)]
    wrong = 0
    print(f"{WIDTH} x {HEIGHT} bicubic, CPU ms, median of {TURNS} turns of {ROUNDS} rounds")
    for size in TARGETS:
        mine, theirs, hashes = [], [], set()
        for _ in range(TURNS):
            seconds, digest = pillow(image, size)
            theirs.append(median(seconds))
            hashes.add(digest)
            seconds, digest = swift(command, size)
            mine.append(median(seconds))
            hashes.add(digest)
        took = [1000 * median(times) for times in (theirs, mine)]
        ratio = took[1] / took[0]
        equal = len(hashes) == 1
        wrong += not equal
        words_of = "equal bytes" if equal else "OTHER BYTES"
        print(
            f"to {size[0]} x {size[1]}: Pillow {__version__} {took[0]:.0f}, "
            f"Swift {took[1]:.0f}, ratio {ratio:.2f}, {words_of}"
        )
    words.raw.unlink()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
