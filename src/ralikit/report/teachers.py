"""The report's part on teachers: what Q-Insight costs beside RALI."""

from __future__ import annotations

from collections.abc import Sequence

from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.report.choice import FILL_TEACHER, by_run, of_kind
from ralikit.report.page import NOT_MEASURED, Section, Table, megabytes, number


def teacher_section(records: Sequence[Record]) -> Section:
    """Q-Insight beside RALI, as in the paper's Figure 6."""
    found = of_kind(records, "teacher")
    tables = tuple(_teacher_table(run) for run in by_run(found).values())
    paper = Table(
        title="The paper's figure, for comparison",
        columns=("system", "memory", "time", "conditions"),
        rows=(
            ("RALI over Q-Insight", "14.7 %", "3.4 %", "one A100-80GB, batch 16 (RALI, Figure 6)"),
        ),
    )
    gpu = any(r.device.kind == "gpu" for r in found)
    missing = (
        ()
        if gpu
        else (
            Table(
                title="On a GPU",
                columns=("system", "batch", "memory", "time a photo"),
                rows=(("Q-Insight 7B beside RALI ViT-L", "1-16", NOT_MEASURED, NOT_MEASURED),),
                fill=FILL_TEACHER,
            ),
        )
    )
    return Section(
        title="Q-Insight beside RALI",
        text=(
            "The teacher answers in words, 100 generated tokens a photo; RALI reads the score off "
            "one image tower. Random weights: cost does not depend on their values.",
        ),
        tables=(*tables, *missing, paper),
    )


def _teacher_table(run: list[Record]) -> Table:
    teachers = {r.runtime.batch: r for r in run if r.figures.get("role") == "teacher"}
    rows = []
    for record in sorted(run, key=lambda r: (r.runtime.batch, r.figures.get("role") != "teacher")):
        teacher = teachers.get(record.runtime.batch)
        median = summarise(record.samples["photo_s"]).median
        peak = record.memory.peak_bytes if record.memory else None
        ratio_time = ratio_memory = "1"
        if teacher is not None and record is not teacher:
            base = summarise(teacher.samples["photo_s"]).median
            ratio_time = f"{median / base:.2%}"
            base_peak = teacher.memory.peak_bytes if teacher.memory else None
            ratio_memory = f"{peak / base_peak:.1%}" if peak and base_peak else NOT_MEASURED
        rows.append(
            (
                f"{record.model.name} {record.model.precision}",
                str(record.runtime.batch),
                str(len(record.samples["photo_s"])),
                f"{number(median)} s",
                ratio_time,
                megabytes(peak),
                ratio_memory,
            )
        )
    first = run[0]
    notes = dict.fromkeys(f"{r.model.name}: {r.protocol.note}" for r in run if r.protocol.note)
    return Table(
        title=f"Run of {first.time} on {first.device.chip}",
        columns=(
            "system",
            "batch",
            "samples",
            "time a photo",
            "of the teacher's",
            "peak memory",
            "of the teacher's ",
        ),
        rows=tuple(rows),
        conditions=(
            f"{first.device.os}, {first.runtime.name} {first.runtime.version}, "
            f"{first.runtime.threads} thread(s), commit {first.commit or 'unknown'}: "
            f"{first.protocol.command}",
            *notes,
        ),
        fill=FILL_TEACHER,
    )
