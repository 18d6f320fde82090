"""Obstacles in one person's data, because of which no move of theirs can succeed.

Rules:

1. An obstacle is found before the rollout touches the person, and ends only that person's part.
2. A run, `status` and `doctor` report it in the same words, with its fix.
3. Data counts as ahead only of measured builds: a build that was never measured may know it.
4. V2 copies V1's database once and never reads it again.  A person who runs V1 beside an older such
   copy is not moved: V2 would silently hide their later work.  A person with an empty database in
   the copy's place is not moved either: V2 starts on it and shows nothing of V1.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from t3safe.domain.ledgers import SetLedger
from t3safe.domain.text import moment
from t3safe.t3.files import V1_DATABASE, V2_DATABASE


@frozen
class Obstacle:
    """What is wrong, and what fixes it."""

    seen: str
    fix: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.fix}"


def ahead(person: str, migration: str, what: str, by: str = "") -> Obstacle:
    """Return the obstacle that `what` does not know a migration of the person's data.

    `by` names the trace of t3's own updater that explains it, empty when none was found.
    """
    return Obstacle(
        f"the data of {person} holds {migration}, which {what} does not know",
        f"{by or 'a newer t3 ran on it'}; `t3safe check VERSION` tests a build that may know it, "
        f"`t3safe snapshots {person}` lists what `t3safe restore {person}` can put back",
    )


def held(person: str, holder: str) -> Obstacle:
    """Return the obstacle that a process beside the serve has the person's data open."""
    return Obstacle(
        holder,
        f"close it; until then {person}'s data cannot be copied at rest, and {person} is not moved",
    )


@frozen
class V1Copy:
    """V1's database beside V2's copy of it: the newest times of their contents (UTC).

    `first` is of V1's own, `copied` of what V2 copied from it, `second` of work done in V2; None
    when there is none.  `empty` says that V2's database has no migration: it is not a copy.
    """

    first: datetime | None = None
    copied: datetime | None = None
    second: datetime | None = None
    empty: bool = False

    @property
    def v1_since(self) -> bool:
        """Whether V2 would hide work in V1: V1 changed after the copy, or was never copied."""
        later = self.first is not None and (self.copied is None or self.first > self.copied)
        return later or self.empty


def left_copy(person: str, both: V1Copy | None, by: str = "") -> Obstacle | None:
    """Say what is wrong with the data of a person who runs V1 (rule 4); None when nothing is.

    `by` names the trace of t3's own updater that explains it, empty when none was found.
    """
    if both is None or not both.v1_since:
        return None
    why = f" ({by})" if by else ""
    aside = f"stop the serve of {person} and move {V2_DATABASE}, {V2_DATABASE}-wal and -shm"
    if both.empty:
        return Obstacle(
            f"{V2_DATABASE} of {person} is empty; V2 would start on it and show nothing of "
            f"{V1_DATABASE}",
            f"{aside} away; V2 then copies {V1_DATABASE}",
        )
    since = moment(both.first)
    if both.second is None:
        return Obstacle(
            f"{V2_DATABASE} of {person} is an old copy of {V1_DATABASE}, left by a trial of V2"
            f"{why}; it lacks what was done up to {since}",
            f"{aside} away; V2 then copies {V1_DATABASE} again",
        )
    return Obstacle(
        f"{person} worked in V2 (up to {moment(both.second)}) and in V1 ({since}) since "
        f"{V2_DATABASE} was copied from {V1_DATABASE}; V2 does not show that work in V1{why}",
        f"ask {person} which one to keep; for V1, {aside} away",
    )


def unknown_to_all(ledger: SetLedger, known: tuple[SetLedger, ...]) -> str:
    """Name a migration that none of these builds knows; empty when one of them may run on it.

    A newer version may know less than an older one: the build that knows most of it names it.
    """
    strange = [ledger.unknown_to(each) for each in known]
    return min(strange, key=len)[0] if strange and all(strange) else ""
