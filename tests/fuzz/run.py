"""Fuzz the readers of strangers' bytes for a while; each in a process of its own.

    python tests/fuzz/run.py --seconds 300
    python tests/fuzz/run.py pictures pickles --seconds 3600 --engine atheris

Every input is read, or refused in one sentence, in 10 s of processor time and 4 GB. Else it is a
fault: the input is kept in tests/fuzz/found, the reader goes on with others, and the exit code is
1. Native code that falls over a TFLite file whose digest was made to fit is counted, and no fault:
docs/reliability.md says why. Mended faults move to tests/fuzz/corpus/READER, where the test suite
reads them again. Whole models (`damaged-...` and `resealed-...`) are made at the start, a minute or
two. With atheris installed (`pip install atheris`), coverage leads the mutations; without it they
are drawn at random.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType, FunctionType

HERE = Path(__file__).parent
FOUND = HERE / "found"
sys.path.insert(0, str(HERE.parent))

from support_fuzz import READERS, Reader, attempt, corpus  # noqa: E402
from support_wholes import FILES, models  # noqa: E402

INPUT_S = 10
MEMORY = 4 << 30
MOST_FAULTS = 20  # of one reader: then its time is over
REPORT_S = 1.0
_NONE = {"inputs": 0, "refused": 0, "seconds": 1.0}


def main() -> None:
    """Share the seconds among the readers, print a table, end with 1 where a fault was found."""
    known = [reader.name for reader in READERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(known)}; all without")
    parser.add_argument("--seconds", type=float, default=300.0, help="for all of them together")
    parser.add_argument("--engine", choices=("random", "atheris"), default="random")
    parser.add_argument("--seed", type=int, default=None, help="of the random engine")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.readers) - set(known):
        parser.error(f"there is no reader {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    seed = secrets.randbits(31) if arguments.seed is None else arguments.seed
    if arguments.child:
        reader = next(r for r in READERS if r.name == arguments.child)
        run = _atheris if arguments.engine == "atheris" else _random
        run(reader, arguments.seconds, seed)
        return
    chosen = [r for r in READERS if not arguments.readers or r.name in arguments.readers]
    share = arguments.seconds / len(chosen)
    with tempfile.TemporaryDirectory(prefix="ralikit-wholes-") as folder:
        os.environ.setdefault(FILES, folder)
        if any(reader.whole for reader in chosen):
            models()
        print(f"{'reader':16} {'inputs':>9} {'refused':>9}  {share:.0f} s each, seed {seed}")
        faults = sum(_fuzzed(r, share, seed, arguments.engine) for r in chosen)
    sys.exit(1 if faults else 0)


def _fuzzed(reader: Reader, seconds: float, seed: int, engine: str) -> int:
    """Fuzz one reader, begin again after each fault; how many there were."""
    left, inputs, refused, faults, fell = seconds, 0, 0, 0, 0
    while faults < MOST_FAULTS and left > 0:
        words = [reader.name, "--child", reader.name, "--seconds", str(left)]
        child = subprocess.run(
            [
                sys.executable,
                __file__,
                *words,
                "--seed",
                str(seed + faults + fell),
                "--engine",
                engine,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # native libraries' complaints; ours is kept in a file
            text=True,
            check=False,
        )
        last = child.stdout.strip().rpartition("\n")[2]
        counts = json.loads(last) if last.startswith("{") else _NONE
        inputs, refused = inputs + int(counts["inputs"]), refused + int(counts["refused"])
        left -= counts["seconds"]
        if child.returncode == 0:
            break
        kept = _kept(reader)
        if reader.native and child.returncode < 0:
            fell += 1
            kept.unlink(missing_ok=True)
            continue
        faults += 1
        print(f"  {reader.name}: FAULT, exit {child.returncode}: see {kept}", flush=True)
    native = f"  native code fell over {fell}" if fell else ""
    print(f"{reader.name:16} {inputs:>9,} {refused:>9,}{native}", flush=True)
    return faults


def _kept(reader: Reader) -> Path:
    """Where the input lies at which a child ended; one that native code fell over gets its name."""
    folder = FOUND / reader.name
    for path in folder.glob("current-*"):
        kept = folder / hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        path.rename(kept)
        if not kept.with_suffix(".txt").exists():
            return kept
    return max(folder.glob("*"), key=lambda p: p.stat().st_mtime, default=folder)


class _Watched:
    """Reads inputs under a limit of time and memory; the one at work is on disk if it kills us."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.inputs, self.refused = reader, 0, 0
        self._folder = FOUND / reader.name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._current = self._folder / f"current-{os.getpid()}"
        for data in reader.seeds().values():  # what reads them is imported by now
            attempt(reader, data)
        most = _mapped() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        self._begun = self._reported = time.monotonic()
        signal.signal(signal.SIGALRM, _too_long)
        signal.signal(signal.SIGPROF, _too_long)

    def __call__(self, data: bytes) -> None:
        self._current.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, INPUT_S)  # a busy machine is nobody's fault
        signal.alarm(12 * INPUT_S)
        try:
            self.refused += attempt(self.reader, data) is not None
        except BaseException:
            kept = self._folder / hashlib.sha256(data).hexdigest()[:16]
            kept.write_bytes(data)
            kept.with_suffix(".txt").write_text(traceback.format_exc())
            raise
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        self.inputs += 1
        if time.monotonic() - self._reported > REPORT_S:  # native code may end us without a word
            self._say()

    def done(self) -> None:
        self._current.unlink(missing_ok=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()
        self._say()

    def _say(self) -> None:
        self._reported = time.monotonic()
        counts = {"inputs": self.inputs, "refused": self.refused}
        print(json.dumps({**counts, "seconds": self._reported - self._begun}), flush=True)


def _mapped() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"one input took more than {INPUT_S} s")


def _random(reader: Reader, seconds: float, seed: int) -> None:
    watched, end = _Watched(reader), time.monotonic() + seconds
    for _, data in reader.inputs(seed):
        if time.monotonic() > end:
            break
        watched(data)
    watched.done()


def _atheris(reader: Reader, seconds: float, seed: int) -> None:
    import atheris  # no dependency of ralikit: whoever has it uses it

    begun = {**reader.seeds(), **corpus(reader)}
    for data in begun.values():  # what reads them is imported by now
        attempt(reader, data)
    for name, module in list(sys.modules.items()):
        if name.startswith("ralikit."):
            for key, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value.__module__ == name:
                    setattr(module, key, atheris.instrument_func(value))
    watched, end = _Watched(reader), time.monotonic() + seconds

    folder = Path(tempfile.mkdtemp(prefix="ralikit-fuzz-"))
    for index, data in enumerate(begun.values()):
        (folder / str(index)).write_bytes(data)

    def one(data: bytes) -> None:
        if time.monotonic() > end:
            watched.done()
            shutil.rmtree(folder)
            os._exit(0)  # atheris never comes back by itself
        watched(data)

    words = [sys.argv[0], str(folder), f"-seed={seed or 1}", f"-timeout={2 * INPUT_S}"]
    atheris.Setup([*words, "-rss_limit_mb=0"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
