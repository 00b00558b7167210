"""Android's API list (`current.txt`, signature format 2.0) as classes, members and types."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FLAGS = {
    "public": 0x1,
    "private": 0x2,
    "protected": 0x4,
    "static": 0x8,
    "final": 0x10,
    "synchronized": 0x20,
    "volatile": 0x40,
    "transient": 0x80,
    "native": 0x100,
    "abstract": 0x400,
    "strictfp": 0x800,
}
PRIMITIVES = {
    "void": "V",
    "boolean": "Z",
    "byte": "B",
    "char": "C",
    "short": "S",
    "int": "I",
    "long": "J",
    "float": "F",
    "double": "D",
}
# A list that names no package means this one.
LANG = "java/lang/"
TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\.\.\.|[A-Za-z_$][\w$]*|-?\d[\w.+-]*|[^\s]'
)

Bounds = dict[str, list["Type"]]


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type as it is written.

    Attributes:
        kind: `class` (primitives and variables too), `array`, `wildcard`, `extends` or `super`.
        parts: Of a class: each name between dots, with its type arguments.
        of: Of an array its element, of `extends` and `super` the bound.
    """

    kind: str
    parts: tuple[tuple[str, tuple["Type", ...]], ...] = ()
    of: "Type | None" = None

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.parts]

    def internal(self) -> str:
        """The name in a class file: `android/app/Activity`, `a/B$C`."""
        names = self.names
        if len(names) == 1:
            return LANG + names[0]
        top = self.top()
        return "/".join(names[: top + 1]) + "".join(f"${n}" for n in names[top + 1 :])

    def top(self) -> int:
        """The first part that is a class; packages are written small."""
        return next(
            (i for i, name in enumerate(self.names) if name[0].isupper()), len(self.parts) - 1
        )

    def single(self, names: object) -> bool:
        """Whether it is one bare name among these."""
        return self.kind == "class" and len(self.parts) == 1 and self.parts[0][0] in names  # type: ignore[operator]

    def descriptor(self, scope: Bounds) -> str:
        """The erased type: a variable is its first bound."""
        if self.kind == "array":
            return "[" + inner(self).descriptor(scope)
        if self.kind != "class":
            return "Ljava/lang/Object;"
        if self.single(PRIMITIVES):
            return PRIMITIVES[self.names[0]]
        if self.single(scope):
            name = self.names[0]
            rest = {other: bounds for other, bounds in scope.items() if other != name}
            return scope[name][0].descriptor(rest) if scope[name] else "Ljava/lang/Object;"
        return f"L{self.internal()};"

    def signature(self, scope: Bounds) -> str:
        """The generic type."""
        if self.kind == "array":
            return "[" + inner(self).signature(scope)
        if self.kind == "wildcard":
            return "*"
        if self.kind != "class":
            return {"extends": "+", "super": "-"}[self.kind] + inner(self).signature(scope)
        if self.single(PRIMITIVES):
            return PRIMITIVES[self.names[0]]
        if self.single(scope):
            return f"T{self.names[0]};"
        if len(self.parts) == 1:
            return f"L{LANG}{self.names[0]}{arguments(self.parts[0][1], scope)};"
        top = self.top()
        text = "L" + "/".join(self.names[: top + 1]) + arguments(self.parts[top][1], scope)
        generic = bool(self.parts[top][1])
        for name, given in self.parts[top + 1 :]:
            text += ("." if generic else "$") + name + arguments(given, scope)
            generic = generic or bool(given)
        return text + ";"


def inner(outer: Type) -> Type:
    assert outer.of is not None
    return outer.of


def arguments(given: tuple[Type, ...], scope: Bounds) -> str:
    return f"<{''.join(t.signature(scope) for t in given)}>" if given else ""


def parameters(variables: Bounds, scope: Bounds) -> str:
    """Type variables as a signature declares them."""
    if not variables:
        return ""
    text = ""
    for name, bounds in variables.items():
        first, *others = [bound.signature(scope) for bound in bounds] or ["Ljava/lang/Object;"]
        text += f"{name}:{first}" + "".join(f":{other}" for other in others)
    return f"<{text}>"


def class_type(name: str) -> Type:
    return Type(kind="class", parts=tuple((part, ()) for part in name.split(".")))


