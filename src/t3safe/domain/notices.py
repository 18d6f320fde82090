"""Which notices are due: each cause is sent once, not every night.

Rules:

1. A cause that holds is sent when it was not sent before.
2. It is sent again only when it changed, or when it went and came back.
3. A cause that could not be checked keeps its state.  A command reports its own end alone, never
   another's.
4. A notice that could not be sent does not count as sent.
5. A rollback or a need for a human is sent for each run that ended so.  Other texts are the same
   cause when they differ only in figures and names of runs: a new measurement is not news.
6. A notice is one short line without secrets and without terminal control characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Final

from attrs import frozen

from t3safe.domain.events import Outcome
from t3safe.domain.metrics import HostMetrics
from t3safe.domain.redaction import redact
from t3safe.domain.runs import overdue
from t3safe.domain.text import day, moment
from t3safe.domain.versions import Version


class Cause(StrEnum):
    """The causes of notices, the most urgent first."""

    NEEDS_HUMAN = "needs-human"
    ROLLED_BACK = "rolled-back"
    FROZEN = "frozen"
    GATE_BROKEN = "gate-broken"
    REFUSED = "refused"
    STALE = "stale"
    DEFERRED = "deferred-too-long"
    FLEET = "fleet"

    @property
    def label(self) -> str:
        """The cause as a person reads it."""
        return self.value.replace("-", " ")


URGENT: Final = frozenset({Cause.NEEDS_HUMAN, Cause.ROLLED_BACK, Cause.FROZEN, Cause.GATE_BROKEN})
"""Causes for which a person should look at once."""


CUT_OFF_LONG: Final = timedelta(days=1)
"""How long a host may be cut off from its fleet before that is a notice."""


@frozen(order=True)
class Key:
    """What is remembered of a sent notice."""

    cause: Cause
    about: str
    mark: str


@frozen
class Notice:
    """One notice; `about` is the person or build it concerns, `mark` identifies a repetition."""

    cause: Cause
    text: str
    about: str = ""
    mark: str = ""

    @property
    def key(self) -> Key:
        """What is remembered of it once it was sent."""
        return Key(self.cause, self.about, self.mark)


@frozen
class Broken:
    """A command that ended without a run: the command, why in one line, and the cause."""

    command: str
    why: str
    cause: Cause = Cause.NEEDS_HUMAN


@frozen
class NoticesFound:
    """The notices whose cause holds now, and the causes that could not be checked (rule 3).

    `command` is the command that checks; empty when no command ran.
    """

    notices: tuple[Notice, ...]
    unseen: frozenset[Cause] = frozenset()
    command: str = ""


def found(vitals: HostMetrics, command: str = "", broken: Broken | None = None) -> NoticesFound:
    """Return the causes that hold, the most urgent first."""
    return NoticesFound(tuple(_notices(vitals, broken)), frozenset(_unseen(vitals)), command)


def wanted(now: NoticesFound, causes: Iterable[Cause]) -> NoticesFound:
    """Drop the causes that are not wanted."""
    wished = frozenset(causes)
    notices = tuple(notice for notice in now.notices if notice.cause in wished)
    return NoticesFound(notices, now.unseen, now.command)


def due(before: frozenset[Key], now: NoticesFound) -> tuple[Notice, ...]:
    """Return the notices to send (rules 1 and 2); `before` were sent."""
    return tuple(notice for notice in now.notices if notice.key not in before)


def remembered(before: frozenset[Key], now: NoticesFound, *, sent: bool) -> frozenset[Key]:
    """Return what counts as sent from now on; `sent`: the due notices went out (rule 4)."""
    holding = frozenset(notice.key for notice in now.notices)
    kept = frozenset(key for key in before if key in holding or _unlooked(key, now))
    return kept | holding if sent else kept


def forgiven(before: frozenset[Key], build: Version) -> frozenset[Key]:
    """Forget that a build was refused: once a person allows it, a new refusal is news."""
    return frozenset(
        key for key in before if key.cause is not Cause.REFUSED or key.about != build.text
    )


def heading(host: str, notices: Iterable[Notice]) -> str:
    """Name the host and the causes, the most urgent first, in one line."""
    causes = dict.fromkeys(notice.cause.label for notice in notices)
    return f"t3safe on {host}: {', '.join(causes)}"


def body(notices: Iterable[Notice]) -> str:
    """Return the notices, one per line."""
    return "\n".join(f"{notice.cause.label}: {notice.text}" for notice in notices)


_FIGURES: Final = re.compile(r"\d{8}T\d{6}Z(?:-\w{1,4})?|\d+(?:[.:]\d+)*")
_LONGEST: Final = 400
_NUMBER: Final = re.compile(r"(?<![\w.-])\d+(?![\w.-])")
"""A number that is no part of a name: hosts and runs are told apart by theirs."""


def essence(text: str) -> str:
    """Return a text with its figures and names of runs masked (rule 5)."""
    return " ".join(_FIGURES.sub("#", text).split())


def plain(text: str) -> str:
    """Return a text as one short line without secrets and unprintable characters (rule 6)."""
    line = " ".join(redact(text).split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."


_BY_RUN: Final = {
    Cause.NEEDS_HUMAN: (Outcome.NEEDS_HUMAN, "`t3safe show {run}`; the runbook: NEEDS A HUMAN"),
    Cause.ROLLED_BACK: (Outcome.ROLLED_BACK, "`t3safe show {run}` shows each step"),
    Cause.GATE_BROKEN: (Outcome.GATE_BROKEN, "nothing is held against {build}; `t3safe doctor`"),
    Cause.REFUSED: (
        Outcome.REFUSED,
        "`t3safe show {run}`; `t3safe allow {build}` lifts the refusal",
    ),
}


_EACH: Final = frozenset({Cause.NEEDS_HUMAN, Cause.ROLLED_BACK})
"""Causes that are news with each run that ends so."""


def _notices(vitals: HostMetrics, broken: Broken | None) -> Iterator[Notice]:
    yield from _of_command(broken, Cause.NEEDS_HUMAN)
    yield from _of_run(vitals, Cause.NEEDS_HUMAN)
    yield from _of_run(vitals, Cause.ROLLED_BACK)
    if vitals.frozen:
        reason = plain(vitals.frozen)
        yield Notice(Cause.FROZEN, f"{reason}; look, then `t3safe thaw`", mark=reason)
    yield from _of_run(vitals, Cause.GATE_BROKEN)
    yield from _of_run(vitals, Cause.REFUSED)
    yield from _of_command(broken, Cause.REFUSED)
    behind = vitals.behind
    if behind is not None and behind > vitals.stale_after.days:
        text = f"{vitals.last_good} is {behind} days behind {vitals.newest}; `t3safe status`"
        yield Notice(Cause.STALE, text, mark=str(vitals.last_good))
    for item in overdue(vitals.waiting or (), vitals.at, vitals.deferred_max):
        text = f"{item.person} waits for {item.build} since {day(item.since)}"
        mark = f"{item.since:%Y-%m-%dT%H:%M:%SZ}"
        yield Notice(Cause.DEFERRED, f"{text}: {plain(item.reason)}", item.person, mark)

    yield from _of_fleet(vitals)


def _of_fleet(vitals: HostMetrics) -> Iterator[Notice]:
    """Yield that the host is cut off for long, and what else of its fleet needs a person."""
    fleet = vitals.fleet
    if fleet is None:
        return
    if fleet.cut_off is not None and vitals.at - fleet.cut_off > CUT_OFF_LONG:
        since = moment(fleet.cut_off)
        text = f"cut off since {since}, no run starts; `t3safe fleet status` says why"
        yield Notice(Cause.FLEET, text, mark=f"cut off since {since}")
    for line in map(plain, fleet.trouble):
        yield Notice(Cause.FLEET, line, mark=_NUMBER.sub("#", line))


def _of_command(broken: Broken | None, cause: Cause) -> Iterator[Notice]:
    if broken is not None and broken.cause is cause:
        why = plain(broken.why)
        text = f"`t3safe {broken.command}`: {why}; `t3safe status`"
        yield Notice(cause, text, _own(broken.command), essence(why))


def _of_run(vitals: HostMetrics, cause: Cause) -> Iterator[Notice]:
    """Yield the notice of the newest run with this outcome; each refused build is its own cause."""
    outcome, how = _BY_RUN[cause]
    record = vitals.speaking(outcome)
    if record is None or record.ended is None:
        return
    reason = plain(record.ended.reason)
    about = record.candidate.text if cause is Cause.REFUSED else ""
    hint = how.format(run=record.run, build=record.candidate)
    mark = record.run if cause in _EACH else essence(reason)
    yield Notice(cause, f"{reason}; {hint}", about, mark)


def _unseen(vitals: HostMetrics) -> Iterator[Cause]:
    if vitals.frozen is None:
        yield Cause.FROZEN
    if vitals.behind is None:
        yield Cause.STALE
    if vitals.waiting is None:
        yield Cause.DEFERRED
    if vitals.runs is None:
        yield from _BY_RUN


def _unlooked(key: Key, now: NoticesFound) -> bool:
    """Whether this cause could not be checked (rule 3)."""
    needed = key.cause is Cause.NEEDS_HUMAN and key.about
    if needed or key.about.startswith(_own("")):
        return key.about != _own(now.command)
    return key.cause in now.unseen


def _own(command: str) -> str:
    """Return the `about` of a command's own end; no person has such a name."""
    return f"t3safe {command}"
