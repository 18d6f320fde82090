"""Migration ledgers: the migrations that data has, and those that a build knows.

Rules:

1. A ledger is a set of (id, name) pairs.  The name counts: t3's own migrator compares only the
   highest id, so another migration under a known id would pass it in silence.
2. A build may run on data only if it knows each pair in each database that it starts on: its own,
   or the one from which it makes its own.  Leftover databases do not count (`t3.generations`).
3. A database that the build has never made has, for that build, an empty ledger.
4. When a start renumbers a ledger's rows, the ledger is compared with the new numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter

from attrs import field, frozen

from t3safe.t3.generations import Generation, recognised, starts_on, strangeness
from t3safe.t3.ledger import renumbered


@frozen
class Migration:
    """One row of a ledger."""

    id: int
    name: str

    def __str__(self) -> str:
        return f"{self.id}_{self.name}"


def _sorted(entries: Iterable[Migration]) -> tuple[Migration, ...]:
    # Rollouts are folded by the thousand: a key is ten times as fast as values with an order.
    return tuple(sorted(set(entries), key=attrgetter("id", "name")))


@frozen
class Ledger:
    """The migrations of one database, ascending; empty when the table is missing."""

    entries: tuple[Migration, ...] = field(default=(), converter=_sorted)

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, str]]) -> Ledger:
        """Build a ledger from (id, name) pairs in any order."""
        return cls(tuple(Migration(number, name) for number, name in pairs))

    @property
    def level(self) -> int:
        """The highest id, 0 for an empty ledger; for showing only, never for deciding."""
        return self.entries[-1].id if self.entries else 0

    @property
    def pairs(self) -> tuple[tuple[int, str], ...]:
        """The (id, name) pairs, ascending."""
        return tuple((entry.id, entry.name) for entry in self.entries)

    def missing_from(self, other: Ledger) -> tuple[Migration, ...]:
        """The migrations of this ledger that `other` does not have, ascending (rule 4)."""
        if self == other:
            return ()
        known = set(renumbered(other.pairs))
        return tuple(Migration(*pair) for pair in renumbered(self.pairs) if pair not in known)


def _by_name(databases: Iterable[tuple[str, Ledger]]) -> tuple[tuple[str, Ledger], ...]:
    return tuple(sorted(dict(databases).items()))


@frozen
class SetLedger:
    """The ledgers of all databases of a person's data, by file name."""

    databases: tuple[tuple[str, Ledger], ...] = field(default=(), converter=_by_name)

    @classmethod
    def of(cls, databases: Mapping[str, Ledger]) -> SetLedger:
        """Build a set's ledger from a mapping of file name to ledger."""
        return cls(tuple(databases.items()))

    @property
    def level(self) -> int:
        """The highest id in any database; for showing only, never for deciding."""
        return max((ledger.level for _, ledger in self.databases), default=0)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the databases, ascending."""
        return tuple(name for name, _ in self.databases)

    @property
    def generation(self) -> Generation | None:
        """The generation of t3 that makes these databases on empty data; None for none."""
        return recognised(self._pairs)

    @property
    def strangeness(self) -> str:
        """Why these ledgers fit no generation of t3, empty when they fit one.

        For the ledgers that a build makes on empty data.
        """
        return strangeness(self._pairs)

    @property
    def _pairs(self) -> dict[str, tuple[tuple[int, str], ...]]:
        return {name: ledger.pairs for name, ledger in self.databases}

    def without(self, names: Collection[str]) -> SetLedger:
        """The same without these databases."""
        return SetLedger(tuple(item for item in self.databases if item[0] not in names))

    def ledger(self, database: str) -> Ledger:
        """The ledger of one database, empty when the set has no such database (rule 3)."""
        return dict(self.databases).get(database, Ledger())

    def unknown_to(self, build: SetLedger) -> tuple[str, ...]:
        """Return the migrations that `build` does not know, as `file: id_Name`; empty: it may run.

        The matched pair (I1) rests on this answer (rule 2).
        """
        started_on = starts_on(self.names, build.names)
        return tuple(
            f"{name}: {migration}"
            for name, ledger in self.databases
            if name in started_on
            for migration in ledger.missing_from(build.ledger(started_on[name]))
        )

    def known_to(self, build: SetLedger) -> bool:
        """Whether a build with this schema knows every migration of the data (rule 2)."""
        return not self.unknown_to(build)
