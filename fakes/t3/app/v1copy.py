"""The first opening by V2: V1's database is copied into V2's, once and for all.

1. A V2 database that is there is used, whatever is in it; without a V1 database it begins empty.
2. V1's is opened to be read and copied by SQLite's online backup into a directory of its own.
3. The copy is hard-linked to its name, which never replaces a file; the directory is removed.

V1's own file stays byte for byte; reading it may leave an empty `-wal` and a `-shm` beside it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

from fakes.t3.app.state import MigrationError, die

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.t3.app.build import ReleaseBehaviour

DIRECTORY = ".v2-import-"
"""How the name of the copy's directory begins."""


class V2DatabaseImportError(MigrationError):
    """V1's database could not be copied; the first V2 start ends."""


def copy_once(userdata: Path, build: ReleaseBehaviour) -> None:
    """Copy V1's database unless V2's is there; V2DatabaseImportError when it cannot be done."""
    source, target = userdata / "state.sqlite", userdata / "statev2.sqlite"
    if target.exists() or not source.exists():
        return
    try:
        directory = tempfile.mkdtemp(prefix=DIRECTORY, dir=userdata)
        try:
            _copy(source, target, os.path.join(directory, "snapshot.sqlite"), build)  # noqa: PTH118 - as in build.py
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    except (sqlite3.Error, OSError) as error:
        raise V2DatabaseImportError(
            f"Could not copy the V1 database at {source} to {target}."
            f" The V1 database has not been migrated.\n  cause: {error}"
        ) from error


def _copy(source: Path, target: Path, snapshot: str, build: ReleaseBehaviour) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as origin,
        closing(sqlite3.connect(snapshot)) as copy,
    ):
        origin.backup(copy)
    if build.faults.get("v2-import-dies") == "snapshot":
        die()
    if build.has("no-hard-links"):
        raise PermissionError(1, "Operation not permitted", snapshot, None, str(target))
    try:
        os.link(snapshot, target)
    except FileExistsError:
        return
    if build.faults.get("v2-import-dies") == "linked":
        die()
