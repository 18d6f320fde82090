"""A judge of slots from what was asked and answered; it shares no code with what it judges.

Rules:

1. A history is a list of calls, each with when it began and when its answer came.  Calls that
   overlap may have happened in either order; others happened as they ended.
2. It is right if some order of all calls explains each answer by one set of holders, of which
   there are never more than the limit (linearizability, Herlihy and Wing 1990; the search is that
   of Wing and Gong with a memory of what was tried).
3. A call whose answer was lost happened at any time after it began, or never.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from attrs import define, field, frozen

Who = tuple[str, str]
"""Host and run."""


class SlotAsk(StrEnum):
    """What was asked for."""

    TAKE = "take"
    """Answers: True, the host holds a slot; False, none is free; None, lost."""
    RELEASE = "release"
    """Of this host and run only.  Answers: True, or None if lost."""
    EVICT = "evict"
    """Whatever run of this host.  Answers: True, or None if lost."""
    READ = "read"
    """Answers: the holders."""


Answer = bool | None | frozenset[Who]


@define
class SlotCall:
    """One call; `ended` is infinite while there is no answer."""

    asked: SlotAsk
    who: Who
    begun: float
    ended: float = float("inf")
    answer: Answer = None

    def __str__(self) -> str:
        return f"{self.asked} {'/'.join(self.who)} -> {self.answer}"


@frozen
class SlotHistory:
    """Records calls, from several threads too."""

    now: Callable[[], float] = time.monotonic
    calls: list[SlotCall] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    def begin(self, asked: SlotAsk, who: Who = ("", "")) -> SlotCall:
        """Record that something is asked."""
        with self._lock:
            call = SlotCall(asked, who, self.now())
            self.calls.append(call)
            return call

    def end(self, call: SlotCall, answer: Answer) -> None:
        """Record the answer; None if it was lost."""
        with self._lock:
            call.answer = answer
            if answer is not None:
                call.ended = self.now()


_Holders = frozenset[Who]
_EMPTY: Final[_Holders] = frozenset()


def judge(history: SlotHistory, limit: int) -> str:
    """Say why a history is wrong, empty if it is right."""
    calls = sorted(history.calls, key=lambda call: call.begun)
    for call in calls:
        if isinstance(call.answer, frozenset) and len(call.answer) > limit:
            return f"more than {limit} hold: {call}"
    answered = sum(1 << at for at, call in enumerate(calls) if call.answer is not None)
    tried: set[tuple[int, _Holders]] = set()
    open_now: list[tuple[int, _Holders]] = [(0, _EMPTY)]
    furthest = 0
    while open_now:
        happened, holders = open_now.pop()
        if happened & answered == answered:
            return ""
        if (happened, holders) in tried:
            continue
        tried.add((happened, holders))
        if _count(happened & answered) > _count(furthest & answered):
            furthest = happened
        open_now += [
            (happened | 1 << at, after)
            for at in _next(calls, happened)
            for after in _after(calls[at], holders, limit)
        ]
    stuck = [str(call) for at, call in enumerate(calls) if not furthest >> at & 1]
    return f"no order explains, with at most {limit} holder(s): {'; '.join(stuck[:6])}"


def _count(happened: int) -> int:
    return happened.bit_count()


def _next(calls: list[SlotCall], happened: int) -> Iterator[int]:
    """Give the calls that may have happened next: no other that is left ended before they began."""
    left = [at for at in range(len(calls)) if not happened >> at & 1]
    first_end = min((calls[at].ended for at in left), default=float("inf"))
    for at in left:
        if calls[at].begun <= first_end:
            yield at


def _after(call: SlotCall, holders: _Holders, limit: int) -> Iterator[_Holders]:
    """Give the holders after a call; nothing if the call cannot have had its answer here."""
    host = call.who[0]
    others = frozenset(one for one in holders if one[0] != host)
    match call.asked:
        case SlotAsk.READ:
            if call.answer in (None, holders):
                yield holders
        case SlotAsk.RELEASE:
            yield holders - {call.who}
        case SlotAsk.EVICT:
            yield others
        case SlotAsk.TAKE:
            free = call.who in holders or len(others) < limit
            if call.answer is False and not free:
                yield holders
            elif call.answer is not False and free:
                yield holders if call.who in holders else others | {call.who}
