"""Runs a box."""

from __future__ import annotations

from pathlib import Path

from ralikit.model.facts import Facts, parse_facts
from ralikit.runtimes import Many, Observer, Outputs, Runtime, Views
from ralikit.runtimes.onnxruntime_import import ort


class BoxRuntime:
    observer: Observer | None = None
    many: Many | None = None

    def __init__(self, path: Path) -> None:
        facts, _, graph = path.read_bytes().partition(b"\n")
        self.facts: Facts = parse_facts(facts.decode(), where=str(path))
        self.name, self.note, self.unit = "box 1", "", "cpu"
        self._session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def run(self, views: Views) -> float:
        return float(self.outputs(views)["score"][0])

    def outputs(self, views: Views) -> Outputs:
        return {"score": self._session.run(["score"], {"image": views})[0]}


def open_file(path: Path, *, threads: int | None = None) -> Runtime:
    del threads
    return BoxRuntime(path)
