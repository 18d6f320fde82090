"""Personal data on this machine, every access in a worker that runs as the person.

`<destination>/<person>/` is made by us and given to the person; below it everything belongs to the
worker (`worker.manifest` says how a snapshot lies there).  A folder there whose manifest cannot be
read is not listed; `verify` says what is wrong with it.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import cattrs
from attrs import define, evolve, field, frozen

from t3safe.adapters._support.archive import SLACK, BadStream
from t3safe.adapters._support.durable import others_write
from t3safe.adapters._support.identity import Identity, identity_of
from t3safe.adapters._support.units import UnitSpec
from t3safe.adapters.personaldata.calls import (
    CallFailed,
    ExportStream,
    WorkerUnits,
    call,
    export_stream,
)
from t3safe.adapters.personaldata.export import Exported, Wrapper, write_archive
from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedDataError, Fault, PersonalDataError
from t3safe.domain.idle import Activity, TurnMark
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.ports import Clock, SnapshotInfo
from t3safe.domain.retention import SnapshotKind, Stored, age
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from t3safe.t3.package import PLACES
from t3safe.t3.updater import Traces, traces_of

_LOOK_SECONDS: Final = 30.0
"""How long a look may take; SQLite itself waits 5 s for a lock."""
_TEXT_MAX: Final = 600
_LOST_MAX: Final = 10
_ADVICE: Final = {
    "held": "stop the serve and what else has this data open, then try again",
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
_HELD: Final = frozenset({"held", "locked"})
"""A process of the person's own has the data: that says nothing of other people's."""
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

_Rows = tuple[tuple[str, int], ...]
_T = TypeVar("_T")


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
    rows: _Rows


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


def _turn(said: Any, _: object) -> TurnMark:  # noqa: ANN401 - what the person's worker says
    thread, since, what = said
    return TurnMark(_tame(thread), None if since is None else _aware(since, None), _tame(what))


_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(datetime, _aware)
_CONVERTER.register_structure_hook(type(None), _nothing)
_CONVERTER.register_structure_hook(TurnMark, _turn)


@define
class LocalPersonalData:
    """Implements the port PersonalData; raises PersonalDataError alone.

    `base` is the template of base directories, with `{person}` in it; snapshots lie below
    `destination`, a folder per person.  `timeout` is how many seconds a copy may take.
    `switch_user` is false on an embedded host, where all people are one OS user.  `python` must be
    an interpreter that the people can execute, 3.11 or newer.  `units` are those that workers run
    in, None where there is no systemd.  `copied` is called with the bytes that are copied and with
    all of them, `watched` with other long work and its name, `lost` with what a restore could not
    keep.
    """

    base: str
    destination: Path
    clock: Clock
    timeout: float = 900.0
    switch_user: bool = True
    python: str = sys.executable
    units: WorkerUnits | None = None
    copied: Callable[[int, int], object] = lambda _, __: None
    watched: Callable[[str, Callable[[], None]], None] = lambda _, do: do()
    lost: Callable[[str], object] = lambda _: None
    _sizes: dict[tuple[str, str], int] = field(factory=dict, init=False)
    """Of the snapshots that we sealed ourselves: they are never written again."""

    def snapshot(
        self, person: str, snapshot: str, kind: SnapshotKind, build: Version | None
    ) -> ev.Snapshotted:
        """Take, verify and seal a copy; for an id that is sealed already, verify that one."""
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
        found = self._copying(what, person, "rows_since", _Rows, snapshot=snapshot, since=since)
        return tuple(ev.RowsKept(table, rows) for table, rows in found)

    def rows_written(self, person: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that the data holds now and the snapshot `since` does not.

        Also a PersonalDataError where either holds a database that SQLite cannot read.
        """
        what = f"count the rows of {person} since {since}"
        found = self._copying(what, person, "rows_written", _Rows, since=since)
        return tuple(ev.RowsKept(table, rows) for table, rows in found)

    def restore(self, person: str, snapshot: str) -> None:
        """Make the data what the snapshot holds; small files that it does not have stay.

        Attributes of a file that could not be given again are reported, not raised.
        """
        what = f"restore {person}"
        lost = self._copying(what, person, "restore", tuple[str, ...], snapshot=snapshot)
        for line in lost[:_LOST_MAX]:
            self.lost(f"{person} restored, but {_tame(line)}")
        if len(lost) > _LOST_MAX:
            self.lost(f"{person} restored, but of {len(lost) - _LOST_MAX} more files as well")

    def restoring(self, person: str) -> bool:
        """Whether a restore was begun and not ended."""
        what = f"tell whether {person} is being restored"
        store = self._store(what, person, make=False)
        return self._look(what, person, "restoring", bool, store=store)

    def ledger(self, person: str) -> SetLedger:
        """The ledgers of the person's data as it is now."""
        shape = dict[str, tuple[tuple[int, str], ...]]
        return _ledger(self._look(f"read the ledger of {person}", person, "ledger", shape))

    def holder(self, person: str, own: tuple[int, ...]) -> str:
        """Name a process that has the data open, beside these and beside a short sign-in."""
        what = f"look who has the data of {person} open"
        return _tame(self._look(what, person, "holder", str, own=list(own)))

    def weight(self, person: str) -> int:
        """How many bytes a copy of the person's data may need at most."""
        what = f"weigh the data of {person}"
        weight = self._look(what, person, "weight", int)
        if weight < 0:
            raise _failure(what, person, _NOT_UNDERSTOOD)
        return weight

    def programs(self, person: str) -> tuple[str, ...]:
        """Those of `PLACES` beside the person's base folder that hold a program."""
        what, places = f"look for other t3 programs of {person}", "\n".join(PLACES)
        found = self._look(what, person, "programs", tuple[str, ...], places=places)
        # What is shown to root is ours: the person's worker only chooses among it.
        return tuple(place for place in PLACES if place in found)

    def updater(self, person: str) -> Traces:
        """What t3's own updater left with the person."""
        what, timeout = f"look for traces of t3's own updater at {person}", self._look_seconds
        return traces_of(self._ask(what, person, timeout, ask="updates"))

    def sign_out(self, person: str, ids: tuple[str, ...]) -> None:
        """Remove sessions and links that were made to prove a sign-in."""
        what, made = f"sign {person} out again", " ".join(ids)
        self._ask(what, person, self._look_seconds, ask="sign_out", made=made)

    def activity(self, person: str) -> Activity:
        """What the person's databases say about work; unreadable is an answer, not an error."""
        try:
            said = self._look(f"read the activity of {person}", person, "activity", Activity)
        except PersonalDataError as error:
            return Activity(tracked=False, unreadable=str(error))
        return evolve(said, unreadable=_tame(said.unreadable))

    def snapshots(self, person: str) -> tuple[SnapshotInfo, ...]:
        """The sealed snapshots of a person, oldest first."""
        what = f"list the snapshots of {person}"
        store = self._store(what, person, make=False)
        if not store:
            return ()
        found = self._look(what, person, "snapshots", tuple[_Summary, ...], store=store)
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
        """Stream a sealed snapshot's files as an archive, laid out as the folder of the data.

        The person's worker reads them, so a reader believes nothing of the stream: it takes plain
        files and no more of them than `size` says.  With `whole` the manifest comes first, and the
        files stand below `files/`.  Raises PersonalDataError, also on the way out.
        """
        what = f"export snapshot {snapshot} of {person}"
        identity, store = self._identity(what, person), self._store(what, person, make=False)
        question = {"uid": identity.uid, "store": store, "snapshot": snapshot, "whole": whole}
        line, unit = json.dumps(question).encode(), self._unit(identity, self.timeout)
        try:
            with export_stream(self.python, identity, line, unit) as stream:
                yield stream
        except CallFailed as error:
            raise _failure(what, person, str(error)) from error

    def export(self, person: str, snapshot: str, target: IO[bytes]) -> Exported:
        """Write a sealed snapshot to `target` as one archive that can leave the host.

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
        with self.export_stream(person, snapshot, whole=True) as export:
            try:
                written = write_archive(export.stream, target, snapshot, wrapper, most)
            except (BadStream, OSError) as error:
                what = f"export snapshot {snapshot} of {person}"
                kind = "damaged" if isinstance(error, BadStream) else ""
                raise _failure(what, person, f"it could not be written: {error}", kind) from error
            export.finish()
        return written

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
        """Ask for what may take as long as a copy, with the person's folder for snapshots."""
        store = self._store(what, person, make=True)
        said = self._ask(what, person, self.timeout, ask=ask, store=store, **fields)
        return _structured(what, person, said, shape)

    def _look(
        self, what: str, person: str, ask: str, shape: type[_T], **fields: str | list[int]
    ) -> _T:
        said = self._ask(what, person, self._look_seconds, ask=ask, **fields)
        return _structured(what, person, said, shape)

    @property
    def _look_seconds(self) -> float:
        return min(_LOOK_SECONDS, self.timeout)

    def _identity(self, what: str, person: str) -> Identity:
        try:
            return identity_of(person, switch_user=self.switch_user)
        except PermissionError as error:
            raise _failure(what, person, str(error)) from error

    def _unit(self, identity: Identity, timeout: float) -> UnitSpec | None:
        return self.units.unit(identity, timeout) if self.units is not None else None

    def _ask(
        self, what: str, person: str, timeout: float, **fields: str | list[int] | None
    ) -> object:
        """Put a question to a worker of the person, which may take so many seconds."""
        identity, base = self._identity(what, person), self.base.replace("{person}", person)
        question = {"uid": identity.uid, "person": person, "base": base, **fields}
        try:
            line = json.dumps(question).encode("ascii")
            unit = self._unit(identity, timeout)
            said = json.loads(call(self.python, identity, line, timeout, unit, self.copied))
            # A lone surrogate would pass everything here and fail where it is written down.
            json.dumps(said, ensure_ascii=False).encode()
        except (CallFailed, ValueError, RecursionError) as error:
            text = str(error) if isinstance(error, CallFailed) else "the worker's answer is no JSON"
            raise _failure(what, person, text) from error
        match said:
            case {"answer": answer}:
                return answer
            case {"text": str(text)}:
                raise _failure(what, person, text, str(said.get("error")))
            case _:
                raise _failure(what, person, _NOT_UNDERSTOOD)

    def _store(self, what: str, person: str, *, make: bool) -> str:
        """Name the person's folder for snapshots; empty where it is not there and not to be made.

        The destination is ours alone to write, so what stands in the folder's place is ours, too.
        """
        identity = self._identity(what, person)
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
    """Have the person's folder in the open destination; whether it is there."""
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


def _tame(text: str) -> str:
    """Make one short printable line of a text that a person may have written."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    return line if len(line) <= _TEXT_MAX else f"{line[:_TEXT_MAX]}..."


def _ledger(said: dict[str, tuple[tuple[int, str], ...]]) -> SetLedger:
    return SetLedger.of({name: Ledger.of(entries) for name, entries in said.items()})


def _info(person: str, summary: _Summary) -> SnapshotInfo:
    stored = Stored(summary.id, summary.kind, summary.taken, summary.size, summary.sequence)
    build = None
    if summary.build is not None:
        # A manifest is the person's: its build may be no version.
        with suppress(InvalidVersion):
            build = Version.parse(summary.build)
    return SnapshotInfo(stored, person, build, _ledger(summary.ledger), summary.rows)
