"""Calls of a device's tools: what is said of one that fails, and that all can be ended."""

from __future__ import annotations

import sys
import time
from threading import Thread

import pytest

from ralikit.bench.calls import Calls, DeviceError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are shell scripts")


def call(calls: Calls, script: str, *, seconds: float = 20.0, last: bool = False) -> bytes:
    return calls.call(
        ["sh", "-c", script], what="tool", seconds=seconds, most=100,
        environment={"TOLD": "this"}, last=last,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'ERROR: no such phone'; echo '   id = 7'; exit 1", "tool: ERROR: no such phone"),
        ("echo first >&2; echo last; exit 1", "tool: last"),
        ("exit 3", "tool: exit 3"),
    ],
)
def test_a_failure_is_said_by_its_own_words(script: str, said: str) -> None:
    with pytest.raises(DeviceError) as refused:
        call(Calls(), script)
    assert str(refused.value) == said


def test_a_call_has_its_environment() -> None:
    assert call(Calls(), "echo $TOLD") == b"this\n"


def test_stop_ends_what_runs_and_refuses_what_comes_but_the_last() -> None:
    calls, ended = Calls(), list[str]()

    def wait() -> None:
        try:
            call(calls, "sleep 30")
        except DeviceError as error:
            ended.append(str(error))

    thread = Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    calls.stop()
    thread.join()
    assert time.monotonic() - began < 10
    assert ended == ["tool: exit -9"]
    with pytest.raises(DeviceError, match="stopped"):
        call(calls, "true")
    assert call(calls, "echo clean", last=True) == b"clean\n"
