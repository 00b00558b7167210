"""Fine-tune a tiny diffusion model towards RALI's score, on a CPU in minutes.

    pip install '.[train]' diffusers  # in a checkout
    python examples/reward_diffusion.py --out reward-diffusion.png

A small UNet of diffusers learns crops of two photos that come with scikit-learn; then its last
denoising step is trained on the reward's gradient (truncated backpropagation, as DRaFT-1 does it:
Clark et al., 2024, "Directly fine-tuning diffusion models on differentiable rewards"), twice: with
the reward alone, and with a penalty for leaving what the first model makes of the same noise. The
table has the score, a second model's score that nobody trains on, and the signs of a hacked reward.

It shows how the parts fit. The pictures are of 32 pixels and look like it: what is said of the
reward here says nothing of real generators.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ralikit.reward import Reward, hacking_signs

EDGE = 32


def crops(count: int, generator: torch.Generator) -> Tensor:
    """Random squares of two photos, (count, 3, 32, 32) in -1..1."""
    from sklearn.datasets import load_sample_image

    photos = []
    for name in ("china.jpg", "flower.jpg"):
        small = Image.fromarray(load_sample_image(name)).resize((160, 107))
        photos.append(torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 127.5 - 1)
    picked = []
    for _ in range(count):
        photo = photos[int(torch.randint(2, (1,), generator=generator))]
        top = int(torch.randint(photo.shape[1] - EDGE, (1,), generator=generator))
        left = int(torch.randint(photo.shape[2] - EDGE, (1,), generator=generator))
        picked.append(photo[:, top : top + EDGE, left : left + EDGE])
    return torch.stack(picked)


def tiny_unet() -> Any:
    """0.6 million parameters or so."""
    return UNet2DModel(
        sample_size=EDGE,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(24, 48, 48),
        down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
        norm_num_groups=8,
    )


def learn(unet: Any, scheduler: Any, steps: int, generator: torch.Generator) -> None:
    """Ordinary training: predict the noise in noisy crops."""
    optimiser = torch.optim.AdamW(unet.parameters(), lr=1e-3)
    for _ in range(steps):
        clean = crops(16, generator)
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.randint(scheduler.config.num_train_timesteps, (16,), generator=generator)
        found = unet(scheduler.add_noise(clean, noise, t), t).sample
        optimiser.zero_grad()
        F.mse_loss(found, noise).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def sample(unet: Any, scheduler: Any, noise: Tensor, *, last: int) -> Tensor:
    """Denoise; only the last steps carry a gradient. (B, 3, 32, 32) in 0..1."""
    scheduler.set_timesteps(12)
    x = noise
    for index, t in enumerate(scheduler.timesteps):
        with torch.set_grad_enabled(index >= len(scheduler.timesteps) - last):
            x = scheduler.step(unet(x, t).sample, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


def tune(unet: Any, scheduler: Any, reward: Reward, *, steps: int, keep: float, seed: int) -> Any:
    """A copy that scores higher.

    Args:
        unet: The model to start from.
        scheduler: Its scheduler.
        reward: What to climb.
        steps: Of Adam.
        keep: Weight of the squared distance to what `unet` makes of the same noise.
        seed: Of the noise.
    """
    tuned = copy.deepcopy(unet)
    optimiser = torch.optim.AdamW(tuned.parameters(), lr=2e-4)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        noise = torch.randn(2, 3, EDGE, EDGE, generator=generator)
        pictures = sample(tuned, scheduler, noise, last=1)
        with torch.no_grad():
            before = sample(unet, scheduler, noise, last=0)
        loss = -reward(pictures).mean() + keep * F.mse_loss(pictures, before)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return tuned


@torch.no_grad()
def look(unet: Any, scheduler: Any, rewards: dict[str, Reward]) -> tuple[dict[str, float], Tensor]:
    """Scores and signs of 8 pictures of always the same noise, and the pictures."""
    noise = torch.randn(8, 3, EDGE, EDGE, generator=torch.Generator().manual_seed(99))
    pictures = sample(unet, scheduler, noise, last=0)
    signs = hacking_signs(pictures)
    figures = {name: float(reward(pictures).mean()) for name, reward in rewards.items()}
    figures |= {
        "saturation": float(signs.saturation.mean()),
        "clipped": float(signs.clipped.mean()),
        "high frequency": float(signs.high_frequency.mean()),
    }
    return {name: round(value, 4) for name, value in figures.items()}, pictures


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--other", default="mini-free", help="scores too, but nothing trains on it")
    parser.add_argument("--learn", type=int, default=200, help="steps of ordinary training")
    parser.add_argument("--steps", type=int, default=15, help="steps on the reward")
    parser.add_argument("--keep", type=float, default=50.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("reward-diffusion.png"))
    words = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(words.threads)
    scheduler = DDIMScheduler(num_train_timesteps=200, clip_sample=True)
    rewards = {name: Reward(name) for name in (words.model, words.other)}
    unet = tiny_unet()
    learn(unet, scheduler, words.learn, torch.Generator().manual_seed(0))
    climb = {"steps": words.steps, "seed": 1}
    models = {
        "as learnt": unet,
        "reward alone": tune(unet, scheduler, rewards[words.model], keep=0.0, **climb),
        "and kept near": tune(unet, scheduler, rewards[words.model], keep=words.keep, **climb),
    }
    rows = []
    for name, model in models.items():
        figures, pictures = look(model, scheduler, rewards)
        print(f"{name}: {json.dumps(figures)}", flush=True)
        rows.append(torch.cat(list(pictures[:8]), dim=2))
    sheet = (torch.cat(rows, dim=1).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(sheet).resize((8 * 96, 3 * 96), Image.Resampling.NEAREST).save(words.out)
    print(f"pictures, a row a model: {words.out}")


if __name__ == "__main__":
    main()
