"""The web demo: one static folder that scores photos in a browser, built from a model and served.

The page and the JavaScript runtime come with the package. ONNX Runtime Web (14 MB, and 27 for
WebGPU) does not: it is fetched once, from its npm package of an exact version, and checked against
known hashes.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ralikit.demo.serve import HEADERS, serving
from ralikit.errors import BundleError, RalikitError, UsageError
from ralikit.files import publish, sha256_path, to_json

__all__ = ["HEADERS", "ORT_FILES", "ORT_VERSION", "build", "cache_folder", "find_ort", "model_file"]
__all__ += ["serving", "sources"]

ORT_VERSION = "1.30.0"
ORT_FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
    "ort-wasm-simd-threaded.asyncify.mjs": (
        "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28"
    ),
    "ort-wasm-simd-threaded.asyncify.wasm": (
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da"
    ),
}
"""What the page needs of onnxruntime-web, and the SHA-256 of each file in that version."""

_ON_DEMAND = re.compile(r"ort/.*(webgpu|asyncify)")
"""What is fetched only where a person asks for the graphics chip; nobody else waits for it."""
_SQUEEZED = {".wasm", ".mjs", ".js", ".onnx", ".css", ".html"}
"""Suffixes of what the build also writes compressed, as `NAME.gz`, where that saves a tenth."""

_INSTALLED = Path(__file__).parents[1] / "web"
_CHECKOUT = Path(__file__).parents[3]
_VERSION_LINE = 'const VERSION = "development";'


def sources() -> tuple[Path, Path]:
    """Folders of the page and of the JavaScript runtime: in the package, or in a checkout.

    Raises:
        RalikitError: If neither is there.
    """
    for page, runtime in (
        (_INSTALLED / "demo", _INSTALLED / "ralikit-web"),
        (_CHECKOUT / "web_demo", _CHECKOUT / "runtimes" / "js" / "src"),
    ):
        if (page / "index.html").is_file() and (runtime / "index.js").is_file():
            return page, runtime
    raise RalikitError("this installation carries no web demo; install ralikit from its wheel")


def model_file(model: Path | None) -> Path:
    """The .onnx file to show: the one given, a bundle's, or a bundled model's (None: the default).

    Raises:
        UsageError: If it is no .onnx file.
        BundleError: If ralikit did not make it, or the bundle carries none.
    """
    from ralikit.model.bundle import read_bundle
    from ralikit.models import locate
    from ralikit.runtimes.onnx import read_facts

    path = locate(model)
    if path.is_dir():
        bundle = read_bundle(path)
        if bundle.scorer is None:
            raise BundleError(
                f"{bundle.root} carries no scorer.onnx; make one with ralikit export --target onnx"
            )
        return bundle.scorer
    if path.suffix != ".onnx":
        raise UsageError(f"the page runs .onnx files, not {path}; export with --target onnx")
    read_facts(path)
    return path


def cache_folder() -> Path:
    """Where fetched files are kept: ``RALIKIT_CACHE``, or ralikit's folder in the user's cache."""
    if override := os.environ.get("RALIKIT_CACHE"):
        return Path(override)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ralikit"


def find_ort(given: Path | None = None) -> Path:
    """Folder with ONNX Runtime Web's files, fetched through npm into the cache if need be.

    Args:
        given: onnxruntime-web's ``dist`` folder (or one with those files); None: cache, then npm.

    Raises:
        UsageError: If `given` lacks a file.
        RalikitError: If npm is missing or fails, or a file is not the one of this version.
    """
    if given is not None:
        missing = [name for name in ORT_FILES if not (given / name).is_file()]
        if missing:
            raise UsageError(
                f"{given} has no {missing[0]}: expected the dist folder of onnxruntime-web "
                f"{ORT_VERSION}"
            )
        return given
    kept = cache_folder() / f"onnxruntime-web-{ORT_VERSION}"
    if not all((kept / name).is_file() for name in ORT_FILES):  # an earlier ralikit kept fewer
        _fetch_ort(kept)
    _check_ort(kept)
    return kept


def _check_ort(folder: Path) -> None:
    for name, wanted in ORT_FILES.items():
        if not (folder / name).is_file() or sha256_path(folder / name) != wanted:
            raise RalikitError(
                f"{folder / name} is not onnxruntime-web {ORT_VERSION}'s file; delete that folder "
                "and try again"
            )


def _fetch_ort(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RalikitError(
            "the page needs onnxruntime-web once, and npm, which fetches it, is not installed: "
            "install Node.js, or pass --ort DIR with its dist folder"
        )
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "install", "--prefix", temporary, "--no-save", "--ignore-scripts"]
        command += ["--no-audit", "--no-fund", f"onnxruntime-web@{ORT_VERSION}"]
        try:
            done = subprocess.run(  # noqa: S603 (npm's own path, no user words)
                command, capture_output=True, text=True, timeout=600, check=False, cwd=temporary
            )
        except subprocess.TimeoutExpired as error:
            raise RalikitError("npm did not finish within ten minutes; try again") from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise RalikitError(f"npm could not fetch onnxruntime-web {ORT_VERSION}: {reason}")
        dist = Path(temporary) / "node_modules" / "onnxruntime-web" / "dist"
        with publish(target, overwrite=True) as draft:
            draft.mkdir()
            for name in ORT_FILES:
                shutil.copyfile(dist / name, draft / name)


def build(out: Path, *, model: Path, ort: Path, overwrite: bool = False) -> None:
    """Write the whole page into a folder that any static host can serve.

    Args:
        out: The folder.
        model: An exported .onnx file.
        ort: Folder with `ORT_FILES`.
        overwrite: Replace an existing folder.

    Raises:
        UsageError: If `out` exists and `overwrite` is not set.
        RalikitError: If it cannot be written.
    """
    from ralikit.runtimes.onnx import read_facts

    page, runtime = sources()
    facts = read_facts(model)
    name = f"{facts.model.name}-{facts.precision or 'model'}"
    with publish(out, overwrite=overwrite) as draft:
        shutil.copytree(page, draft, ignore=shutil.ignore_patterns("*.md"))
        shutil.copytree(
            runtime, draft / "ralikit-web", ignore=shutil.ignore_patterns("*.d.ts", "*.md")
        )
        (draft / "ort").mkdir()
        for file in ORT_FILES:
            shutil.copyfile(ort / file, draft / "ort" / file)
        (draft / "model").mkdir()
        shutil.copyfile(model, draft / "model" / "model.onnx")
        size = model.stat().st_size
        shown = {"model": {"file": "model/model.onnx", "name": name, "bytes": size}}
        (draft / "demo.json").write_text(to_json(shown), encoding="utf-8")
        _seal(draft)


def _seal(root: Path) -> None:
    """List what the service worker keeps, and give it a version that changes with any of it."""
    version = sha256_path(root)[:16]
    worker = root / "sw.js"
    text = worker.read_text(encoding="utf-8")
    if _VERSION_LINE not in text:
        raise RalikitError("the page's sw.js has no version line; install ralikit again")
    worker.write_text(text.replace(_VERSION_LINE, f'const VERSION = "{version}";'), "utf-8")
    files = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*")) if p.is_file()]
    own = {"sw.js", "index.html"}
    kept = ["./", *(f for f in files if f not in own and not _ON_DEMAND.match(f))]
    (root / "precache.json").write_text(
        to_json({"version": version, "files": kept}), encoding="utf-8"
    )
    for name in files:
        _squeeze(root / name)


def _squeeze(file: Path) -> None:
    """Write a file compressed beside itself, always the same bytes, where that is worth it."""
    if file.suffix not in _SQUEEZED:
        return
    whole = file.read_bytes()
    small = gzip.compress(whole, compresslevel=6, mtime=0)
    if len(small) < 0.9 * len(whole):
        file.with_name(f"{file.name}.gz").write_bytes(small)
