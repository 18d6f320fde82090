"""State sets on this machine, every access in a worker that runs as the person.

`<destination>/<person>/` is made by us and given to the person; below it everything belongs to the
worker (`worker.manifest` tells how a snapshot lies there).  A folder there whose manifest
cannot be read is not listed; `verify` says what is wrong with it.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, TypeVar

import cattrs
from attrs import define, field, frozen

from t3safe.adapters._support.archive import SLACK
from t3safe.adapters._support.identity import Identity
from t3safe.adapters._support.trust import others_write
from t3safe.adapters._support.units import UnitSpec
from t3safe.adapters.personaldata.calls import (
    CallFailed,
    Copied,
    ExportStream,
    WorkerUnits,
    call,
    export_stream,
    identity_of,
    unheard,
)
from t3safe.adapters.personaldata.export import Exported, Wrapper, write_archive
from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedDataError, Fault, PersonalDataError
from t3safe.domain.idle import Activity, TurnMark
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.obstacles import V1Copy
from t3safe.domain.ports import Clock, SnapshotInfo
from t3safe.domain.retention import SnapshotKind, Stored, age
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from t3safe.t3.package import PLACES
from t3safe.t3.updater import Traces, traces_of

LOOK_SECONDS: Final = 30.0
"""How long a mere look may take; SQLite itself waits 5 s for a lock."""
_TEXT_MAX: Final = 600
_LOST_MAX: Final = 10
_ADVICE: Final = {
    "held": "stop the serve and what else runs on this state set, then try again",
    "locked": "try again when the process that keeps it locked has ended",
    "broken": "`t3safe snapshots {person}` lists what can be restored",
    "shape": "put an ordinary file or folder in its place, then try again",
    "denied": "check the owner and the modes there, then try again",
    "space": "free space or move the backups elsewhere, then try again",
    "missing": "`t3safe snapshots {person}` lists those that there are",
    "damaged": "`t3safe snapshots {person}` lists others",
    "raw": "`t3safe snapshots {person}` lists others; this one is for salvage by hand",
    "unfinished": "`t3safe recover` ends it",
    "clash": "`t3safe snapshots {person}` lists what there is",
    "system": "look at the disk and the system's log, then try again",
}
_NOT_UNDERSTOOD: Final = "the worker gave no answer that can be understood"
_NO_ADVICE: Final = "look at the system's log, then try again"

_NOTICE: Final = """The state that t3 keeps of {person}: snapshot {snapshot}.

manifest.json  when it was taken, of which build, its ledger of migrations, rows of each table, and
               size and SHA-256 of each file
files/         what lay in {folder} below the base directory (~/{base}): SQLite databases, each
               whole without a log, and the small files that a server needs

It holds secrets: the key that sessions are signed with, and sign-ins.  Keep it as you would a key.
Attachments, logs and the projects themselves are not in it.

