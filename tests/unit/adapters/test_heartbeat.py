"""The watch over what takes long: it only watches, and it ends with what it watched."""

from __future__ import annotations

import threading

import pytest
from attrs import define, field

from t3safe.adapters.heartbeat import Heartbeat
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.versions import Version

NEW = Version.parse("0.0.28-nightly.20260616.571")
COPY = fx.SnapshotOnline("ann", "s1")


@define
class Ear:
    """Hears what is said, and knows when it was of a level."""

    lines: list[LogLine] = field(factory=list)
    heard: dict[LogLevel, threading.Event] = field(
        factory=lambda: {level: threading.Event() for level in LogLevel}
    )

    def __call__(self, line: LogLine) -> None:
        """Hear one line."""
        self.lines.append(line)
        self.heard[line.level].set()


@define
class Time:
    """A clock that passes seconds whenever it is read."""

    step: float
    at: float = 0.0

    def __call__(self) -> float:
        """Read it."""
        self.at += self.step
        return self.at


def test_while_an_effect_lasts_a_terminal_and_a_log_are_told() -> None:
    """Its answer is what the performer answered; nothing is said afterwards."""
    ear = Ear()
    heart = Heartbeat(ear, every=0.001, now=Time(11.0))

    def copying(effect: fx.Effect, /) -> ev.Answer:
        assert effect == COPY
        assert ear.heard[LogLevel.PROGRESS].wait(30)
        assert ear.heard[LogLevel.TICK].wait(30)
        return ev.Done()

    assert heart.around(copying)(COPY) == ev.Done()
    said = len(ear.lines)
    heart.copied(1, 2)
    assert len(ear.lines) == said
    assert all("copying ann's data" in line.text for line in ear.lines)


def test_what_is_reported_is_told() -> None:
    """Bytes of a copy, and the step of a rehearsal."""
    ear = Ear()
    heart = Heartbeat(ear, every=0.001, now=Time(1.0))

    def until(words: str) -> None:
        while not any(words in line.text for line in ear.lines):
            ear.heard[LogLevel.TICK].clear()
            assert ear.heard[LogLevel.TICK].wait(30)

    def both() -> None:
        heart.copied(5, 10)
        until("5 B of 10 B")
        heart.at("ann", "soak", 90.0)
        until("on ann's copy: soak")

    heart.during(fx.Rehearse(NEW, ()), both)


def test_what_an_effect_raises_goes_through() -> None:
    """And the watch has ended then, too."""
    heart = Heartbeat(Ear())
    before = threading.active_count()

    def failing() -> None:
        message = "no disk"
        raise OSError(message)

    with pytest.raises(OSError, match="no disk"):
        heart.during(COPY, failing)
    assert threading.active_count() == before


def test_a_sink_that_fails_harms_nothing() -> None:
    """An error of the watch is ignored: the effect goes on and answers."""
    tried = threading.Event()

    def broken(_: LogLine) -> None:
        tried.set()
        message = "the terminal has gone"
        raise BrokenPipeError(message)

    heart = Heartbeat(broken, every=0.001, now=Time(1.0))
    assert heart.during(COPY, lambda: tried.wait(30))


def test_a_warning_is_said_at_once_and_one_that_cannot_be_said_stops_nothing() -> None:
    """What was done is done, whoever hears of it."""

    def broken(_: LogLine) -> None:
        raise BrokenPipeError

    ear = Ear()
    Heartbeat(ear).warn("ann restored, but secrets: the group could not be kept")
    assert [line.level for line in ear.lines] == [LogLevel.WARNING]
    Heartbeat(broken).warn("nobody hears it")


def test_what_is_no_effect_is_told_in_its_words() -> None:
    """The check of a snapshot, say; what is done within it is told as the same."""
    ear = Ear()
    heart = Heartbeat(ear, every=0.001, now=Time(11.0))

    def check() -> None:
        heart.task("something else", lambda: None)
        assert ear.heard[LogLevel.PROGRESS].wait(30)

    heart.task("checking snapshot s1 of ann", check)

    assert all(str(line).startswith("checking snapshot s1 of ann, ") for line in ear.lines)
    assert ear.lines
