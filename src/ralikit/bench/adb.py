"""Android's debug bridge, as a benchmark needs it: every call is bounded in time and size."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import IO

from ralikit.errors import RalikitError, UsageError
from ralikit.printable import shown

_MOST = 1 << 20
_SECONDS = 30.0
_WORD = re.compile(r"[A-Za-z0-9_./=:-]+\Z")


class DeviceError(RalikitError):
    """A device went away, refused a command, or sent what no device should."""


@dataclass(frozen=True, kw_only=True)
class Attached:
    """A line of ``adb devices -l``. The serial number tells a person's phone: never in a record."""

    serial: str
    state: str
    model: str


class Adb:
    """The `adb` program.

    Args:
        program: Its path; None: the one on the path of programs.

    Raises:
        UsageError: If there is none.
    """

    def __init__(self, program: Path | None = None) -> None:
        found = shutil.which(program or "adb")
        if found is None:
            raise UsageError(
                f"{program or 'adb'} is not here: install Android's platform tools (Debian: adb), "
                "or say --adb PATH"
            )
        self._program = found
        self._running: set[subprocess.Popen[bytes]] = set()
        self._halted = False
        self._lock = Lock()

    def devices(self) -> list[Attached]:
        """What is attached, whatever its state."""
        found = []
        for line in self._call(["devices", "-l"]).decode(errors="replace").splitlines():
            words = line.split()
            if len(words) < 2 or line.startswith(("*", "List of ")):  # a server that starts says so
                continue
            named = dict(word.split(":", 1) for word in words[2:] if ":" in word)
            found.append(
                Attached(serial=words[0], state=words[1], model=named.get("model", "a device"))
            )
        return found

    def shell(
        self, serial: str, words: Sequence[str], *, seconds: float = _SECONDS, most: int = _MOST
    ) -> str:
        """What a command prints on the device; its words are plain ones, without a shell's signs.

        Raises:
            DeviceError: If it fails, takes longer than `seconds` or prints more than `most` bytes.
        """
        for word in words:
            if not _WORD.match(word):
                raise UsageError(f"{word!r} is no plain word for a device's shell")
        return self.script(serial, " ".join(words), seconds=seconds, most=most)

    def script(
        self, serial: str, text: str, *, seconds: float = _SECONDS, most: int = _MOST
    ) -> str:
        """What a line of the device's shell prints; the caller vouches for the text."""
        out = self._call(["-s", serial, "shell", text], seconds=seconds, most=most)
        return out.decode("utf-8", errors="replace")

    def push(self, serial: str, path: Path, to: str) -> None:
        """Copy a file onto the device."""
        self._call(["-s", serial, "push", str(path), to], seconds=600.0)

    def clean(self, serial: str, text: str) -> None:
        """Run a line of the device's shell that `stop` neither ends nor forbids."""
        self._call(["-s", serial, "shell", text], last=True)

    def stop(self) -> None:
        """End every call in progress and refuse those to come, but for `clean`."""
        with self._lock:
            self._halted = True
            for process in self._running:
                _kill(process)

    def _call(
        self,
        words: list[str],
        *,
        seconds: float = _SECONDS,
        most: int = _MOST,
        last: bool = False,
    ) -> bytes:
        with self._lock:  # a call is either refused or known to `stop`
            if self._halted and not last:
                raise DeviceError("stopped")
            process = subprocess.Popen(  # noqa: S603 (no shell here)
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on: clean-up still needs adb
                env={**os.environ, "ADB_TRACE": ""},
            )
            if not last:
                self._running.add(process)
        try:
            return self._answer(process, words, seconds, most)
        finally:
            with self._lock:
                self._running.discard(process)
            if process.poll() is None:
                _kill(process)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _answer(
        self, process: subprocess.Popen[bytes], words: list[str], seconds: float, most: int
    ) -> bytes:
        what = next((w for w in words if w in {"devices", "push", "shell"}), words[0])
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
                raise DeviceError(f"adb {what}: more than {most:,} bytes came from the device")
            code = process.wait()
        finally:
            timer.cancel()
        if late:
            raise DeviceError(f"adb {what}: no end after {seconds:g} s")
        if code != 0:
            said = out.decode(errors="replace").strip().splitlines()
            last = shown(said[-1]) if said else f"exit {code}"
            raise DeviceError(f"adb {what}: {last}")
        return out


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a call and what it started: a child that lived on would hold the pipe open."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
