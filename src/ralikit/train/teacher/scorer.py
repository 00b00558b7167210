"""A teacher as a scorer: its answer's rating, or the mean over several seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from ralikit.config import to_mapping
from ralikit.errors import PhotoError, UsageError
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.answer_file import AnswerFile
from ralikit.train.teacher.answers import read_rating
from ralikit.train.teacher.engines import Asking, Engine, EngineKind, Question, open_engine
from ralikit.train.teacher.prompts import Prompt, get_prompt
from ralikit.train.teacher.vlm import taught_pixels, taught_prompt

__all__ = ["Rating", "TeacherScorer", "open_answers", "open_teacher", "teacher_scores"]


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What a teacher says of one photo.

    Attributes:
        photo: Its path.
        value: 1..5, the mean over the seeds; None where an answer gave no rating in any attempt.
        problem: Then why, in a sentence.
    """

    photo: Path
    value: float | None
    problem: str = ""


@dataclass
class _Asked:
    """One photo while it is asked about."""

    photo: Path
    image: Any
    seeds: dict[int, int]  # the seeds still without a rating, and the one drawn with now
    ratings: dict[int, float]
    answers: list[dict[str, Any]]


class TeacherScorer:
    """Score photos with a reasoning model; the same photo always gets the same score.

    Without seeds the likeliest answer is taken (greedy decoding). With seeds each gives an answer
    drawn at the asking's temperature, and their ratings are averaged. `open_teacher` loads one.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        prompt: str | None = None,
        seeds: Sequence[int] = (),
        retries: int = 3,
        batch: int = 16,
    ) -> None:
        """Wrap a loaded engine.

        Args:
            engine: With temperature 0 where there are no seeds.
            prompt: A prompt that asks for a rating; None takes the one the teacher was trained
                with where that is known, else ``score``.
            seeds: One answer each; empty for the likeliest answer alone.
            retries: How often an answer without a rating is drawn again with another seed; the
                likeliest answer would be the same again.
            batch: Answers asked for at a time.

        Raises:
            UsageError: If the prompt asks for no rating, or a seed stands twice.
        """
        self._engine = engine
        self._prompt: Prompt = get_prompt(prompt or taught_prompt(engine.name) or "score")
        if self._prompt.kind not in ("rating_json", "rating_number"):
            raise UsageError(f"the prompt {self._prompt.name!r} asks for no rating")
        if len(set(seeds)) != len(seeds):
            raise UsageError(f"the seeds {list(seeds)} are not all different")
        self._seeds = tuple(seeds)
        self._retries = retries if seeds else 0
        self._photos = max(1, batch // max(1, len(self._seeds)))

    @property
    def name(self) -> str:
        """The teacher's name."""
        return self._engine.name

    @property
    def unit(self) -> str:
        """What computes its answers, as records name it."""
        return self._engine.unit

    def settings(self) -> dict[str, Any]:
        """What the answers depend on, beside the engine's own settings."""
        return {
            "teacher": self.name,
            "prompt": self._prompt.name,
            "seeds": list(self._seeds),
            "retries": self._retries,
        }

    def ratings(
        self, photos: Iterable[Path], *, answers: AnswerFile | None = None
    ) -> Iterator[Rating]:
        """Rate photos, a batch at a time.

        Args:
            photos: Their paths.
            answers: Where the answers are kept as they come; photos in it are not asked about
                again.

        Yields:
            One rating a photo, in their order, also for those the teacher gives none.

        Raises:
            PhotoError: If a photo cannot be read.
        """
        source = iter(photos)
        while batch := list(islice(source, self._photos)):
            known = {} if answers is None else answers.done
            found = {
                asked.photo: asked
                for asked in self._ask([photo for photo in batch if str(photo) not in known])
            }
            for photo in batch:
                if photo not in found:
                    yield self._rating(photo, known[str(photo)], None)
                    continue
                asked = found[photo]
                value = None if asked.seeds else fmean(asked.ratings.values())
                if answers is not None:
                    answers.add(str(photo), value, asked.answers)
                yield self._rating(photo, value, asked.answers[-1]["text"])

    def score(self, photo: Path) -> float:
        """The score of one photo, 1..5; see `scores`."""
        return self.scores([photo])[0]

    def scores(self, photos: Sequence[Path]) -> list[float]:
        """Score photos.

        Args:
            photos: Their paths.

        Returns:
            One score a photo, 1..5, in their order.

        Raises:
            PhotoError: If a photo cannot be read, or the teacher gives it no rating: it has no
                score then, and none is made up.
        """
        values = []
        for rating in self.ratings(photos):
            if rating.value is None:
                raise PhotoError(rating.problem)
            values.append(rating.value)
        return values

    def _ask(self, photos: Sequence[Path]) -> list[_Asked]:
        """Ask about photos until every seed has a rating or no attempt is left."""
        everything = [
            _Asked(
                photo=photo,
                image=open_photo(photo),
                seeds={seed: seed for seed in self._seeds or (0,)},
                ratings={},
                answers=[],
            )
            for photo in photos
        ]
        for attempt in range(self._retries + 1):
            self._round([asked for asked in everything if asked.seeds])
            step = (attempt + 1) * (max(self._seeds, default=0) + 1)
            if attempt < self._retries:
                for asked in everything:
                    asked.seeds = {seed: seed + step for seed in asked.seeds}
        return everything

    def _round(self, open_photos: Sequence[_Asked]) -> None:
        """Ask once for every rating that is missing."""
        slots = [(asked, seed) for asked in open_photos for seed in asked.seeds]
        # The name decides the draw: the folder must not, or a moved set scores otherwise.
        questions = [
            Question(asked.image, asked.photo.name, asked.seeds[seed]) for asked, seed in slots
        ]
        texts = self._engine.answer(questions, self._prompt) if questions else []
        for (asked, seed), question, text in zip(slots, questions, texts, strict=True):
            rating = read_rating(text, self._prompt)
            asked.answers.append({"seed": question.seed, "rating": rating, "text": text})
            if rating is not None:
                asked.ratings[seed] = rating
                del asked.seeds[seed]

    def _rating(self, photo: Path, value: float | None, last: str | None) -> Rating:
        if value is not None:
            return Rating(photo=photo, value=value)
        said = "" if last is None else f"; its last answer was {last[:80]!r}"
        return Rating(
            photo=photo,
            value=None,
            problem=f"{self.name} gave {photo} no rating between 1 and 5 in "
            f"{self._retries + 1} attempts{said}",
        )


