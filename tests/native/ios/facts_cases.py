"""Facts in many spellings, and what Python makes of each: the Swift tests must do the same.

    python facts_cases.py mini-fp32.onnx OUT.json

Cases are edits of a real file's facts, one at a time: members taken away, of other types, out of
range, under their former names, added. `facts` is null where Python refuses the text.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ralikit.errors import RalikitError
from ralikit.model.facts import Facts, parse_facts
from ralikit.runtimes.onnx_file import read_file

VALUES: tuple[Any, ...] = (None, True, -1, 0, 7, 2.5, "x", "", [], {}, [1, 2], {"a": 1})
RAW = ("", "{", "[]", "null", "1", '{"schema": 1}', "{} x")


def paths(values: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of members down to the third level."""
    if isinstance(values, dict) and len(at) < 3:
        for name, value in values.items():
            yield (*at, name)
            yield from paths(value, (*at, name))


def edited(facts: dict[str, Any], at: tuple[Any, ...], edit: Any) -> dict[str, Any]:
    """A copy in which `edit(table, name)` was called on the table that holds a member."""
    out = copy.deepcopy(facts)
    table = out
    for name in at[:-1]:
        table = table[name]
    edit(table, at[-1])
    return out


def texts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Why, and the text."""
    yield "as it is", json.dumps(facts)
    for raw in RAW:
        yield f"raw {raw}", raw
    needed = [
        at for at in paths(facts) if at[0] in {"schema", "model", "preprocess", "scale", "outputs"}
    ]
    for at in needed:
        yield f"without {at}", json.dumps(edited(facts, at, lambda t, n: t.pop(n)))
        for value in VALUES:
            if at == ("schema",) and value is True:
                continue  # equal to 1 in Python alone
            changed = edited(facts, at, lambda t, n, v=value: t.__setitem__(n, v))
            yield f"{at} is {value!r}", json.dumps(changed)
    yield "a new member", json.dumps({**facts, "new": {"x": [1]}})
    yield "a preprocessing this version does not know", json.dumps(
        edited(facts, ("preprocess", "gamma"), lambda t, n: t.__setitem__(n, 1)))  # fmt: skip
    old = copy.deepcopy(facts)
    old["functions"] = old.pop("outputs")
    old["model"]["resolution"] = old["model"].pop("tie_width")
    old["model"]["resolution_note"] = old["model"].pop("tie_width_note")
    yield "former names", json.dumps(old)
    for anchors in ([], [[0.5]], [[2, 0]], [[0, 1], [1, 0]], [[0, "x"]], "x"):
        changed = edited(
            facts, ("preprocess", "anchors"), lambda t, n, v=anchors: t.__setitem__(n, v)
        )
        yield f"anchors {anchors}", json.dumps(changed)


def said(facts: Facts) -> dict[str, Any]:
    """What is compared."""
    return {
        "name": facts.model.name,
        "tie_width": facts.model.tie_width,
        "weights": facts.model.weights,
        "minimum": facts.scale.minimum,
        "maximum": facts.scale.maximum,
        "outputs": list(facts.outputs),
        "shape": list(facts.shape),
        "resample": facts.preprocess.resample,
        "shortest_edge": facts.preprocess.shortest_edge,
        "target": facts.target,
        "precision": facts.precision,
        "golden": len(facts.golden or ()),
    }


def main() -> int:
    """Write the cases."""
    text = read_file(Path(sys.argv[1])).facts
    assert text is not None
    facts = json.loads(text)
    facts.pop("digest", None)  # whether a file carries one is no matter of its facts alone
    cases = []
    for why, words in texts(facts):
        try:
            read = said(parse_facts(words, where="x"))
        except RalikitError:
            read = None
        cases.append({"why": why, "text": words, "facts": read})
    Path(sys.argv[2]).write_text(json.dumps(cases))
    refused = sum(case["facts"] is None for case in cases)
    print(f"{len(cases)} texts, {refused} of them refused by Python")
    return 0


if __name__ == "__main__":
    sys.exit(main())
