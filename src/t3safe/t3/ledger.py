"""t3's ledger of migrations: where it is, and which rows of it may change in place.

Measured up to 0.0.29-nightly.20260721.864: the migrator compares the highest id alone.  From V2 on
(read off t3's public source of October 2026, Migrations.ts, reconcileV2PreviewMigration.ts) an id
from 55 up with another name refuses the start; ids above the newest that a build knows are only
warned of.  Nobody has measured what such a build does with such a database, so it counts here as
not startable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Pair = tuple[int, str]
"""The id and the name of a migration."""

LEDGER_TABLE: Final = "effect_sql_migrations"
NEWEST: Final = f"SELECT max(migration_id) FROM {LEDGER_TABLE}"  # noqa: S608
READ_LEDGER: Final = f"SELECT migration_id, name FROM {LEDGER_TABLE} ORDER BY 1, 2"  # noqa: S608
SCOPES: Final = "AuthAuthorizationScopes"
"""Migration 31: from here on a credential has scopes in place of a role (0.0.25-nightly.445)."""
ORCHESTRATION_V2: Final = "OrchestrationV2"
_V2_AT: Final = 55
_V2_OWN: Final = (ORCHESTRATION_V2, "RemoveRedundantProjectionIndexes")


def renumbered(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return a ledger with the numbers of a build of today, ascending.

    Previews of V2 recorded its migrations one or two places earlier; a start renumbers the rows,
    once and for all.
    """
    listed = sorted(pairs)
    at = next((number for number, name in listed if name == ORCHESTRATION_V2), _V2_AT)
    shift = _V2_AT - at
    return tuple(
        sorted((number + shift if name in _V2_OWN else number, name) for number, name in listed)
    )
