"""Check an exported file from the file alone: structure, hashes, and golden photos scored again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ralikit.errors import BundleError, UsageError
from ralikit.export.gate.checks import Check, watch
from ralikit.export.gate.limits import NARROW, Limits
from ralikit.export.gate.parity import Parity
from ralikit.export.manifest import manifest_path, read_manifest
from ralikit.export.targets import file_checks, find
from ralikit.files import sha256_path
from ralikit.model.facts import Facts, GoldenScore
from ralikit.photo.views import load_views, make_views
from ralikit.probes import probe_photos
from ralikit.progress import tell
from ralikit.runtimes import Outputs, Runtime, checked_score, open_runtime

if TYPE_CHECKING:
    from ralikit.model.bundle import Bundle


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify` found.

    Attributes:
        path: The file.
        facts: What it says about itself.
        runtime: What scored it.
        note: A caveat of that runtime, or "".
        checks: Everything that was looked at, in order.
        max_drift: Largest difference from the reference on the golden photos.
        golden: Each golden photo's name, its reference score, the file's score.
        parity: Comparison with a bundle on a folder of photos, where asked for.
    """

    path: Path
    facts: Facts
    runtime: str
    note: str
    checks: tuple[Check, ...]
    max_drift: float
    golden: tuple[tuple[str, float, float], ...]
    parity: Parity | None = field(default=None)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.passed is not False for check in self.checks)

    @property
    def reason(self) -> str:
        """The first thing that failed, in words, or ""."""
        failed = [c for c in self.checks if c.passed is False]
        return f"{failed[0].name}: {failed[0].detail}" if failed else ""


def verify(
    file: Path,
    *,
    bundle: Bundle | None = None,
    photos: Sequence[Path] = (),
    threads: int | None = None,
) -> Verified:
    """Check a file against its manifest, its own facts and its golden photos.

    Args:
        file: What `ralikit export` wrote.
        bundle: The bundle it came from, to compare with on `photos`.
        photos: Photos to compare on.
        threads: Threads of the runtime.

    How far it is, it tells whoever listens (`ralikit.progress.telling`).

    Raises:
        UsageError: If there is no such file, or only one of bundle and photos is given.
        BundleError: If it cannot be opened at all.
        MissingExtraError: If its runtime is not installed.
    """
    if not file.exists():
        raise UsageError(f"there is no file {file}")
    if (bundle is None) != (not photos):
        raise UsageError("comparing further needs both a bundle and photos")
    tell("reading the file", 0.0)
    checks = [_hash_check(file)]
    runtime = open_runtime(file, threads=threads, to_prove=True)
    facts = runtime.facts
    checks.append(Check("structure", True, f"opens in {runtime.name}, input and output as stated"))
    checks.append(_digest_check(facts))
    checks.append(_facts_check(file, facts))
    limits = _limits(facts)
    watch(runtime)
    given, strange = _golden_outputs(runtime)
    golden, golden_check = _golden(runtime, given, strange, limits)
    checks += [golden_check, *_golden_reasons(runtime, given, limits), *file_checks(file, runtime)]
    parity = None
    if bundle is not None:
        checks.append(_same_bundle(facts, bundle))
        parity = _against(bundle, runtime, photos, where=file)
        problem = parity.problem(limits)
        checks.append(
            Check("photos", problem is None, problem or f"{parity.photos} photos within the limits")
        )
    return Verified(
        path=file,
        facts=facts,
        runtime=runtime.name,
        note=runtime.note,
        checks=tuple(checks),
        max_drift=max((abs(score - wanted) for _, wanted, score in golden), default=float("nan")),
        golden=golden,
        parity=parity,
    )


def _limits(facts: Facts) -> Limits:
    # A file may hold itself to other limits than its precision's, and says so in its metadata.
    target = find(facts.target)
    known = {p.name: p.limits for p in target.precisions} if target is not None else {}
    usual = known.get(facts.precision, NARROW).trained
    if facts.limits is None:
        return usual
    try:
        return Limits(**facts.limits)
    except (TypeError, ValueError):
        return usual


def _hash_check(file: Path) -> Check:
    try:
        manifest = read_manifest(file)
    except BundleError as error:
        return Check("manifest", False, str(error))
    if manifest is None:
        return Check("manifest", None, f"no {manifest_path(file).name} beside it: hash not checked")
    if manifest.get("sha256") != sha256_path(file):
        return Check("manifest", False, "the file's hash is not the one in its manifest: altered")
    return Check("manifest", True, f"sha256 {manifest['sha256'][:16]}… as its manifest says")


