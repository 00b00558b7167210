"""What is fuzzed: readers of untrusted bytes, valid seeds for each, and what each may say."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import support_wholes
from PIL import Image
from support_damage import cut, extreme, flipped, pick, repeated, varint
from support_icc import DISPLAY_P3, rgb_profile
from support_wholes import WHOLES, Whole

from ralikit.errors import RalikitError
from ralikit.photo.decode import decode
from ralikit.photo.views import Preprocess, make_views

VIEWS = Preprocess(size=16, shortest_edge=24, anchors=((0.0, 0.0), (1.0, 1.0)))
CORPUS = Path(__file__).parent / "fuzz" / "corpus"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One reader of bytes from strangers.

    Attributes:
        name: Short name; also of its folder in the corpus.
        seeds: Valid inputs, by name.
        read: Reads bytes, or raises a `RalikitError` of one sentence.
        damaged: Damaged inputs without end, by a seed of its own; None: `mutations` of the seeds.
        whole: Whether the inputs are whole models, which take seconds to make.
        native: Whether native code may end the process over an input: counted, and no fault of
            ours. docs/reliability.md says where.
    """

    name: str
    seeds: Callable[[], dict[str, bytes]]
    read: Callable[[bytes], object]
    damaged: Callable[[int], Iterator[tuple[str, bytes]]] | None = None
    whole: bool = False
    native: bool = False

    def inputs(self, seed: int) -> Iterator[tuple[str, bytes]]:
        """Damaged inputs without end, each with its name; the same seed gives the same ones."""
        if self.damaged is not None:
            return self.damaged(seed)
        return mutations({**self.seeds(), **corpus(self)}, seed=seed)


def attempt(reader: Reader, data: bytes) -> str | None:
    """Read bytes: None where they are read, else the sentence with which they are refused.

    Raises:
        AssertionError: If what is said is no single short line.
        Exception: Whatever else comes out: a fault.
    """
    try:
        reader.read(data)
    except RalikitError as error:
        said = str(error)
        assert len(said.splitlines()) == 1, said
        assert len(said) < 600, said
        return said
    return None


