"""Slots: who may move people now, as transactions on one key for each ring.

Rules:

1. A slot is taken in one transaction: no freeze, no halt of the build, policy and slots still as
   they were read.  So two hosts that read the same state cannot both take the last slot.
2. A host holds at most one slot of its ring.  Taking it again for the same run changes nothing;
   for another run it replaces the host's own entry.
3. A release compares host and run: a late release of an evicted host changes nothing.  It needs no
   policy, and works during a freeze and a halt.
4. A slot is never deleted and hangs on no lease: the key keeps its history of revisions, and a
   holder that is silent keeps its slot until a person releases it.
5. When an answer was lost: read.  The slots say whether the host holds one.  If they are still at
   the revision that the lost transaction expects, it may be done later: try again, or `fence` it.
"""

from __future__ import annotations

from enum import StrEnum

import attrs
from attrs import frozen

from t3safe.domain.fleet.records import Holder, Holders
from t3safe.domain.fleet.view import (
    FREEZE,
    POLICY,
    Change,
    Expected,
    Transaction,
    View,
    halt_key,
    slots_key,
)


@frozen
class Held:
    """The host holds a slot for this run, which was written at this revision."""

    revision: int


@frozen
class NoSlot:
    """No slot is to be had now: the reason is one line."""

    reason: str


def held(view: View, ring: str, host: str, run: str) -> Held | None:
    """Return whether the host holds a slot of the ring for this run."""
    if any((one.host, one.run) == (host, run) for one in view.holders(ring).holders):
        return Held(view.revision_of(slots_key(ring)))
    return None


def take(view: View, ring: str, holder: Holder) -> Transaction | Held | NoSlot:
    """Return the transaction that takes a slot (rules 1 and 2), or why there is none."""
    already = held(view, ring, holder.host, holder.run)
    if already is not None:
        return already
    why = _no_start(view, ring, holder)
    if why:
        return NoSlot(why)
    others = _others(view.holders(ring), holder.host)
    expected = (
        Expected(FREEZE, 0),
        Expected(halt_key(holder.build), 0),
        view.expect(POLICY),
        view.expect(slots_key(ring)),
    )
    taken = attrs.evolve(view.holders(ring), holders=(*others, holder))
    return Transaction(expected, (Change(slots_key(ring), taken),))


def _no_start(view: View, ring: str, holder: Holder) -> str:
    damaged = view.damaged.get(POLICY) or view.damaged.get(slots_key(ring))
    if damaged:
        return f"no slot of ring {ring}: {damaged}"
    settings = view.policy.ring(ring) if view.policy is not None else None
    if settings is None:
        return f"the fleet's policy has no ring {ring}"
    if view.frozen:
        return f"the fleet is frozen: {view.frozen}"
    if holder.build in view.halts:
        return f"{holder.build} is halted: {view.halts[holder.build]}"
    others = _others(view.holders(ring), holder.host)
    if len(others) >= settings.limit:
        names = ", ".join(sorted(one.host for one in others))
        return f"ring {ring} has {settings.limit} slot(s), and {names} hold(s) them"
    return ""


def _others(slots: Holders, host: str) -> tuple[Holder, ...]:
    return tuple(one for one in slots.holders if one.host != host)


def release(view: View, ring: str, host: str, run: str) -> Transaction | None:
    """Return the transaction that releases the slot of this run, None if it holds none (rule 3)."""
    rest = tuple(one for one in view.holders(ring).holders if (one.host, one.run) != (host, run))
    return _left(view, ring, attrs.evolve(view.holders(ring), holders=rest))


def evict(view: View, ring: str, host: str, note: str) -> Transaction | None:
    """Return the transaction that releases a host's slot in its place, None if it holds none.

    A person does that (`t3safe fleet release HOST`).  The host may still be moving people: nothing
    remote can stop it.
    """
    slots = view.holders(ring)
    return _left(view, ring, attrs.evolve(slots, holders=_others(slots, host), note=note))


def _left(view: View, ring: str, rest: Holders) -> Transaction | None:
    if len(rest.holders) == len(view.holders(ring).holders):
        return None
    key = slots_key(ring)
    return Transaction((view.expect(key),), (Change(key, rest),))


def fence(view: View, ring: str) -> Transaction:
    """Return a write of the same slots: what expects their old revision cannot be done after it."""
    key = slots_key(ring)
    return Transaction((view.expect(key),), (Change(key, view.holders(ring)),))


class Lost(StrEnum):
    """What a new view says of a transaction whose answer was lost (rule 5)."""

    TAKEN = "taken"
    """The host holds its slot."""
    NOT_TAKEN = "not taken"
    """It was not done, and never will be: decide again from the new view."""
    OPEN = "open"
    """It was not done yet, and may be: try again, or fence it before the run goes on without."""


def after_lost_take(lost: Transaction, view: View, ring: str, holder: Holder) -> Lost:
    """Say what became of a lost `take`, from a view that was read after it was sent."""
    if held(view, ring, holder.host, holder.run) is not None:
        return Lost.TAKEN
    key = slots_key(ring)
    return Lost.OPEN if view.expect(key) in lost.expected else Lost.NOT_TAKEN
