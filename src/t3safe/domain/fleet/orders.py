"""Orders: what a person says to the whole fleet, and how a host joins and leaves, as transactions.

Rules:

1. An order is given only on what was read: if another was given meanwhile, it is not met.
2. A halt and a freeze are created and never replaced: the first reason stays.
3. Lifting a halt also deletes the rulings against the build, or it would be halted again.
"""

from __future__ import annotations

from typing import Final

import attrs

from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    Halt,
    HostReport,
)
from t3safe.domain.fleet.view import (
    FREEZE,
    POLICY,
    Change,
    Expected,
    Transaction,
    View,
    alive_key,
    halt_key,
    host_key,
    verdict_key,
)
from t3safe.domain.versions import Version

CHANGES_MAX: Final = 100
"""Changes in one transaction: etcd takes 128 (`--max-txn-ops`)."""


def set_policy(view: View, policy: FleetPolicy) -> Transaction:
    """Return the transaction that replaces the policy that was read, with the next version."""
    version = view.policy.version + 1 if view.policy is not None else policy.version
    numbered = attrs.evolve(policy, version=version)
    return Transaction((view.expect(POLICY),), (Change(POLICY, numbered),))


def freeze(record: FleetFreeze) -> Transaction:
    """Return the transaction that freezes all hosts (rule 2)."""
    return Transaction((Expected(FREEZE, 0),), (Change(FREEZE, record),))


def thaw(view: View) -> Transaction | None:
    """Return the transaction that lifts the freeze that was read, None if there is none."""
    if not view.revision_of(FREEZE):
        return None
    return Transaction((view.expect(FREEZE),), (Change(FREEZE, None),))


def halt(record: Halt) -> Transaction:
    """Return the transaction that halts a build (rule 2)."""
    key = halt_key(record.build)
    return Transaction((Expected(key, 0),), (Change(key, record),))


def lift(view: View, build: Version) -> Transaction | None:
    """Return the transaction that lets a build be tried again (rule 3), None if nothing forbids it.

    With more than CHANGES_MAX rulings against it the order must be given again.
    """
    against = (
        verdict_key(verdict)
        for verdict in view.verdicts
        if verdict.artifact.build == build and verdict.ruling is not FleetRuling.PROMOTED
    )
    keys = [key for key in (halt_key(build), *against) if view.revision_of(key)][:CHANGES_MAX]
    if not keys:
        return None
    expected = tuple(view.expect(key) for key in keys)
    return Transaction(expected, tuple(Change(key, None) for key in keys))


def join(view: View, report: HostReport) -> Transaction:
    """Return the transaction by which a host joins; not met if another took its name meanwhile."""
    key = host_key(report.host)
    return Transaction((view.expect(key),), (Change(key, report),))


def leave(view: View, host: str) -> Transaction | None:
    """Return the transaction by which a host leaves, None if it is not in the fleet.

    A slot that it holds stays: release it first.
    """
    key = host_key(host)
    if not view.revision_of(key):
        return None
    return Transaction((view.expect(key),), (Change(key, None), Change(alive_key(host), None)))
