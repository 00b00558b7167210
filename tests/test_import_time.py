"""The command line answers at once: help imports nothing heavy."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

HEAVY = {
    "numpy", "PIL", "onnxruntime", "torch", "onnx", "scipy", "sklearn", "skimage", "matplotlib",
    "transformers", "coremltools", "litert_torch", "ai_edge_litert", "trl", "datasets",
    "pillow_heif",
}  # fmt: skip


def modules_after(*words: str) -> set[str]:
    program = (
        "import sys, json, contextlib, io\n"
        f"sys.argv = ['ralikit', *{list(words)!r}]\n"
        "from ralikit.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_help_imports_nothing_heavy() -> None:
    for words in (["--help"], ["score", "--help"], ["doctor", "--help"], ["--version"]):
        assert not modules_after(*words) & HEAVY, words


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, ralikit; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & HEAVY


def test_help_answers_in_half_a_second() -> None:
    # The processor's own time counts, so that a busy machine does not fail the test.
    import resource

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    seconds, wall = [], []
    for _ in range(5):
        before, start = used(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from ralikit.cli import main; main()", "--help"],
            capture_output=True,
            check=True,
        )
        seconds.append(used() - before)
        wall.append(time.perf_counter() - start)
    print(f"help: {statistics.median(seconds):.2f} s of CPU, {statistics.median(wall):.2f} s")
    assert min(seconds) < 0.5  # what else the machine does only adds
