"""How far a teacher's ratings of one photo lie apart: VisualQuality-R1's Figure 3.

RL2R takes a photo's ratings for draws from a normal distribution (Thurstone's model) whose variance
they estimate. How wide it is, photo by photo, and how it narrows in training, is what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ralikit.errors import UsageError
from ralikit.extras import require
from ralikit.files import publish
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.answers import read_rating
from ralikit.train.teacher.engines import Engine, Question
from ralikit.train.teacher.prompts import Prompt


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One photo's ratings by one teacher.

    Attributes:
        photo: Its name.
        ratings: What the answers said, 1..5, at least two.
    """

    photo: str
    ratings: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean rating, 1..5."""
        return float(np.mean(self.ratings))

    @property
    def std(self) -> float:
        """Standard deviation of the ratings, from the unbiased variance, as RL2R takes it."""
        return float(np.std(self.ratings, ddof=1))


def rating_spreads(
    engine: Engine,
    photos: Sequence[Path],
    prompt: Prompt,
    *,
    count: int = 6,
    progress: Callable[[int], object] | None = None,
) -> list[Spread]:
    """Let a teacher rate each photo several times, each answer with a seed of its own.

    Args:
        engine: Sampling at a temperature above 0.
        photos: Their paths.
        prompt: One that asks for a rating.
        count: Answers a photo, K; VisualQuality-R1 draws 6.
        progress: Told how many photos are done.

    Returns:
        Those photos of which at least two answers have a rating, in order.

    Raises:
        PhotoError: If a photo cannot be read.
        UsageError: If fewer than two answers are asked for, or the prompt asks for no rating.
    """
    if count < 2:
        raise UsageError(f"a spread takes at least 2 answers a photo, not {count}")
    if prompt.kind not in ("rating_json", "rating_number"):
        raise UsageError(f"the prompt {prompt.name!r} asks for no rating")
    found = []
    for done, photo in enumerate(photos, start=1):
        image = open_photo(photo)
        texts = engine.answer([Question(image, photo.name, seed) for seed in range(count)], prompt)
        ratings = [r for r in (read_rating(text, prompt) for text in texts) if r is not None]
        if len(ratings) > 1:
            found.append(Spread(photo=photo.name, ratings=tuple(ratings)))
        if progress is not None:
            progress(done)
    return found


def plot_spreads(spreads: Mapping[str, Sequence[Spread]], target: Path) -> None:
    """Draw how often which spread comes, and the spread beside the mean rating, as a PNG.

    Args:
        spreads: Each teacher's, by its name; at least one photo each.
        target: The PNG; replaced if it exists.
    """
    require("matplotlib", extra="train", job="Drawing the spread of ratings")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    widest = max(max(s.std for s in each) for each in spreads.values())
    edges = np.linspace(0, max(widest, 1e-3), 21)
    for (name, each), colour in zip(spreads.items(), _COLOURS * len(spreads), strict=False):
        stds = [s.std for s in each]
        short = name if len(name) <= 48 else f"…{name[-47:]}"
        label = f"{short}: mean {np.mean(stds):.3f}, {len(each)} photos"
        left.hist(stds, bins=edges.tolist(), histtype="step", color=colour, label=label)
        right.scatter([s.mean for s in each], stds, s=12, alpha=0.6, color=colour)
    left.set(xlabel="standard deviation of a photo's ratings, MOS points", ylabel="photos")
    left.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper left", fontsize=8, frameon=False)
    right.set(xlabel="mean rating", ylabel="standard deviation", xlim=(1, 5), ylim=(0, None))
    with publish(target, overwrite=True) as draft:
        figure.savefig(draft, dpi=150, format="png")


_COLOURS = ("#3b6ea5", "#c05621", "#5a8f4e", "#8b5a8f")
