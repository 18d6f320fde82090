"""What a copy of a person's data holds before and after a build has run on it, and made harmless.

Rules:

1. The build may run meanwhile: everything is read through SQLite, read-only, and waits for a lock.
   What SQLite refuses after the build has run is a finding; before, the copy itself is no good.
2. A copy is made harmless before anything of the build runs and before rows are counted: an edit is
   no loss.  Only what would work is edited (`t3safe.t3.harmless`); a database without such a row
   stays as it is, byte for byte, its log beside it too.
3. What cannot be made harmless is `HarmfulError`: a problem of that person's data, not
   of the build.  What SQLite cannot read at all is left to the look before the
   build.
4. Of the checkouts that the copy names none may be there for the build, unless it is a folder of
   the system, which nobody can write to.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from t3safe.adapters._support.personaldata import databases as sqlite
from t3safe.adapters._support.personaldata.databases import identifier, opened, tables_with_rows
from t3safe.adapters._support.personaldata.discovery import Look, PersonalFiles, discover
from t3safe.adapters._support.personaldata.errors import DataError, errors_about, shown
from t3safe.adapters.gate.view import OWN, SYSTEM
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.t3 import harmless
from t3safe.t3.files import SECRETS, SETTINGS
from t3safe.t3.generations import GENERATIONS, LOG_FOLLOWED, Generation, KeptRows

_FOLLOW_SECONDS: Final = 5.0
"""How long the projections may be behind the log: a serve writes both at once."""
_POLL: Final = 0.2


class UnreadableSetError(Exception):
    """Raised when a database of a set cannot be read; the text names it and says why."""


def databases(userdata: Path) -> tuple[str, ...]:
    """Name the databases of a set.  Raises UnreadableSetError where something claims to be one."""
    found = _found(userdata)
    if found.problems:
        raise UnreadableSetError(found.problems[0])
    return tuple(item.name for item in found.databases)


def ledger(userdata: Path) -> SetLedger:
    """Read the ledgers of a set.  Raises UnreadableSetError."""
    return SetLedger.of({name: _ledger(userdata, name) for name in databases(userdata)})


def ledger_facts(userdata: Path) -> tuple[SetLedger, tuple[str, ...]]:
    """Read the ledgers and check every database; give what is wrong, too, one line each."""
    found: dict[str, Ledger] = {}
    there = _found(userdata)
    damage = [*there.problems]
    for item in there.databases:
        if not item.problem:
            try:
                with _opened(userdata, item.name) as connection:
                    sqlite.quick_check(connection, item.name)
                found[item.name] = _ledger(userdata, item.name)
            except UnreadableSetError as error:
                damage.append(str(error))
    return SetLedger.of(found), tuple(damage)


def rows(userdata: Path) -> dict[str, int]:
    """Count the rows of every table, as `file:table`.  Raises UnreadableSetError.

    The ledger is left out: it is compared pair by pair.
    """
    found: dict[str, int] = {}
    for name in databases(userdata):
        with _opened(userdata, name) as connection:
            counted = sqlite.counts(connection)
            found |= {f"{name}:{table}": number for table, number in counted}
    return found


def looks(userdata: Path) -> dict[str, Look]:
    """Look at the files of a set, logs among them: one that was written to looks otherwise."""
    return dict(_found(userdata).looks)


def written(before: Mapping[str, Look], after: Mapping[str, Look]) -> set[str]:
    """Name the files that were written to, if only to their logs."""
    logged = {name for name in after if (log := after.get(f"{name}-wal")) and log.size > 0}
    return logged | {name for name in {*before, *after} if before.get(name) != after.get(name)}


def _found(userdata: Path) -> PersonalFiles:
    with _refused():
        return discover(str(userdata) if userdata.exists() else None)


# --- rows that must stay -------------------------------------------------------------------------


def keep_rows(userdata: Path, kept: Path) -> None:
    """Write down the keys of all rows that some generation must keep, in a new database at `kept`.

    Raises UnreadableSetError.
    """
    every = {each: None for generation in GENERATIONS for each in generation.kept}
    for name in databases(userdata):
        with _opened(userdata, name) as connection:
            there = [each for each in every if _has(connection, each.table, each.keys)]
            connection.execute("COMMIT")
            connection.execute("ATTACH DATABASE ? AS kept", (_uri(kept, "rwc"),))
            connection.execute("PRAGMA kept.synchronous=OFF")
            for each in there:
                table, keys = identifier(_kept_as(name, each)), ", ".join(each.keys)
                where = f" WHERE {each.where}" if each.where else ""
                rows = f"SELECT DISTINCT {keys} FROM main.{each.table}{where}"  # noqa: S608
                connection.execute(f"CREATE TABLE kept.{table} AS {rows}")


def rows_lost(
    userdata: Path, kept: Path, generation: Generation, became: dict[str, str]
) -> tuple[str, ...]:
    """Say which kept rows are gone, a line for each table.  Raises UnreadableSetError.

    `became` names for each database that was there before the one that it became.
    """
    lost: list[str] = []
    for name, own in became.items():
        for each in generation.kept:
            into = each.into or each.table
            if each.into and name == own:
                continue
            missing = _missing(userdata, kept, _kept_as(name, each), each.keys, (own, into))
            if missing:
                lost.append(f"{missing} rows of {into} are gone ({shown(own)})")
    return tuple(lost)


def behind_log(userdata: Path, name: str) -> str:
    """Say by how much the projections of V2 are behind its log; empty where they are not.

    Raises UnreadableSetError.
    """
    deadline = time.monotonic() + _FOLLOW_SECONDS
    while True:
        with _opened(userdata, name) as connection:
            at, newest = connection.execute(LOG_FOLLOWED).fetchone()
        if at == newest or newest is None:
            return ""
        if time.monotonic() >= deadline:
            return f"the projections of {shown(name)} are at event {at}, its log at {newest}"
        time.sleep(_POLL)


def _kept_as(name: str, each: KeptRows) -> str:
    return f"{name}:{each.table}:{','.join(each.keys)}:{each.where}"


def _missing(
    userdata: Path, kept: Path, kept_as: str, keys: tuple[str, ...], after: tuple[str, str]
) -> int:
    """Count the kept rows of a table that are not in the table that it became."""
    if not kept.exists():
        return 0
    with _opened(kept.parent, kept.name) as connection:
        if kept_as not in tables_with_rows(connection):
            return 0
    (own, into), table = after, identifier(kept_as)
    query = f"SELECT count(*) FROM kept.{table} AS old"  # noqa: S608 - quoted
    there = own in databases(userdata)
    with _opened(*((userdata, own) if there else (kept.parent, kept.name))) as connection:
        connection.execute("COMMIT")
        connection.execute("ATTACH DATABASE ? AS kept", (_uri(kept, "ro"),))
        if there and _has(connection, into, keys):
            same = " AND ".join(f"now.{key} IS old.{key}" for key in keys)
            query += f" WHERE NOT EXISTS (SELECT 1 FROM main.{into} AS now WHERE {same})"  # noqa: S608
        return int(connection.execute(query).fetchone()[0])


def _has(connection: sqlite3.Connection, table: str, keys: Iterable[str]) -> bool:
    return set(keys) <= {name for name, _ in sqlite.columns(connection, table)}


# --- through SQLite ------------------------------------------------------------------------------


def _ledger(userdata: Path, name: str) -> Ledger:
    with _opened(userdata, name) as connection:
        return Ledger.of(sqlite.ledger(connection, name))


@contextmanager
def _opened(root: Path, name: str) -> Iterator[sqlite3.Connection]:
    with _refused(), opened(str(root), name) as connection, errors_about(shown(name)):
        yield connection


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise UnreadableSetError(str(error)) from error


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(os.fsencode(path))}?mode={mode}"


_SETTINGS_MAX: Final = 4 * 1024**2
_CHECKOUTS_MAX: Final = 100_000
"""So many checkouts are looked for in a database; each look is one call of the kernel."""


class HarmfulError(Exception):
    """Raised where a copy cannot be made harmless; the text says what is in the way."""


def make_harmless(userdata: Path) -> None:
    """Edit the copied set in this folder.  Raises HarmfulError, OSError."""
    _settings(userdata / SETTINGS)
    # What links the server to a tunnel or a relay.
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(userdata / SECRETS):
            if name.startswith(harmless.LINK_SECRETS):
                (userdata / SECRETS / name).unlink()
    for name in databases(userdata):
        with _naming(name):
            with closing(_connected(userdata / name, "ro")) as connection:
                known = harmless.edits(name.rpartition("/")[2], _tables(connection))
                wanted = [edit for edit in known if connection.execute(edit.wanted).fetchone()[0]]
            if wanted:
                with closing(_connected(userdata / name, "rw")) as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    for edit in wanted:
                        connection.execute(edit.statement)
                    connection.execute("COMMIT")


def require_out_of_sight(userdata: Path, shown: Collection[str]) -> None:
    """See that no checkout that the copy names is there (rule 4).  Raises HarmfulError, OSError.

    `shown` are the folders that the sandbox shows beside the system's.
    """
    for name in databases(userdata):
        with _naming(name), closing(_connected(userdata / name, "ro")) as connection:
            for query in harmless.checkouts(_tables(connection)):
                for (path,) in connection.execute(f"{query} LIMIT {_CHECKOUTS_MAX}"):
                    if isinstance(path, str) and path.startswith("/") and _in_sight(path, shown):
                        message = f"{name} names the checkout {path}"
                        message = f"{message}, which is in sight of the sandbox"
                        raise HarmfulError(message)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say which database is in the way (rule 3)."""
    try:
        yield
    except harmless.StrangeError as error:
        raise HarmfulError(str(error)) from error
    except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
        message = f"{name}: {error}"
        raise HarmfulError(message) from error
    except sqlite3.Error:
        return