def open_teacher(
    model: str | Path,
    *,
    prompt: str | None = None,
    seeds: Sequence[int] = (),
    retries: int = 3,
    asking: Asking | None = None,
    kind: EngineKind = "transformers",
    device: str | None = None,
) -> TeacherScorer:
    """Load a teacher.

    Args:
        model: Folder or hub name of a trained teacher.
        prompt: See `TeacherScorer`.
        seeds: See `TeacherScorer`.
        retries: See `TeacherScorer`.
        asking: How answers are drawn; its temperature becomes 0 where there are no seeds. None
            takes photos as large as the teacher was trained with.
        kind: Library that runs the model.
        device: See `ralikit.train.teacher.engines.open_engine`.

    Raises:
        DataError: If the model cannot be loaded.
        UsageError: If the prompt asks for no rating, or a seed stands twice.
    """
    name = str(model)
    asking = asking or Asking(max_pixels=taught_pixels(name))
    if not seeds:
        asking = replace(asking, temperature=0.0)
    engine = open_engine(name, asking, kind=kind, device=device)
    return TeacherScorer(engine, prompt=prompt, seeds=seeds, retries=retries, batch=asking.batch)


def open_answers(path: Path, teacher: TeacherScorer, asking: Asking) -> AnswerFile:
    """Open the file that a teacher's answers are kept in.

    Raises:
        DataError: If it cannot be opened or is no such file.
        UsageError: If it was begun with other settings.
    """
    how = to_mapping(asking)
    how.pop("batch")  # changes nothing in the answers
    return AnswerFile(path, {**teacher.settings(), "asking": how})


def teacher_scores(
    model: str | Path, photos: Sequence[Path], seeds: Sequence[int] = ()
) -> list[float]:
    """Scores of photos by a teacher: `open_teacher` and its `scores` in one call."""
    return open_teacher(model, seeds=seeds).scores(photos)
