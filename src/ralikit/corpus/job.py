"""The output folder: what it holds, whose it is, and what is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit import __version__
from ralikit.corpus.outputs import Output, output_of
from ralikit.corpus.parquet import provenance_of
from ralikit.corpus.settings import CorpusSettings
from ralikit.corpus.shards import Shard
from ralikit.errors import DataError, UsageError
from ralikit.files import sha256_path, to_json
from ralikit.models import resolve
from ralikit.printable import shown
from ralikit.scorer import Scorer

MANIFEST = "_corpus.json"
"""What a folder of scores is for; readers of Parquet folders pass over names that begin so."""
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that a process needs to score a shard.

    Attributes:
        settings: What to read and where to write.
        base: Folder that relative paths start at.
        model: Identity of the model (`identity_of`).
        provenance: What every output says of itself, without its shard.
    """

    settings: CorpusSettings
    base: Path
    model: dict[str, str]
    provenance: dict[str, Any]

    def provenance_of_shard(self, shard: Shard) -> dict[str, Any]:
        """What a shard's output says of itself, JSON-ready."""
        return {**self.provenance, "shard": {"input": shard.input, "digest": shard.digest}}

    @property
    def output(self) -> Output:
        """Where rows go, a file a shard, of the shard's name."""
        return output_of(self.settings.out, self.base)


def identity_of(scorer: Scorer, model: str | None) -> dict[str, str]:
    """Which model gives the scores: its name, its bundle's hash, and the hash of what runs."""
    facts, found = scorer.runtime.facts, resolve(model)
    runs = found.path / "scorer.onnx" if found.kind == "bundle" else found.path
    return {
        "name": facts.model.name,
        "bundle": facts.model.bundle,
        "hash": sha256_path(runs) if runs.exists() else facts.model.bundle,
        "precision": facts.precision,
    }


def make_job(settings: CorpusSettings, scorer: Scorer) -> Job:
    """A job of these settings, with this model, that starts in this process's folder."""
    facts = scorer.runtime.facts
    model = identity_of(scorer, settings.model)
    scale = {"minimum": scorer.scale.minimum, "maximum": scorer.scale.maximum}
    return Job(
        settings=settings,
        base=Path.cwd(),
        model=model,
        provenance={
            "schema": SCHEMA,
            "ralikit": __version__,
            "runtime": scorer.runtime.name,
            "unit": scorer.runtime.unit,
            "model": model,
            "licence": scorer.licence,
            "scale": scale,
            "tie_width": scorer.tie_width,
            "tie_width_note": scorer.tie_width_note,
            "facts": dict(facts.written),
            "settings": settings.rows_depend_on(),
        },
    )


@contextmanager
def opened_folder(job: Job, shards: tuple[Shard, ...]) -> Iterator[tuple[Shard, ...]]:
    """Make or go on with the output folder, alone in it; yields the shards that it lacks.

    Raises:
        UsageError: If it belongs to another model, other inputs, or to something else altogether.
        DataError: If one of its files is not whole.
        RalikitError: If another process writes there, or it cannot be written.
    """
    output = job.output
    with output.opened(MANIFEST):
        said, there = _said(job, shards), set(output.names())
        if MANIFEST in there:
            _check_same(output, output.read_json(MANIFEST), said)
        elif there:
            raise UsageError(
                f"{output} holds {shown(min(there))} and no {MANIFEST}: it was not made by this "
                "command; choose a new folder"
            )
        else:
            output.write_text(MANIFEST, to_json(said))
        for shard in shards:
            if shard.name in there:
                _check_done(job, shard)
        yield tuple(shard for shard in shards if shard.name not in there)


def _said(job: Job, shards: tuple[Shard, ...]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "ralikit": __version__,
        "model": job.model,
        "settings": job.settings.rows_depend_on(),
        "shards": [{"name": s.name, "input": s.input, "digest": s.digest} for s in shards],
    }


def _check_same(output: Output, there: Any, ours: dict[str, Any]) -> None:
    """Refuse a folder that another command began.

    Raises:
        UsageError: Saying what differs.
    """
    if not isinstance(there, dict) or there.get("schema") != SCHEMA:
        raise UsageError(
            f"{output.place(MANIFEST)} is of another schema than {SCHEMA}; choose a folder"
        )
    if there.get("model") != ours["model"]:
        raise UsageError(
            f"{output} holds scores of {_model_in_words(there.get('model'))}, not of "
            f"{_model_in_words(ours['model'])}; choose another folder, or that model"
        )
    if there.get("settings") != ours["settings"]:
        raise UsageError(
            f"{output} was begun with {shown(str(there.get('settings')))}, not with "
            f"{ours['settings']}; choose another folder, or the same options"
        )
    if there.get("shards") != ours["shards"]:
        raise UsageError(
            f"{output} holds scores of other inputs{_first_difference(there, ours)}; choose "
            "another folder, or pass the same paths as before"
        )


def _model_in_words(model: Any) -> str:
    if not isinstance(model, dict):
        return "an unknown model"
    return shown(f"{model.get('name')} ({str(model.get('hash'))[:12]}, {model.get('precision')})")


def _first_difference(there: dict[str, Any], ours: dict[str, Any]) -> str:
    theirs = there.get("shards")
    if not isinstance(theirs, list):
        return ""
    for before, now in zip(theirs, ours["shards"], strict=False):
        if before != now and isinstance(before, dict):
            name, was = shown(str(now["input"])), shown(str(before.get("input")))
            changed = "another size than before" if name == was else f"{was} before"
            return f" ({name} now, {changed})"
    return f" ({len(ours['shards']):,} shards now, {len(theirs):,} before)"


def _check_done(job: Job, shard: Shard) -> None:
    target = job.output.place(shard.name)
    said, _ = provenance_of(target)
    if (
        said.get("model") != job.model
        or said.get("shard") != job.provenance_of_shard(shard)["shard"]
    ):
        raise DataError(f"{target} holds other scores than its folder says; remove it")