def _digest_check(facts: Facts) -> Check:
    # A digest that is there was checked as the file was opened.
    if facts.digested:
        return Check("digest", True, "the file is what was written, as its digest of itself says")
    return Check("digest", None, "it carries none (an older file): not checked")


def _facts_check(file: Path, facts: Facts) -> Check:
    wanted = {"target", "precision", "layers", "tools", "golden", "parity", "gate"}
    lacking = sorted(wanted - facts.written.keys())
    if lacking:
        return Check("facts", False, f"its metadata lacks {', '.join(lacking)}")
    try:
        manifest = read_manifest(file)
    except BundleError:
        manifest = None
    inside = facts.written
    differing = [k for k in inside if manifest is not None and manifest.get(k) != inside[k]]
    if differing:
        return Check(
            "facts", False, f"its manifest says otherwise on {', '.join(sorted(differing))}"
        )
    layers = len(facts.layers or ())
    return Check("facts", True, f"{facts.target}, {facts.precision}, {layers} layers")


def _golden_outputs(runtime: Runtime) -> tuple[list[tuple[GoldenScore, Outputs]], int]:
    """What the file gives on the golden photos that it names, and how many it names otherwise."""
    named = {golden.name: golden for golden in runtime.facts.golden or ()}
    given = []
    for index, photo in enumerate(probe_photos()):  # a large tower's file names fewer
        golden = named.get(photo.name)
        if golden is not None and golden.sha256 == photo.sha256:
            tell("scoring golden photos", index / len(probe_photos()))
            views = make_views(photo.pixels, runtime.facts.preprocess)
            given.append((golden, runtime.outputs(views)))
    return given, len(named) - len(given)


def _golden(
    runtime: Runtime, given: Sequence[tuple[GoldenScore, Outputs]], strange: int, limits: Limits
) -> tuple[tuple[tuple[str, float, float], ...], Check]:
    if runtime.facts.golden is None:
        return (), Check("golden photos", False, "its metadata carries no readable golden scores")
    rows = tuple(
        (golden.name, golden.reference, checked_score(float(o["score"].flat[0]), where="the file"))
        for golden, o in given
    )
    if strange or not rows:
        return rows, Check(
            "golden photos",
            False,
            f"the file's golden photos are not this version's ({strange} of "
            f"{strange + len(rows)} differ)",
        )
    drift = [abs(score - reference) for _, reference, score in rows]
    worst = int(np.argmax(drift))
    detail = (
        f"{len(rows)} scored; largest difference {drift[worst]:.6f} on {rows[worst][0]}, "
        f"limit {limits.golden:g}"
    )
    return rows, Check("golden photos", drift[worst] <= limits.golden, detail)


def _golden_reasons(
    runtime: Runtime, given: Sequence[tuple[GoldenScore, Outputs]], limits: Limits
) -> list[Check]:
    """Whether the reasons of the golden photos are the reference's, where the file gives any."""
    name, count = "golden reasons", len(runtime.facts.reasons)
    if not count:
        return []
    if not given or any(len(golden.reasons) != count for golden, _ in given):
        return [Check(name, False, "its metadata carries no readable reasons of the golden photos")]
    wanted = np.array([golden.reasons for golden, _ in given])
    found = np.stack([given_[1]["reasons"].reshape(-1) for given_ in given])
    drift = np.abs(found - wanted)
    photo, reason = np.unravel_index(int(drift.argmax()), drift.shape)
    said = runtime.facts.reasons[int(reason)].id
    detail = f"largest difference {drift.max():.4f}, of {said} on {given[int(photo)][0].name}"
    if limits.golden_reasons is None:
        return [Check(name, None, f"{detail}; the file states no limit")]
    passed = bool(drift.max() <= limits.golden_reasons)
    return [Check(name, passed, f"{detail}, limit {limits.golden_reasons:g}")]


def _same_bundle(facts: Facts, bundle: Bundle) -> Check:
    same = facts.model.bundle == bundle.hash
    detail = f"{bundle.root} is the one" if same else f"it was not made from {bundle.root}"
    return Check("bundle", same, detail)


def _against(bundle: Bundle, runtime: Runtime, photos: Sequence[Path], *, where: Path) -> Parity:
    from ralikit.extras import require

    require("torch", extra="export", job=f"Comparing {where} with a bundle")
    from ralikit.export.gate.reference import compared, unfolded

    views = [load_views(path, bundle.info.preprocess) for path in photos]
    names = [path.name for path in photos]
    reference = unfolded(bundle, views, tell=tell)
    return compared(runtime, bundle, names, views, *reference, tell=tell)
