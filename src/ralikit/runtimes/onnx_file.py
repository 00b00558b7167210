"""An .onnx file's own words, read straight from its protobuf: metadata, and data kept elsewhere.

The core install has no onnx package, and weights must not pass through memory for a look at a few
kilobytes: the file is mapped, and only the fields on the way are touched.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ralikit.errors import BundleError
from ralikit.model.facts import KEY
from ralikit.model.protobuf import spans
from ralikit.printable import shown
from ralikit.runtimes.digest import DIGEST_KEY, DIGEST_MARK, Digest, digits_of

_METADATA = 14  # ModelProto.metadata_props

# Where tensors can be, by message: number of a field, and the message it holds (onnx.proto).
_WITHIN = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA = 13  # TensorProto.external_data: key and value entries


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """What an .onnx file says of itself.

    Attributes:
        facts: Text of its ralikit entry, or None.
        digest: Its digest of itself, or None.
    """

    facts: str | None
    digest: Digest | None


def read_file(path: Path) -> OnnxFile:
    """Read a file's own words, untrusted.

    Raises:
        BundleError: If it is missing, damaged, holds an entry twice, or keeps weights in other
            files, which nothing would vouch for.
    """
    try:
        with path.open("rb") as stream, _mapped(stream) as data, memoryview(data) as view:
            entries = _entries(view, where=path)
            beside = _kept_elsewhere(view)
            facts = _text(view, entries.get(KEY))
            entry = entries.get(DIGEST_KEY)
            digest = None if entry is None else bytes(view[entry[0] : entry[1]])
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except (IndexError, ValueError) as error:  # cut off; empty or not text
        raise BundleError(f"{path} is damaged or no ONNX file") from error
    if beside is not None:
        raise BundleError(
            f"{path} keeps weights in another file, {shown(beside)!r}: ralikit export writes and "
            "reads files that are whole"
        )
    if entry is None or digest is None:
        return OnnxFile(facts=facts, digest=None)
    digits = digits_of(digest, where=path)
    return OnnxFile(facts=facts, digest=Digest(entry[0] + len(DIGEST_MARK), digits))


def _mapped(stream: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _text(data: memoryview, place: tuple[int, int] | None) -> str | None:
    return None if place is None else bytes(data[place[0] : place[1]]).decode()


def _entries(data: memoryview, *, where: Path) -> dict[str, tuple[int, int]]:
    """Start and stop of the value of ralikit's metadata entries, by key.

    Raises:
        IndexError: If a field runs past the end: the file is cut off or no protobuf.
        BundleError: If one is there twice: readers would not agree on which of them counts.
    """
    found: dict[str, tuple[int, int]] = {}
    wanted = {key.encode(): key for key in (KEY, DIGEST_KEY)}
    for number, start, stop in spans(data, 0, len(data)):
        if number != _METADATA:
            continue
        pair = {n: (a, b) for n, a, b in spans(data, start, stop)}
        key = wanted.get(bytes(data[slice(*pair.get(1, (0, 0)))]))
        if key is None:
            continue
        if key in found:
            raise BundleError(f"{where} carries ralikit metadata twice: it was altered")
        found[key] = pair.get(2, (stop, stop))
    return found


def _kept_elsewhere(data: memoryview) -> str | None:
    """Name of a file that a tensor's data are kept in, the first one met; None: there is none."""
    waiting = [("model", 0, len(data))]
    while waiting:
        kind, start, stop = waiting.pop()
        within = _WITHIN.get(kind, {})
        for number, a, b in spans(data, start, stop):
            if kind == "tensor" and number == _EXTERNAL_DATA:
                pair = {n: bytes(data[c:d]) for n, c, d in spans(data, a, b)}
                if pair.get(1) == b"location":
                    return pair.get(2, b"").decode(errors="replace")
            elif number in within:
                waiting.append((within[number], a, b))
    return None
