"""What a person does with the fleet: its policy, joining and leaving it, and orders.

Rules:

1. Each change is decided on what was read just before.  If another wrote meanwhile, it is read and
   decided again.
2. A lost answer is never taken for yes or no: the fleet is read again and says which it was.
3. What cannot be read is not written over unless the person says so (`replace`).
4. An order that holds already is not given again: its first reason stays.
5. What a run asks and sends is in `permit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs
from attrs import frozen

from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet import orders, slots
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.records import (
    REASON_MAX,
    FleetFreeze,
    FleetPolicy,
    Halt,
    Holder,
    HostReport,
)
from t3safe.domain.fleet.view import (
    POLICY,
    SLOTS,
    Commit,
    Transaction,
    View,
    host_key,
)
from t3safe.domain.versions import Version

ATTEMPTS: Final = 3
"""How often a change is decided before it is an error."""
LIFTS_MAX: Final = 100
"""Transactions of one lift: 10,000 rulings against one build."""


def set_first_policy(store: FleetStore, policy: FleetPolicy) -> bool:
    """Write the fleet's first policy; return whether it was written.  Raises FleetError.

    False if the fleet has exactly this policy.  Another one is an error.
    """

    def decide(view: View) -> Transaction | None:
        if view.policy == policy:
            return None
        if view.revision_of(POLICY):
            which = f"version {view.policy.version}" if view.policy else "one that cannot be read"
            raise _state(
                f"the fleet has a policy already ({which}); show it with `t3safe fleet policy`"
            )
        return orders.set_policy(view, policy)

    return settled(store, decide)


@frozen
class PolicyWritten:
    """The version that the policy has now, and whether it was written."""

    version: int
    written: bool
    problems: tuple[str, ...]
    """Hosts whose ring it does not have, one line each."""


def set_policy(store: FleetStore, policy: FleetPolicy, *, replace: bool) -> PolicyWritten:
    """Write the policy as the next version, unless it is in force already.  Raises FleetError.

    `replace` also writes over one that cannot be read.
    """
    seen: list[View] = []

    def decide(view: View) -> Transaction | None:
        seen.append(view)
        if view.policy is not None and _same(view.policy, policy):
            return None
        if POLICY in view.damaged and not replace:
            why = f"the fleet's policy cannot be read: {view.damaged[POLICY]}"
            raise _state(f"{why}; `t3safe fleet policy FILE --replace` writes over it")
        return orders.set_policy(view, policy)

    written = settled(store, decide)
    before = seen[-1].policy
    if before is not None and _same(before, policy):
        version = before.version
    else:
        version = before.version + 1 if before is not None else policy.version
    return PolicyWritten(version, written, tuple(without_ring(seen[-1], policy)))


def _same(one: FleetPolicy, other: FleetPolicy) -> bool:
    return attrs.evolve(one, version=other.version) == other


def shown_policy(store: FleetStore) -> FleetPolicy:
    """Return the policy.  Raises FleetError, also if there is none."""
    view = store.view()
    if view.policy is None:
        raise _state(no_policy(view))
    return view.policy


def no_policy(view: View) -> str:
    """Say why there is no policy that can be read, and what to do."""
    if POLICY in view.damaged:
        how = "write another one with `t3safe fleet policy FILE --replace`"
        return f"the fleet's policy cannot be read: {view.damaged[POLICY]}; {how}"
    return "the fleet has no policy: write one with `t3safe fleet init`"


def join(store: FleetStore, report: HostReport, *, replace: bool) -> bool:
    """Let a host join, or renew its report; return whether it is new.  Raises FleetError.

    `replace` takes the name over from a host that is gone.
    """
    new: list[bool] = []

    def decide(view: View) -> Transaction | None:
        if view.policy is None:
            raise _state(no_policy(view))
        if view.policy.ring(report.ring) is None:
            names = ", ".join(ring.name for ring in view.policy.rings)
            how = "change `fleet.ring`, or the policy with `t3safe fleet policy FILE`"
            raise _state(f"the fleet's policy has no ring {report.ring}, only {names}; {how}")
        own = view.hosts.get(report.host)
        mine = own is not None and own.install == report.install
        if not mine and not replace:
            _require_free(view, report.host)
        renewed = _renewed(own, report) if mine else report
        if own == renewed:
            return None
        new.append(not mine)
        return orders.join(view, renewed)

    settled(store, decide)
    return bool(new) and new[0]


def _renewed(own: HostReport | None, report: HostReport) -> HostReport:
    """Keep what the host's runs wrote of it."""
    assert own is not None
    return attrs.evolve(
        own, ring=report.ring, t3safe=report.t3safe, platform=report.platform, at=report.at
    )


