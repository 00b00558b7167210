"""Tables of `ralikit report` on whole corpora: how fast, in how much memory, and after kills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.report.choice import label
from ralikit.report.page import NOT_MEASURED, Figure, Section, Table, megabytes, number
from ralikit.report.plots import lines

FILL_SPEED = "python benchmarks/corpus.py speed --out records.jsonl"
FILL_MEMORY = "python benchmarks/corpus_memory.py --out records.jsonl"
FILL_KILLS = "python benchmarks/corpus_kills.py --out records.jsonl"
_PLOTTED = 120
"""Points of a memory curve; more would not be told apart."""


def corpus_section(records: Sequence[Record]) -> Section | None:
    """What was found of corpora; None where no record speaks of them.

    Args:
        records: Of the kind ``corpus``; which table they belong to is told by their figures.
    """
    if not records:
        return None
    kinds = {
        name: [r for r in records if name in r.figures]
        for name in ("pictures_per_s", "all_bytes", "kills")
    }
    memory = kinds["all_bytes"]
    return Section(
        title="A corpus",
        text=(
            "Whole shards in, rows out (ralikit score --from), in as many processes of one thread "
            "as there are cores. A plain loop calls Scorer.score in one thread. Inference alone is "
            "what the cores would reach if decoding and resizing took no time.",
        ),
        tables=(_speed(kinds["pictures_per_s"]), _memory(memory), _kills(kinds["kills"])),
        figures=tuple(map(_curve, memory)),
    )


def _speed(records: Sequence[Record]) -> Table:
    rows = []
    for record in records:
        f, cores = record.figures, record.figures["cores"]
        rate = f["pictures_per_s"]
        whole = rate[f"processes_{cores}"]
        alone = cores / summarise(record.samples["inference_s"]).median
        rows.append(
            (
                f"{label(record)}, {record.protocol.note.partition(',')[0]}",
                str(cores),
                number(whole / cores),
                number(rate["loop"]),
                number(f["all_cores_against_loop"] / cores, digits=2),
                number(whole / (cores * rate["decode_alone"]), digits=2),
                number(whole / alone, digits=2),
                ", ".join(
                    f"{100 * f['shares'][part]:.0f}" for part in ("decode", "resize", "inference")
                )
                + " %",
            )
        )
    return Table(
        title="Speed",
        columns=(
            "file and pictures",
            "cores",
            "pictures/s a core",
            "plain loop, pictures/s",
            "a core against the loop",
            "against decoding alone",
            "against inference alone",
            "time: decode, resize, inference",
        ),
        rows=tuple(rows) or (("mini", *([NOT_MEASURED] * 7)),),
        conditions=(
            *_conditions(records),
            "Against the loop: median over interleaved rounds. The others: ratios of medians.",
        ),
        fill=FILL_SPEED,
    )


def _memory(records: Sequence[Record]) -> Table:
    rows = [
        (
            record.figures["route"],
            f"{record.figures['pictures']:,}",
            f"{record.figures['seconds']:,.0f} s",
            *(
                _grown(record.figures[name])
                for name in ("command_bytes", "largest_other_bytes", "all_bytes")
            ),
        )
        for record in records
    ]
    return Table(
        title="Memory",
        columns=(
            "route",
            "pictures",
            "time",
            "the command",
            "its largest process",
            "all, shared pages more than once",
        ),
        rows=tuple(rows) or (("processes of this computer", *([NOT_MEASURED] * 5)),),
        conditions=(
            *_conditions(records),
            "Resident memory in the last quarter of the time; in brackets how far it rose over the "
            "last three quarters (least squares) ± half of what 90 % of the samples scatter.",
        ),
        fill=FILL_MEMORY,
    )


def _grown(f: dict[str, float]) -> str:
    return (
        f"{megabytes(round(f['last_quarter']))} "
        f"({f['growth'] / 1e6:+.2f} ± {f['scatter'] / 2e6:.2f} MB)"
    )


def _kills(records: Sequence[Record]) -> Table:
    rows = []
    for record in records:
        f: dict[str, Any] = record.figures
        words = "the same" if f["same_bytes"] else "others"
        rows.append((*(str(f[n]) for n in ("kills", "midway", "rows", "lost", "doubled")), words))
    return Table(
        title="Killed at random moments and started again",
        columns=("kills", "of them midway", "rows", "lost", "doubled", "files as undisturbed"),
        rows=tuple(rows) or (("20", *([NOT_MEASURED] * 5)),),
        conditions=_conditions(records),
        fill=FILL_KILLS,
    )


def _curve(record: Record) -> Figure:
    series = {}
    for name, said in (
        ("all_bytes", "all"),
        ("command_bytes", "the command"),
        ("largest_other_bytes", "its largest process"),
    ):
        values = record.samples[name]
        step = max(1, len(values) // _PLOTTED)
        kept = values[::step]
        per = record.figures["seconds"] / max(1, len(kept) - 1)
        series[said] = ([i * per for i in range(len(kept))], [v / 1e6 for v in kept])
    return lines(
        series,
        x_label="seconds",
        y_label="resident memory, MB",
        caption=f"Memory over {record.figures['pictures']:,} pictures, {record.figures['route']}: "
        f"all processes {_grown(record.figures['all_bytes'])} in the end.",
        markers=False,
    )


def _conditions(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            f"{r.model.name}, {r.protocol.note}; {r.device.chip}, {r.device.cores} cores, "
            f"{r.runtime.name} {r.runtime.version}; {r.time}, commit {r.commit or 'unknown'}: "
            f"{r.protocol.command}"
            for r in records
        )
    )
