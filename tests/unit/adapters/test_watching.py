"""A watch pairs several people at a time, and tells of them in the order that was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from attrs import define

from t3safe.adapters.pairing import ServePairing
from t3safe.adapters.pairing.check import Refusal, Who
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import Cookies

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

    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        return cookies if cookies == Cookies() else Refusal(f"{who.person} holds something else")

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


def test_no_more_are_paired_side_by_side_than_the_host_bears() -> None:
    """Two at a time: the third begins only when one of them has ended."""
    here, most = 0, 0
    lock = threading.Lock()

    def pair(_: str) -> Cookies:
        nonlocal here, most
        with lock:
            here, most = here + 1, max(most, here + 1)
        time.sleep(0.02)
        with lock:
            here -= 1
        return Cookies()

    meeting = Meeting(
        store=Path("/"), main_pid=lambda _: 1, mint=str, pairs=pair, at_a_time=lambda: 2
    )
    assert meeting.watch(tuple("abcdef"), BUILD, 0.0, lambda: False) == ev.Done()
    assert most == 2


UNANSWERED = Refusal("nothing answers", serving=False)


@pytest.mark.parametrize(
    ("refusal", "strained", "fault"),
    [
        (UNANSWERED, "", Fault.BUILD),
        (UNANSWERED, "the host is overloaded", Fault.HOST),
        (Refusal("the dispatch waits", answered=False), "the host is overloaded", Fault.HOST),
        (Refusal("status 500"), "the host is overloaded", Fault.BUILD),
        (attrs.evolve(UNANSWERED, final=True), "the host is overloaded", Fault.BUILD),
        (
            attrs.evolve(UNANSWERED, fault=Fault.ENVIRONMENT),
            "the host is overloaded",
            Fault.ENVIRONMENT,
        ),
    ],
)
def test_a_serve_without_an_answer_in_time_is_the_fault_of_an_overloaded_host(
    refusal: Refusal, strained: str, fault: Fault
) -> None:
    """What answered wrongly, or ended, is judged as ever."""
    meeting = Meeting(
        store=Path("/"),
        main_pid=lambda _: 1,
        mint=str,
        pairs=lambda _: refusal,
        deadline=0.0,
        grace=0.0,
        strained=lambda: strained,
    )
    answer = meeting.verify("ann", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert answer.fault is fault
    assert (strained in answer.reason) is (fault is Fault.HOST or not strained)
