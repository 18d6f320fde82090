"""Data made what a snapshot holds, so that a death at any point is fixed by doing it again.

Order, and why it holds:

1. The snapshot is checked and copied to a staging folder inside the data's, on the same file
   system.  Until the marker stands nothing of the data has changed; what is left behind is garbage.
2. The marker says "this data is being replaced".  From here on only another restore, of this or any
   other snapshot, ends well; each starts from the sealed copy, so that none depends on how far the
   one before came.
3. Logs go before databases come: a log beside a database that it does not belong to would be
   replayed into it.
4. Databases that the snapshot does not have go: a build would read them.  So does what an import
   left that was broken off.  Small files that it does not have stay: nothing reads them as schema.
5. What stands there is checked against the manifest, then the marker goes.
6. Attributes that cannot be kept (`attributes`) are reported, and are no reason to stop half-way.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.discovery import (
    SIDECARS,
    DatabaseFile,
    discover,
    userdata_of,
)
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about, shown
from t3safe.adapters.personaldata.worker import manifest
from t3safe.adapters.personaldata.worker.attributes import give
from t3safe.adapters.personaldata.worker.holders import refuse_held
from t3safe.adapters.personaldata.worker.manifest import FILES, SnapshotManifest
from t3safe.adapters.personaldata.worker.snapshots import MARKER, alone, check_database, verify
from t3safe.t3.files import USERDATA

STAGING: Final = ".t3safe-staging"


def restoring(base: str) -> bool:
    """Whether a restore was begun and not ended."""
    userdata = userdata_of(base)
    if userdata is None:
        return False
    with errors_about(MARKER):
        return disk.kind_below(userdata, MARKER) is not None


def restore(base: str, store: str, person: str, snapshot: str, tools: Tools) -> list[str]:
    """Make data what a snapshot holds; gives what of it could not be kept, one line each."""
    lost: list[str] = []
    with alone(store):
        sealed = _restorable(store, person, snapshot)
        userdata = userdata_of(base)
        if userdata is None:
            if not sealed.sealed:
                return lost
            userdata = f"{base}/{USERDATA}"
            with errors_about(shown(userdata)):
                for path in (base, userdata):
                    with suppress(FileExistsError):
                        os.mkdir(path, 0o700)
                        disk.sync_folder(os.path.dirname(path))
        with errors_about(USERDATA):
            _replace(userdata, f"{store}/{snapshot}/{FILES}", sealed, tools, lost)
    return lost


def _restorable(store: str, person: str, snapshot: str) -> SnapshotManifest:
    sealed = manifest.load(store, snapshot)
    if sealed.person != person:
        raise DataError(ErrorKind.CLASH, f"snapshot {snapshot} is {shown(sealed.person)}'s")
    for database in sealed.databases:
        if database.problem:
            what = f"{shown(database.name)} as bytes that SQLite cannot read"
            raise DataError(ErrorKind.RAW, f"snapshot {snapshot} keeps {what} ({database.problem})")
    verify(store, sealed)
    return sealed


def _replace(
    userdata: str, source: str, sealed: SnapshotManifest, tools: Tools, lost: list[str]
) -> None:
    disk.remove_tree(userdata, STAGING)
    tools.reached("restore:swept")
    found = discover(userdata)
    # What is there and what will be: a process may hold a file that has lost its name.
    there = {database.name for database in found.databases}
    coming = [DatabaseFile(item.name, item.mode, 0, ()) for item in sealed.databases]
    databases = (*found.databases, *(item for item in coming if item.name not in there))
    refuse_held(userdata, databases, tools)
    _refuse_shapes(userdata, sealed)
    disk.require_space(userdata, sealed.size, tools)
    tools.growing(f"{userdata}/{STAGING}", sealed.size)
    try:
        _stage(userdata, source, sealed, tools, lost)
        refuse_held(userdata, databases, tools)
    except (DataError, OSError):
        with suppress(OSError):
            disk.remove_tree(userdata, STAGING)
        raise
    intent = json.dumps({"restoring": sealed.id, "person": sealed.person})
    disk.write_sealed(userdata, MARKER, intent.encode("ascii") + b"\n")
    tools.reached("restore:marked")
    for database in databases:
        for end in SIDECARS:
            _drop(userdata, database.name + end, tools)
    _put_in_place(userdata, sealed, tools, lost)
    kept = {part.name for part in sealed.sealed}
    for database in found.databases:
        if database.name not in kept:
            if disk.kind_below(userdata, database.name) == stat.S_IFDIR:
                raise DataError(ErrorKind.SHAPE, f"{shown(database.name)} is a folder")
            _drop(userdata, database.name, tools)
    for left in found.broken_off:
        disk.remove_tree(userdata, left)
        tools.reached(f"restore:dropped:{left}")
    wanted = dict(sealed.attributes)
    for entry in sealed.folders:
        with disk.folder(userdata, entry.name) as fd:
            lost += _not_kept(entry.name, give(fd, entry.mode, wanted.get(entry.name)))
    _sync_parents(userdata, sealed)
    _check(userdata, sealed)
    tools.reached("restore:checked")
    disk.remove_tree(userdata, STAGING)
    tools.reached("restore:unstaged")
    with disk.folder(userdata) as fd:
        disk.remove_file(fd, MARKER)
        os.fsync(fd)


def _refuse_shapes(userdata: str, sealed: SnapshotManifest) -> None:
    """Refuse, while nothing has changed, where a folder or a link stands in a file's way."""
    for entry in sealed.folders:
        if disk.kind_below(userdata, entry.name) not in (None, stat.S_IFDIR):
            raise DataError(ErrorKind.SHAPE, f"{shown(entry.name)} is not a folder")
    for part in sealed.sealed:
        if disk.kind_below(userdata, part.name) == stat.S_IFDIR:
            raise DataError(ErrorKind.SHAPE, f"{shown(part.name)} is a folder")


