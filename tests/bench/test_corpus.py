"""What is made of a corpus's samples, and the script that takes them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from support_docs import script

from ralikit.bench.corpus import growth


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
