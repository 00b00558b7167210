"""What RaliKit asks of Core ML against what an exported package has: names, shapes, types.

    python signature.py PACKAGE [SWIFT]

The Swift side is read from its sources and from the hand-written stub; the package's own words
from its spec. PACKAGE is one that gives every output, SWIFT is runtimes/swift. Prints "ok …" or
"FAILED …" a check; exit 1 where one failed.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import types
from math import prod
from pathlib import Path
from typing import Any


def first(pattern: str, text: str) -> str:
    """The first group of a pattern that must be there."""
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(
            f"FAILED {pattern!r} is not in the Swift sources any more: mend signature.py"
        )
    return found[1]


def model_spec(package: Path) -> Any:
    """The package's protobuf, by coremltools' own definition but without its import of torch."""
    found = importlib.util.find_spec("coremltools")
    if found is None or found.submodule_search_locations is None:
        raise SystemExit("coremltools is not installed")
    bare = types.ModuleType("coremltools")
    bare.__path__ = list(found.submodule_search_locations)
    sys.modules["coremltools"] = bare
    from coremltools.proto import Model_pb2

    spec = Model_pb2.Model()
    spec.ParseFromString((package / "Data/com.apple.CoreML/model.mlmodel").read_bytes())
    return spec


def stub_types(stub: str) -> dict[str, int]:
    """Names of `MLMultiArrayDataType` and their raw values."""
    body = first(r"enum MLMultiArrayDataType: Int, Sendable \{([^}]*)\}", stub)
    return {name: int(value) for name, value in re.findall(r"case (\w+) = (\d+)", body)}


def shapes(spec: Any) -> dict[str, list[int]]:
    """Shape of every output."""
    return {
        out.name: [int(n) for n in out.type.multiArrayType.shape] for out in spec.description.output
    }


def main() -> int:
    """Compare, and say so line by line."""
    package = Path(sys.argv[1])
    swift = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[3] / "runtimes/swift"
    engine = (swift / "Sources/RaliKit/CoreMLEngine.swift").read_text()
    ai = (swift / "Sources/RaliKit/CoreAIEngine.swift").read_text()
    core = {f.stem: f.read_text() for f in (swift / "Sources/RaliCore").glob("*.swift")}
    reader, outputs = core["CoreMLPackage"], core["Outputs"]
    read = set(re.findall(r'outputs\["(\w+)"\]', outputs))
    known = stub_types((swift / "Tests/Stubs/CoreML.swift").read_text())
    spec = model_spec(package)
    sizes = shapes(spec)
    (given,) = spec.description.input
    array = given.type.multiArrayType
    metadata = dict(spec.description.metadata.userDefined)
    facts: dict[str, Any] = json.loads(metadata["ralikit"])
    preprocess = facts["preprocess"]
    size = preprocess["size"]
    wanted_type = first(r"inputType = MLMultiArrayDataType\.(\w+)", engine)
    descriptor = type(spec).DESCRIPTOR.fields_by_name
    inner = descriptor["description"].message_type.fields_by_name

    def field(name: str) -> int:
        return int(first(rf"let {name}: UInt64 = (\d+)", reader))

    checks = {
        "the input's name": (first(r'let input = "(\w+)"', engine), given.name),
        "the input's name in Core AI": (first(r'let input = "(\w+)"', ai), given.name),
        "the input's type": (known[wanted_type], array.dataType),
        "the input's shape is the facts'": (
            [len(preprocess["anchors"]), size, size, 3], [int(n) for n in array.shape]
        ),
        "the outputs are the facts'": (
            sorted(facts["outputs"]), sorted(out.name for out in spec.description.output)
        ),
        "the outputs that Swift reads": (sorted(read), sorted(facts["outputs"])),
        "a score is one number": (1, prod(sizes["score"])),
        "as many reasons as the facts name": (
            len(facts.get("reasons", [])), prod(sizes.get("reasons", [0]))
        ),
        "members of a reason in the facts": (
            sorted(set(re.findall(r'text\(entry, "(\w+)"', core["Facts"]))),
            sorted({member for reason in facts.get("reasons", []) for member in reason}),
        ),
        "outputs are arrays of a type the stub knows": (
            [], [o.name for o in spec.description.output
                 if o.type.multiArrayType.dataType not in known.values()]
        ),
        "field of the description": (field("description"), descriptor["description"].number),
        "field of the program": (field("program"), descriptor["mlProgram"].number),
        "field of the metadata": (field("metadata"), inner["metadata"].number),
        "field of the user's entries": (
            field("userDefined"),
            inner["metadata"].message_type.fields_by_name["userDefined"].number,
        ),
        "the entries' names": (
            [first(r'key = "([\w.]+)"', core[name]) for name in ("Facts", "Digest")],
            [name for name in ("ralikit", "ralikit.digest") if name in metadata],
        ),
    }  # fmt: skip
    failed = 0
    for name, (asked, found) in checks.items():
        good = asked == found
        failed += not good
        detail = "" if good else f": Swift has {asked}, the package {found}"
        print(f"{'ok' if good else 'FAILED'} {name}{detail}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
