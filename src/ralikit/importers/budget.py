"""What one import may cost: files of others are small until they are unpacked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

MB = 2**20


class Refusal(Exception):  # noqa: N818 (an internal signal, turned into BundleError)
    """Why a file of somebody else's is not read; the end of a sentence."""


@dataclass(kw_only=True)
class Budget:
    """What reading one file may use; whatever would go over is refused before it is made.

    Honest files stay far below: a 768-wide PCA has 3 MB and 300 opcodes, a checkpoint of ViT-L with
    its optimiser 60,000 opcodes.

    Attributes:
        size: Bytes that its parts may have together once unpacked and copied.
        opcodes: Steps of its pickle; memo and containers cannot grow by more than these make.
        elements: Numbers that its arrays may hold together.
        seconds: Processor time from the start of reading: a busy machine is nobody's bomb.
    """

    size: int = 256 * MB
    opcodes: int = 1_000_000
    elements: int = 2**25
    seconds: float = 60.0
    _steps: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)
    _numbers: int = field(default=0, init=False)
    _began: float = field(default_factory=lambda: time.process_time(), init=False)

    @property
    def left(self) -> int:
        """Bytes that may still be unpacked."""
        return self.size - self._bytes

    def step(self) -> None:
        """Count one opcode.

        Raises:
            Refusal: If it is one too many, or the time is over.
        """
        self._steps += 1
        if self._steps > self.opcodes:
            raise Refusal(f"it has more than {self.opcodes:,} opcodes")
        if self._steps % 1024 == 0:
            self.check_time()

    def unpack(self, count: int) -> None:
        """Count bytes about to be unpacked or copied.

        Raises:
            Refusal: If there would be too many.
        """
        self._bytes += count
        if self._bytes > self.size:
            raise Refusal(f"it unpacks to more than {self.size // MB} MB")

    def number(self, count: int) -> None:
        """Count numbers of an array about to be made.

        Raises:
            Refusal: If there would be too many.
        """
        self._numbers += count
        if self._numbers > self.elements:
            raise Refusal(f"its arrays hold more than {self.elements:,} numbers")

    def check_time(self) -> None:
        """Stop where reading has taken too long.

        Raises:
            Refusal: If it has.
        """
        if time.process_time() - self._began > self.seconds:
            raise Refusal(f"reading it takes more than {self.seconds:g} seconds of processor time")
