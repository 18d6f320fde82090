"""Which tables of a database hold what a person would call rows.  Standard library only.

Rules:

1. SQLite's own tables hold none, and neither does the ledger of migrations: it says what was done
   to the database, not what was done with it.
2. A virtual table has no rows of its own.  What its module keeps beside it is an index, which
   shrinks when it is optimised.  Two exceptions hold one row for each of the person's: the text of
   a full-text table, and the entries of an R-tree.  They may be stored nowhere else.
3. Only names that a module is known to give are left out: a table too many is reported, a table
   too few would be lost.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from t3safe.t3.ledger import LEDGER_TABLE

_FULL_TEXT: Final = ("segments", "segdir", "docsize", "stat")
_INDEXES: Final = {
    "fts3": _FULL_TEXT,
    "fts4": _FULL_TEXT,
    "fts5": ("data", "idx", "docsize", "config"),
    "rtree": ("node", "parent"),
    "rtree_i32": ("node", "parent"),
    "geopoly": ("node", "parent"),
}
"""What each module calls the tables of its index, behind the name of the virtual table and `_`."""

# SQLite writes the first three words itself; what follows is as it was typed.
_VIRTUAL: Final = re.compile(
    r"""CREATE\ VIRTUAL\ TABLE\ \s*
    (?: "(?:[^"]|"")*" | '(?:[^']|'')*' | `(?:[^`]|``)*` | \[[^]]*\] | [^\s"'`\[]+ ) \s*
    USING \s+ ["'`\[]? (\w+)""",
    re.IGNORECASE | re.VERBOSE,
)


def tables_with_rows(connection: sqlite3.Connection, schema: str = "main") -> tuple[str, ...]:
    """Name the tables that hold rows of a person, ascending."""
    query = f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' ORDER BY name"  # noqa: S608
    made = {str(name): str(sql) for name, sql in connection.execute(query)}
    virtual = {name for name, sql in made.items() if sql.upper().startswith("CREATE VIRTUAL")}
    indexes = {
        f"{name}_{end}".lower()
        for name in virtual
        if (module := _VIRTUAL.match(made[name]))
        for end in _INDEXES.get(module[1].lower(), ())
    }
    return tuple(
        name
        for name in made
        if not name.startswith("sqlite_")
        and name != LEDGER_TABLE
        and name not in virtual
        and name.lower() not in indexes
    )
