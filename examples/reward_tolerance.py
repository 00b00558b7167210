"""How far the reward is from the score a photo gets: photos of packages, at three sizes each.

python examples/reward_tolerance.py --model BUNDLE
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ralikit.models import bundled_path
from ralikit.reward import Reward
from ralikit.scorer import load

WAYS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, not rounded": {"rounded": False},
    "bfloat16 tower": {"precision": "bfloat16"},
}


def photos() -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Photos that come with scikit-learn and scikit-image, reduced and enlarged."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    originals = [*load_sample_images().images, data.astronaut(), data.coffee(), data.chelsea()]
    found = []
    for original in originals:
        image = Image.fromarray(original)
        for factor in (0.7, 1.3, 1.9):
            size = (round(image.width * factor), round(image.height * factor))
            found.append(np.array(image.resize(size, Image.Resampling.LANCZOS)))
    return found


def main() -> None:
    """Print the largest and the mean difference of each way to compute the reward."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=bundled_path(), help="bundle folder")
    words = parser.parse_args()
    scorer, pictures = load(words.model), photos()
    exact = np.array([scorer.score(picture).value for picture in pictures])
    result: dict[str, Any] = {
        "model": scorer.name,
        "photos": len(pictures),
        "score_spread": round(float(exact.std()), 4),
    }
    for name, options in WAYS.items():
        reward = Reward(words.model, **options)
        with torch.no_grad():
            tensors = (torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in pictures)
            away = np.abs(np.array([float(reward(t)[0]) for t in tensors]) - exact)
        result[name] = {"max": float(away.max()), "mean": float(away.mean())}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
