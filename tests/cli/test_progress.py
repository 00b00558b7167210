"""No silent minute: off a terminal a line every ten seconds says what is done and what is left."""

from __future__ import annotations

import io
import sys
import time

import pytest

from ralikit import progress as told
from ralikit.cli import progress
from ralikit.cli.output import progress as photos_progress


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 10
        while text not in self.getvalue():
            assert time.monotonic() < deadline, f"{text!r} never came: {self.getvalue()!r}"
            time.sleep(0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def lines(clock: Clock, written: list[str]) -> told.Lines:
    return told.Lines(written.append, clock=clock)


def test_short_work_says_nothing(lines: told.Lines, clock: Clock, written: list[str]) -> None:
    for i in range(100):
        lines.tell("photos", i / 100)
        clock.now += 0.09
    assert written == []


def test_a_line_every_ten_seconds_with_what_is_left(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    for i in range(40):
        lines.tell("photos", i / 40)
        clock.now += 1.0
    assert written == [
        "photos: 25%, about 30 s left",
        "photos: 50%, about 20 s left",
        "photos: 75%, about 10 s left",
    ]


def test_a_stage_that_tells_nothing_is_not_silent(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    lines.tell("converting", 0.0)
    for _ in range(25):
        clock.now += 1.0
        lines.tick()
    assert written == ["converting: 10 s so far", "converting: 20 s so far"]


def test_what_is_left_is_of_the_stage_at_hand(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    clock.now += 500
    lines.tell("one", 0.5)
    clock.now += 1000
    lines.tell("two", 0.0)
    clock.now += 10
    lines.tell("two", 0.1)
    assert written[-1] == "two: 10%, about 2 min left"


def test_what_an_earlier_run_had_done_is_not_counted_as_made_now(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    for step in range(60, 100):  # a run of 100 steps that goes on after 60, one in a second
        lines.tell(f"aligning, loss {step}", step / 100)
        clock.now += 1.0
    assert written == [
        "aligning, loss 70: 70%, about 30 s left",
        "aligning, loss 80: 80%, about 20 s left",
        "aligning, loss 90: 90%, about 10 s left",
    ]


def test_a_stage_that_is_first_heard_of_on_its_way_is_not_guessed_from(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    lines.tell("aligning", 0.6)
    for _ in range(12):
        clock.now += 1.0
        lines.tick()
    assert written == ["aligning: 60%, 10 s so far"]


def test_a_share_that_stands_still_is_not_guessed_from(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    for done in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
        lines.tell("writing", done)
        clock.now += 4.0
    for _ in range(40):  # it took 20 s to here, and then no more is told
        lines.tick()
        clock.now += 1.0
    assert written[-3:] == [
        "writing: 50%, about 6 s left",
        "writing: 50%, for 24 s now",
        "writing: 50%, for 34 s now",
    ]
    assert all("min" not in line for line in written)


def test_figures_behind_a_comma_begin_no_new_stage(
    lines: told.Lines, clock: Clock, written: list[str]
) -> None:
    for i in range(21):
        lines.tell(f"aligning, loss {1 - i / 100:.2f}", i / 40)
        clock.now += 1.0
    assert written == [
        "aligning, loss 0.90: 25%, about 30 s left",
        "aligning, loss 0.80: 50%, about 20 s left",
    ]


@pytest.mark.parametrize("kind", ["track", "progress", "photos"])
def test_off_a_terminal_every_display_writes_lines(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(told, "PAUSE", 0.0)
    if kind == "track":
        with progress.track("things", 4) as show:
            show(1)
    elif kind == "progress":
        with progress.progress() as tell:
            tell("things", 0.0)
            tell("things", 0.25)
    else:
        with photos_progress(4) as advance:
            advance()
    streams = capsys.readouterr()
    assert streams.out == ""
    assert ": 25%, about " in streams.err


def test_a_bar_appears_once_work_has_taken_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress() as tell:
        tell("loading", 0.0)
        terminal.wait_for("loading")
        terminal.wait_for("so far")
        tell("photos [1]", 0.5)
        terminal.wait_for("photos [1]")
    assert terminal.getvalue().endswith("\x1b[2K")  # and nothing of it is left


def test_what_is_done_in_a_moment_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.track("photos", 3) as show:
        show(3)
    assert terminal.getvalue() == ""
