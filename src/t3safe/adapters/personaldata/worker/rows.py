"""Rows that one copy of a database holds and another does not."""

from __future__ import annotations

import os
import sqlite3
from urllib.parse import quote

from t3safe.adapters._support.personaldata.databases import (
    Counts,
    columns,
    identifier,
    opened,
    tables_with_rows,
)
from t3safe.adapters._support.personaldata.errors import errors_about


def rows_beyond(
    later: tuple[str, str], earlier: tuple[str, str] | None, *, live: bool = False
) -> Counts:
    """Count per table the rows of `later` that `earlier` does not hold; zeros are left out.

    Both are (root, name) of a sealed copy; without an earlier one every row counts.  A row that
    was changed counts, one that stands twice and stood once counts once.  With `live` the later
    one may be in use: it is read through its own log, and each table as it is at that moment.
    """
    with opened(*later, immutable=not live) as connection:
        if earlier is not None:
            path = quote(os.fsencode("/".join(earlier)))
            # ATTACH is refused inside a transaction; both files are sealed, none is needed.
            connection.execute("COMMIT")
            with errors_about(earlier[1]):
                connection.execute(
                    "ATTACH DATABASE ? AS earlier", (f"file:{path}?mode=ro&immutable=1",)
                )
        known = frozenset(tables_with_rows(connection, "earlier") if earlier else ())
        counted = (
            (table, _beyond(connection, table, table in known))
            for table in tables_with_rows(connection)
        )
        return tuple((table, rows) for table, rows in counted if rows)


def _beyond(connection: sqlite3.Connection, table: str, known: bool) -> int:
    target = identifier(table)
    here = columns(connection, table)
    there = {name for name, _ in columns(connection, table, "earlier")} if known else set()
    common = [name for name, _ in here if name in there]
    if not common:
        query = f"SELECT count(*) FROM main.{target}"  # noqa: S608
    elif _has_partners(connection, target, here, there):
        query = _by_key(target, here, common)
    else:
        query = _as_bags(target, common)
    return int(connection.execute(query).fetchone()[0])


def _has_partners(
    connection: sqlite3.Connection,
    target: str,
    here: tuple[tuple[str, int], ...],
    there: set[str],
) -> bool:
    """Whether a declared primary key names each row's partner.

    NULL in a key names none: SQLite allows it, in any number of rows.
    """
    keys = [name for name, place in here if place]
    if not keys or not there.issuperset(keys):
        return False
    null = " OR ".join(f"{identifier(name)} IS NULL" for name in keys)
    query = f"SELECT NOT EXISTS (SELECT 1 FROM main.{target} WHERE {null})"  # noqa: S608
    return bool(connection.execute(query).fetchone()[0])


def _by_key(target: str, here: tuple[tuple[str, int], ...], common: list[str]) -> str:
    """Look for each row's partner by its key, which takes no space on the disk."""
    same = " AND ".join(f"old.{identifier(name)} = new.{identifier(name)}" for name, k in here if k)
    equal = " AND ".join(
        f"old.{identifier(name)} IS new.{identifier(name)} COLLATE BINARY" for name in common
    )
    return (
        f"SELECT count(*) FROM main.{target} AS new WHERE NOT EXISTS "  # noqa: S608
        f"(SELECT 1 FROM earlier.{target} AS old WHERE {same} AND {equal})"
    )


def _as_bags(target: str, common: list[str]) -> str:
    """Number equal rows, so that EXCEPT compares how often each is there, not only whether."""
    names = ", ".join(f"{identifier(name)} COLLATE BINARY" for name in common)
    select = f"SELECT {names}, row_number() OVER (PARTITION BY {names})"
    return (
        f"SELECT count(*) FROM ({select} FROM main.{target} "  # noqa: S608
        f"EXCEPT {select} FROM earlier.{target})"
    )
