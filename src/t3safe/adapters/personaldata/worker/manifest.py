"""What a sealed snapshot says of itself, and how it lies on the disk.

`<store>/<id>/manifest.json` beside `<store>/<id>/files/`, which mirrors the folder of the data:
a copy of `files/` is all of it.  Files are 0600 and folders 0700 there; the modes of the
originals, their groups and their extended attributes are in the manifest.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.databases import Counts, Ledger
from t3safe.adapters._support.personaldata.discovery import Entry, Skipped
from t3safe.adapters._support.personaldata.disk import Sealed
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, shown
from t3safe.adapters.personaldata.worker.attributes import Attributes

SCHEMA: Final = 1
MANIFEST: Final = "manifest.json"
FILES: Final = "files"
_MANIFEST_MAX: Final = 64 * 1024**2
_Said = dict[str, Any]

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}", re.ASCII)


class DatabaseCopy(NamedTuple):
    """A database in a snapshot.

    A readable one is a single part with everything of its log in it.  One that SQLite cannot read
    has a `problem`, no ledger and no counts, and its parts are the bytes that were found.  Writers
    were kept from committing for `blocked` seconds while it was copied beside them.
    """

    name: str
    mode: int
    parts: tuple[Sealed, ...]
    ledger: Ledger = ()
    counts: Counts = ()
    problem: str = ""
    blocked: float = 0.0


class SnapshotManifest(NamedTuple):
    """A sealed snapshot; `taken` is ISO 8601 in UTC, `build` is None where it is not known.

    `sequence` counts what was sealed in this store, so that the order does not depend on a clock;
    0 where an earlier t3safe sealed it.
    """

    id: str
    person: str
    kind: str
    taken: str
    build: str | None
    databases: tuple[DatabaseCopy, ...] = ()
    files: tuple[Sealed, ...] = ()
    folders: tuple[Entry, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    sequence: int = 0
    attributes: tuple[tuple[str, Attributes], ...] = ()

    @property
    def sealed(self) -> tuple[Sealed, ...]:
        """Every file of the snapshot."""
        return (*(part for item in self.databases for part in item.parts), *self.files)

    @property
    def size(self) -> int:
        """How many bytes the files of the snapshot have."""
        return sum(item.size for item in self.sealed)


def check_id(snapshot: str) -> None:
    """Refuse an id that could be anything but a plain name."""
    if _ID.fullmatch(snapshot) is None:
        raise DataError(ErrorKind.MISSING, f"{shown(snapshot)[:140]!r} is not a snapshot's id")


def encode(manifest: SnapshotManifest) -> bytes:
    """Write a manifest; the same one always gives the same bytes."""
    said = {
        "schema": SCHEMA,
        "id": manifest.id,
        "person": manifest.person,
        "kind": manifest.kind,
        "taken_at": manifest.taken,
        "sequence": manifest.sequence,
        "build": manifest.build,
        "size": manifest.size,
        "databases": [
            {
                "name": item.name,
                "mode": item.mode,
                "parts": [part._asdict() for part in item.parts],
                "ledger": item.ledger,
                "counts": {f"{item.name}:{table}": rows for table, rows in item.counts},
                "problem": item.problem,
                "blocked_seconds": item.blocked,
            }
            for item in manifest.databases
        ],
        "files": [item._asdict() for item in manifest.files],
        "folders": [{"name": item.name, "mode": item.mode} for item in manifest.folders],
        "skipped": [item._asdict() for item in manifest.skipped],
        "attributes": {
            name: {"group": item.group, "extended": dict(item.extended)}
            for name, item in manifest.attributes
        },
    }
    return json.dumps(said, indent=1).encode("ascii") + b"\n"


def load(store: str, snapshot: str) -> SnapshotManifest:
    """Read the manifest of a sealed snapshot; MISSING where none is, DAMAGED where it is wrong."""
    check_id(snapshot)
    try:
        data = disk.read_small(f"{store}/{snapshot}", MANIFEST, _MANIFEST_MAX)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(ErrorKind.MISSING, f"there is no snapshot {snapshot}") from error
    except OSError as error:
        raise DataError(ErrorKind.DAMAGED, f"snapshot {snapshot}: {error.strerror}") from error
    try:
        manifest = _decode(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            ErrorKind.DAMAGED, f"the manifest of snapshot {snapshot} is garbage"
        ) from error
    if manifest.id != snapshot:
        raise DataError(ErrorKind.DAMAGED, f"the manifest of snapshot {snapshot} is another one's")
    return manifest


def _decode(said: _Said) -> SnapshotManifest:
    if said["schema"] != SCHEMA:
        message = "unknown schema"
        raise ValueError(message)
    build = said["build"]
    return SnapshotManifest(
        id=str(said["id"]),
        person=str(said["person"]),
        kind=str(said["kind"]),
        taken=str(said["taken_at"]),
        build=None if build is None else str(build),
        databases=tuple(_copied(item) for item in said["databases"]),
        files=tuple(_sealed(item) for item in said["files"]),
        folders=tuple(Entry(_name(item["name"]), int(item["mode"])) for item in said["folders"]),
        skipped=tuple(Skipped(str(item["name"]), str(item["why"])) for item in said["skipped"]),
        sequence=int(said.get("sequence", 0)),
        attributes=tuple(
            (_name(name), _attributes(item)) for name, item in said.get("attributes", {}).items()
        ),
    )


def _copied(said: _Said) -> DatabaseCopy:
    name = _name(said["name"])
    return DatabaseCopy(
        name=name,
        mode=int(said["mode"]),
        parts=tuple(_sealed(part) for part in said["parts"]),
        ledger=tuple((int(number), str(title)) for number, title in said["ledger"]),
        counts=tuple(
            (str(table).removeprefix(f"{name}:"), int(rows))
            for table, rows in said["counts"].items()
        ),
        problem=str(said["problem"]),
        # Not said by those that were sealed before it was counted.
        blocked=float(said.get("blocked_seconds", 0.0)),
    )


def _attributes(said: _Said) -> Attributes:
    extended = ((str(name), str(value)) for name, value in said["extended"].items())
    return Attributes(int(said["group"]), tuple(extended))


def _sealed(said: _Said) -> Sealed:
    return Sealed(_name(said["name"]), int(said["mode"]), int(said["size"]), str(said["sha256"]))


def _name(said: object) -> str:
    """Take a name that stays below its root."""
    parts = str(said).split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        message = "a name leads out of the snapshot"
        raise ValueError(message)
    return str(said)
