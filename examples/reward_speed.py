"""How many pictures a second the reward scores, forward alone and with the gradient.

python examples/reward_speed.py --model BUNDLE --device cuda --precision bfloat16 --batch 32
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from ralikit.models import bundled_path
from ralikit.reward import Reward


def measured(reward: Reward, images: torch.Tensor, rounds: int, *, backward: bool) -> float:
    """Median seconds of a batch, after one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        images.grad = None
        _settle(images.device)
        started = time.perf_counter()
        with torch.set_grad_enabled(backward):
            score = reward(images).mean()
        if backward:
            score.backward()
        _settle(images.device)
        seconds.append(time.perf_counter() - started)
    return sorted(seconds[1:])[rounds // 2]


def _settle(device: torch.device) -> None:
    # A GPU works on behind Python's back: wait for it before looking at the clock.
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Print images per second, and on a GPU the most memory that tensors took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=bundled_path(), help="bundle folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--edge", type=int, default=512, help="pictures of EDGE x EDGE pixels")
    parser.add_argument("--rounds", type=int, default=10)
    words = parser.parse_args()
    device = torch.device(words.device)
    reward = Reward(words.model, device=device, precision=words.precision, batch=words.batch)
    images = torch.rand(words.batch, 3, words.edge, words.edge, device=device, requires_grad=True)
    result: dict[str, Any] = {
        k: str(v) if isinstance(v, Path) else v for k, v in vars(words).items()
    }
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    result |= {"runs_on": name, "torch": torch.__version__, "threads": torch.get_num_threads()}
    for what, backward in (("forward", False), ("forward and backward", True)):
        seconds = measured(reward, images, words.rounds, backward=backward)
        result[f"images per second, {what}"] = round(words.batch / seconds, 2)
    if device.type == "cuda":
        result["peak GPU memory, bytes"] = torch.cuda.max_memory_allocated(device)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
