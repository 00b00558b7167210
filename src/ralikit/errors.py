"""The errors a caller may act on; each message says what was expected, what came and what to do."""

from __future__ import annotations

from ralikit.printable import one_line
from ralikit.typed import typed

__all__ = [
    "BundleError",
    "DataError",
    "ExportError",
    "MissingExtraError",
    "ParityError",
    "PhotoError",
    "RalikitError",
    "TrainingError",
    "UsageError",
]


class RalikitError(Exception):
    """Anything ralikit refuses; the command line prints it as one sentence and exits.

    Whatever names of files and of things inside them stand in it, its text is one printable line.
    """

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class UsageError(RalikitError, ValueError):
    """The words are wrong: an unknown option, key or value."""

    exit_code = 2


class PhotoError(RalikitError):
    """One photo cannot be read or scored; the others can."""


class BundleError(RalikitError):
    """A bundle or an exported file is incomplete, altered, or of another schema."""


class DataError(RalikitError):
    """A dataset's labels or images are not what was declared."""


class TrainingError(RalikitError):
    """Training stopped: a non-finite loss, a full disk, a checkpoint that does not fit."""


class ExportError(RalikitError):
    """A conversion failed or was refused; no file has been published."""


class ParityError(ExportError):
    """The converted file does not give the reference's scores."""


class MissingExtraError(RalikitError):
    """A library of an extra is not installed."""

    def __init__(self, package: str, extra: str, job: str) -> None:
        """Name the missing package, the extra that brings it and the job that needs it.

        Several stand with commas, packages and extras alike.
        """
        verb = "are" if "," in package else "is"
        super().__init__(
            f"{job} needs {package}, which {verb} not installed; run: {typed('pip')} install "
            f"'ralikit[{extra}]'"
        )
        self.package = package
        self.extra = extra