def _staged(sealed: SnapshotManifest) -> Iterator[tuple[str, int]]:
    """Name everything that is put in place, small files first, each with its mode.

    A server that finds its databases must find its signing key with them.
    """
    yield from ((item.name, item.mode) for item in sealed.files)
    yield from ((database.name, database.mode) for database in sealed.databases)


def _stage(
    userdata: str, source: str, sealed: SnapshotManifest, tools: Tools, lost: list[str]
) -> None:
    staging = f"{userdata}/{STAGING}"
    os.mkdir(staging, 0o700)
    wanted = dict(sealed.attributes)
    digests = {part.name: part.sha256 for part in sealed.sealed}
    for name, mode in _staged(sealed):
        disk.make_folders(staging, os.path.split(name)[0])
        copied = disk.copy((source, name), (staging, name), 0o600)
        if copied.sha256 != digests[name]:
            raise DataError(ErrorKind.DAMAGED, f"{shown(name)} changed while it was copied")
        with disk.regular(staging, name) as fd:
            lost += _not_kept(name, give(fd, mode, wanted.get(name)))
        tools.reached(f"restore:staged:{name}")
    _sync_parents(staging, sealed)


def _drop(userdata: str, name: str, tools: Tools) -> None:
    """Remove a file, if it is there, durably."""
    parent, last = os.path.split(name)
    with suppress(FileNotFoundError), disk.folder(userdata, parent) as above:
        if disk.remove_file(above, last):
            os.fsync(above)
            tools.reached(f"restore:dropped:{name}")


def _not_kept(name: str, missing: Iterable[str]) -> Iterator[str]:
    return (f"{shown(name)}: {shown(what)} could not be kept" for what in missing)


def _put_in_place(userdata: str, sealed: SnapshotManifest, tools: Tools, lost: list[str]) -> None:
    for entry in sealed.folders:
        disk.make_folders(userdata, entry.name)
    for name, _ in _staged(sealed):
        parent, last = os.path.split(name)
        disk.make_folders(userdata, parent)
        with (
            disk.folder(f"{userdata}/{STAGING}", parent) as old,
            disk.folder(userdata, parent) as new,
        ):
            if disk.names_of(new, last) > 1:
                lost.append(f"{shown(name)}: another name of it (a hard link) has the old content")
            os.rename(last, last, src_dir_fd=old, dst_dir_fd=new)
        tools.reached(f"restore:renamed:{name}")


def _sync_parents(root: str, sealed: SnapshotManifest) -> None:
    """Make the names of everything that is put in place durable."""
    for parent in sorted({os.path.split(name)[0] for name, _ in _staged(sealed)} | {""}):
        disk.sync_folder(root, parent)


def _check(userdata: str, sealed: SnapshotManifest) -> None:
    """Refuse unless the databases are those of the snapshot, all of them and no other."""
    found = discover(userdata)
    here = {database.name: database.parts for database in found.databases}
    if here != {database.name: (database.name,) for database in sealed.databases}:
        raise DataError(ErrorKind.SYSTEM, "databases or logs appeared while the data was replaced")
    for database in sealed.databases:
        check_database(userdata, database)
