"""Making a copy harmless before a build starts on it, in the sandbox, as the sandbox's user.

Rules:

1. It comes before anything of the build runs and before rows are counted: an edit is no loss.
2. Only what would work is edited (`t3safe.t3.harmless`); a database without such a row stays as it
   is, byte for byte, its log beside it too.
3. What cannot be made harmless is `HarmfulError`: trouble of the person whose set it is, nothing
   that speaks against the build.  What SQLite cannot read at all is left to the look before the
   build.
4. Of the checkouts that the copy names none may be there for the build, unless it is a folder of
   the system, which nobody can write to.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from t3safe.adapters.gate import statefacts
from t3safe.adapters.gate.view import OWN, SYSTEM
from t3safe.t3 import harmless
from t3safe.t3.files import SECRETS, SETTINGS

_WAIT_SECONDS: Final = 5.0
"""How long SQLite waits for a lock; nobody else has the copy."""
_SETTINGS_MAX: Final = 4 * 1024**2
_CHECKOUTS_MAX: Final = 100_000
"""So many checkouts are looked for in a database; each look is one call of the kernel."""


class HarmfulError(Exception):
    """Raised where a copy cannot be made harmless; the text says what is in the way."""


def make_harmless(userdata: Path) -> None:
    """Edit the copied set in this folder.  Raises HarmfulError, OSError."""
    _settings(userdata / SETTINGS)
    _unlink(userdata / SECRETS)
    for name in statefacts.databases(userdata):
        with _naming(name):
            _database(userdata, name)


def require_out_of_sight(userdata: Path, shown: Collection[str]) -> None:
    """See that no checkout that the copy names is there (rule 4).  Raises HarmfulError, OSError.

    `shown` are the folders that the sandbox shows beside the system's.
    """
    for name in statefacts.databases(userdata):
        with _naming(name):
            for path in _checkouts(userdata, name):
                if _in_sight(path, shown):
                    message = f"{name} names the checkout {path}, which is in sight of the sandbox"
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
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}"
        raise HarmfulError(message) from error
    if len(content) > _SETTINGS_MAX:
        message = f"{path.name} is larger than {_SETTINGS_MAX // 1024**2} MiB"
        raise HarmfulError(message)
    try:
        edited = harmless.settings(content)
    except harmless.StrangeError as error:
        raise HarmfulError(str(error)) from error
    new = path.with_name(f"{path.name}.harmless")
    new.write_bytes(edited)
    new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)


def _unlink(secrets: Path) -> None:
    """Take away what links the server to a tunnel or a relay."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(secrets):
            if name.startswith(harmless.LINK_SECRETS):
                (secrets / name).unlink()


def _database(userdata: Path, name: str) -> None:
    with closing(_opened(userdata / name, "ro")) as connection:
        known = harmless.edits(name.rpartition("/")[2], _tables(connection))
        wanted = [edit for edit in known if connection.execute(edit.wanted).fetchone()[0]]
    if not wanted:
        return
    with closing(_opened(userdata / name, "rw")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for edit in wanted:
            connection.execute(edit.statement)
        connection.execute("COMMIT")


def _checkouts(userdata: Path, name: str) -> Iterator[str]:
    with closing(_opened(userdata / name, "ro")) as connection:
        for query in harmless.checkouts(_tables(connection)):
            for (path,) in connection.execute(f"{query} LIMIT {_CHECKOUTS_MAX}"):
                if isinstance(path, str) and path.startswith("/"):
                    yield path


def _in_sight(path: str, shown: Iterable[str]) -> bool:
    """Whether a checkout is there; what only leads to a shown folder is an empty one of ours."""
    normal = os.path.normpath(path).replace("//", "/")
    try:
        there = os.path.exists(normal)  # noqa: PTH110 - no Path of a hostile text
    except ValueError:
        return False
    if not there or normal in OWN:
        return False
    if os.access(normal, os.W_OK):
        return True
    return not any(_within(normal, each) or _within(each, normal) for each in (*SYSTEM, *shown))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode(path))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _tables(connection: sqlite3.Connection) -> Mapping[str, Collection[str]]:
    """Give the columns of every table."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    query = "SELECT name FROM pragma_table_info(?)"
    return {
        str(name): frozenset(str(row[0]) for row in connection.execute(query, (name,)))
        for (name,) in names
    }
