"""Android's debug bridge, as a benchmark needs it: every call is bounded in time and size."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ralikit.bench.calls import Calls
from ralikit.errors import UsageError

_MOST = 1 << 20
_SECONDS = 30.0
PLAIN = re.compile(r"[A-Za-z0-9_./=:-]+\Z")
"""A word that no device's shell reads anything into."""


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
        self._calls = Calls()

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
            if not PLAIN.match(word):
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
        self._calls.stop()

    def _call(
        self,
        words: list[str],
        *,
        seconds: float = _SECONDS,
        most: int = _MOST,
        last: bool = False,
    ) -> bytes:
        verb = next((w for w in words if w in {"devices", "push", "shell"}), words[0])
        return self._calls.call(
            [self._program, *words],
            what=f"adb {verb}",
            seconds=seconds,
            most=most,
            environment={"ADB_TRACE": ""},
            last=last,
        )
