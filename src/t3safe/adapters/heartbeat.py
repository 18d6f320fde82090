"""Reports the progress of long operations: a line that changes at a terminal, a few in a log.

Rules:

1. It only watches.  The operation runs in the caller's thread and answers as it would without; a
   failure in here changes nothing.
2. There is a `TICK` every second, which only a terminal shows, and a `PROGRESS` line when
   `domain.progress` asks for one.
3. There is no more progress of an effect once it has answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from attrs import define, field

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.progress import (
    BytesCopied,
    LastLine,
    LongTask,
    Meter,
    RehearsalStep,
    Report,
    steady,
    text,
)
from t3safe.engine import Performer

_T = TypeVar("_T")

Say = Callable[[LogLine], None]


@define
class Heartbeat:
    """Watches one effect at a time; `every` is in seconds, `now` a clock that never goes back."""

    say: Say
    every: float = 1.0
    now: Callable[[], float] = time.monotonic
    _meter: Meter | None = field(default=None, init=False)
    _last: LastLine = field(factory=LastLine, init=False)
    _began: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def around(self, performer: Performer) -> Performer:
        """Give a performer that does the same and is watched."""

        def perform(effect: fx.Effect, /) -> ev.Answer:
            return self.during(effect, lambda: performer(effect))

        return perform

    def during(self, effect: fx.Effect | LongTask, call: Callable[[], _T]) -> _T:
        """Call, and report its progress as that of an effect or a task.

        A call within another one reports as the outer one.
        """
        over = threading.Event()
        with self._lock:
            within = self._meter is not None
        if within:
            return call()
        with self._lock:
            self._meter, self._last, self._began = Meter(effect), LastLine(), self.now()
        watcher = threading.Thread(target=self._watch, args=(over,), daemon=True)
        watcher.start()
        try:
            return call()
        finally:
            over.set()
            watcher.join()
            with self._lock:
                self._meter = None

    def task(self, what: str, do: Callable[[], None]) -> None:
        """Call what is not an effect, and report its progress in these words."""
        self.during(LongTask(what), do)

    def heard(self, report: Report) -> None:
        """Take in how far the work is; from any thread."""
        with self._lock:
            if self._meter is not None:
                self._meter = self._meter.heard(report, self.now() - self._began)

    def copied(self, done: int, total: int) -> None:
        """Take in how much of a set is copied, in bytes."""
        self.heard(BytesCopied(done, total))

    def warn(self, text: str) -> None:
        """Write a warning at once; a failure to write it is ignored."""
        with suppress(Exception):
            self.say(LogLine(LogLevel.WARNING, text))

    def at(self, whose: str, step: str, seconds: float) -> None:
        """Take in where a rehearsal is."""
        self.heard(RehearsalStep(whose, step, seconds))

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(self.every):
            with suppress(Exception):
                self._beat()

    def _beat(self) -> None:
        with self._lock:
            meter, elapsed = self._meter, self.now() - self._began
            if meter is None:
                return
            self._last, said = steady(self._last, meter, elapsed)
        if said:
            self.say(LogLine(LogLevel.PROGRESS, said))
        self.say(LogLine(LogLevel.TICK, text(meter, elapsed)))
