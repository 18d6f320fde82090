"""What V2 asks of a ledger before it migrates.

1. A preview's database, which recorded `OrchestrationV2` as 53 or 54, is brought to the ids of the
   main line in one transaction; with rows that no preview had, the start is refused.
2. Every id from V2's own first one up to the highest recorded must carry this build's name, else
   the start is refused.
3. Other names below, and ids above the newest that the build knows, are only warned about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.t3.app.migrations import NAMES, V2_FIRST
from fakes.t3.app.state import MigrationError, execute_migration

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.t3.app.build import ReleaseBehaviour
    from fakes.t3.app.state import FakeDatabase

V2_NAME = NAMES[V2_FIRST - 1]
_PREVIEW = {53: "PullRequestFilesViewed", 55: "RemoveRedundantProjectionIndexes"}
"""What a preview that recorded V2 as 54 may hold beside it."""


class BadState(MigrationError):  # noqa: N818 - its name upstream
    """The ledger is not one that this build can start on."""


def names_of(build: ReleaseBehaviour) -> tuple[str, ...]:
    """Give the build's migrations, from 1 on."""
    own = NAMES[V2_FIRST - 1 : build.schema]
    if build.has("numbers-v2-from"):
        return NAMES[: int(build.number("numbers-v2-from")) - 1] + own
    return NAMES[: build.schema]


def reconcile(database: FakeDatabase, names: tuple[str, ...]) -> list[str]:
    """Move V2's rows up to the ids that they have in this build; return what ran, as `53_Name`."""
    wanted = names.index(V2_NAME) + 1
    with database.write() as connection:
        recorded = _recorded(database)
        found = [number for number, name in recorded.items() if name == V2_NAME]
        if not found or found[0] >= wanted:
            return []
        at = found[0]
        if wanted == V2_FIRST and not _is_preview(recorded, at):
            raise BadState("Cannot upgrade V2 preview with unexpected later migrations.")
        missing = {number: names[number - 1] for number in range(at, wanted)}
        for name in missing.values():
            execute_migration(connection, name)
        for number in sorted((each for each in recorded if each >= at), reverse=True):
            connection.execute(
                "UPDATE effect_sql_migrations SET migration_id = ? WHERE migration_id = ?",
                (number + wanted - at, number),
            )
        connection.executemany(
            "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (?, ?)",
            sorted(missing.items()),
        )
    return [f"{number}_{name}" for number, name in sorted(missing.items())]


def _is_preview(recorded: dict[int, str], at: int) -> bool:
    others = {number: name for number, name in recorded.items() if number >= 53 and number != at}
    return all(at == 54 and _PREVIEW.get(number) == name for number, name in others.items())


def check(
    database: FakeDatabase,
    build: ReleaseBehaviour,
    names: tuple[str, ...],
    warn: Callable[[str], object],
) -> None:
    """Refuse a ledger with other names in V2's own ids (BadState); warn of everything else."""
    recorded = _recorded(database)
    first = names.index(V2_NAME) + 1
    conflicts, diverging = [], []
    for number in sorted(set(recorded) | set(range(first, max(recorded, default=0) + 1))):
        known = names[number - 1] if number <= len(names) else ""
        name = recorded.get(number, "(missing)")
        mine = name == known or (build.has("migration-wrong-names") and name == f"{known}Reworked")
        if not mine and known and number >= first:
            conflicts.append(f"{number}_{name}")
        elif not mine:
            diverging.append(f"{number}_{name}")
    if conflicts:
        raise BadState(
            "This database recorded other migrations at ids this build needs for its own schema:"
            f" {', '.join(conflicts)}"
        )
    if diverging:
        warn(
            "Database migration history diverges from this build; recorded migration ids are"
            f" skipped, not reconciled by name. {{ migrations: {diverging} }}"
        )


def _recorded(database: FakeDatabase) -> dict[int, str]:
    found = database.read("SELECT migration_id, name FROM effect_sql_migrations")
    return {int(str(number)): str(name) for number, name in found}
