"""Pickles read as data: nothing is looked up, nothing is called.

Unpickling runs code, so nothing is unpickled here. The opcodes are read by an interpreter that can
build numbers, text, lists and dictionaries; of everything else a file names, a `Vocabulary` says
what it becomes, and a name outside it, or an opcode outside the plain ones, is refused where it
stands.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from ralikit.importers.budget import Budget, Refusal
from ralikit.printable import shown

Name = tuple[str, str]
Maker = Callable[[tuple[Any, ...]], Any]


@dataclass(frozen=True)
class Global:
    """A name that the pickle mentions; it is never looked up."""

    name: Name


@dataclass(eq=False)
class Made:
    """Something the pickle wants made: by which name, from what, with which state."""

    name: Name
    args: tuple[Any, ...]
    state: Any = None
    places: list[int] = field(default_factory=list)
    """Where the memo has it."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The names a pickle may use.

    Attributes:
        makers: What a call of a name becomes, from its arguments.
        mentioned: Names that may stand in it without being called.
        only: What is read, and what to do about anything else; the end of a sentence.
        built: What becomes of a made thing whose state is known, given what reads raw bytes behind
            the opcode; None: it stays.
        stored: What becomes of a reference to something outside the pickle; None: refused.
        keys: Types that a dictionary's keys may have.
    """

    makers: Mapping[Name, Maker]
    mentioned: frozenset[Name]
    only: str
    built: Callable[[Made, Callable[[int], bytes]], Any] | None = None
    stored: Callable[[Any], Any] | None = None
    keys: tuple[type, ...] = (str,)


@dataclass(eq=False)
class _Mark:
    """The stack's mark."""


class _Stack:
    def __init__(self) -> None:
        self.items: list[Any] = []

    def push(self, value: Any) -> None:
        self.items.append(value)

    def pop(self) -> Any:
        if not self.items or isinstance(self.items[-1], _Mark):
            raise Refusal("its opcodes do not fit together")
        return self.items.pop()

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.items) - 1, -1, -1):
            if isinstance(self.items[index], _Mark):
                found = self.items[index + 1 :]
                del self.items[index:]
                return found
        raise Refusal("its opcodes do not fit together")

    def top(self) -> Any:
        if not self.items:
            raise Refusal("its opcodes do not fit together")
        return self.items[-1]


class Interpreter:
    """Reads one pickle's opcodes as data; the stream then stands behind it."""

    def __init__(self, stream: IO[bytes], vocabulary: Vocabulary, budget: Budget) -> None:
        self.stream, self.vocabulary, self.budget = stream, vocabulary, budget
        self.stack = _Stack()
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value at STOP.

        Raises:
            Refusal: If it asks for anything outside the vocabulary, or goes over the budget.
            ValueError: If it is no pickle, or cut off.
        """
        for name, argument in self._opcodes():
            self.budget.step()
            if name == "STOP":
                return self.stack.pop()
            self._step(name, argument)
        raise Refusal("it ends before its STOP")

    def _opcodes(self) -> Iterator[tuple[str, Any]]:
        for opcode, argument, _ in pickletools.genops(self.stream):
            yield opcode.name, argument

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in ("PROTO", "FRAME"):
            return
        if name in _LITERALS:
            stack.push(argument)
        elif name in _CONSTANTS:
            stack.push(_CONSTANTS[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memorise(int(argument))
        elif name == "MEMOIZE":
            self._memorise(len(self.memo))
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.push(self.memo[int(argument)])
        elif name in _TUPLES:
            stack.push(tuple([stack.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in ("TUPLE", "LIST"):
            items = stack.pop_to_mark()
            stack.push(tuple(items) if name == "TUPLE" else items)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            items = [stack.pop()] if name == "APPEND" else stack.pop_to_mark()
            of(stack.top(), list).extend(items)
        elif name in ("SETITEM", "SETITEMS", "DICT"):
            self._set_items(name)
        else:
            self._named(name, argument)

    def _named(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name == "GLOBAL":
            module, _, attribute = str(argument).partition(" ")
            stack.push(self._admit(module, attribute))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.push(self._admit(module, attribute))
        elif name in ("REDUCE", "NEWOBJ"):
            args, maker = of(stack.pop(), tuple), stack.pop()
            stack.push(make(self.vocabulary.makers, of(maker, Global).name, args))
        elif name == "BINPERSID" and self.vocabulary.stored is not None:
            stack.push(self.vocabulary.stored(stack.pop()))
        elif name == "BUILD":
            self._build(stack.pop())
        else:
            raise Refusal(f"it uses the opcode {name}, which such a file does not need")

    def _build(self, state: Any) -> None:
        target = of(self.stack.top(), (Made, dict))
        if isinstance(target, dict):
            return  # an OrderedDict's attributes
        target.state = state
        if self.vocabulary.built is None:
            return
        became = self.vocabulary.built(target, self._take)
        if became is not target:
            self.stack.pop()
            self.stack.push(became)
            # It was memoised when it was made: later mentions mean what it became.
            self.memo.update(dict.fromkeys(target.places, became))

    def _memorise(self, place: int) -> None:
        value = self.stack.top()
        self.memo[place] = value
        if isinstance(value, Made):
            value.places.append(place)

    def _set_items(self, name: str) -> None:
        if name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            pairs = [key, value]
        else:
            pairs = self.stack.pop_to_mark()
        if name == "DICT":
            self.stack.push({})
        target = of(self.stack.top(), dict)
        for index, (key, value) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
            if index % 1024 == 1023:
                self.budget.check_time()
            target[self._key(key)] = value

    def _key(self, key: Any) -> Any:
        # Hashes of larger integers wrap around: keys could be chosen to collide.
        if isinstance(key, int) and abs(key) >= 2**31:
            raise Refusal("a key in it is too large a number")
        return of(key, self.vocabulary.keys)

    def _admit(self, module: Any, attribute: Any) -> Global:
        name = (of(module, str), of(attribute, str))
        if name not in self.vocabulary.makers and name not in self.vocabulary.mentioned:
            raise Refusal(f"it asks for {shown('.'.join(name))}, and only {self.vocabulary.only}")
        return Global(name)

    def _take(self, count: int) -> bytes:
        """Raw bytes that lie behind the opcode just read."""
        data = self.stream.read(count) if 0 <= count <= self.budget.left else b""
        if len(data) != count:
            raise Refusal("an array in it is cut off")
        self.budget.unpack(count)
        return data


_LITERALS = frozenset(
    {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINFLOAT", "FLOAT"}
    | {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_CONSTANTS: dict[str, Any] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "MARK": _Mark,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def make(makers: Mapping[Name, Maker], name: Name, args: tuple[Any, ...]) -> Any:
    """What a call becomes.

    Raises:
        Refusal: If such a thing is mentioned alone, never made.
    """
    if name not in makers:
        raise Refusal(f"it makes a {'.'.join(name)}, which such a file does not hold")
    return makers[name](args)


def inert(names: frozenset[Name]) -> dict[Name, Maker]:
    """Makers of things that are kept as a description, by name."""

    def maker(name: Name) -> Maker:
        return lambda args: Made(name, args)

    return {name: maker(name) for name in names}


def of(value: Any, kind: Any) -> Any:
    """A value that must be of a type.

    Raises:
        Refusal: If it is of another.
    """
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(getattr(k, "__name__", str(k)).strip("_").lower() for k in kinds)
        raise Refusal(f"a {wanted} is expected where it has a {type(value).__name__}")
    return value
