"""Heavy libraries arrive late, and a missing one is a sentence with the command that mends it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterable
from types import ModuleType

from ralikit.errors import MissingExtraError

_BRING_TORCHAO = ("transformers", "trl", "peft", "torchao")
"""Libraries that import torchao where it is installed."""


def require(module: str, *, extra: str, job: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Args:
        module: Import name, e.g. ``"coremltools"``.
        extra: The extra of ralikit that installs it, e.g. ``"coreml"``.
        job: What the caller wanted, as the start of a sentence, e.g. ``"Export to Core ML"``.

    Raises:
        MissingExtraError: If the module (or its top-level package) is not installed.
    """
    keep_off_stderr(module.partition(".")[0])
    if module.partition(".")[0] in _BRING_TORCHAO:
        hush_imports()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != top:
            raise
        raise MissingExtraError(top, extra, job) from error


def require_installed(module: str, *, extra: str, job: str) -> None:
    """The same check without the import, which for some libraries takes seconds and chatters.

    Raises:
        MissingExtraError: If the module is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(module, extra, job)


def require_all(needs: Iterable[tuple[str, str]], *, job: str) -> None:
    """`require_installed` for several at once: who lacks three is told of three.

    Args:
        needs: Import names, each with the extra that brings it.
        job: What the caller wanted, as the start of a sentence.

    Raises:
        MissingExtraError: If any is not installed; it names all of them.
    """
    missing = {m: extra for m, extra in needs if importlib.util.find_spec(m) is None}
    if missing:
        extras = ",".join(dict.fromkeys(missing.values()))
        raise MissingExtraError(", ".join(missing), extras, job)


def keep_off_stderr(library: str) -> None:
    """Keep a library's log lines off stderr where nobody has set logging up.

    Python prints warnings that find no handler; this one drops them. An application's own handlers
    still get every line.
    """
    logger = logging.getLogger(library)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def hush_imports() -> None:
    """Keep quiet what transformers' own imports log about libraries that are not asked for here.

    With the extra `tflite` installed, torchao comes along and complains of its missing GPU parts,
    and of an enum that it registers with torch in a way that is to go.
    """
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
