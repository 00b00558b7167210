"""How long the Kotlin resize takes beside Pillow's, in one run and on one thread each.

    python tests/native/android/resize_ratio.py JAVA_ARGUMENT...

The arguments start `org.ralikit.ResizeBench`, up to and without its own. A photo of 12 megapixels,
bicubic; Pillow before and after Kotlin, the mean of its two medians counts. Exits 1 where the bytes
differ or the ratio is over the limit; a timing is worth something on a quiet machine only, which is
why no test calls this. `-XX:-BackgroundCompilation` keeps a busy machine's late JIT out of it.
"""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ralikit.photo.resample import resize_image

WIDTH, HEIGHT = 4000, 3000
SIZES = ((683, 512), (224, 224), (2000, 1500))
ROUNDS = 14
LIMIT = 1.3


def pillow(image: Image.Image, size: tuple[int, int]) -> tuple[float, str]:
    """Median of the thread's CPU seconds, and the hash of the pixels."""
    times = []
    for _ in range(ROUNDS // 2):
        start = time.thread_time()
        made = resize_image(image, size, resample="bicubic")
        times.append(time.thread_time() - start)
    return statistics.median(times), hashlib.sha256(made.tobytes()).hexdigest()


def kotlin(command: list[str], raw: Path) -> dict[str, tuple[float, str]]:
    """The same of Kotlin, by size."""
    sizes = [f"{w}x{h}" for w, h in SIZES]
    words = [*command, str(raw), str(WIDTH), str(HEIGHT), str(ROUNDS), *sizes]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {size: (float(seconds), sha) for size, seconds, sha in lines}


def main() -> int:
    """Print a line for each size; 1 where a limit is passed."""
    pixels = np.random.default_rng(12).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "photo.rgb"
        raw.write_bytes(pixels.tobytes())
        before = {size: pillow(image, size) for size in SIZES}
        ours = kotlin(sys.argv[1:], raw)
        after = {size: pillow(image, size) for size in SIZES}
    failed = False
    for size in SIZES:
        seconds, sha = ours[f"{size[0]}x{size[1]}"]
        theirs = (before[size][0] + after[size][0]) / 2
        ratio, same = seconds / theirs, sha == before[size][1]
        failed |= ratio > LIMIT or not same
        pillows = f"{before[size][0] * 1e3:.0f} and {after[size][0] * 1e3:.0f} ms"
        print(
            f"{size[0]} x {size[1]}: Kotlin {seconds * 1e3:.0f} ms, Pillow {pillows}, "
            f"ratio {ratio:.2f}, bytes {'equal' if same else 'DIFFER'}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
