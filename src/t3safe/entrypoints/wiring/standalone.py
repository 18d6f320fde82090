"""Wire a check without a host: a store, a gate and a copy of personal data, below one folder.

Rules:

1. Of a host only the configuration is read, and nothing is written: no user map, journal, lock,
   dispatch or serve.  A store that a host uses is refused.
2. Given personal data is copied byte by byte, and never opened by SQLite.
3. Foreign code never runs as root.  As root, the OS users that own nothing must exist; root
   reads no path that another user controls.
4. The folder is deleted at the end.  If a kill or a power cut left one, the next check deletes its
   copies; a folder in use is locked.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import evolve, frozen
from filelock import FileLock, Timeout

from t3safe.adapters._support.durable import others_write
from t3safe.adapters._support.identity import powerless
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters._support.scratch import fresh
from t3safe.adapters.clock import SystemClock
from t3safe.adapters.gate.sandbox import Sandbox
from t3safe.adapters.heartbeat import Heartbeat
from t3safe.adapters.log import Sink
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.personaldata.worker.copies import copy_set, set_below
from t3safe.adapters.personaldata.worker.parent import watching
from t3safe.configuration import SandboxKind, Settings
from t3safe.domain.effects import SnapshotAtRest, Subject
from t3safe.domain.errors import (
    DamagedDataError,
    LockedError,
    PersonalDataError,
    UnusableError,
)
from t3safe.domain.gate import EMPTY
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.standalone import STATE
from t3safe.domain.versions import Version
from t3safe.engine import Performer
from t3safe.entrypoints.wiring.parts import GatePrograms, build_store, sandbox_gate, sandbox_of
from t3safe.t3.files import USERDATA
from t3safe.usecases.standalone import Prover

_PREFIX: Final = "t3safe-check-"
_EVIDENCE: Final = "t3safe-seen-"
"""Short enough that `redaction` does not take it for a secret."""
_SNAPSHOT: Final = "given"
COPY: Final = SnapshotAtRest(STATE, _SNAPSHOT, Version.parse("0.0.0"))
"""Stands for the copy of the given data: messages name it like such a snapshot."""


@frozen
class StandaloneFolders:
    """The folders that a person named; None is a temporary folder, for evidence a new one."""

    state: Path | None = None
    store: Path | None = None
    evidence: Path | None = None


@frozen
class StandaloneGate:
    """The means to prove a build."""

    perform: Performer
    subjects: tuple[Subject, ...]
    sandbox: str
    store: Path
    evidence: Path


@contextmanager
def standalone_gate(
    settings: Settings, places: StandaloneFolders, wait: float, say: Sink
) -> Iterator[StandaloneGate]:
    """Wire everything, and copy the given data; long operations report progress.

    Raises UnusableError if a path cannot be used, LockedError if another check has the store for
    `wait` seconds, PersonalDataError or GateError if no rehearsal can run here.
    """
    sandbox = sandbox_of(settings)
    _require_users(settings, sandbox)
    with ExitStack() as stack:
        work = stack.enter_context(fresh(settings.tmpdir, _PREFIX, "check"))
        store = _store(places.store) if places.store else work / "store"
        if places.store:
            stack.enter_context(_locked(store, wait))
        evidence = _evidence(places.evidence, settings.tmpdir)
        stack.callback(_drop_empty, evidence)
        aside = evolve(
            settings,
            store=store,
            state_dir=work / "state",
            backup_dest=work / "snapshots",
            launcher=None,
            shared_user=os.geteuid() != 0,
        )
        heart = Heartbeat(say)
        states = _states(aside, work, heart)
        subjects = [Subject(EMPTY, "")]
        if places.state is not None:
            given = places.state
            heart.during(COPY, lambda: _copy(given, states, work, heart))
            subjects.append(Subject(STATE, _SNAPSHOT))
        builds = build_store(aside)
        gate = sandbox_gate(aside, states, sandbox, GatePrograms(builds.program), heart)
        # The control's evidence must not replace the build's.
        gate = evolve(gate, evidence=evidence, evidence_keep=max(2, gate.evidence_keep), alone=True)
        yield StandaloneGate(
            heart.around(Prover(builds, gate)), tuple(subjects), sandbox.kind, store, evidence
        )


def _require_users(settings: Settings, sandbox: Sandbox) -> None:
    """As root, require the users of npm and builds (rule 3)."""
    if os.geteuid() != 0:
        return
    needed = [settings.npm_user]
    if sandbox.kind != SandboxKind.UNIT:
        needed.append(settings.gate.user)
    for name in needed:
        try:
            powerless(name)
        except PermissionError as error:
            message = (
                f"cannot check as root: npm and builds need the user {name!r}, which does not exist"
            )
            how = "run as another user, or create those users with `t3safe units install`"
            raise UnusableError(f"{message}; {how}") from error


def _store(store: Path) -> Path:
    """Require a store that only checks use (rule 1)."""
    if any((store / name).is_symlink() or (store / name).exists() for name in ("default", "users")):
        message = f"--store {store}: a host uses this store; name another folder"
        raise UnusableError(message)
    _make(store, "--store", 0o755)
    return store.resolve()


@contextmanager
def _locked(store: Path, wait: float) -> Iterator[None]:
    try:
        with FileLock(store / ".check.lock", timeout=wait):
            yield
    except Timeout as error:
        message = f"another check uses the store {store}; `--wait 600` waits up to 600 s for it"
        raise LockedError(message) from error
    except PermissionError as error:
        message = f"--store {store}: {error.strerror}"
        raise UnusableError(message) from error


def _evidence(given: Path | None, tmp: Path) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix=_EVIDENCE, dir=tmp))
    _make(given, "--evidence", 0o700)
    return given.resolve()


def _drop_empty(folder: Path) -> None:
    """Delete an empty evidence folder."""
    with suppress(OSError):
        folder.rmdir()


def _make(folder: Path, option: str, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableError(f"{option} {folder}: cannot be created: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UnusableError(f"{option} {folder}: cannot be written")


def _states(settings: Settings, work: Path, heart: Heartbeat) -> LocalPersonalData:
    """Wire personal data below the work folder; the copy belongs to the caller, who reads it."""
    return LocalPersonalData(
        base=str(work / "{person}"),
        destination=settings.backup_dest,
        clock=SystemClock(),
        timeout=settings.backup_timeout,
        switch_user=False,
        copied=heart.copied,
    )


def _copy(given: Path, states: LocalPersonalData, work: Path, heart: Heartbeat) -> None:
    """Copy the given data (rule 2), and take a snapshot of the copy as of data at rest."""
    own = work / STATE
    copied = own / USERDATA
    try:
        source = str(given.resolve())
        if os.geteuid() == 0:
            _require_roots(Path(source))
        userdata = set_below(source)
        copied.mkdir(mode=0o700, parents=True)
        own.chmod(0o700)
        copy_set(userdata, str(copied), Tools(growing=watching(heart.copied)))
    except (DataError, OSError) as error:
        reason = f"--state {given}: {error}"
        if isinstance(error, DataError) and error.kind is ErrorKind.SPACE:
            raise PersonalDataError(f"{reason}; free some space or set T3_TMPDIR") from error
        if isinstance(error, DataError) and error.kind is ErrorKind.HELD:
            reason += "; stop the process that uses it, or name a copy that no process uses"
        raise UnusableError(reason) from error
    try:
        states.snapshot(STATE, _SNAPSHOT, SnapshotKind.REST, None)
    except DamagedDataError as error:
        message = f"--state {given}: it is damaged: {error.why}; name an intact copy"
        raise UnusableError(message) from error
    except PersonalDataError as error:
        raise PersonalDataError(f"--state {given}: {error}", fault=error.fault) from error
    shutil.rmtree(own)


def _require_roots(path: Path) -> None:
    """Refuse, as root, a folder that another user controls (rule 3)."""
    for part in (path, *path.parents):
        status = part.lstat()
        if status.st_uid != 0 or others_write(status, sticky=True):
            message = f"root does not read {part}: another user controls it"
            raise DataError(
                ErrorKind.DENIED, f"{message}; run as its owner, or copy it as root first"
            )