def mutations(
    seeds: dict[str, bytes], *, seed: int, count: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """Seeds with bits flipped, cut off, begun as another, or with a number at its largest.

    Args:
        seeds: Inputs to start from, by name.
        seed: Of the random numbers: the same ones give the same inputs.
        count: How many; None: without end.
    """
    rng = np.random.default_rng(seed)
    names = sorted(seeds)
    index = 0
    while count is None or index < count:
        name = names[index % len(names)]
        data = seeds[name]
        kind = index // len(names) % 6
        if kind < 2:  # in the headers more often than not
            data = flipped(data, rng, reach=None if kind else 200)
        elif kind == 2:
            data = cut(data, rng)
        elif kind == 3:  # another input's beginning
            size = int(rng.integers(4, 120))
            data = seeds[pick(rng, names)][:size] + data[size:]
        elif kind == 4:
            data = extreme(data, rng)
        else:
            data = repeated(data, rng)
        yield f"{index} {name}", data
        index += 1


def pictures() -> dict[str, bytes]:
    """Small valid files of every format, with the parts people's files have."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    rgba = Image.fromarray(rng.integers(0, 256, (24, 32, 4), dtype=np.uint8))
    wide = Image.fromarray(rng.integers(0, 65536, (24, 32), dtype=np.uint16))
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563)
    exif = Image.Exif()
    exif[0x0112] = 6
    common: dict[str, Any] = {"exif": exif, "icc_profile": rgb_profile(DISPLAY_P3, curve)}
    made: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("jpeg", rgb, "JPEG", common),
        ("progressive", rgb, "JPEG", {"progressive": True, **common}),
        ("gray jpeg", rgb.convert("L"), "JPEG", {}),
        ("cmyk jpeg", rgb.convert("CMYK"), "JPEG", {}),
        ("mpo", rgb, "MPO", {"save_all": True, "append_images": [rgb.copy()]}),
        ("png", rgba, "PNG", common),
        ("palette png", rgb.quantize(8), "PNG", {"transparency": 2}),
        ("wide png", wide, "PNG", {}),
        ("bit png", rgb.convert("1"), "PNG", {}),
        ("webp", rgba, "WEBP", {"lossless": True, **common}),
        ("lossy webp", rgb, "WEBP", {}),
        ("bmp", rgb, "BMP", {}),
        ("palette bmp", rgb.quantize(8), "BMP", {}),
        ("tiff", rgb, "TIFF", common),
        ("lzw tiff", rgb, "TIFF", {"compression": "tiff_lzw"}),
        ("deflate tiff", wide, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("jpeg tiff", rgb, "TIFF", {"compression": "jpeg"}),
        ("gif", rgb.quantize(8), "GIF", {"save_all": True, "append_images": [rgb.quantize(4)]}),
    ]
    files = {}
    for name, image, kind, options in made:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        files[name] = stream.getvalue()
    try:
        import pillow_heif
    except ImportError:
        return files
    stream = io.BytesIO()
    pillow_heif.from_pillow(rgb.resize((64, 64))).save(stream)
    return {**files, "heic": stream.getvalue()}


def _facts() -> dict[str, bytes]:
    from ralikit.model.facts import dump_facts, facts_of
    from ralikit.models import bundled

    plain = facts_of(bundled())
    more = {
        **plain,
        "target": "onnx",
        "precision": "int8",
        "outputs": ["score", "embedding"],
        "layers": {"tower.stem": "int8"},
        "golden": [{"name": "a", "sha256": "0" * 64, "reference": 3.5}],
        "limits": {"golden": 0.15, "p95_drift": 0.05},
        "checks": [{"name": "layers", "passed": True, "detail": "1"}],
        "activations": {"largest": 12.5, "where": "tower.stem"},
    }
    return {"plain": dump_facts(plain).encode(), "whole": dump_facts(more).encode()}


def _read_facts(data: bytes) -> object:
    from ralikit.model.facts import parse_facts

    return parse_facts(data.decode("utf-8", "surrogateescape"), where="the file")


def _safetensors() -> dict[str, bytes]:
    from ralikit.model.bundle import write_safetensors

    arrays: dict[str, np.ndarray[Any, Any]] = {
        "pca_mean": np.arange(6, dtype=np.float32),
        "codes": np.arange(12, dtype=np.int32).reshape(3, 4),
        "half": np.ones((2, 0, 3), np.float16),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        write_safetensors(path, arrays)
        plain = path.read_bytes()
        write_safetensors(path, arrays, {"layers": "a,b"})
        return {"plain": plain, "noted": path.read_bytes()}


def _pickles() -> dict[str, bytes]:
    from sklearn.decomposition import PCA, IncrementalPCA

    rng = np.random.default_rng(0)
    data = rng.normal(size=(20, 5))
    fitted = {"pca": PCA(3).fit(data), "incremental": IncrementalPCA(3).fit(data)}
    return {
        f"{name} {protocol}": pickle.dumps(value, protocol=protocol)
        for name, value in fitted.items()
        for protocol in (2, 4, 5)
    }


def _metas(suffix: str) -> Callable[[], dict[str, bytes]]:
    entry = {"image": "a.png", "gt_score": 3.5, "gt_score_norm": 3.5, "std": 0.4, "level": "good"}
    other = {**entry, "image": "b/c.png", "gt_score": 2.5, "gt_score_norm": 2.5}
    deqa = json.dumps([entry, other]).encode()
    lines = [
        {
            "image": [f"{i}.png"],
            "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": 61.5 - i}],
            "dataset_name": "koniq",
            "split": "train",
        }
        for i in range(3)
    ]
    csv = "image,mos,split,group\na.png,3.5,train,1\n" + '"b,""c"".png",2,test,\n'
    found = {
        ".json": {"deqa": deqa},
        ".jsonl": {"visualquality": b"".join(json.dumps(x).encode() + b"\n" for x in lines)},
        ".csv": {"csv": csv.encode()},
    }
    return lambda: found[suffix]


def _from_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def reader(data: bytes) -> object:
        with tempfile.TemporaryDirectory(prefix="ralikit-fuzz-") as folder:
            path = Path(folder) / f"x{suffix}"
            path.write_bytes(data)
            return read(path)

    return reader


def _records() -> dict[str, bytes]:
    golden = Path(__file__).parents[1] / "runtimes" / "golden" / "records.jsonl"
    return {str(i): line for i, line in enumerate(golden.read_bytes().splitlines(keepends=True))}


def _onnx() -> dict[str, bytes]:
    from ralikit.model.facts import KEY

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(data)) + data

    facts = next(iter(_facts().values()))
    entry = field(14, field(1, KEY.encode()) + field(2, facts))
    return {"facts alone": field(2, b"ralikit") + field(7, field(2, b"graph")) + entry}


def _read_meta(path: Path) -> object:
    from ralikit.data.metas import read_meta

    return read_meta(path, path.parent, mos_range="observed")


def _read_pca(path: Path) -> object:
    from ralikit.importers.unpickle import read_pca

    return read_pca(path)


def _read_tensors(path: Path) -> object:
    from ralikit.model.bundle import read_safetensors

    return read_safetensors(path)


def _read_records(path: Path) -> object:
    from ralikit.bench.records import read

    return read([path])


def _read_onnx(path: Path) -> object:
    from ralikit.runtimes.onnx import read_facts

    return read_facts(path)


def _whole(whole: Whole, *, sealed: bool) -> Reader:
    return Reader(
        name=f"{'resealed' if sealed else 'damaged'}-{whole.name}",
        seeds=lambda: {n: support_wholes.pack(support_wholes.models() / n) for n in whole.seeds},
        read=lambda data: support_wholes.read(whole, data, sealed=sealed),
        damaged=lambda seed: support_wholes.mutations(whole, sealed=sealed, seed=seed),
        whole=True,
        native=sealed and whole.native,
    )


READERS: Sequence[Reader] = (
    Reader(
        name="pictures",
        seeds=pictures,
        read=lambda data: make_views(decode(data, target=VIEWS.resized), VIEWS),
    ),
    Reader(name="facts", seeds=_facts, read=_read_facts),
    Reader(name="safetensors", seeds=_safetensors, read=_from_file(".safetensors", _read_tensors)),
    Reader(name="pickles", seeds=_pickles, read=_from_file(".pkl", _read_pca)),
    Reader(name="meta-json", seeds=_metas(".json"), read=_from_file(".json", _read_meta)),
    Reader(name="meta-jsonl", seeds=_metas(".jsonl"), read=_from_file(".jsonl", _read_meta)),
    Reader(name="meta-csv", seeds=_metas(".csv"), read=_from_file(".csv", _read_meta)),
    Reader(name="records", seeds=_records, read=_from_file(".jsonl", _read_records)),
    Reader(name="onnx-facts", seeds=_onnx, read=_from_file(".onnx", _read_onnx)),
    *(_whole(whole, sealed=sealed) for whole in WHOLES for sealed in (False, True)),
)


def corpus(reader: Reader) -> dict[str, bytes]:
    """Inputs that once found a fault in a reader, by file name."""
    return {p.name: p.read_bytes() for p in sorted((CORPUS / reader.name).glob("*"))}