@dataclass(kw_only=True)
class Class:
    """A class of the list; `members` are its lines, unread."""

    package: str
    name: str
    kind: str
    flags: int = 0
    variables: Bounds = field(default_factory=dict)
    extends: list[Type] = field(default_factory=list)
    implements: list[Type] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.package.replace(".", "/") + "/" + self.name.replace(".", "$")

    @property
    def interface(self) -> bool:
        return self.kind in ("interface", "@interface")


class Reader:
    """Reads one line, token by token."""

    def __init__(self, line: str) -> None:
        self.tokens = TOKEN.findall(line)
        self.at = 0
        self.varargs = False

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

    def next(self) -> str:
        self.at += 1
        return str(self.tokens[self.at - 1])

    def eat(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def need(self, token: str) -> None:
        if not self.eat(token):
            raise ValueError(
                f"expected {token!r}, found {self.peek()!r} in: {' '.join(self.tokens)}"
            )

    def rest(self) -> str:
        return "".join(self.tokens[self.at :])

    def annotations(self) -> list[str]:
        found = []
        while self.peek() == "@" and self.peek(1) != "interface":
            self.next()
            found.append(self.name())
            if self.peek() == "(":
                depth = 0
                while True:
                    mark = self.next()
                    depth += (mark == "(") - (mark == ")")
                    if depth == 0:
                        break
        return found

    def name(self) -> str:
        text = self.next()
        while self.eat("."):
            text += "." + self.next()
        return text

    def modifiers(self) -> tuple[int, set[str], list[str]]:
        """Flags, words that have none, and annotations between them."""
        flags, words, found = 0, set(), self.annotations()
        while self.peek() in FLAGS or self.peek() in ("sealed", "default") or self.peek() == "non":
            word = self.next()
            if word == "non":  # non-sealed
                self.next()
                word += "-" + self.next()
            flags |= FLAGS.get(word, 0)
            words.add(word)
            found += self.annotations()
        return flags, words, found

    def type(self) -> Type:
        self.annotations()
        if self.eat("?"):
            for kind in ("extends", "super"):
                if self.eat(kind):
                    return Type(kind=kind, of=self.type())
            return Type(kind="wildcard")
        parts: list[tuple[str, tuple[Type, ...]]] = [(self.next(), ())]
        while True:
            if self.eat("."):
                parts.append((self.next(), ()))
            elif self.peek() == "<":
                parts[-1] = (parts[-1][0], self.given())
            else:
                break
        return self.array(Type(kind="class", parts=tuple(parts)))

    def given(self) -> tuple[Type, ...]:
        self.need("<")
        found = [self.type()]
        while self.eat(","):
            found.append(self.type())
        self.need(">")
        return tuple(found)

    def array(self, element: Type) -> Type:
        while True:
            self.annotations()
            if self.eat("["):
                self.need("]")
            elif self.eat("..."):
                self.varargs = True
            else:
                return element
            element = Type(kind="array", of=element)

    def variables(self) -> Bounds:
        found: Bounds = {}
        if not self.eat("<"):
            return found
        while True:
            bounds = found[self.next()] = []
            if self.eat("extends"):
                bounds.append(self.type())
                while self.eat("&"):
                    bounds.append(self.type())
            if self.eat(">"):
                return found
            self.need(",")

    def types(self, *ends: str) -> Iterator[Type]:
        while self.peek() not in (*ends, ""):
            yield self.type()
            self.eat(",")


def read_classes(text: str) -> dict[str, Class]:
    """All classes of a list, by their names in class files."""
    classes: dict[str, Class] = {}
    package, current = "", None
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("//"):
            continue
        if stripped.startswith("package "):
            package = stripped.removeprefix("package ").rstrip("{ ")
        elif line.startswith("    ") and current is not None:
            current.members.append(stripped)
        elif stripped != "}":
            current = read_class(stripped, package)
            classes[current.key] = current
    return classes


def read_class(line: str, package: str) -> Class:
    """A class by its first line."""
    reader = Reader(line)
    flags, _, annotations = reader.modifiers()
    kind = "@interface" if reader.eat("@") else ""
    kind = kind if reader.next() == "interface" and kind else reader.tokens[reader.at - 1]
    found = Class(
        package=package, name=reader.name(), kind=kind, flags=flags, annotations=annotations
    )
    found.variables = reader.variables()
    if reader.eat("extends"):
        found.extends = list(reader.types("{", "implements"))
    if reader.eat("implements"):
        found.implements = list(reader.types("{"))
    return found
