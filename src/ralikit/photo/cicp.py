"""Colour declared by code numbers (ITU-T H.273): PNG's ``cICP`` block, HEIC's ``nclx`` box.

A file that declares its primaries so is read as though it carried the ICC profile of those
primaries, so the arithmetic is that of `ralikit.photo.icc`. BT.709's curve is read as sRGB's, as
browsers and viewers do; what the numbers do not say, or what is not in the tables, is sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ralikit.errors import PhotoError
from ralikit.photo.curves import Table, power_curve, srgb_curve
from ralikit.photo.icc import HLG, PQ, SRGB_COLORANTS, Shaper, shaper_of

Columns = tuple[tuple[int, int, int], ...]

_SRGB: Columns = tuple(zip(*SRGB_COLORANTS, strict=True))
_UNSAID = 2
COLORANTS: dict[int, Columns] = {
    1: _SRGB,  # BT.709
    _UNSAID: _SRGB,
    9: ((44137, 18287, -127), (10857, 44259, 1965), (8195, 2989, 52222)),  # BT.2020
    12: ((33759, 15807, -69), (19160, 45364, 2747), (10276, 4365, 51396)),  # Display P3
}
"""rXYZ, gXYZ, bXYZ by the number of the primaries, s15Fixed16, adapted to D50."""

_LIKE_SRGB = frozenset({1, _UNSAID, 6, 13, 14, 15})
_POWERS = {4: 2.2, 5: 2.8, 8: 1.0}


@dataclass(frozen=True)
class Coded:
    """Colour by numbers.

    Attributes:
        primaries: Number of the colour primaries.
        transfer: Number of the transfer characteristics.
        full: Whether values fill 0..255; False: 16..235, as in video.
    """

    primaries: int
    transfer: int
    full: bool = True

    def refuse_hdr(self) -> None:
        """Refuse high dynamic range.

        Raises:
            PhotoError: Where it is; the message lacks the photo's name.
        """
        if self.transfer in (PQ, HLG):
            raise PhotoError(hdr("PQ" if self.transfer == PQ else "HLG"))

    def conversion(self) -> tuple[Shaper | None, tuple[str, ...]]:
        """How to reach sRGB (None: it is sRGB), and what a user should know."""
        columns, curve = COLORANTS.get(self.primaries), self._curve()
        if columns is None or curve is None:
            return None, (
                f"its colours are declared by numbers that are not converted (primaries "
                f"{self.primaries}, transfer {self.transfer}): they were taken as sRGB",
            )
        notes = () if self.full else ("its values are declared as 16..235 and were not spread",)
        return shaper_of(columns, np.stack([curve] * 3)), notes

    def _curve(self) -> Table | None:
        if self.transfer in _LIKE_SRGB:
            return srgb_curve()
        power = _POWERS.get(self.transfer)
        return None if power is None else power_curve(power)


def hdr(kind: str) -> str:
    """Why high dynamic range is refused; the photo's name goes before it."""
    return (
        f"is high dynamic range ({kind}), which is not scored; export it as a standard-range photo"
    )
