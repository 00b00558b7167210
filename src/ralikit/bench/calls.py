"""Calls of a device's tools: each bounded in time and size, and all of them ended by one word."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock, Timer
from typing import IO

from ralikit.errors import RalikitError
from ralikit.printable import shown


class DeviceError(RalikitError):
    """A device went away, refused a command, or sent what no device should."""


def unfinished(failed: int, count: int) -> DeviceError:
    """What ends a run of `count` devices of which some failed."""
    return DeviceError(
        f"{failed} of {count} device(s) did not finish; what was measured before is kept"
    )


class Calls:
    """Programs that are running; `stop` ends them and refuses those to come."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._halted = False
        self._lock = Lock()

    def call(
        self,
        words: Sequence[str],
        *,
        what: str,
        seconds: float,
        most: int,
        environment: Mapping[str, str] | None = None,
        last: bool = False,
    ) -> bytes:
        """What a program prints, errors included.

        Args:
            words: Program and arguments; no shell reads them.
            what: Named in errors, e.g. ``"adb push"``.
            seconds: Longest time.
            most: Most bytes.
            environment: Variables to add.
            last: Neither ended nor refused by `stop`.

        Raises:
            DeviceError: If it fails, takes longer or prints more.
        """
        with self._lock:  # a call is either refused or known to `stop`
            if self._halted and not last:
                raise DeviceError("stopped")
            process = subprocess.Popen(  # noqa: S603 (no shell here)
                list(words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on: clean-up needs the tools
                env={**os.environ, **(environment or {})},
            )
            if not last:
                self._running.add(process)
        try:
            return _answer(process, what, seconds, most)
        finally:
            with self._lock:
                self._running.discard(process)
            if process.poll() is None:
                _kill(process)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def stop(self) -> None:
        """End every call in progress and refuse those to come, but for the `last` ones."""
        with self._lock:
            self._halted = True
            for process in self._running:
                _kill(process)


def _answer(process: subprocess.Popen[bytes], what: str, seconds: float, most: int) -> bytes:
    late: list[bool] = []

    def expire() -> None:
        late.append(True)
        _kill(process)

    timer = Timer(seconds, expire)
    timer.start()
    try:
        stream: IO[bytes] | None = process.stdout
        out = stream.read(most + 1) if stream is not None else b""
        if len(out) > most:
            _kill(process)
            raise DeviceError(f"{what}: more than {most:,} bytes came from the device")
        code = process.wait()
    finally:
        timer.cancel()
    if late:
        raise DeviceError(f"{what}: no end after {seconds:g} s")
    if code != 0:
        raise DeviceError(f"{what}: {_said(out) or f'exit {code}'}")
    return out


def _said(out: bytes) -> str:
    """Why a call failed: the first line that calls itself an error, else the last one."""
    lines = out.decode(errors="replace").strip().splitlines() or [""]
    return shown(next((line for line in lines if "error:" in line.lower()), lines[-1]).strip())


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a call and what it started: a child that lived on would hold the pipe open."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
