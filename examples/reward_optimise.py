"""Raise RALI's score of a spoilt photo three times, with more and more freedom.

Exposure and sharpness can only mend; colour sliders can also paint; free pixels can do anything,
and show what a reward does not see. Curves and pictures go into one PNG, with the distance to the
unspoilt original, which the optimiser never sees.

    python examples/reward_optimise.py --model BUNDLE --out reward.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.models import bundled_path
from ralikit.photo.decode import open_photo
from ralikit.reward import Reward


class Sliders(nn.Module):
    """A photo editor: exposure, gamma and sharpness, with or without colour. The small generator.

    Args:
        colour: Also give each channel a gain of its own, and saturation.
    """

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self.exposure = nn.Parameter(torch.zeros(()))
        self.gamma = nn.Parameter(torch.zeros(()))
        self.sharpness = nn.Parameter(torch.zeros(()))
        self.balance = nn.Parameter(torch.zeros(3), requires_grad=colour)
        self.saturation = nn.Parameter(torch.zeros(()), requires_grad=colour)

    def forward(self, image: Tensor) -> Tensor:
        """Edit pictures, (B, 3, H, W) in 0..1 -> the same."""
        gain = (1.5 * self.exposure.tanh() + self.balance.tanh()).exp().view(1, -1, 1, 1)
        x = (image * gain).clamp(1e-4, 1) ** (0.7 * self.gamma.tanh()).exp()
        gray = x.mean(dim=1, keepdim=True)
        x = gray + (x - gray) * self.saturation.tanh().exp()
        blurred = F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        return (x + (x - blurred) * 2 * self.sharpness.tanh()).clamp(0, 1)


class FreePixels(nn.Module):
    """Every pixel is a parameter."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros_like(image))

    def forward(self, image: Tensor) -> Tensor:
        """Add the change, (B, 3, H, W) -> the same."""
        return (image + self.change).clamp(0, 1)


def spoil(image: Tensor) -> Tensor:
    """Dark, blurred and a little noisy, always the same way."""
    blurred = F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (blurred * 0.45 + 0.01 * noise).clamp(0, 1)


def optimise(
    generator: nn.Module, image: Tensor, reward: Callable[[Tensor], Tensor], rate: float, steps: int
) -> tuple[Tensor, list[float]]:
    """Climb the reward with Adam; the last picture and the score before every step."""
    optimizer = torch.optim.Adam((p for p in generator.parameters() if p.requires_grad), lr=rate)
    scores = []
    for step in range(steps + 1):
        picture = generator(image)
        score = reward(picture).mean()
        scores.append(float(score.detach()))
        if step < steps:
            optimizer.zero_grad()
            (-score).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return picture.detach(), scores


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio, dB."""
    return float(-10 * torch.log10(F.mse_loss(a, b).clamp_min(1e-12)))


def open_square(path: Path | None, edge: int) -> Tensor:
    """The middle of a photo, (1, 3, edge, edge) in 0..1; None: one that comes with scikit-learn."""
    if path is None:
        from sklearn.datasets import load_sample_image

        photo = Image.fromarray(load_sample_image("china.jpg"))
    else:
        photo = open_photo(path)
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    photo = photo.crop((left, top, left + side, top + side)).resize((edge, edge))
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255


def draw(
    out: Path,
    curves: dict[str, list[float]],
    pictures: dict[str, tuple[Tensor, float, float]],
    name: str,
) -> None:
    """Curves on the left, pictures with score and PSNR on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 3.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(pictures), width_ratios=[1.5] + [1.0] * len(pictures))
    for label, scores in curves.items():
        axes[0].plot(scores, label=label)
    axes[0].set_xlabel("step")
    axes[0].set_ylabel(f"score of {name}, 1-5")
    axes[0].legend(frameon=False)
    axes[0].grid(alpha=0.3)
    for axis, (label, (picture, score, distance)) in zip(axes[1:], pictures.items(), strict=True):
        axis.imshow(picture[0].permute(1, 2, 0).clamp(0, 1).numpy())
        away = "" if np.isinf(distance) or distance > 100 else f", {distance:.1f} dB"
        axis.set_title(f"{label}\nscore {score:.2f}{away}", fontsize=9)
        axis.axis("off")
    figure.savefig(out)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=bundled_path(), help="bundle folder")
    parser.add_argument("--photo", type=Path, help="photo to spoil; default: scikit-learn's china")
    parser.add_argument("--out", type=Path, default=Path("reward.png"))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--edge", type=int, default=320, help="edge of the square, pixels")
    words = parser.parse_args()

    reward = Reward(words.model, recompute=False)
    original = open_square(words.photo, words.edge)
    spoilt = spoil(original)
    runs: dict[str, tuple[nn.Module, float]] = {
        "exposure, sharpness": (Sliders(colour=False), 0.06),
        "and colour": (Sliders(colour=True), 0.06),
        "free pixels": (FreePixels(spoilt), 0.004),
    }
    curves: dict[str, list[float]] = {}
    with torch.no_grad():
        pictures = {
            "original": (original, float(reward(original)), float("inf")),
            "spoilt": (spoilt, float(reward(spoilt)), psnr(spoilt, original)),
        }
    for label, (generator, rate) in runs.items():
        picture, curves[label] = optimise(generator, spoilt, reward, rate, words.steps)
        pictures[label] = (picture, curves[label][-1], psnr(picture, original))
    draw(words.out, curves, pictures, reward.name)
    figures = {
        label: {"score": round(score, 3), "psnr_db": None if np.isinf(db) else round(db, 2)}
        for label, (_, score, db) in pictures.items()
    }
    print(json.dumps(figures, indent=2))
    print(f"picture: {words.out}")


if __name__ == "__main__":
    main()