To look inside: sqlite3 files/{database} .tables
To use it: with no t3 running, copy what is in files/ to {folder} of a base directory of its own,
and run t3 of the build that manifest.json names, or a newer one.
"""

_T = TypeVar("_T")

Watched = Callable[[str, Callable[[], None]], None]
"""Does what is told of in words."""


def _untold(_line: str) -> None:
    """Tell nobody what a restore could not keep."""


def _unwatched(_what: str, do: Callable[[], None]) -> None:
    do()


@frozen
class _Summary:
    id: str
    person: str
    kind: SnapshotKind
    taken: datetime
    sequence: int
    build: str | None
    size: int
    ledger: dict[str, tuple[tuple[int, str], ...]]
    rows: tuple[tuple[str, int], ...]


@frozen
class _Work:
    tracked: bool
    turns: tuple[tuple[str, datetime | None, str], ...] = ()
    approvals: int = 0
    inputs: int = 0
    last_activity: datetime | None = None
    serve_started: datetime | None = None
    later: datetime | None = None
    unreadable: str = ""
    copied: V1Copy | None = None


def _aware(said: str, _: object) -> datetime:
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is None:
        message = "a time without a zone"
        raise ValueError(message)
    return moment.astimezone(UTC)


def _nothing(said: object, _: object) -> None:
    if said is not None:
        message = "an answer where none was asked for"
        raise ValueError(message)


_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(datetime, _aware)
_CONVERTER.register_structure_hook(type(None), _nothing)


@define
class LocalPersonalData:
    """The state sets below a base folder per person, with snapshots below a destination.

    `base` is a template with `{person}` in it.  `timeout` is how many seconds a copy may take.
    `switch_user` is false on an embedded host, where all people are one OS user.  `python` must be
    an interpreter that the people can execute, 3.11 or newer.  `units` are those that workers
    run in, None where there is no systemd.  `copied` hears how far a copy is,
    `watched` is told in words of what else takes long, and does it; `lost` hears what a restore
    could not keep.
    """

    base: str
    destination: Path
    clock: Clock
    timeout: float = 900.0
    switch_user: bool = True
    python: str = sys.executable
    units: WorkerUnits | None = None
    copied: Copied = unheard
    watched: Watched = _unwatched
    lost: Callable[[str], None] = _untold
    _sizes: dict[tuple[str, str], int] = field(factory=dict, init=False)
    """What we sealed ourselves is never written again: nobody is asked twice how large it is."""

    def snapshot(
        self, person: str, snapshot: str, kind: SnapshotKind, build: Version | None
    ) -> ev.Snapshotted:
        """Take, verify and seal a copy; the same id again tells the sealed one, verified."""
        what = f"take snapshot {snapshot} of {person}"
        summary = self._copying(
            what,
            person,
            "snapshot",
            _Summary,
            snapshot=snapshot,
            kind=kind.value,
            build=None if build is None else build.text,
            taken=self.clock.now().isoformat(),
        )
        if (summary.id, summary.kind) != (snapshot, kind):
            raise _failure(what, person, "the worker answered for another snapshot")
        self._sizes[person, snapshot] = summary.size
        return ev.Snapshotted(snapshot, _ledger(summary.ledger), summary.size)

    def rows_since(self, person: str, snapshot: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that `snapshot` holds and `since` does not.

        Also a PersonalDataError where either keeps a database as bytes that SQLite cannot read: its
        rows cannot be counted, and leaving them out would read as none.
        """
        what = f"count the rows of {person} between {since} and {snapshot}"
        shape = tuple[tuple[str, int], ...]
        found = self._copying(what, person, "rows_since", shape, snapshot=snapshot, since=since)
        return tuple(ev.RowsKept(table, rows) for table, rows in found)

    def rows_written(self, person: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that the set holds now and the snapshot `since` does not.

        Also a PersonalDataError where either holds a database that SQLite cannot read.
        """
        what = f"count the rows of {person} since {since}"
        shape = tuple[tuple[str, int], ...]
        found = self._copying(what, person, "rows_written", shape, since=since)
        return tuple(ev.RowsKept(table, rows) for table, rows in found)

    def restore(self, person: str, snapshot: str) -> None:
        """Make the set what the snapshot holds; small files that it does not have stay.

        What a file bore and could not be given again is told, not raised.
        """
        what = f"restore {person}"
        lost = self._copying(what, person, "restore", tuple[str, ...], snapshot=snapshot)
        for line in lost[:_LOST_MAX]:
            self.lost(f"{person} restored, but {_tame(line)}")
        if len(lost) > _LOST_MAX:
            self.lost(f"{person} restored, but of {len(lost) - _LOST_MAX} more files as well")

    def restoring(self, person: str) -> bool:
        """Whether a restore was begun and not ended."""
        return self._look(f"tell whether {person} is being restored", person, "restoring", bool)

    def ledger(self, person: str) -> SetLedger:
        """The ledgers of the person's set as it is now."""
        shape = dict[str, tuple[tuple[int, str], ...]]
        return _ledger(self._look(f"read the ledger of {person}", person, "ledger", shape))

    def holder(self, person: str, own: tuple[int, ...]) -> str:
        """Name a process that has the set open, beside these and beside a short sign-in."""
        what = f"look who has the data of {person} open"
        identity, timeout = self._identity(what, person), min(LOOK_SECONDS, self.timeout)
        said = self._ask(what, person, identity, timeout, ask="holder", own=list(own))
        return _tame(_structured(what, person, said, str))

    def weight(self, person: str) -> int:
        """How many bytes a copy of the person's set may need at most."""
        what = f"weigh the data of {person}"
        weight = self._look(what, person, "weight", int)
        if weight < 0:
            raise _failure(what, person, _NOT_UNDERSTOOD)
        return weight

    def programs(self, person: str) -> tuple[str, ...]:
        """Those of `PLACES` beside the person's base folder that hold a program."""
        what = f"look for other t3 programs of {person}"
        identity, places = self._identity(what, person), "\n".join(PLACES)
        said = self._ask(what, person, identity, LOOK_SECONDS, ask="programs", places=places)
        found = _structured(what, person, said, tuple[str, ...])
        # What is shown to root is ours: the person's worker only chooses among it.
        return tuple(place for place in PLACES if place in found)

    def updater(self, person: str) -> Traces:
        """What t3's own updater left with the person."""
        what = f"look for traces of t3's own updater at {person}"
        identity, timeout = self._identity(what, person), min(LOOK_SECONDS, self.timeout)
        return traces_of(self._ask(what, person, identity, timeout, ask="updates"))

    def sign_out(self, person: str, ids: tuple[str, ...]) -> None:
        """Take sessions and links that were made to prove a sign-in out of the set again."""
        what = f"sign {person} out again"
        identity, made = self._identity(what, person), " ".join(ids)
        self._ask(what, person, identity, LOOK_SECONDS, ask="sign_out", made=made)

    def activity(self, person: str) -> Activity:
        """What the person's databases say about work; unreadable is an answer, not an error."""
        try:
            said = self._look(f"read the activity of {person}", person, "activity", _Work)
        except PersonalDataError as error:
            return Activity(tracked=False, unreadable=str(error))
        return Activity(
            tracked=said.tracked,
            turns=tuple(
                TurnMark(_tame(thread), since, _tame(what)) for thread, since, what in said.turns
            ),
            approvals=said.approvals,
            inputs=said.inputs,
            last_activity=said.last_activity,
            serve_started=said.serve_started,
            later=said.later,
            unreadable=_tame(said.unreadable),
            copied=said.copied,
        )

    def snapshots(self, person: str) -> tuple[SnapshotInfo, ...]:
        """The sealed snapshots of a person, oldest first."""
        what = f"list the snapshots of {person}"
        if not self._store(what, person, self._identity(what, person), make=False):
            return ()
        found = self._look(what, person, "snapshots", tuple[_Summary, ...])
        listed = [_info(person, summary) for summary in found]
        return tuple(sorted(listed, key=lambda info: age(info.stored)))

    def verify(self, person: str, snapshot: str) -> None:
        """Check a sealed snapshot against its manifest: digests, quick_check, ledger, counts."""
        what = f"verify snapshot {snapshot} of {person}"
        self.watched(
            f"checking snapshot {snapshot} of {person}",
            lambda: self._copying(what, person, "verify", type(None), snapshot=snapshot),
        )

    def remove(self, person: str, snapshot: str) -> None:
        """Delete a snapshot; nothing happens when it is not there."""
        what = f"remove snapshot {snapshot} of {person}"
        self._sizes.pop((person, snapshot), None)
        self._copying(what, person, "remove", type(None), snapshot=snapshot)

    @contextmanager
    def export_stream(
        self, person: str, snapshot: str, *, whole: bool = False
    ) -> Iterator[ExportStream]:
        """Stream a sealed snapshot's files as an archive, laid out as the folder of the set.

        The person's worker reads them.  What it writes is its word: whoever takes it takes plain
        files and no more of them than `size` says.  With `whole` the manifest comes first, and the
        files stand below `files/`.  Raises PersonalDataError, also on the way out.
        """
        what = f"export snapshot {snapshot} of {person}"
        identity = self._identity(what, person)
        store = self._store(what, person, identity, make=False)
        question = {"uid": identity.uid, "store": store, "snapshot": snapshot, "whole": whole}
        line, unit = json.dumps(question).encode(), self._unit(identity, self.timeout)
        try:
            with export_stream(self.python, identity, line, unit) as stream:
                yield stream
        except CallFailed as error:
            raise _failure(what, person, str(error), error.kind) from error

    def export(self, person: str, snapshot: str, target: IO[bytes]) -> Exported:
        """Write a sealed snapshot to `target` as one archive for somebody to take away.

        The person's worker reads it; every file is checked against the manifest on the way.  After
        an error what was written is no whole archive.
        """
        most = self.size(person, snapshot) + SLACK
        notice = _NOTICE.format(
            person=person,
            snapshot=snapshot,
            folder=USERDATA,
            base=HOME_BASE,
            database=V1_DATABASE,
        )
        at = int(self.clock.now().timestamp())
        wrapper = Wrapper(f"t3-{person}-{snapshot}", notice, at)
        with self.export_stream(person, snapshot, whole=True) as stream:
            return stream.taken(lambda said: write_archive(said, target, snapshot, wrapper, most))

    def size(self, person: str, snapshot: str) -> int:
        """How many bytes the files of a sealed snapshot have."""
        if (person, snapshot) in self._sizes:
            return self._sizes[person, snapshot]
        for info in self.snapshots(person):
            if info.stored.id == snapshot:
                return info.stored.size
        what = f"find snapshot {snapshot} of {person}"
        raise _failure(what, person, "there is no such snapshot", "missing")

    def _copying(
        self, what: str, person: str, ask: str, shape: type[_T], **fields: str | None
    ) -> _T:
        identity = self._identity(what, person)
        store = self._store(what, person, identity, make=True)
        said = self._ask(what, person, identity, self.timeout, ask=ask, store=store, **fields)
        return _structured(what, person, said, shape)

    def _look(self, what: str, person: str, ask: str, shape: type[_T]) -> _T:
        identity = self._identity(what, person)
        store = self._store(what, person, identity, make=False)
        timeout = min(LOOK_SECONDS, self.timeout)
        said = self._ask(what, person, identity, timeout, ask=ask, store=store)
        return _structured(what, person, said, shape)

    def _identity(self, what: str, person: str) -> Identity:
        try:
            return identity_of(person, switch_user=self.switch_user)
        except CallFailed as error:
            raise _failure(what, person, str(error)) from error

    def _unit(self, identity: Identity, timeout: float) -> UnitSpec | None:
        return self.units.unit(identity, timeout) if self.units is not None else None

    def _ask(
        self,
        what: str,
        person: str,
        identity: Identity,
        timeout: float,
        **fields: str | list[int] | None,
    ) -> object:
        base = self.base.replace("{person}", person)
        question = {"uid": identity.uid, "person": person, "base": base, **fields}
        try:
            line = json.dumps(question).encode("ascii")
            unit = self._unit(identity, timeout)
            answer = call(self.python, identity, line, timeout, unit, self.copied)
            said = json.loads(answer)
            # A lone surrogate would pass everything here and break who writes it down.
            json.dumps(said, ensure_ascii=False).encode()
        except (CallFailed, ValueError, RecursionError) as error:
            text = str(error) if isinstance(error, CallFailed) else "the worker spoke no JSON"
            raise _failure(what, person, text) from error
        if isinstance(said, dict) and "answer" in said:
            return said["answer"]
        if isinstance(said, dict) and isinstance(said.get("text"), str):
            raise _failure(what, person, said["text"], str(said.get("error")))
        raise _failure(what, person, _NOT_UNDERSTOOD)

    def _store(self, what: str, person: str, identity: Identity, *, make: bool) -> str:
        """Name the person's folder for snapshots; empty where it is not there and not to be made.

        The destination is ours, so nobody else can have put anything in the folder's place.
        """
        try:
            if make:
                self.destination.mkdir(mode=0o711, parents=True, exist_ok=True)
            elif not self.destination.exists():
                return ""
            fd = os.open(self.destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                there = _given(fd, person, identity, make=make)
            finally:
                os.close(fd)
        except OSError as error:
            text = f"{self.destination} cannot be used for snapshots: {error.strerror}"
            raise _failure(what, person, text, "denied") from error
        return str(self.destination / person) if there else ""


def _given(destination: int, person: str, identity: Identity, *, make: bool) -> bool:
    """Have the person's folder in the open destination; tell whether it is there."""
    status = os.fstat(destination)
    if identity.switch and (status.st_uid != os.geteuid() or others_write(status)):
        raise PermissionError(1, "it is not ours alone to write")
    try:
        found = os.stat(person, dir_fd=destination, follow_symlinks=False)
    except FileNotFoundError:
        if not make:
            return False
        os.mkdir(person, 0o700, dir_fd=destination)
        found = os.stat(person, dir_fd=destination, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, f"{person} there is not a folder")
    if found.st_uid != identity.uid:
        # Between the making of the folder and this; or made by another tool that runs as we do.
        if found.st_uid != os.geteuid():
            raise PermissionError(1, f"the folder {person} there belongs to another user")
        os.chown(person, identity.uid, identity.gid, dir_fd=destination, follow_symlinks=False)
    os.fsync(destination)
    return True


def _structured(what: str, person: str, said: object, shape: type[_T]) -> _T:
    try:
        return _CONVERTER.structure(said, shape)
    except (cattrs.BaseValidationError, ValueError, TypeError) as error:
        raise _failure(what, person, _NOT_UNDERSTOOD) from error


def _failure(what: str, person: str, text: str, kind: str = "") -> PersonalDataError:
    advice = _ADVICE.get(kind, _NO_ADVICE).format(person=person)
    message = f"cannot {_tame(what)}: {_tame(text)}; {advice}"
    if kind == "broken":
        return DamagedDataError(message, _tame(text))
    return PersonalDataError(message, fault=Fault.LATER if kind in _HELD else Fault.HOST)


_HELD: Final = frozenset({"held", "locked"})
"""A process of the person's own has the data: that says nothing of anybody else's."""


def _tame(text: str) -> str:
    """Make one short printable line of what a person's files may have had a say in."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    return line if len(line) <= _TEXT_MAX else f"{line[:_TEXT_MAX]}..."


def _ledger(said: dict[str, tuple[tuple[int, str], ...]]) -> SetLedger:
    return SetLedger.of({name: Ledger.of(entries) for name, entries in said.items()})


def _info(person: str, summary: _Summary) -> SnapshotInfo:
    stored = Stored(summary.id, summary.kind, summary.taken, summary.size, summary.sequence)
    return SnapshotInfo(
        stored, person, _build(summary.build), _ledger(summary.ledger), summary.rows
    )


def _build(text: str | None) -> Version | None:
    """Read the build that a manifest names; one that is no version is not known."""
    try:
        return None if text is None else Version.parse(text)
    except InvalidVersion:
        return None
