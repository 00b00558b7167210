"""Reasoning texts for a labelled set from a teacher: resumable to the photo, nothing invented.

Every photo gets several texts, each with its own seed. An answer that does not parse is asked for
again with another seed; one that never parses is recorded as rejected. The file grows by whole
lines that are on the disk before the next photo begins (`ralikit.data.triplets`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ralikit.config import to_mapping
from ralikit.data.line_file import refuse_other_settings, settings_path
from ralikit.data.metas import Sample, require_images
from ralikit.data.triplets import Rejected, Text, Triplet, TripletWriter
from ralikit.errors import PhotoError, UsageError
from ralikit.files import to_json, write_text
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.answers import read_answer
from ralikit.train.teacher.engines import Asking, Engine, Question
from ralikit.train.teacher.prompts import Prompt, get_prompt
from ralikit.train.teacher.vlm import teacher_label

__all__ = ["DescribeReport", "DescribeSettings", "describe", "settings_path"]

Progress = Callable[[int], None]
"""Called with the number of photos done so far."""


@dataclass(frozen=True, kw_only=True)
class DescribeSettings:
    """What is asked of the teacher.

    Attributes:
        prompt: A thinking prompt (its reasoning becomes the text) or ``description``.
        texts: Texts of each photo, each from a seed of its own.
        seed: The first of them.
        retries: How often an answer that does not parse is asked for again.
        asking: How answers are drawn.
    """

    prompt: str = "score"
    texts: int = 3
    seed: int = 0
    retries: int = 3
    asking: Asking = field(default_factory=Asking)

    def __post_init__(self) -> None:
        prompt = get_prompt(self.prompt)
        if prompt.kind != "text" and (not prompt.thinking or prompt.kind == "degradation_json"):
            raise UsageError(f"the prompt {self.prompt!r} gives no reasoning text beside a rating")
        if self.texts < 1 or self.retries < 0 or self.seed < 0:
            raise UsageError("texts is at least 1; seed and retries are not negative")


@dataclass(frozen=True, kw_only=True)
class DescribeReport:
    """What a run did.

    Attributes:
        photos: Photos described now.
        already: Photos that were in the file before.
        texts: Texts written now.
        rejected: Answers rejected for good now.
        unreadable: Photos that could not be opened: not in the file, tried again by the next run.
        seconds: Time taken.
    """

    photos: int
    already: int
    texts: int
    rejected: int
    unreadable: tuple[str, ...]
    seconds: float

    @property
    def texts_per_second(self) -> float:
        """Texts written in a second."""
        return self.texts / self.seconds if self.seconds > 0 else 0.0


def describe(
    samples: Sequence[Sample],
    engine: Engine,
    out: Path,
    settings: DescribeSettings,
    *,
    shard: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> DescribeReport:
    """Write the triplets of a labelled set; called again after a kill, it goes on.

    Args:
        samples: Photos with their scores; each path must exist.
        engine: The teacher.
        out: The JSONL file; made, or continued if the same settings began it.
        settings: What is asked.
        shard: (i, n): describe only every n-th photo from the i-th on, for one of n processes,
            each with a file of its own.
        progress: Told how many photos are done.

    Raises:
        DataError: If a photo is missing (before any work), or the disk is full (the file keeps
            what was made).
        UsageError: If other settings began the file, or the shard does not exist.
    """
    index, count = shard
    if not 0 <= index < count:
        raise UsageError(f"a shard is i of n with 1 <= i <= n, not {index + 1} of {count}")
    names = [s.name for s in samples]
    if len(set(names)) != len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise UsageError(f"{twice} is labelled twice; run `ralikit data check` for the whole list")
    require_images(samples)
    start = time.perf_counter()
    texts = rejected = done = 0
    unreadable: list[str] = []
    with TripletWriter(out) as writer:
        _hold_settings(out, engine, settings, begun=bool(writer.done))
        mine = list(samples)[index::count]
        todo = [s for s in mine if s.name not in writer.done]
        for batch in _batches(todo, settings):
            for triplet in _describe_batch(batch, engine, settings, unreadable):
                writer.append(triplet)
                done += 1
                texts += len(triplet.texts)
                rejected += len(triplet.rejected)
            if progress is not None:
                progress(len(mine) - len(todo) + done + len(unreadable))
    return DescribeReport(
        photos=done,
        already=len(mine) - len(todo),
        texts=texts,
        rejected=rejected,
        unreadable=tuple(unreadable),
        seconds=time.perf_counter() - start,
    )


def _batches(samples: list[Sample], settings: DescribeSettings) -> Iterator[list[Sample]]:
    """Photos whose questions together fill one batch; a kill costs no more than that."""
    size = max(1, settings.asking.batch // settings.texts)
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def _describe_batch(
    samples: list[Sample], engine: Engine, settings: DescribeSettings, unreadable: list[str]
) -> Iterator[Triplet]:
    prompt = get_prompt(settings.prompt)
    source = f"teacher:{teacher_label(engine.name)}"
    images: dict[str, Any] = {}
    for sample in samples:
        try:
            images[sample.name] = open_photo(sample.image)
        except PhotoError:
            unreadable.append(sample.name)
    open_slots = [(name, text) for name in images for text in range(settings.texts)]
    found: dict[tuple[str, int], Text] = {}
    failed: dict[tuple[str, int], Rejected] = {}
    for attempt in range(settings.retries + 1):
        if not open_slots:
            break
        # Seeds of retries lie behind all first ones: no two questions about a photo share a seed.
        questions = [
            Question(images[name], name, settings.seed + attempt * settings.texts + text)
            for name, text in open_slots
        ]
        answers = engine.answer(questions, prompt)
        for slot, question, answer in zip(open_slots, questions, answers, strict=True):
            _file(slot, question, answer, prompt, source, found, failed)
        open_slots = [slot for slot in open_slots if slot not in found]
    for sample in samples:
        if sample.name in images:
            slots = [(sample.name, text) for text in range(settings.texts)]
            yield Triplet(
                image=sample.name,
                score=sample.score,
                texts=tuple(found[s] for s in slots if s in found),
                dataset=sample.dataset,
                group=sample.group or "",
                rejected=tuple(failed[s] for s in slots if s not in found),
            )


def _file(
    slot: tuple[str, int],
    question: Question,
    answer: str,
    prompt: Prompt,
    source: str,
    found: dict[tuple[str, int], Text],
    failed: dict[tuple[str, int], Rejected],
) -> None:
    reading = read_answer(answer, prompt)
    if reading.problem is None:
        found[slot] = Text(
            text=reading.text,
            seed=question.seed,
            source=source,
            rating=reading.rating,
        )
    else:
        failed[slot] = Rejected(seed=question.seed, reason=reading.problem, answer=answer)


def _hold_settings(out: Path, engine: Engine, settings: DescribeSettings, *, begun: bool) -> None:
    """Keep the settings beside the file, or refuse to go on under others."""
    asked = to_mapping(settings)
    asked["asking"].pop("batch")  # changes nothing in the answers
    stated = {"teacher": engine.name, **asked}
    place = settings_path(out)
    if not place.exists():
        if begun:
            raise UsageError(f"{out} holds texts that something else wrote; name another file")
        write_text(place, to_json(stated))
        return
    refuse_other_settings(out, stated)
