"""Run an .aimodel in Apple's own Core AI runtime: on a Mac the system's, on Linux the package's."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ralikit.errors import BundleError
from ralikit.printable import error_says
from ralikit.quiet import quiet_natively
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, score_of
from ralikit.runtimes.aimodel.asset import Asset, checked_facts, open_asset
from ralikit.runtimes.aimodel.read import MAIN, library
from ralikit.runtimes.mil.silent import quiet_logs

INPUT = "image"
SLOW = "Core AI computed on the CPU, which is slow off a Mac: a phone's accelerator was not asked"
CHOSEN = "cpu, gpu or neural engine: Core AI chooses and does not say"

Result = TypeVar("Result")


class CoreAiRuntime:
    """A .aimodel opened for scoring; see `ralikit.runtimes.Runtime`.

    Apple's runtime is asynchronous. It gets a thread with an event loop of its own, so that whoever
    calls from a notebook, which has one running, can.

    Args:
        path: The .aimodel folder.

    Raises:
        BundleError: If it is no such folder, damaged, not from ralikit, or contradicts its facts.
        MissingExtraError: If coreai-core is not installed.
    """

    name: str
    note: str
    unit: str
    observer: Observer | None = None
    many: Many | None = None

    def __init__(self, path: Path) -> None:
        asset = open_asset(path)
        self._path = path
        self.facts = checked_facts(asset)
        apple = library("Running a Core AI model")
        self.name = f"Core AI (coreai-core {version('coreai-core')})"
        self.note = "" if sys.platform == "darwin" else SLOW
        self.unit = CHOSEN if sys.platform == "darwin" else "cpu"
        self._loop = _Loop()
        self._function = self._opened(apple, asset)

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        return score_of(self.outputs(views), where=self._path)

    def outputs(self, views: Views) -> Outputs:
        """Everything the file gives for one photo, by name: the score, and what else it has.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If Core AI cannot run the program.
        """
        check_views(views, self.facts.shape, where=self._path)
        try:
            return self._loop.run(self._infer(np.array(views)))
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            said = error_says(error, most=2000)
            raise BundleError(f"{self._path}: Core AI could not run it: {said}") from error

    async def _infer(self, views: Views) -> Outputs:
        from coreai.runtime import NDArray

        found = await self._function({INPUT: NDArray(views)})
        # What is returned lives in the model's own memory.
        return {name: np.array(value.numpy(), np.float32) for name, value in found.items()}

    def _opened(self, apple: Any, asset: Asset) -> Any:
        async def load() -> Any:
            stack = self._loop.stack
            model = await stack.enter_async_context(
                apple.AIModelAsset.load(asset.root).executable()
            )
            return model.load_function(MAIN)

        try:
            with quiet_logs(), quiet_natively():
                function = self._loop.run(load())
        except (RuntimeError, OSError, KeyError, TypeError, ValueError) as error:
            said = error_says(error, most=2000)
            raise BundleError(f"{self._path}: Core AI does not load it: {said}") from error
        _check_signature(function.desc, self.facts.shape, self.facts.outputs, where=self._path)
        return function


def open_file(path: Path, *, threads: int | None = None) -> CoreAiRuntime:
    """Open a file, as `ralikit.runtimes.Backend` asks for; Core AI chooses its threads itself.

    Errors as in `CoreAiRuntime`.
    """
    del threads
    return CoreAiRuntime(path)


class _Loop:
    """One thread with an event loop, ended with whoever owns it."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ralikit-coreai")
        weakref.finalize(self, _end, self._pool, self._loop, self.stack)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._pool.submit(self._loop.run_until_complete, work).result()


def _end(pool: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop, stack: AsyncExitStack) -> None:
    def end() -> None:
        if loop.is_running():  # the process was interrupted in the middle of a photo
            return
        loop.run_until_complete(stack.aclose())  # the model goes, and its folder of compiled code
        loop.close()

    try:
        pool.submit(end).result()
    except RuntimeError:  # the interpreter is ending and starts no thread any more
        end()
    pool.shutdown(wait=False)


def _check_signature(
    found: Any, shape: tuple[int, ...], outputs: tuple[str, ...], *, where: Path
) -> None:
    takes, gives = list(found.input_names), list(found.output_names)
    image = found.input_descriptor(INPUT) if takes == [INPUT] else None
    given = None if image is None else (tuple(int(n) for n in image.shape), str(image.dtype))
    if given != (shape, "uint8") or sorted(gives) != sorted(outputs):
        said = "" if given is None else f" of {given[1]} {given[0]}"
        raise BundleError(
            f"{where}: its facts speak of uint8 views of shape {shape} and of "
            f"{', '.join(outputs)}, its program takes {', '.join(takes)}{said} and gives "
            f"{', '.join(gives)}"
        )
