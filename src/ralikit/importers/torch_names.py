"""What a torch file's pickle may name, and what is made of it: views of storages, plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ralikit.importers import numpy_names
from ralikit.importers.budget import Budget, Refusal
from ralikit.importers.opcodes import Global, Maker, Name, Vocabulary, make, of

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
class Storage:
    """Numbers of one type, somewhere in the file."""

    type: str
    count: int
    place: int | None = None


@dataclass(frozen=True)
class View:
    """A tensor: a view of a storage."""

    storage: Storage
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


def referred(reference: Any) -> tuple[Storage, str]:
    """A storage and its key, from ("storage", type, key, location, count, …)."""
    _, kind, key, _, count, *_ = of(reference, tuple)
    name = of(kind, Global).name[1]
    count = of(count, int)
    if count < 0:
        raise Refusal("a storage in it has a negative size")
    return Storage(_TYPES.get(name, "uint8" if name == "UntypedStorage" else ""), count), str(key)


def item_size(kind: str) -> int:
    """Bytes of a number of a type; 0 for types that are not read."""
    sizes = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "": 0}
    return sizes.get(kind, 1 if kind in ("int8", "uint8", "bool") else 2)


def vocabulary(budget: Budget, stored: Callable[[Any], Storage]) -> Vocabulary:
    """The names of a torch file.

    Args:
        budget: What reading it may use.
        stored: Finds the storage that a reference means.
    """
    table = numpy_names.makers(budget)

    def view(args: tuple[Any, ...]) -> View | Unread:
        storage, offset, size, stride = args[:4]
        return _view(storage, offset, size, stride)

    def typed(args: tuple[Any, ...]) -> View | Unread:
        storage, offset, size, stride, _, _, dtype = args[:7]
        name = of(dtype, Global).name[1]
        kind = name if name in _TYPES.values() else ""
        count = of(storage, Storage).count // max(item_size(kind), 1)
        return _view(Storage(kind, count, storage.place), offset, size, stride)

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


def _view(storage: Any, offset: Any, size: Any, stride: Any) -> View | Unread:
    found: Storage = of(storage, Storage)
    if not found.type:
        return Unread("quantised, complex or small")
    extents = tuple(of(n, int) for n in of(size, tuple))
    view = View(found, of(offset, int), extents, tuple(of(n, int) for n in of(stride, tuple)))
    return Unread("repeating") if view.count > found.count else view


def _dict(args: tuple[Any, ...]) -> dict[Any, Any]:
    pairs = args[0] if args else ()
    if isinstance(pairs, Mapping):
        return dict(pairs)
    return {of(key, str): value for key, value in pairs}


def _list(args: tuple[Any, ...]) -> list[Any]:
    return list(of(args[0], list)) if args else []
