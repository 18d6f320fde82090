"""A watch pairs several people at a time, and tells of them in the order that was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from attrs import define

from t3safe.adapters.dispatch.asking import Cookies
from t3safe.adapters.dispatch.handshake import Refusal, Who
from t3safe.adapters.dispatch.served import ServePairing
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.versions import Version

BUILD = Version.parse("0.0.25-nightly.20260608.497")
SECONDS = 10.0


@define(kw_only=True)
class Meeting(ServePairing):
    """People whose pairing is what `pairs` says of them."""

    via = "meeting"
    pairs: Callable[[str], Cookies | Refusal]

    def _whom(self, person: str, build: Version, pid: int) -> Who:
        return Who(person, person, build, pid)

    def _attempt(self, who: Who, *, serving: bool, glance: float) -> Cookies | Refusal:
        del serving, glance
        return self.pairs(who.person)

    def _pair(self, who: Who) -> Cookies | Refusal:
        return self.pairs(who.person)

    def _holds(self, who: Who, cookies: Cookies) -> Refusal | None:
        return None if cookies == Cookies() else Refusal(f"{who.person} holds something else")

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        del who
        return ev.NotPaired(refusal.fault, refusal.reason)


def watched(pairs: Callable[[str], Cookies | Refusal], *people: str) -> ev.Done | ev.BakeBroken:
    """Watch people once."""
    meeting = Meeting(store=Path("/"), main_pid=lambda _: 1, mint=str, pairs=pairs)
    return meeting.watch(people, BUILD, 0.0, lambda: False)


def test_people_are_paired_side_by_side() -> None:
    """Nobody's mint waits for another one's: each here ends only once all have begun."""
    barrier = threading.Barrier(3, timeout=SECONDS)

    def meet(_: str) -> Cookies:
        barrier.wait()
        return Cookies()

    assert watched(meet, "ann", "ben", "cat") == ev.Done()


def test_the_first_who_was_named_is_told_and_not_the_first_who_failed() -> None:
    """What a watch says does not depend on who was faster."""
    ben_failed = threading.Event()

    def fail(person: str) -> Refusal:
        if person == "ann":
            ben_failed.wait(SECONDS)
        ben_failed.set()
        return Refusal(f"no cookie for {person}", Fault.BUILD, final=True)

    told = watched(fail, "ann", "ben")
    assert told == ev.BakeBroken("ann", Fault.BUILD, "no cookie for ann")
