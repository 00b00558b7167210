"""Read what `torch.save` wrote: tensors and plain values; nothing in it runs.

`opcodes` reads the pickle inside as data. Numbers are mapped from the file, not copied, and a
tensor cannot have more of them than its storage: a small file cannot become a large one.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from ralikit.errors import BundleError
from ralikit.importers.budget import MB, Budget, Refusal
from ralikit.importers.found import what_begins
from ralikit.importers.opcodes import Interpreter, Made, of
from ralikit.importers.torch_names import (
    ADVICE,
    Storage,
    View,
    item_size,
    referred,
    vocabulary,
)
from ralikit.printable import error_says, shown

if TYPE_CHECKING:
    from torch import Tensor


def read_torch(path: Path, *, budget: Budget | None = None) -> dict[str, Any]:
    """Read a torch file: tensors, plain values, and descriptions of harmless other ones.

    Args:
        path: What `torch.save` wrote, in its zip format or in the one before it.
        budget: What reading it may use, but for the numbers themselves; the usual one where None.

    Raises:
        BundleError: If it is missing, no torch file, holds anything that would have to run, or
            would unpack to more than the budget.
    """
    budget = budget or Budget()
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "No such file" if not path.exists() else "it is no file")
        value = _read(path, budget)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except Refusal as error:
        raise BundleError(f"{path} was refused and nothing in it was run: {error}") from error
    except (
        *(ValueError, LookupError, TypeError, OverflowError, RuntimeError, EOFError),
        *(struct.error, zipfile.BadZipFile, NotImplementedError),
    ) as error:
        reason = error_says(error, most=120)
        raise BundleError(f"{path} is not a whole torch file: {reason}; {ADVICE}") from error
    if not isinstance(value, dict):
        kind = value.name[1] if isinstance(value, Made) else type(value).__name__
        raise BundleError(f"{path} holds a {kind}, a dictionary is expected; {ADVICE}")
    return value


def _read(path: Path, budget: Budget) -> Any:
    if path.stat().st_size == 0:
        raise Refusal("it is empty")
    with path.open("rb") as stream:
        begin = stream.read(32)
        if begin.startswith(b"PK"):
            value = _zipped(stream, budget)
        elif begin.startswith(b"\x80"):
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                value = _legacy(whole, budget)
        else:
            raise Refusal(f"{what_begins(begin)}, not a torch file")
    numbers = np.memmap(path, dtype=np.uint8, mode="c")
    return _Opener(numbers, budget).open(value, 0)


def _zipped(stream: io.BufferedReader, budget: Budget) -> Any:
    """The value of a zip of `data.pkl` and one file for each storage."""
    with zipfile.ZipFile(stream) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1 or pickles[0].count("/") > 1:
            raise Refusal("it is a zip file without the data.pkl that torch.save writes")
        prefix = pickles[0].removesuffix("data.pkl")
        order = entries.get(f"{prefix}byteorder")
        if order is not None and _entry(archive, order, budget) != b"little":
            raise Refusal("its numbers are big-endian; save it again on a little-endian machine")
        program = _entry(archive, entries[pickles[0]], budget)

    def stored(reference: Any) -> Storage:
        storage, key = referred(reference)
        info = entries.get(f"{prefix}data/{key}")
        if info is None:
            raise Refusal(f"it lacks the storage {shown(key)}")
        if info.compress_type != zipfile.ZIP_STORED:
            raise Refusal("its storages are compressed, which torch.save never does; " + ADVICE)
        if info.file_size < storage.count * item_size(storage.type):
            raise Refusal(f"its storage {shown(key)} is cut off")
        storage.place = _place(stream, info)
        return storage

    words = vocabulary(budget, _Once(stored))
    return Interpreter(io.BytesIO(program), words, budget).run()


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> bytes:
    budget.unpack(info.file_size)
    with archive.open(info) as part:
        return part.read(info.file_size)  # no more than was paid for, whatever is in there


def _place(stream: io.BufferedReader, info: zipfile.ZipInfo) -> int:
    """Where a stored entry's bytes begin."""
    stream.seek(info.header_offset)
    header = stream.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise Refusal("its zip table is damaged")
    name, extra = struct.unpack_from("<HH", header, 26)
    return int(info.header_offset + 30 + name + extra)


_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def _legacy(stream: mmap.mmap, budget: Budget) -> Any:
    """The value of the format before zip: five pickles, then the numbers."""
    found: dict[str, Storage] = {}

    def stored(reference: Any) -> Storage:
        storage, key = referred(reference)
        return found.setdefault(key, storage)

    words = vocabulary(budget, stored)

    def part() -> Any:
        return Interpreter(cast(IO[bytes], stream), words, budget).run()

    if part() != _MAGIC:
        raise Refusal("it is a bare pickle, not a torch file")
    if part() != _PROTOCOL:
        raise Refusal("it is of another protocol than torch has written since 2017")
    system = of(part(), dict)
    if system.get("little_endian") is not True:
        raise Refusal("its numbers are big-endian; save it again on a little-endian machine")
    value = part()
    for key in of(part(), list):
        storage = found.get(str(key))
        if storage is None:
            raise Refusal(f"it lacks the storage {shown(str(key))}")
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storage.count:
            raise Refusal(f"its storage {shown(str(key))} is of another size than it says")
        storage.place = stream.tell()
        stream.seek(storage.place + count * item_size(storage.type))
    return value


class _Once:
    """Finds each storage once, however often it is referred to."""

    def __init__(self, find: Callable[[Any], Storage]) -> None:
        self._find = find
        self._found: dict[str, Storage] = {}

    def __call__(self, reference: Any) -> Storage:
        key = referred(reference)[1]
        if key not in self._found:
            self._found[key] = self._find(reference)
        return self._found[key]


_DEPTH = 8


@dataclass
class _Opener:
    """Turns views into tensors, which share the file's own memory."""

    numbers: np.memmap[Any, np.dtype[np.uint8]]
    budget: Budget
    opened: dict[int, Any] = field(default_factory=dict)
    spent: int = 0

    def open(self, value: Any, depth: int) -> Any:
        """The value with its tensors; what is nested deeper than a checkpoint is, stays."""
        if isinstance(value, View):
            if id(value) not in self.opened:
                self.opened[id(value)] = self._tensor(value)
            return self.opened[id(value)]
        if not isinstance(value, dict) or depth == _DEPTH:
            return value
        if id(value) not in self.opened:
            self.opened[id(value)] = result = {}
            for key, item in value.items():
                result[key] = self.open(item, depth + 1)
        return self.opened[id(value)]

    def _tensor(self, view: View) -> Tensor:
        import torch

        storage, dtype = view.storage, getattr(torch, view.storage.type)
        # Tied weights are twice in a file's tensors and once in its bytes.
        self.spent += view.count * item_size(storage.type)
        if self.spent > 4 * self.numbers.size + MB:
            raise Refusal(
                f"its tensors hold more than four times the file's {self.numbers.size:,} bytes"
            )
        self.budget.check_time()
        if not view.count:
            return torch.empty(view.size, dtype=dtype)
        if storage.place is None:
            raise Refusal("a storage in it is missing")
        end = storage.place + storage.count * item_size(storage.type)
        if end > self.numbers.size:
            raise Refusal("a storage in it is cut off")
        begin = np.ndarray((end - storage.place,), np.uint8, self.numbers, storage.place)
        flat = torch.frombuffer(begin, dtype=dtype)
        return flat.as_strided(view.size, view.stride, view.offset)
