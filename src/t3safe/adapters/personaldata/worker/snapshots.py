"""Sealed copies of personal data: taken, checked, listed and removed.

Rules:

1. A snapshot is made in `.partial-<id>` and counts from the rename to `<id>` on; by then every file
   and folder of it is durable and was checked.
2. A partial or a half-deleted one is garbage; the next call removes it.
3. What is sealed is never written again.  Asked for its id again, it is checked and given again.
4. What is sealed is numbered: its number is higher than that of anything sealed before and still
   there, whatever the clock said meanwhile.
5. At rest no process can open the data from before the first byte of the copy until it is sealed
   (`holders.lying_still`).  Beside writers all databases are copied as they are at one moment.
6. Data that moved meanwhile is taken again, `TURNS` times in all; then it counts as held.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.databases import (
    counts,
    ledger,
    opened,
    quick_check,
)
from t3safe.adapters._support.personaldata.discovery import (
    DatabaseFile,
    PersonalFiles,
    discover,
    replaced,
    userdata_of,
)
from t3safe.adapters._support.personaldata.disk import Sealed, Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about, shown
from t3safe.adapters.personaldata.worker import attributes, manifest
from t3safe.adapters.personaldata.worker.copies import at_rest, beside_writers, discard
from t3safe.adapters.personaldata.worker.holders import MovedError, lying_still, watched
from t3safe.adapters.personaldata.worker.manifest import (
    FILES,
    MANIFEST,
    DatabaseCopy,
    SnapshotManifest,
)
from t3safe.t3.files import USERDATA, copied_by_a_start

ONLINE: Final = "online"
REST: Final = "rest"
QUARANTINE: Final = "quarantine"
KINDS: Final = (ONLINE, REST, QUARANTINE)
MARKER: Final = ".t3safe-restore.json"
"""At the top of the data from before the first change of a restore until after its last."""

TURNS: Final = 5
"""How often data that moves is taken before it counts as held."""
_PARTIAL: Final = ".partial-"
_TRASH: Final = ".trash-"


class SnapshotOrder(NamedTuple):
    """What is to be taken: of which person, where to, and what the manifest says of it."""

    base: str
    store: str
    person: str
    snapshot: str
    kind: str
    build: str | None
    taken: str


@contextmanager
def alone(store: str, *, shared: bool = False) -> Iterator[None]:
    """Let only one worker change this person's data and snapshots at a time.

    A worker whose parent was killed dies by itself; this closes the moment until it has.
    """
    with ExitStack() as held:
        # Only this: what goes wrong inside may be about another file.
        with errors_about(shown(store)):
            fd = held.enter_context(disk.folder(store))
            fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def take(order: SnapshotOrder, tools: Tools) -> SnapshotManifest:
    """Take, check and seal a copy."""
    manifest.check_id(order.snapshot)
    with alone(order.store), errors_about(shown(order.store)):
        for name in sorted(os.listdir(order.store)):
            if name.startswith((_PARTIAL, _TRASH)):
                disk.remove_tree(order.store, name)
        tools.reached("snapshot:swept")
        if sealed := _already(order):
            return sealed
        for _ in range(TURNS - 1):
            with suppress(MovedError):
                return _taken(order, tools)
        return _taken(order, tools)


def _already(order: SnapshotOrder) -> SnapshotManifest | None:
    """Give the sealed snapshot of this id, checked; None when there is none yet."""
    try:
        sealed = manifest.load(order.store, order.snapshot)
    except DataError as error:
        if error.kind is not ErrorKind.MISSING:
            raise
        return None
    if (sealed.kind, sealed.person) != (order.kind, order.person):
        what = f"{sealed.kind} snapshot of {shown(sealed.person)}"
        raise DataError(ErrorKind.CLASH, f"{order.snapshot} is already the {what}")
    verify(order.store, sealed)
    return sealed


def _taken(order: SnapshotOrder, tools: Tools) -> SnapshotManifest:
    userdata = userdata_of(order.base)
    found = discover(userdata)
    _refuse_unusable(order, userdata, found)
    _require_space(order, userdata, found, tools)

    def refuse_replaced() -> None:
        if name := replaced(found, discover(userdata)):
            raise MovedError(f"{shown(name)} came, went or was replaced while it was copied")

    partial = _PARTIAL + order.snapshot
    try:
        with (
            watched(found, refuse_replaced)
            if userdata is None or order.kind == ONLINE
            else lying_still(userdata, found, tools)
        ) as still:
            _refuse_unusable(order, userdata, still.found)
            taken = _fill(order, f"{order.store}/{partial}", userdata, still.found, tools)
            still.refuse_moved()
            _seal(order.store, partial, taken, tools)
    except Exception:
        with suppress(OSError):
            disk.remove_tree(order.store, partial)
        raise
    return taken


def _refuse_unusable(order: SnapshotOrder, userdata: str | None, found: PersonalFiles) -> None:
    """Refuse, but for a quarantine, what is half restored, broken or could not be put back."""
    if order.kind == QUARANTINE:
        return
    if userdata is not None and disk.kind_below(userdata, MARKER) is not None:
        raise DataError(ErrorKind.UNFINISHED, "a restore was begun and not ended")
    if userdata is not None and order.kind == REST and not os.access(userdata, os.W_OK | os.X_OK):
        raise DataError(
            ErrorKind.DENIED, f"{USERDATA} cannot be written: nothing could be put back there"
        )
    found.sound()


def _require_space(
    order: SnapshotOrder, userdata: str | None, found: PersonalFiles, tools: Tools
) -> None:
    """Have space for the copy, and at rest for the way back too: it must not fail at night.

    The start that comes then may copy a database itself (`t3.files`).
    """
    more = copied_by_a_start({item.name: item.size for item in found.databases})
    if order.kind != REST or userdata is None:
        disk.require_space(order.store, found.size, tools)
    elif os.stat(userdata).st_dev == os.stat(order.store).st_dev:
        disk.require_space(order.store, 2 * found.size + more, tools)
    else:
        disk.require_space(order.store, found.size, tools)
        disk.require_space(userdata, found.size + more, tools)


def _fill(
    order: SnapshotOrder, partial: str, userdata: str | None, found: PersonalFiles, tools: Tools
) -> SnapshotManifest:
    target = f"{partial}/{FILES}"
    os.mkdir(partial, 0o700)
    os.mkdir(target, 0o700)
    tools.reached("snapshot:begun")
    tools.growing(partial, found.size)
    taken = SnapshotManifest(
        order.snapshot,
        order.person,
        order.kind,
        order.taken,
        order.build,
        folders=found.folders,
        skipped=found.skipped,
        sequence=1 + max((sealed.sequence for sealed in listing(order.store)), default=0),
    )
    if userdata is None:
        return taken
    for below in (*(item.name for item in found.folders), *_parents(found.databases)):
        disk.make_folders(target, below)
    copies = (
        beside_writers(userdata, target, found.databases)
        if order.kind == ONLINE
        else (_resting(order.kind, userdata, target, database) for database in found.databases)
    )
    databases: list[DatabaseCopy] = []
    for copied in copies:
        databases.append(copied)
        tools.reached(f"snapshot:copied:{copied.name}")
    files = tuple(_small(order.kind, userdata, target, found, tools))
    names = [item.name for items in (found.folders, databases, files) for item in items]
    return taken._replace(
        databases=tuple(databases),
        files=files,
        attributes=tuple(attributes.below(userdata, names)),
    )


def _parents(databases: Iterable[DatabaseFile]) -> Iterator[str]:
    return (os.path.split(database.name)[0] for database in databases)


def _resting(kind: str, userdata: str, target: str, database: DatabaseFile) -> DatabaseCopy:
    """Copy a database at rest; for a quarantine the bytes, with the logs, if it is not sound."""
    problem = database.problem
    if not problem:
        try:
            return at_rest(userdata, target, database)
        except DataError as error:
            if kind != QUARANTINE or error.kind is not ErrorKind.BROKEN:
                raise
            discard(target, database.name)
            problem = str(error)
    parts = tuple(disk.copy((userdata, part), (target, part), 0o600) for part in database.parts)
    return DatabaseCopy(database.name, database.mode, parts, problem=problem)


def _small(
    kind: str, userdata: str, target: str, found: PersonalFiles, tools: Tools
) -> Iterator[Sealed]:
    for entry in found.files:
        try:
            copied = disk.copy((userdata, entry.name), (target, entry.name), 0o600)
        except DataError as error:
            # A serve replaces its small files as it runs; at rest none may go away.
            if kind != ONLINE or not isinstance(error.__cause__, FileNotFoundError):
                raise
            continue
        tools.reached(f"snapshot:copied:{entry.name}")
        yield copied._replace(mode=entry.mode)


def _seal(store: str, partial: str, taken: SnapshotManifest, tools: Tools) -> None:
    root = f"{store}/{partial}"
    for below in taken.folders:
        disk.sync_folder(root, f"{FILES}/{below.name}")
    disk.sync_folder(root, FILES)
    disk.write_sealed(root, MANIFEST, manifest.encode(taken))
    tools.reached("snapshot:written")
    os.rename(root, f"{store}/{taken.id}")
    tools.reached("snapshot:renamed")
    disk.sync_folder(store)


def verify(store: str, sealed: SnapshotManifest) -> None:
    """Check a sealed snapshot against its manifest: digests, quick_check, ledger, counts."""
    root = f"{store}/{sealed.id}/{FILES}"
    try:
        for part in sealed.sealed:
            if disk.digest(root, part.name) != (part.size, part.sha256):
                raise DataError(ErrorKind.DAMAGED, f"{shown(part.name)} is not what was sealed")
        for database in sealed.databases:
            if not database.problem:
                check_database(root, database)
    except (DataError, OSError) as error:
        text = str(error) if isinstance(error, DataError) else str(error.strerror)
        raise DataError(ErrorKind.DAMAGED, f"snapshot {sealed.id} fails: {text}") from error


def check_database(root: str, copied: DatabaseCopy) -> None:
    """Check a database that no process has open against what a manifest says of it."""
    with opened(root, copied.name, immutable=True) as connection:
        quick_check(connection, copied.name)
        if ledger(connection, copied.name) != copied.ledger:
            raise DataError(ErrorKind.DAMAGED, f"{shown(copied.name)} has another ledger")
        # Only what was counted then: an earlier t3safe counted other tables.
        if counts(connection, dict(copied.counts)) != copied.counts:
            raise DataError(ErrorKind.DAMAGED, f"{shown(copied.name)} has other row counts")


def listing(store: str) -> tuple[SnapshotManifest, ...]:
    """Read the manifests of all sealed snapshots, without those that cannot be read."""
    found: list[SnapshotManifest] = []
    with errors_about(shown(store)):
        names = sorted(os.listdir(store))
    for name in names:
        with suppress(DataError):
            found.append(manifest.load(store, name))
    return tuple(found)


def remove(store: str, snapshot: str, tools: Tools) -> None:
    """Delete a snapshot; it stops to count before the first byte of it goes."""
    manifest.check_id(snapshot)
    with alone(store):
        trash = _TRASH + snapshot
        if disk.kind_below(store, snapshot) is not None:
            disk.remove_tree(store, trash)
            os.rename(f"{store}/{snapshot}", f"{store}/{trash}")
            disk.sync_folder(store)
            tools.reached("remove:renamed")
        disk.remove_tree(store, trash)
