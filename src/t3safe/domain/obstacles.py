"""What is wrong with one person's data alone, so that no move of theirs can succeed.

Rules:

1. It is seen before the person is touched, and ends that person's part only.
2. A run, `status` and `doctor` say it in the same words, with what mends it.
3. Data is ahead of the builds only where it is known what they know: a build that was never
   measured may know it.
"""

from __future__ import annotations

from attrs import frozen

from t3safe.domain.ledgers import SetLedger


@frozen
class Obstacle:
    """What was seen, and what mends it."""

    seen: str
    mend: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.mend}"


def ahead(person: str, migration: str, what: str) -> Obstacle:
    """Build the obstacle that `what` does not know a migration of the person's data."""
    return Obstacle(
        f"the data of {person} holds {migration}, which {what} does not know",
        f"a newer t3 ran on it; `t3safe check VERSION` tries a build that may know it, "
        f"`t3safe snapshots {person}` lists what `t3safe restore {person}` can put back",
    )


def held(person: str, holder: str) -> Obstacle:
    """Build the obstacle that a process beside the serve has the person's data open."""
    return Obstacle(
        holder, f"close it; until then no copy of {person} at rest can be taken, and they stay"
    )


def unknown_to_all(ledger: SetLedger, known: tuple[SetLedger, ...]) -> str:
    """Name a migration of a set that none of these builds knows; empty where one may run on it."""
    strange = [ledger.unknown_to(each) for each in known]
    return strange[-1][0] if strange and all(strange) else ""
