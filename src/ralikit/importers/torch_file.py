"""Read what `torch.save` wrote: tensors and plain values; nothing in it runs.

`opcodes` reads the pickle inside as data. Numbers are mapped from the file, not copied, and a
tensor cannot have more of them than its storage: a small file cannot become a large one.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from ralikit.errors import BundleError
from ralikit.importers import numpy_names
from ralikit.importers.budget import MB, Budget, Refusal
from ralikit.importers.found import what_begins
from ralikit.importers.opcodes import (
    Global,
    Interpreter,
    Made,
    Maker,
    Name,
    Vocabulary,
    make,
    of,
)
from ralikit.printable import shown

if TYPE_CHECKING:
    from torch import Tensor

ADVICE = "save tensors alone: torch.save({'state_dict': model.state_dict()}, 'ckpt.pt')"

_TYPES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
# Types that may stand in a checkpoint, but in no weights of a tower or head.
_OTHER_STORAGES = frozenset(
    {"ComplexFloatStorage", "ComplexDoubleStorage", "QInt8Storage", "QUInt8Storage"}
    | {"QInt32Storage", "QUInt4x2Storage", "QUInt2x4Storage"}
)
_OTHER_TYPES = frozenset(
    {"complex64", "complex128", "qint8", "quint8", "qint32", "uint16", "uint32", "uint64"}
    | {"float8_e4m3fn", "float8_e5m2"}
)
_UTILS = "torch._utils"
_UNREAD = {
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_qtensor": "quantised",
    "_rebuild_meta_tensor_no_storage": "meta",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_wrapper_subclass": "subclassed",
    "_rebuild_device_tensor_from_numpy": "foreign",
}
_BUILTINS = ("builtins", "__builtin__")
_INERT: frozenset[Name] = frozenset(
    {("argparse", "Namespace"), ("types", "SimpleNamespace"), ("torch", "device")}
    | {("torch.serialization", "_get_layout"), ("torch", "Generator")}
    | {(m, "complex") for m in _BUILTINS}
    | {(m, "bytearray") for m in _BUILTINS}
    | {
        (module, f"{kind}Path")
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "Windows", "PurePosix", "PureWindows", "")
    }
)
_MENTIONED: frozenset[Name] = frozenset(
    {("torch", name) for name in (*_TYPES, *_OTHER_STORAGES, *_TYPES.values(), *_OTHER_TYPES)}
    | {("torch.storage", "UntypedStorage"), ("torch", "Tensor"), ("torch.nn.parameter", "Buffer")}
    | {("torch.nn.parameter", "Parameter"), ("torch", "per_tensor_affine")}
    | {("torch", "per_channel_affine"), ("torch", "strided"), ("torch", "sparse_coo")}
    | {(module, name) for module in _BUILTINS for name in ("int", "float", "list", "dict", "set")}
)


@dataclass(frozen=True)
class Unread:
    """A tensor of a kind that no weights of a tower or head are of, e.g. ``"sparse"``."""

    kind: str


@dataclass(eq=False)
class _Storage:
    """Numbers of one type, somewhere in the file."""

    type: str
    count: int
    place: int | None = None


@dataclass(frozen=True)
class _View:
    """A tensor: a view of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        count, reach = 1, self.offset
        for extent, step in zip(self.size, self.stride, strict=True):
            count *= extent
            reach += (extent - 1) * step
        low = min((self.offset, *self.size, *self.stride))
        if low < 0 or (count and reach >= self.storage.count):
            raise Refusal("a tensor in it lies outside its storage")

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.size, dtype=object))


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
        reason = shown(" ".join(str(error).split()))
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

    def stored(reference: Any) -> _Storage:
        storage, key = _referred(reference)
        info = entries.get(f"{prefix}data/{key}")
        if info is None:
            raise Refusal(f"it lacks the storage {shown(key)}")
        if info.compress_type != zipfile.ZIP_STORED:
            raise Refusal("its storages are compressed, which torch.save never does; " + ADVICE)
        if info.file_size < storage.count * _item(storage.type):
            raise Refusal(f"its storage {shown(key)} is cut off")
        storage.place = _place(stream, info)
        return storage

    vocabulary = _vocabulary(budget, _Once(stored))
    return Interpreter(io.BytesIO(program), vocabulary, budget).run()


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
    found: dict[str, _Storage] = {}

    def stored(reference: Any) -> _Storage:
        storage, key = _referred(reference)
        return found.setdefault(key, storage)

    vocabulary = _vocabulary(budget, stored)

    def part() -> Any:
        return Interpreter(cast(IO[bytes], stream), vocabulary, budget).run()

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
        stream.seek(storage.place + count * _item(storage.type))
    return value


