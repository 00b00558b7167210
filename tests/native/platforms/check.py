"""Take the ten lines out of docs/platforms, build and run them, and hold their scores to Python's.

    python tests/native/platforms/check.py

Tools are looked for where the other native tiers keep theirs (build/android, build/ios, build/web;
RALIKIT_BUILD names another folder for `build`). The last line counts: N passed, N failed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from support_docs import ROOT, blocks

BUILD = Path(os.environ.get("RALIKIT_BUILD", ROOT / "build"))
HEIGHT, WIDTH = 300, 400
LIMIT = 1e-4
PREPROCESS, SCORER = "mini-free-preprocess.onnx", "mini-free-fp16.onnx"


class MissingError(Exception):
    """A tool is not there: what, and who brings it."""


def lines(page: str, language: str, having: str) -> str:
    """The block of a page that has these words in it."""
    found = [
        b.text
        for b in blocks(ROOT / f"docs/platforms/{page}.md")
        if b.language == language and having in b.text
    ]
    if len(found) != 1:
        raise ValueError(f"{page}.md has {len(found)} blocks with {having!r}")
    return found[0]


def needed(path: Path, tier: str) -> Path:
    """The path, if it is there."""
    if not path.exists():
        raise MissingError(f"{path.name}: run tests/native/{tier}/run.sh once")
    return path


def run(words: list[str], folder: Path, env: dict[str, str] | None = None, **more: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **(env or {})},
        input=more.get("given"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def cpp(folder: Path) -> float:
    """Build with g++ against ONNX Runtime's headers and Python's own library, and run."""
    if shutil.which("g++") is None:
        raise MissingError("g++")
    aar = needed(BUILD / "android/tools/ort/Plugins/Android/onnxruntime.aar", "android")
    with zipfile.ZipFile(aar) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.startswith("headers/")])
    package = find_spec("onnxruntime")
    if package is None or package.origin is None:
        raise MissingError("Python's onnxruntime")
    capi = Path(package.origin).parent / "capi"
    library = max(capi.glob("libonnxruntime.so.*"), default=None)
    if library is None:
        raise MissingError("the C library beside Python's onnxruntime")
    (folder / "libonnxruntime.so.1").symlink_to(library)
    (folder / "libonnxruntime.so").symlink_to(library)
    opening = lines("cpp", "cpp", "Ort::Env env").replace("\n", "\n  ")
    (folder / "app.cpp").write_text(
        lines("cpp", "cpp", "float score(")
        + f"""
#include <cstdio>
#include <vector>
int main() {{
  {opening}
  std::vector<std::uint8_t> rgb({HEIGHT} * {WIDTH} * 3);
  std::FILE* file = std::fopen("photo.rgb", "rb");
  if (std::fread(rgb.data(), 1, rgb.size(), file) != rgb.size()) return 1;
  std::printf("%.7f\\n", score(preprocess, scorer, rgb.data(), {HEIGHT}, {WIDTH}));
}}
"""
    )
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Iheaders", "-L.", "-lonnxruntime", "-Wl,-rpath,."]
    run(["g++", "app.cpp", *flags, "-o", "app"], folder)
    return float(run(["./app"], folder))


def javascript(folder: Path) -> float:
    """Run in node with onnxruntime-web."""
    if shutil.which("node") is None:
        raise MissingError("node")
    modules = needed(BUILD / "web/node_modules", "web")
    (folder / "node_modules").symlink_to(modules)
    # Sessions are opened by address in a browser, by path in node.
    (folder / "score.mjs").write_text(lines("javascript", "js", "onnxruntime-web"))
    (folder / "app.mjs").write_text(
        'import { readFileSync } from "node:fs";\nimport { score } from "./score.mjs";\n'
        f'console.log(await score(new Uint8Array(readFileSync("photo.rgb")), {HEIGHT}, {WIDTH}));\n'
    )
    return float(run(["node", "app.mjs"], folder).split()[-1])


def kotlin(folder: Path) -> float:
    """Compile with the Android tier's compiler against ONNX Runtime's classes, run on this JVM."""
    tools = needed(BUILD / "android/tools", "android")
    compiler = needed(tools / "kotlinc", "android")
    opened = "OrtEnvironment.getEnvironment().createSession"
    (folder / "App.kt").write_text(
        lines("kotlin", "kotlin", "fun score(")
        + f"""
