"""How a reward is hacked: pictures that were optimised against a model, and what shows it.

    python benchmarks/reward_hacking.py --out benchmarks/results/reward-hacking.json

Photos that come with scikit-learn and scikit-image are changed by gradient ascent on the model's
score (`ralikit.reward`), in four ways:

- `pixels 4/255`, `pixels 16/255`: every value may move so far;
- `free pixels`: every value may be anything;
- `colour`: gains of R, G, B on a grid of 4 x 4, smooth between: no detail can change.

Each is then scored by the model, by another that the ascent never saw, and by the model again after
a JPEG of quality 75; the signs of `hacking_signs` and the PSNR to the photo stand beside. The score
is that of the saved 8-bit picture, by ONNX Runtime and not by the reward itself.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ralikit.files import publish, to_json
from ralikit.reward import Reward, hacking_signs
from ralikit.scorer import Scorer, load

Edit = Callable[[Tensor, Tensor], Tensor]
"""A photo and free parameters to the changed photo."""


def photos(edge: int, count: int) -> dict[str, Tensor]:
    """The middle squares of well-known photos, (1, 3, edge, edge) in 0..1, by name."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    found = {
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "astronaut": data.astronaut(),
        "chelsea": data.chelsea(),
        "coffee": data.coffee(),
        "rocket": data.rocket(),
    }
    squares = {}
    for name, pixels in list(found.items())[:count]:
        side = min(pixels.shape[:2])
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        square = Image.fromarray(pixels[top : top + side, left : left + side])
        small = square.resize((edge, edge), Image.Resampling.LANCZOS)
        squares[name] = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    return squares


def within(limit: float) -> Edit:
    """Every value may move up to `limit`."""
    return lambda photo, free: (photo + limit * free.tanh()).clamp(0, 1)


def coloured(photo: Tensor, free: Tensor) -> Tensor:
    """Gains of at most e on a coarse grid, smooth between its points."""
    gains = F.interpolate(free.tanh(), size=photo.shape[2:], mode="bicubic", align_corners=False)
    return (photo * gains.exp()).clamp(0, 1)


def ways(edge: int) -> dict[str, tuple[Edit, tuple[int, ...], float]]:
    """Each way's edit, its parameters' shape, and Adam's rate."""
    every = (1, 3, edge, edge)
    return {
        "pixels 4/255": (within(4 / 255), every, 0.2),
        "pixels 16/255": (within(16 / 255), every, 0.2),
        "free pixels": (within(1.0), every, 0.02),
        "colour": (coloured, (1, 3, 4, 4), 0.15),
    }


def climb(
    reward: Reward, photo: Tensor, edit: Edit, shape: tuple[int, ...], rate: float, steps: int
) -> Tensor:
    """The photo after so many steps of ascent."""
    free = torch.zeros(shape, requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        (-reward(edit(photo, free)).sum()).backward()
        optimiser.step()
    return edit(photo, free).detach()


def to_image(picture: Tensor) -> Image.Image:
    """A picture as it would be saved."""
    pixels = (picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(pixels)


def look(picture: Tensor, photo: Tensor, judges: dict[str, Scorer]) -> dict[str, float]:
    """Everything that is said of one picture."""
    image, packed = to_image(picture), io.BytesIO()
    image.save(packed, "JPEG", quality=75)
    signs = hacking_signs(picture)
    first = next(iter(judges.values()))
    error = float(F.mse_loss(picture, photo))
    return {
        **{name: judge.score(image).value for name, judge in judges.items()},
        "after JPEG 75": first.score(packed.getvalue()).value,
        "saturation": float(signs.saturation),
        "clipped": float(signs.clipped),
        "high frequency": float(signs.high_frequency),
        "PSNR, dB": 99.0 if error == 0 else -10 * float(np.log10(error)),
    }


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini", help="the model that is climbed")
    parser.add_argument("--other", default="mini-free", help="one that the ascent never sees")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--edge", type=int, default=256, help="of the pictures, pixels")
    parser.add_argument("--photos", type=int, default=3, help="6 at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()

    torch.set_num_threads(words.threads)
    reward = Reward(words.model)
    judges = {name: load(name, threads=1) for name in (words.model, words.other)}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, photo in photos(words.edge, words.photos).items():
        found.setdefault("photo", {})[name] = look(photo, photo, judges)
        for way, (edit, shape, rate) in ways(words.edge).items():
            picture = climb(reward, photo, edit, shape, rate, words.steps)
            found.setdefault(way, {})[name] = look(picture, photo, judges)
            print(name, way, json.dumps(found[way][name]), flush=True)
    medians: dict[str, Any] = {
        way: {
            figure: round(statistics.median(row[figure] for row in rows.values()), 4)
            for figure in next(iter(rows.values()))
        }
        for way, rows in found.items()
    }
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(words).items()}
    with publish(words.out, overwrite=True) as draft:
        draft.write_text(
            to_json({"settings": settings, "medians": medians, "pictures": found}), "utf-8"
        )
    print(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
