"""What goes into a worker, a picture's place, and what comes out of it, a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ralikit.corpus.stores import Store
from ralikit.errors import BundleError, DataError, MissingExtraError, PhotoError
from ralikit.photo.decode import PhotoLike
from ralikit.printable import one_line, printable, shown
from ralikit.scorer import Score, Scorer


@dataclass(frozen=True)
class Span:
    """Bytes inside a file: whoever scores them reads them, not whoever finds them."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True)
class Remote:
    """An object in a store: whoever scores it fetches it, not whoever finds it."""

    address: str
    most: int


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture of a shard.

    Attributes:
        key: Its name, printable.
        picture: Where it is, or its file's bytes; None where `error` says why it cannot be had.
        share: How much of the shard has been read with it, 0..1.
        size: Bytes that it will take in a message, about.
        error: Why it is not scored, found as it was read.
    """

    key: str
    picture: Path | Span | Remote | PhotoLike | None
    share: float = 0.0
    size: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the output; a picture that was not scored has its `error` and no score.

    Attributes:
        key: The picture's name.
        score: On the model's scale.
        tie_width: Scores closer than this are not told apart; None: not measured.
        reasons: Named reasons, the highest first: id and value.
        width: Of the upright picture, pixels.
        height: Of the upright picture, pixels.
        notes: What a reader should know about how the score came about.
        error: Why there is no score, one sentence.
    """

    key: str
    score: float | None = None
    tie_width: float | None = None
    reasons: tuple[tuple[str, float], ...] = ()
    width: int | None = None
    height: int | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None


def score_item(scorer: Scorer, item: Item) -> Row:
    """Score one picture; whatever is wrong with it becomes its row's error.

    Raises:
        BundleError: If the model itself fails: no picture's fault.
    """
    if item.picture is None:
        return Row(key=item.key, error=item.error or "there is no picture")
    try:
        return _row(item.key, scorer.score(_opened(item.picture)))
    except PhotoError as error:
        return Row(key=item.key, error=_without_name(str(error), item.picture))
    except (BundleError, MissingExtraError):
        raise
    except Exception as error:  # noqa: BLE001 (of millions of pictures, one may find a decoder's gap)
        return Row(key=item.key, error=f"cannot be scored ({_said(error)})")


def _said(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {one_line(str(error))}", most=200)


def _opened(picture: Path | Span | Remote | PhotoLike) -> PhotoLike:
    if isinstance(picture, Remote):
        return _fetched(picture)
    if not isinstance(picture, Span):
        return picture
    try:
        with Path(picture.path).open("rb") as stream:
            stream.seek(picture.offset)
            data = stream.read(picture.size)
    except OSError as error:
        raise PhotoError(f"its archive cannot be read: {error.strerror or error}") from error
    if len(data) < picture.size:
        raise PhotoError("its archive became shorter while it was read")
    return data


def _fetched(picture: Remote) -> bytes:
    try:
        data = Store(picture.address).get(most=picture.most + 1)
    except DataError as error:
        raise PhotoError(str(error).removeprefix(f"{printable(picture.address)} ")) from error
    if len(data) > picture.most:
        raise PhotoError(f"has over {picture.most:,} bytes")
    return data


def _without_name(said: str, picture: object) -> str:
    # The row's key names it already.
    name = printable(picture) if isinstance(picture, Path) else "the image"
    return said.removeprefix(f"{name}: ").removeprefix("the array: ")


def _row(key: str, score: Score) -> Row:
    return Row(
        key=key,
        score=score.value,
        tie_width=score.tie_width,
        reasons=tuple((reason.id, reason.value) for reason in score.reasons),
        width=score.width,
        height=score.height,
        notes=score.notes,
    )
