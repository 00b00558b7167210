"""The list of broken formulas stays one of the code as it is; running it is `run.py`'s."""

from __future__ import annotations

from support_docs import ROOT, script

run = script("tests/mutation/run.py")


def test_every_mutation_applies_once_and_names_tests_that_exist() -> None:
    mutations = run.read()  # ends in a sentence where one does not apply
    assert len({m.name for m in mutations}) == len(mutations)
    for mutation in mutations:
        assert mutation.old != mutation.new, mutation.name
        for test in mutation.tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).exists(), mutation.name
            said = f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") if name else True
            assert said, f"{mutation.name}: no test {name}"
