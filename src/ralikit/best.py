"""Photos of one scene, and the best of each: the rule that every runtime repeats.

docs/contract.md has it in words, `runtimes/golden/best.json` as cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ralikit.errors import UsageError
from ralikit.photo.fingerprint import CELLS, likeness

_BYTES = CELLS * CELLS * 3


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One scored photo.

    Attributes:
        value: Its score.
        fingerprint: `ralikit.photo.fingerprint.fingerprint`, 192 bytes.
        taken: When it was taken, seconds since any moment that all share; None: not known.
    """

    value: float
    fingerprint: bytes
    taken: float | None = None

    def __post_init__(self) -> None:
        if len(self.fingerprint) != _BYTES:
            raise UsageError(
                f"a fingerprint has {_BYTES} bytes, not {len(self.fingerprint)}: make it with "
                "ralikit.photo.fingerprint.fingerprint"
            )


@dataclass(frozen=True, kw_only=True)
class SceneRule:
    """When two photos are of one scene.

    Attributes:
        seconds: Longest pause within a scene, between photos whose times are known.
        likeness: Least likeness to the scene's first photo, where both times are known.
        copy_likeness: The same where a time is not known, so that the photo is compared with every
            scene there is: only near-copies are alike enough.
    """

    seconds: float = 60.0
    likeness: float = 0.70
    copy_likeness: float = 0.95

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise UsageError(f"seconds must be 0 or more, not {self.seconds}")
        for name, least in (("likeness", self.likeness), ("copy_likeness", self.copy_likeness)):
            if not -1 <= least <= 1:
                raise UsageError(f"{name} must lie within -1 and 1, not {least}")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Photos of one scene, as places in the list that was given.

    Attributes:
        shots: All of them, in the order they were taken.
        best: The one of the highest score; of equal ones the first that was taken.
        rivals: Those whose score is not told apart from the best's, highest first.
    """

    shots: tuple[int, ...]
    best: int
    rivals: tuple[int, ...]

    @property
    def sure(self) -> bool:
        """Whether the model can tell which is the best."""
        return not self.rivals


@dataclass
class _Open:
    """A scene while it is put together."""

    lead: Shot
    latest: float | None
    shots: list[int] = field(default_factory=list)


def find_scenes(
    shots: Sequence[Shot], *, tie_width: float | None, rule: SceneRule | None = None
) -> list[Scene]:
    """Put photos of one scene together and name the best of each.

    Photos are taken in the order of their times, those without one last, in the order given. Each
    joins the scene whose first photo it is most like (of equal ones the earliest), if it is like
    enough and no pause lies between; otherwise it begins a scene. A scene is held to its first
    photo, so that a walk past a hundred views does not become one.

    Args:
        shots: Scored photos.
        tie_width: Scores closer than this are not told apart; None: only equal ones are not.
        rule: When two photos are of one scene.

    Returns:
        All scenes, also those of one photo, in the order of their first photos.
    """
    rule = rule or SceneRule()
    scenes: list[_Open] = []
    for i in _by_time(shots):
        shot = shots[i]
        scene = _closest(shot, scenes, rule)
        if scene is None:
            scene = _Open(lead=shot, latest=None)
            scenes.append(scene)
        scene.shots.append(i)
        if shot.taken is not None:
            scene.latest = shot.taken
    return [_judged(scene.shots, shots, tie_width) for scene in scenes]


def _by_time(shots: Sequence[Shot]) -> list[int]:
    return sorted(
        range(len(shots)), key=lambda i: (shots[i].taken is None, shots[i].taken or 0.0, i)
    )


def _closest(shot: Shot, scenes: Iterable[_Open], rule: SceneRule) -> _Open | None:
    """The scene that a photo joins; None: it begins one."""
    found, highest = None, -2.0
    for scene in scenes:
        if shot.taken is not None and scene.latest is not None:
            if shot.taken - scene.latest > rule.seconds:
                continue
            least = rule.likeness
        else:
            least = rule.copy_likeness
        like = likeness(shot.fingerprint, scene.lead.fingerprint)
        if like >= least and like > highest:
            found, highest = scene, like
    return found


def _judged(members: list[int], shots: Sequence[Shot], tie_width: float | None) -> Scene:
    ordered = sorted(members, key=lambda i: -shots[i].value)
    best = shots[ordered[0]].value
    rivals = [
        i
        for i in ordered[1:]
        if shots[i].value == best or best - shots[i].value < (tie_width or 0.0)
    ]
    return Scene(shots=tuple(members), best=ordered[0], rivals=tuple(rivals))
