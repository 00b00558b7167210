"""What is made of a corpus's samples, and the script that takes them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from support_bench import made_up_record
from support_docs import script

from ralikit.bench.corpus import growth
from ralikit.report.bench import sections
from ralikit.report.corpus import corpus_section
from ralikit.report.page import html


def test_growth_is_that_of_the_line_after_the_first_quarter() -> None:
    steady = growth([0.0] * 25 + [100.0 + 2 * i for i in range(75)])  # what opens models is no leak
    assert steady["growth"] == pytest.approx(148)
    assert steady["scatter"] == pytest.approx(0, abs=1e-9)
    assert (steady["second_quarter"], steady["last_quarter"]) == (124.0, 224.0)
    assert steady["highest"] == 248.0
    noisy = growth(list(100 + 3 * np.tile([-1.0, 1.0], 100)))
    assert abs(noisy["growth"]) < 0.2
    assert noisy["scatter"] == pytest.approx(6, abs=0.2)
    with pytest.raises(ValueError, match="at least 8 values, not 7"):
        growth([1.0] * 7)


def test_what_ends_with_its_processes_is_no_growth() -> None:
    while_all_ran = script("benchmarks/corpus_memory.py").while_all_ran
    samples = {"processes": [1, 3, 4, 3, 4, 2, 1], "all_bytes": [0, 1, 2, 3, 4, 5, 6]}
    assert while_all_ran(samples, "all_bytes") == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
def test_memory_is_read_of_a_process_and_all_below_it() -> None:
    words = "import subprocess, sys, time; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE) as process:
        try:
            resident = script("benchmarks/corpus_memory.py").resident
            while len(held := resident(process.pid)) < 2:
                assert process.poll() is None
            assert len(resident(os.getpid())) >= 3
            assert 0 < held[0] < 1e9
        finally:
            process.communicate(b"\n")


def test_the_report_has_a_table_of_each_kind_and_what_fills_it() -> None:
    assert corpus_section([]) is None
    speed = made_up_record(
        kind="corpus",
        samples={"inference_s": [0.04, 0.05, 0.06]},
        figures={
            "cores": 2,
            "pictures_per_s": {"loop": 20.0, "decode_alone": 100.0, "processes_2": 36.0},
            "all_cores_against_loop": 1.8,
            "shares": {"decode": 0.1, "resize": 0.2, "inference": 0.7},
        },
    )
    section = corpus_section([speed])
    assert section is not None
    (row,) = section.tables[0].rows
    assert row[1:] == ("2", "18", "20", "0.9", "0.18", "0.9", "10, 20, 70 %")
    assert "not measured: `python benchmarks/corpus_memory.py" in section.tables[1].markdown()
    assert "not measured: `python benchmarks/corpus_kills.py" in section.tables[2].markdown()
    assert section.figures == ()


def test_the_report_shows_memory_and_kills() -> None:
    series = {"growth": 1e6, "scatter": 4e6, "last_quarter": 161e6}
    names = ("command_bytes", "largest_other_bytes", "all_bytes")
    memory = made_up_record(
        kind="corpus",
        samples={name: [1e8 + i for i in range(500)] for name in names},
        figures={
            "route": "here", "pictures": 100_000, "seconds": 1234.5, **dict.fromkeys(names, series)
        },
    )  # fmt: skip
    figures = {"kills": 20, "midway": 18, "rows": 200, "lost": 1, "doubled": 2, "same_bytes": False}
    kills = made_up_record(kind="corpus", samples={}, figures=figures)
    section = next(s for s in sections([memory, kills]) if s.title == "A corpus")
    grown = "161.0 MB (+1.00 ± 2.00 MB)"
    assert section.tables[1].rows == (("here", "100,000", "1,234 s", grown, grown, grown),)
    assert section.tables[2].rows == (("20", "18", "200", "1", "2", "others"),)
    assert section.figures[0].svg.count("<path") < 100  # a curve, not a marker a sample
    assert "Memory over 100,000 pictures, here" in html("t", "l", [section])