fun main() {{
    val bytes = java.io.File("photo.rgb").readBytes()
    val rgb = ByteBuffer.allocateDirect(bytes.size).put(bytes).apply {{ rewind() }}
    {opened}("{PREPROCESS}").use {{ preprocess ->
        {opened}("{SCORER}").use {{ scorer ->
            println(score(preprocess, scorer, rgb, {HEIGHT}, {WIDTH}))
        }}
    }}
}}
"""
    )
    classes, standard = tools / "classes.jar", tools / "kotlin/lib/kotlin-stdlib.jar"
    words = ["-jvm-target", "17", "-cp", str(classes), "-d", "app.jar", "App.kt"]
    run([str(compiler), *words], folder)
    path = f"app.jar:{classes}:{standard}"
    native = f"-Donnxruntime.native.path={needed(tools / 'linux', 'android')}"
    return float(run(["java", native, "-cp", path, "AppKt"], folder).split()[-1])


def swift(folder: Path) -> None:
    """Parse with the iOS tier's compiler."""
    root = needed(BUILD / "ios/root/usr/bin/swiftc", "ios").parents[2]
    if os.geteuid() != 0:
        raise MissingError("root rights to enter the iOS tier's folder")
    code = lines("swift", "swift", "func score(")
    # Swift wants /proc and a file; mounts in a namespace of their own go with the command.
    inside = (
        'mount -t proc proc "$0/proc" && mount -t tmpfs tmp "$0/tmp" && '
        'cat >"$0/tmp/score.swift" && exec chroot "$0" swiftc -parse /tmp/score.swift'
    )
    run(["unshare", "-m", "sh", "-c", inside, str(root)], folder, given=code)


def prepare(folder: Path) -> float:
    """Write the two files and a photo; Python's score of it."""
    import ralikit
    from ralikit.export.targets.onnx.preprocess import export_preprocess
    from ralikit.models import bundled

    bundle = bundled("mini-free")
    if bundle.scorer is None:
        raise ValueError("the bundle carries no scorer.onnx")
    shutil.copy(bundle.scorer, folder / SCORER)
    export_preprocess(bundle, folder)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.stack([x % 256, y % 256, (x * y // 64) % 256], -1).astype(np.uint8)
    (folder / "photo.rgb").write_bytes(pixels.tobytes())
    Image.fromarray(pixels).save(folder / "photo.png")
    return ralikit.load("mini-free").score(folder / "photo.png").value


def main() -> int:
    """Try each platform; the exit code."""
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="ralikit-platforms-") as name:
        made = Path(name)
        wanted = prepare(made)
        tries: dict[str, Callable[[Path], float | None]] = {
            "C++": cpp,
            "JavaScript": javascript,
            "Kotlin": kotlin,
            "Swift": swift,
        }
        for number, (platform, attempt) in enumerate(tries.items()):
            folder = made / str(number)
            folder.mkdir()
            for file in (PREPROCESS, SCORER, "photo.rgb"):
                (folder / file).symlink_to(made / file)
            try:
                found = attempt(folder)
            except MissingError as error:
                print(f"{platform}: SKIPPED, it lacks {error}")
                continue
            except (RuntimeError, ValueError, OSError) as error:
                print(f"{platform}: FAILED, {error}")
                failed += 1
                continue
            if found is not None and not abs(found - wanted) <= LIMIT:
                print(f"{platform}: FAILED, it gives {found}, Python {wanted}")
                failed += 1
                continue
            said = "parsed" if found is None else f"{found:.7f}, Python {wanted:.7f}"
            print(json.dumps({"platform": platform, "result": said}))
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0 if passed else 77


if __name__ == "__main__":
    sys.exit(main())
