"""Everybody back on purpose: looked at beforehand, then one person after another.

Each person is taken back by a rollout of their own, as by `Host.go_back`.  So a crash leaves one
person in transition, whom `recover` settles; the same command then goes on with the others.

Rules are those of `domain.goingback`.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from t3safe.domain.errors import JournalError, NoWayBackError, PortError
from t3safe.domain.goingback import Fared, Fate, WayBack, fate_of, retreat
from t3safe.domain.policy import No
from t3safe.domain.versions import Version
from t3safe.operations import Host, Result


@frozen
class Whole:
    """Whom everybody's way back concerns, and how each would go.

    `leaves` is the build that is left, None where one to go to was named or no run moved anybody.
    `staying` are people whom it does not concern, `stuck` those without a way back, each with why.
    """

    leaves: Version | None
    ways: tuple[WayBack, ...]
    staying: tuple[tuple[str, str], ...]
    stuck: tuple[tuple[str, str], ...]


@frozen
class Took:
    """How it ended for one person; `result` is None where nothing was tried."""

    fared: Fared
    result: Result | None = None


def look(host: Host, build: Version | None) -> Whole:
    """Tell whom it concerns, without counting what it would cost; looks only."""
    people, _ = host.everybody()
    present: list[tuple[str, Version]] = []
    stuck: list[tuple[str, str]] = []
    for person in people:
        try:
            present.append((person, host.present(person)))
        except NoWayBackError as error:
            stuck.append((person, str(error)))
    plan = retreat(tuple(present), build, host.arrivals())
    ways: list[WayBack] = []
    for person, target in plan.back:
        try:
            ways.append(host.way(person, target, ""))
        except NoWayBackError as error:
            stuck.append((person, str(error)))
    return Whole(plan.leaves, tuple(ways), plan.staying, (*stuck, *plan.stuck))


def take_back(host: Host, whole: Whole, *, force: bool) -> Iterator[Took]:
    """Take people back one after another; each is told when they have settled.

    The first end that is neither back nor passed over stops it, a wish to stop too; the others are
    told as not reached.  Raises JournalError.
    """
    going = True
    for way in whole.ways:
        if not going or host.engine.stop():
            going = False
            yield Took(Fared(way.person, Fate.NOT_REACHED))
            continue
        took = _one(host, way, force=force)
        going = took.fared.fate in {Fate.BACK, Fate.PASSED_OVER}
        yield took
    yield from (Took(Fared(person, Fate.STUCK, why)) for person, why in whole.stuck)


def _one(host: Host, way: WayBack, *, force: bool) -> Took:
    try:
        result = host.go_back(way.person, way.build, "", force=force)
    except JournalError:
        raise
    except PortError as error:
        result = Result(None, str(error), stayed=No.LATER)
    fate = fate_of(result.outcome)
    reason = "" if fate is Fate.BACK else result.reason
    return Took(Fared(way.person, fate, reason), result)
