"""One model in a process of its own: loads it, times it when told, reads its own memory.

Run as ``python -m ralikit.bench.worker``; commands and answers are JSON lines on stdin and stdout.
A fresh process a model keeps one model's memory, threads and allocator away from another's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ralikit.errors import RalikitError

Action = Callable[..., Any]


def serve(actions: dict[str, Action]) -> None:
    """Answer commands until stdin ends: ``{"do": NAME, ...}`` -> ``{"ok": ...}`` or an error."""
    # Native libraries print to stdout at will: answers go to a private copy of it.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        action = actions[command.pop("do")]
        try:
            answer = {"ok": action(**command)}
        except RalikitError as error:
            answer = {"refused": str(error), "exit_code": error.exit_code}
        except Exception as error:  # noqa: BLE001 (whatever a runtime throws is the answer)
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    """The state between commands: one open runtime and the views it is timed on."""

    def load(
        self, path: str, backend: str, threads: int, photo: str, batch: int = 1
    ) -> dict[str, Any]:
        from ralikit.bench.subjects import open_subject
        from ralikit.photo.views import load_views

        start = time.perf_counter()
        self.subject = open_subject(Path(path), backend=backend, threads=threads)
        loaded = time.perf_counter() - start
        self.preprocess = self.subject.preprocess
        self.views = load_views(Path(photo), self.preprocess)
        self._call, note = self.query(batch)
        start = time.perf_counter()
        self._call()
        first = time.perf_counter() - start
        return {
            "load_s": loaded,
            "first_s": first,
            "runtime": self.subject.runtime.name,
            "unit": self.subject.runtime.unit,
            "note": "; ".join(filter(None, (self.subject.runtime.note, note))),
            "model": self.subject.model,
            "input": list(self.views.shape),
        }

    def query(self, batch: int) -> tuple[Callable[[], object], str]:
        """What one sample times, and what a reader must know of it.

        A call with all photos where the runtime takes more than one, else a call for each.
        """
        runtime, views = self.subject.runtime, self.views
        if batch == 1:
            return lambda: runtime.run(views), ""
        many = runtime.many
        if many is not None:
            return lambda: many([views] * batch), ""
        note = f"the file takes one photo a call: {batch} calls, one after another"
        return lambda: [runtime.run(views) for _ in range(batch)], note

    def infer(self, seconds: float, at_least: int, at_most: int) -> dict[str, list[float]]:
        """Time calls, inference alone, until `seconds` have passed."""
        wall: list[float] = []
        cpu: list[float] = []
        end = time.perf_counter() + seconds
        while len(wall) < at_most and (len(wall) < at_least or time.perf_counter() < end):
            cpu_start, start = time.process_time(), time.perf_counter()
            self._call()
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
        return {"inference_s": wall, "cpu_s": cpu}

    def photo(self, path: str, count: int) -> dict[str, list[float]]:
        """Time one photo from the file to the score, and its parts."""
        from ralikit.photo.views import decode_photo, make_views

        samples: dict[str, list[float]] = {"decode_s": [], "resize_s": [], "end_to_end_s": []}
        for _ in range(count):
            start = time.perf_counter()
            photo = decode_photo(Path(path), self.preprocess)
            decoded = time.perf_counter()
            views = make_views(photo, self.preprocess)
            resized = time.perf_counter()
            self.subject.runtime.run(views)
            samples["end_to_end_s"].append(time.perf_counter() - start)
            samples["decode_s"].append(decoded - start)
            samples["resize_s"].append(resized - decoded)
        return samples

    def memory(self) -> dict[str, Any]:
        from ralikit.bench.device import memory
        from ralikit.config import to_mapping

        return to_mapping(memory())


if __name__ == "__main__":
    worker = Worker()
    serve(
        {
            "load": worker.load,
            "infer": worker.infer,
            "photo": worker.photo,
            "memory": worker.memory,
        }
    )
