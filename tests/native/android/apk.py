"""What the built APK promises: permissions, exported components, alignment, signature, size."""

import hashlib
import re
import struct
import subprocess
import zipfile
from pathlib import Path

from resources import RefusedError, need

PAGE = 16 * 1024
MOST_BYTES = 40 * 10**6
PERMISSIONS: set[str] = set()
# Every component, and whether another app may start it.
COMPONENTS = {
    "activity org.ralikit.demo.app.MainActivity": True,
    "service org.ralikit.demo.app.ScanJob": False,
    "provider org.ralikit.demo.app.CaptureProvider": False,
}
# Newer than API 24, with no desugaring in sight: a phone of that age would stop there.
TOO_NEW = ("java/time/", "java/nio/file/")


def manifest(aapt2: Path, apk: Path) -> list[tuple[str, dict[str, str]]]:
    """Elements of the APK's own manifest, in order, with their attributes."""
    text = subprocess.run(
        [aapt2, "dump", "xmltree", apk, "--file", "AndroidManifest.xml"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        if element := re.match(r"\s*E: (\S+)", line):
            found.append((element.group(1), {}))
        elif attribute := re.match(
            r'\s*A: (?:\S+:)?([A-Za-z]+)(?:\(0x[0-9a-f]+\))?=(?:"([^"]*)"|(\S+))', line
        ):
            found[-1][1][attribute.group(1)] = (
                attribute.group(2) if attribute.group(2) is not None else attribute.group(3)
            )
    need(found, "the APK has no manifest")
    return found


def check_permissions(aapt2: Path, apk: Path) -> None:
    """The APK asks for no permission, the network's least of all."""
    asked = {
        given.get("name", "")
        for kind, given in manifest(aapt2, apk)
        if kind.startswith("uses-permission")
    }
    need(asked == PERMISSIONS, f"the APK asks for {sorted(asked)}, not {sorted(PERMISSIONS)}")


def check_components(aapt2: Path, apk: Path) -> None:
    """Each component is known, and exported where it must be alone."""
    kinds = ("activity", "activity-alias", "service", "receiver", "provider")
    found: dict[str, bool] = {}
    for kind, given in manifest(aapt2, apk):
        if kind in kinds:
            name = given["name"]
            name = f"org.ralikit.demo.app{name}" if name.startswith(".") else name
            need("exported" in given, f"{name} does not say whether it is exported")
            found[f"{kind} {name}"] = given["exported"] in (
                "true",
                "0xffffffff",
                "(type 0x12)0xffffffff",
            )
    need(found == COMPONENTS, f"components (exported): {found}, not {COMPONENTS}")


def check_nothing_is_kept_elsewhere(aapt2: Path, apk: Path) -> None:
    """No backup, and not debuggable."""
    given = next(given for kind, given in manifest(aapt2, apk) if kind == "application")
    need(
        given.get("allowBackup") in ("false", "0x0", "(type 0x12)0x0"),
        f"allowBackup is {given.get('allowBackup')}",
    )
    need(given.get("debuggable") in (None, "false"), "the APK is debuggable")
    need("dataExtractionRules" in given, "no rules for moving to another phone")


def check_alignment(apk: Path) -> None:
    """Native libraries are stored on 16 KB pages, and so are their segments."""
    with zipfile.ZipFile(apk) as archive, apk.open("rb") as file:
        libraries = [info for info in archive.infolist() if info.filename.endswith(".so")]
        need(libraries, "the APK has no native library")
        for info in libraries:
            need(info.compress_type == zipfile.ZIP_STORED, f"{info.filename} is compressed")
            file.seek(info.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4))
            offset = info.header_offset + 30 + name + extra
            need(offset % PAGE == 0, f"{info.filename} begins at {offset}, off a page of {PAGE}")
            for alignment in load_alignments(archive.read(info)):
                need(alignment % PAGE == 0, f"{info.filename} has a segment aligned to {alignment}")


def load_alignments(library: bytes) -> list[int]:
    """Alignment of each LOAD segment of a 64-bit ELF file."""
    (table,) = struct.unpack_from("<Q", library, 32)
    (count,) = struct.unpack_from("<H", library, 56)
    segments = [struct.unpack_from("<IIQQQQQQ", library, table + 56 * i) for i in range(count)]
    return [segment[7] for segment in segments if segment[0] == 1]


def check_signature(apksigner: Path, apk: Path) -> None:
    """Signed with schemes v2 and v3."""
    run = subprocess.run(
        [apksigner, "verify", "--verbose", "--min-sdk-version", "24", apk],
        capture_output=True,
        text=True,
        check=False,
    )
    said = run.stdout + run.stderr
    need(run.returncode == 0, f"apksigner refuses it: {said.strip().splitlines()[-1:]}")
    for scheme in ("v2", "v3"):
        need(re.search(rf"{scheme} scheme[^:]*: true", said), f"not signed with {scheme}")


def check_size(apk: Path) -> None:
    need(
        apk.stat().st_size <= MOST_BYTES,
        f"{apk.stat().st_size / 1e6:.1f} MB; the budget is {MOST_BYTES / 1e6:g}",
    )


def check_model(apk: Path, model: Path) -> None:
    """The model inside is the file that was exported, and is not compressed."""
    with zipfile.ZipFile(apk) as archive:
        info = archive.getinfo("assets/mini-int8.onnx")
        need(info.compress_type == zipfile.ZIP_STORED, "the model is compressed")
        need(
            hashlib.sha256(archive.read(info)).digest()
            == hashlib.sha256(model.read_bytes()).digest(),
            "another model is inside",
        )


def check_api_level(jars: list[Path]) -> None:
    """Nothing of the project's speaks of a class that a phone with API 24 lacks.

    ONNX Runtime's own does, where it unpacks its libraries on a desktop.
    """
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                found = [package for package in TOO_NEW if package.encode() in archive.read(name)]
                need(not found, f"{jar.name}: {name} speaks of {found}, which API 24 lacks")


def check_abis(apk: Path) -> None:
    with zipfile.ZipFile(apk) as archive:
        abis = {name.split("/")[1] for name in archive.namelist() if name.startswith("lib/")}
    if abis != {"arm64-v8a"}:
        raise RefusedError(f"libraries for {sorted(abis)}, not for arm64-v8a alone")