def _settings(path: Path) -> None:
    try:
        with path.open("rb") as file:
            content = file.read(_SETTINGS_MAX + 1)
        if len(content) > _SETTINGS_MAX:
            message = f"{path.name} is larger than {_SETTINGS_MAX // 1024**2} MiB"
            raise HarmfulError(message)
        edited = harmless.settings(content)
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}"
        raise HarmfulError(message) from error
    except harmless.StrangeError as error:
        raise HarmfulError(str(error)) from error
    new = path.with_name(f"{path.name}.harmless")
    new.write_bytes(edited)
    new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)


def _in_sight(path: str, shown: Iterable[str]) -> bool:
    """Whether a checkout is there; what only leads to a shown folder is an empty one of ours."""
    normal = os.path.normpath(path).replace("//", "/")
    try:
        there = os.path.exists(normal)  # noqa: PTH110 - no Path of a hostile text
    except ValueError:
        return False
    if not there or normal in OWN:
        return False
    return os.access(normal, os.W_OK) or not any(
        _within(normal, each) or _within(each, normal) for each in (*SYSTEM, *shown)
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite.connect(str(path), f"mode={mode}")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _tables(connection: sqlite3.Connection) -> Mapping[str, Collection[str]]:
    """Give the columns of every table."""
    return {
        table: frozenset(column for column, _ in sqlite.columns(connection, table))
        for table in sqlite.tables(connection)
    }
