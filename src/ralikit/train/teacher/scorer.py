"""A teacher as a scorer: its answer's rating, or the mean over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from ralikit.errors import PhotoError, UsageError
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.answers import read_rating
from ralikit.train.teacher.engines import Asking, Engine, EngineKind, Question, open_engine
from ralikit.train.teacher.prompts import Prompt, get_prompt
from ralikit.train.teacher.vlm import taught_prompt

__all__ = ["TeacherScorer", "teacher_scores"]


class TeacherScorer:
    """Score photos with a reasoning model; the same photo always gets the same score.

    Without seeds the likeliest answer is taken (greedy decoding). With seeds each gives an answer
    drawn at the asking's temperature, and their ratings are averaged.
    """

    def __init__(
        self,
        model: str | Path | Engine,
        *,
        prompt: str | None = None,
        seeds: Sequence[int] = (),
        retries: int = 3,
        asking: Asking | None = None,
        kind: EngineKind = "transformers",
        device: str | None = None,
    ) -> None:
        """Load a teacher.

        Args:
            model: Folder or hub name of a trained teacher, or an engine that is loaded already
                (with temperature 0 where there are no seeds).
            prompt: A prompt that asks for a rating; None takes the one the teacher was trained
                with where its folder says so, else ``score``.
            seeds: One answer each; empty for the likeliest answer alone.
            retries: How often an answer without a rating is drawn again with another seed.
            asking: How answers are drawn; its temperature becomes 0 where there are no seeds.
            kind: Library that runs the model.
            device: See `ralikit.train.teacher.engines.open_engine`.

        Raises:
            DataError: If the model cannot be loaded.
            UsageError: If the prompt asks for no rating, or a seed stands twice.
        """
        name = str(model) if isinstance(model, str | Path) else model.name
        self._prompt: Prompt = get_prompt(prompt or taught_prompt(name) or "score")
        if self._prompt.kind not in ("rating_json", "rating_number"):
            raise UsageError(f"the prompt {self._prompt.name!r} asks for no rating")
        if len(set(seeds)) != len(seeds):
            raise UsageError(f"the seeds {list(seeds)} are not all different")
        self._engine: Engine
        if isinstance(model, str | Path):
            asking = asking or Asking()
            if not seeds:
                asking = replace(asking, temperature=0.0)
            self._engine = open_engine(name, asking, kind=kind, device=device)
        else:
            self._engine = model
        self._seeds = tuple(seeds)
        self._retries = retries if seeds else 0

    @property
    def name(self) -> str:
        """The teacher's name."""
        return self._engine.name

    def score(self, photo: Path) -> float:
        """The score of one photo, 1..5; see `scores`."""
        return self.scores([photo])[0]

    def scores(
        self, photos: Sequence[Path], *, progress: Callable[[int], None] | None = None
    ) -> list[float]:
        """Score photos.

        Args:
            photos: Their paths.
            progress: Told how many photos are done.

        Returns:
            One score a photo, 1..5, in their order.

        Raises:
            PhotoError: If a photo cannot be read, or the teacher gives it no rating: it has no
                score then, and none is made up.
        """
        results = []
        for done, photo in enumerate(photos, start=1):
            image = open_photo(photo)
            # The name decides the draw: the folder must not, or a moved set scores otherwise.
            open_seeds = {seed: seed for seed in self._seeds or (0,)}
            ratings: dict[int, float] = {}
            for attempt in range(self._retries + 1):
                questions = [Question(image, photo.name, drawn) for drawn in open_seeds.values()]
                answers = self._engine.answer(questions, self._prompt)
                for seed, answer in zip(list(open_seeds), answers, strict=True):
                    rating = read_rating(answer, self._prompt)
                    if rating is not None:
                        ratings[seed] = rating
                        del open_seeds[seed]
                if not open_seeds:
                    break
                step = (attempt + 1) * (max(self._seeds, default=0) + 1)
                open_seeds = {seed: seed + step for seed in open_seeds}
            if open_seeds:
                raise PhotoError(
                    f"{self.name} gave {photo} no rating between 1 and 5 in "
                    f"{self._retries + 1} attempts; its last answer was {answers[-1][:80]!r}"
                )
            results.append(fmean(ratings.values()))
            if progress is not None:
                progress(done)
        return results


def teacher_scores(
    model: str | Path, photos: Sequence[Path], seeds: Sequence[int] = ()
) -> list[float]:
    """Scores of photos by a teacher: a `TeacherScorer` and its `scores` in one call."""
    return TeacherScorer(model, seeds=seeds).scores(photos)