class _Once:
    """Finds each storage once, however often it is referred to."""

    def __init__(self, find: Callable[[Any], _Storage]) -> None:
        self._find = find
        self._found: dict[str, _Storage] = {}

    def __call__(self, reference: Any) -> _Storage:
        key = _referred(reference)[1]
        if key not in self._found:
            self._found[key] = self._find(reference)
        return self._found[key]


def _referred(reference: Any) -> tuple[_Storage, str]:
    """A storage and its key, from ("storage", type, key, location, count, …)."""
    _, kind, key, _, count, *_ = of(reference, tuple)
    name = of(kind, Global).name[1]
    count = of(count, int)
    if count < 0:
        raise Refusal("a storage in it has a negative size")
    return _Storage(_TYPES.get(name, "uint8" if name == "UntypedStorage" else ""), count), str(key)


def _item(kind: str) -> int:
    """Bytes of a number of a type; 0 for types that are not read."""
    sizes = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "": 0}
    return sizes.get(kind, 1 if kind in ("int8", "uint8", "bool") else 2)


def _vocabulary(budget: Budget, stored: Callable[[Any], _Storage]) -> Vocabulary:
    table = numpy_names.makers(budget)

    def view(args: tuple[Any, ...]) -> _View | Unread:
        storage, offset, size, stride = args[:4]
        return _view(storage, offset, size, stride)

    def typed(args: tuple[Any, ...]) -> _View | Unread:
        storage, offset, size, stride, _, _, dtype = args[:7]
        name = of(dtype, Global).name[1]
        kind = name if name in _TYPES.values() else ""
        count = of(storage, _Storage).count // max(_item(kind), 1)
        return _view(_Storage(kind, count, storage.place), offset, size, stride)

    def subclassed(args: tuple[Any, ...]) -> Any:
        return make(table, of(args[0], Global).name, of(args[2], tuple))

    def unread(kind: str) -> Maker:
        return lambda _: Unread(kind)

    table.update(
        {
            (_UTILS, "_rebuild_tensor"): view,
            (_UTILS, "_rebuild_tensor_v2"): view,
            (_UTILS, "_rebuild_tensor_v3"): typed,
            (_UTILS, "_rebuild_parameter"): lambda args: args[0],
            (_UTILS, "_rebuild_parameter_with_state"): lambda args: args[0],
            ("torch._tensor", "_rebuild_from_type_v2"): subclassed,
            **{(_UTILS, name): unread(kind) for name, kind in _UNREAD.items()},
            ("torch.nested._internal.nested_tensor", "_rebuild_njt"): unread("nested"),
            ("torch", "Size"): lambda args: tuple(of(args[0], (tuple, list))),
            ("collections", "OrderedDict"): _dict,
            ("collections", "Counter"): _dict,
            ("collections", "defaultdict"): lambda _: {},
            **{(m, kind): _list for m in _BUILTINS for kind in ("set", "frozenset")},
        }
    )
    return Vocabulary(
        makers=numpy_names.with_classes(table, _INERT),
        mentioned=numpy_names.MENTIONED | _MENTIONED,
        only=f"tensors and plain values are read; {ADVICE}",
        stored=stored,
        keys=(str, int, type(None)),
    )


def _view(storage: Any, offset: Any, size: Any, stride: Any) -> _View | Unread:
    found: _Storage = of(storage, _Storage)
    if not found.type:
        return Unread("quantised, complex or small")
    extents = tuple(of(n, int) for n in of(size, tuple))
    view = _View(found, of(offset, int), extents, tuple(of(n, int) for n in of(stride, tuple)))
    return Unread("repeating") if view.count > found.count else view


def _dict(args: tuple[Any, ...]) -> dict[Any, Any]:
    pairs = args[0] if args else ()
    if isinstance(pairs, Mapping):
        return dict(pairs)
    return {of(key, str): value for key, value in pairs}


def _list(args: tuple[Any, ...]) -> list[Any]:
    return list(of(args[0], list)) if args else []


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
        if isinstance(value, _View):
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

    def _tensor(self, view: _View) -> Tensor:
        import torch

        storage, dtype = view.storage, getattr(torch, view.storage.type)
        # Tied weights are twice in a file's tensors and once in its bytes.
        self.spent += view.count * _item(storage.type)
        if self.spent > 4 * self.numbers.size + MB:
            raise Refusal(
                f"its tensors hold more than four times the file's {self.numbers.size:,} bytes"
            )
        self.budget.check_time()
        if not view.count:
            return torch.empty(view.size, dtype=dtype)
        if storage.place is None:
            raise Refusal("a storage in it is missing")
        end = storage.place + storage.count * _item(storage.type)
        if end > self.numbers.size:
            raise Refusal("a storage in it is cut off")
        begin = np.ndarray((end - storage.place,), np.uint8, self.numbers, storage.place)
        flat = torch.frombuffer(begin, dtype=dtype)
        return flat.as_strided(view.size, view.stride, view.offset)