def _require_free(view: View, host: str) -> None:
    """Raise FleetError if another host has the name, or a record that cannot be read."""
    taken = view.hosts.get(host)
    if taken is not None:
        how = "give one of them another name (`fleet.host`)"
        gone = "if that host is gone, run `t3safe fleet join --replace`"
        raise _state(f"another host has the name {host}: {how}; {gone}")
    if view.revision_of(host_key(host)):
        why = next((one for one in view.problems if one.startswith(host_key(host))), host)
        how = "`t3safe fleet join --replace` writes over it"
        raise _state(f"the fleet's record of {host} cannot be read ({why}); {how}")


def leave(store: FleetStore, host: str, install: str) -> bool:
    """Let a host leave; return whether it was in the fleet.  Raises FleetError."""

    def decide(view: View) -> Transaction | None:
        if not view.revision_of(host_key(host)):
            return None
        own = view.hosts.get(host)
        if own is None or own.install != install:
            how = "`t3safe fleet join --replace` takes the name over, then it can leave"
            raise _state(f"the {host} in the fleet is not this host; {how}")
        for ring, taken in view.slots.items():
            for one in taken.holders:
                if one.host == host:
                    what = f"{host} holds a slot of ring {ring} for run {one.run}"
                    raise _state(f"{what}; leave once that run has ended")
        return orders.leave(view, host)

    return settled(store, decide)


@frozen
class OrderGiven:
    """Whether an order was given now, and the reason that holds: the first one stays (rule 4)."""

    given: bool
    why: str


def freeze(store: FleetStore, record: FleetFreeze) -> OrderGiven:
    """Block the runs of all hosts.  Raises FleetError."""
    seen: list[str] = []

    def decide(view: View) -> Transaction | None:
        seen.append(view.frozen)
        return None if view.frozen else orders.freeze(record)

    given = settled(store, decide)
    return OrderGiven(given, seen[-1] or record.reason)


def thaw(store: FleetStore) -> bool:
    """Allow runs again; return whether the fleet was frozen.  Raises FleetError."""
    return settled(store, orders.thaw)


def halt(store: FleetStore, record: Halt) -> OrderGiven:
    """Let no host start a build.  Raises FleetError."""
    seen: list[str] = []

    def decide(view: View) -> Transaction | None:
        seen.append(view.halts.get(record.build, ""))
        return None if seen[-1] else orders.halt(record)

    given = settled(store, decide)
    return OrderGiven(given, seen[-1] or record.reason)


def lift(store: FleetStore, build: Version) -> bool:
    """Let hosts try a build again; return whether anything was held against it.

    Raises FleetError.
    """
    for number in range(LIFTS_MAX):
        if not settled(store, lambda view: orders.lift(view, build), build):
            return number > 0
    raise _state(f"hosts refuse {build} at the same time; run the command again")


@frozen
class SlotReleased:
    """A slot that was taken away from its host."""

    ring: str
    holder: Holder


def release(store: FleetStore, host: str, by: str, reason: str) -> tuple[SlotReleased, ...]:
    """Take the slots of a host away; return them.  Raises FleetError.

    `by` is the host on which a person says so.  The other host may still be moving people.
    """
    note = f"{host} was released on {by}: {reason}"[:REASON_MAX]
    view = store.view()
    released = [
        SlotReleased(ring, one)
        for ring, held in sorted(view.slots.items())
        for one in held.holders
        if one.host == host and _evicted(store, view, ring, host, note)
    ]
    damaged = [f"{key}: {why}" for key, why in view.damaged.items() if key.startswith(SLOTS)]
    if damaged and not released:
        raise _state(f"slots that cannot be read may be its own ({'; '.join(damaged)})")
    return tuple(released)


def _evicted(store: FleetStore, view: View, ring: str, host: str, note: str) -> bool:
    return settled(store, lambda now: slots.evict(now, ring, host, note), seen=view)


def without_ring(view: View, policy: FleetPolicy) -> Iterator[str]:
    """Yield a line for each host whose ring a policy does not have."""
    for host, report in sorted(view.hosts.items()):
        if policy.ring(report.ring) is None:
            yield f"{host} is in ring {report.ring}, which the policy does not have"


def settled(
    store: FleetStore,
    decide: Callable[[View], Transaction | None],
    build: Version | None = None,
    seen: View | None = None,
) -> bool:
    """Do what `decide` says until it says that nothing is left to do (rules 1 and 2).

    `seen` is a view that was just read; `build` is the one whose verdicts are read.  Returns
    whether something was sent that may have been done.  Raises FleetError.
    """
    sent, lost = False, ""
    for _ in range(ATTEMPTS):
        view, seen = seen or store.view(build), None
        transaction = decide(view)
        if transaction is None:
            return sent
        committed = store.transact(transaction)
        if committed.commit is Commit.DONE:
            return True
        lost = committed.reason if committed.commit is Commit.UNKNOWN else ""
        sent = sent or bool(lost)
    if lost:
        message = f"it is unknown whether it was done: {lost}; run the command again"
        raise FleetError(message, FleetErrorKind.UNREACHABLE)
    raise _state("others change the fleet at the same time; run the command again")


def _state(message: str) -> FleetError:
    return FleetError(message, FleetErrorKind.STATE)
