"""A wired real host, and the throwaway host of a dry run; holds the one lock."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from attrs import evolve, frozen
from filelock import FileLock, Timeout

from t3safe.adapters import hostfacts
from t3safe.adapters._support import adopted
from t3safe.adapters._support.durable import make_folders
from t3safe.adapters._support.scratch import fresh, sweep
from t3safe.adapters.builds import BuildStore
from t3safe.adapters.clock import SystemClock
from t3safe.adapters.heartbeat import Heartbeat
from t3safe.adapters.journal import Notes, SqliteJournal
from t3safe.adapters.log import EventLog, Sink
from t3safe.adapters.offered import KeptRegistry, RememberingRegistry
from t3safe.adapters.pairing import ServePairing
from t3safe.adapters.personaldata.export import Exported
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.registry import NpmRegistry
from t3safe.adapters.registry.client import Metadata, RequestLimits
from t3safe.adapters.selection.links import SymlinkSelection
from t3safe.adapters.units import Units, UserUnits
from t3safe.configuration import Settings, Verify
from t3safe.domain import ports
from t3safe.domain.disk_space import Disk, NightPaths
from t3safe.domain.effects import StageBuild
from t3safe.domain.errors import (
    JournalError,
    LockedError,
    PersonalDataError,
    PortError,
    SelectionError,
    UnusableError,
)
from t3safe.domain.forecast import Timer
from t3safe.domain.messages import LogLine
from t3safe.domain.progress import LongTask
from t3safe.domain.scope import Scope
from t3safe.domain.versions import Version
from t3safe.entrypoints.wiring.parts import (
    GatePrograms,
    adoption_file,
    build_store,
    dispatch_knowledge,
    hidden_folders,
    host_ports,
    journal_file,
    load_guard,
    own_hooks,
    personal_data,
    registry_address,
    symlink_selection,
    timed_by_systemd,
)
from t3safe.entrypoints.wiring.units import log_sinks, own_folders, own_units
from t3safe.hooks import HookCalls
from t3safe.rules import limits, rules
from t3safe.usecases.adopt import adopt, eject
from t3safe.usecases.damaged_journal import JournalRepair
from t3safe.usecases.host import Host, wired

_WHO = {
    Scope.SYSTEM: "run it as root (sudo); for your own serve alone, set T3SAFE_SCOPE=user",
    Scope.USER: "that path must be yours: check it with `ls -ld`; do not use sudo here",
}


@frozen
class Verified:
    """The result of one verification; `problem` is empty when it passed."""

    what: str
    problem: str


@frozen
class Live:
    """A wired host with what the commands need beside the use cases."""

    host: Host
    journal: SqliteJournal
    builds: BuildStore
    lock: Path
    event_log: EventLog
    selection: SymlinkSelection
    settings: Settings
    notes: Notes
    """The notes that t3safe keeps besides the runs."""
    heart: Heartbeat
    """Reports the progress of long operations."""

    @property
    def repair(self) -> JournalRepair:
        """What sets a damaged journal aside before a use case runs."""
        log = self.event_log
        return JournalRepair(self.host, self.journal, log.say_one, lambda: log.between)

    def say(self, line: LogLine) -> None:
        """Send one line to the log of the run."""
        self.event_log.say_one(line)

    def close(self) -> None:
        """End each session of a sign-in, and close the journal."""
        pairing = self.host.ports.pairing
        if isinstance(pairing, ServePairing):
            pairing.sign_out()
        self.journal.close()

    @contextmanager
    def locked(self, wait: float, *, journal: bool = True) -> Iterator[None]:
        """Hold the one lock; raises LockedError when another t3safe has it for `wait` seconds.

        With `journal` it raises NewerJournalError if a newer t3safe wrote the journal.
        """
        try:
            with self._acquired(wait):
                if journal:
                    self.journal.require_known()
                yield
        finally:
            self.close()

    def _acquired(self, wait: float) -> AbstractContextManager[object]:
        lock = FileLock(self.lock, timeout=wait)
        try:
            make_folders(self.lock.parent)
            return lock.acquire()
        except Timeout as error:
            message = f"another t3safe is running on this host ({self.lock})"
            message += "; `t3safe recover --wait 600` waits up to 600 s for it to end"
            raise LockedError(message) from error
        except PermissionError as error:
            message = f"cannot act here: cannot write {self.lock}; {_WHO[self.settings.scope]}"
            raise UnusableError(message) from error
        except OSError as error:
            message = f"cannot take the lock {self.lock}: {error.strerror}; nothing was done"
            raise JournalError(f"{message}, fix that folder, then run the command again") from error

    def verify(self, people: tuple[str, ...]) -> list[Verified]:
        """Check every snapshot of these people and every build of the store."""
        builds = self.builds.present()
        return self.verify_snapshots(people) + [self._verified(build) for build in builds]

    def _verified(self, build: Version) -> Verified:
        found = self.heart.during(
            LongTask(f"checking build {build}"), lambda: _problem(self.builds.verify, build)
        )
        return Verified(f"build {build}", found)

    def verify_snapshots(self, people: tuple[str, ...]) -> list[Verified]:
        """Check every snapshot of these people."""
        states = self.host.ports.personal_data
        return [
            Verified(f"{person}: {info.stored.id}", _problem(states.verify, person, info.stored.id))
            for person in people
            for info in states.snapshots(person)
        ]

    def export(self, person: str, snapshot: str, target: IO[bytes]) -> Exported:
        """Write a sealed snapshot to `target` as one archive; check it meanwhile.

        Raises PersonalDataError: the archive is incomplete then.
        """
        states = personal_data(self.settings)
        task = LongTask(f"exporting snapshot {snapshot} of {person}")
        return self.heart.during(task, lambda: states.export(person, snapshot, target))

    def adopt(self, build: Version) -> tuple[str, ...]:
        """Take over a host on which all people run this build.  Raises PortError."""
        dispatch = self.settings.verify is Verify.DISPATCH
        return self.heart.during(
            StageBuild(build),
            lambda: adopt(self.host, _LauncherT3(self), build, try_dispatch=dispatch),
        )

    def eject(self, build: Version | None) -> tuple[str, ...]:
        """Give the host back to one global t3, by default to the build that all people run.

        Raises NoWayBackError, PortError.
        """
        task = LongTask("giving the host back to one global t3")
        return self.heart.during(task, lambda: eject(self.host, _LauncherT3(self), build))

    def brief(self, registry: ports.Registry | None = None, *, keep: float = 0.0) -> Host:
        """Return the host for commands that look: its registry gets one request, of a few seconds.

        `registry` comes from an earlier call; its answers are kept for `keep` seconds.
        """
        address = registry_address(self.settings)
        address.timeout, address.fresh = _BRIEF_SECONDS, True
        asked = registry or KeptRegistry(NpmRegistry(address, _BRIEF), keep)
        return evolve(self.host, ports=evolve(self.host.ports, registry=asked))

    def places(self) -> NightPaths:
        """Return where a night writes, and the free disk space there.  Raises PersonalDataError."""
        settings = self.settings
        try:
            return NightPaths(
                backups=_place(settings.backup_dest),
                tmpdir=_place(settings.tmpdir),
                store=_place(settings.store),
                rehearsals=settings.gate.jobs,
                build=settings.npm_free_bytes,
            )
        except OSError as error:
            message = f"cannot read the free disk space: {error}"
            raise PersonalDataError(f"{message}; check with `df -h`") from error

    def timers(self) -> tuple[Timer, ...]:
        """Return when t3safe's own timers start next; none without systemd."""
        if not timed_by_systemd(self.settings):
            return ()
        return self.units().timers()

    def personal_data(self) -> LocalPersonalData:
        """Return the adapter of the personal data, for commands that look at the host."""
        return personal_data(self.settings)

    def metadata(self) -> tuple[Metadata, ...]:
        """Return what the registry says about each release.  Raises RegistryError."""
        return NpmRegistry(registry_address(self.settings)).metadata()

    def units(self) -> Units | UserUnits:
        """Return the units that the settings of this host make."""
        return own_units(self.settings)


@frozen
class _LauncherT3:
    """Implements GlobalT3: the t3 at the launcher's path before t3safe came, and after it left."""

    live: Live

    def version(self) -> str:
        """Return the version of the npm package that the path leads into."""
        launcher = self.live.settings.launcher
        return adopted.global_version(launcher) if launcher is not None else ""

    def note(self, build: Version, at: datetime) -> None:
        """Record the adopted build, and create the folders that `units install` creates."""
        settings, launcher = self.live.settings, self.live.settings.launcher
        if launcher is not None and self.version():
            record = adopted.Adopted(build, str(launcher), at)
            try:
                adopted.remember(adoption_file(settings), record)
            except OSError as error:
                message = f"cannot record the adopted build in {settings.state_dir}: {error}"
                raise SelectionError(message) from error
        try:
            for folder, mode in own_folders(settings):
                make_folders(folder, mode)
        except OSError as error:
            message = f"cannot create t3safe's own folders: {error}; see `t3safe doctor`"
            raise SelectionError(message) from error

    def eject(self, build: Version) -> str:
        """Replace the launcher by the build's own program."""
        return self.live.selection.eject(build)


_BRIEF_SECONDS = 5.0


_BRIEF = RequestLimits(connect=2.0, read=3.0, attempts=1, total=_BRIEF_SECONDS)
"""Short, because a person waits; the registry's answer is only one part of the output."""


def _place(folder: Path) -> Disk:
    return Disk(str(folder), hostfacts.free_bytes(folder))


def _problem(check: Callable[..., None], *what: object) -> str:
    try:
        check(*what)
    except PortError as error:
        return str(error)
    return ""


def live(
    settings: Settings, command: str, sink: Sink, stop: Callable[[], bool], *, acts: bool = False
) -> Live:
    """Wire the host that the settings describe; `stop` ends a run at the next safe point.

    What the registry offers is remembered where the command `acts`: it holds the lock.
    """
    event_log = EventLog((sink, *log_sinks(command)))
    journal = SqliteJournal(journal_file(settings))
    builds = build_store(settings)
    heart = Heartbeat(event_log.say_one)
    notes = Notes(journal.file)
    registry: ports.Registry = NpmRegistry(registry_address(settings))
    if acts:
        registry = RememberingRegistry(registry, notes.keep_offer, SystemClock())
    own_ports = host_ports(settings, builds, journal, registry, heart)
    guard = load_guard(settings)
    hooks = HookCalls(own_hooks(settings, event_log.say_one), guard.overloaded)
    host = wired(
        own_ports,
        rules(settings),
        name_run,
        limits=limits(settings),
        guard=guard,
        observers=(event_log, hooks),
        stop=stop,
        pause=time.sleep,
        may_open=hooks.may_open,
        veto=hooks.veto,
        wrap=heart.around,
    )
    selection = symlink_selection(settings)
    lock = settings.state_dir / "lock"
    return Live(host, journal, builds, lock, event_log, selection, settings, notes, heart)


@contextmanager
def rehearsal_only(settings: Settings, real: Live) -> Iterator[Live]:
    """Wire the same host for a dry run, which keeps nothing.

    Builds, snapshots, journal and evidence go below a folder that is deleted afterwards; a control
    runs the builds of the real store, which are only read.
    """
    with fresh(settings.tmpdir, _TRIAL, "rehearse") as root:
        known = dispatch_knowledge(settings)
        aside = evolve(
            settings,
            state_dir=root / "state",
            backup_dest=root / "backups",
            launcher=None,
            dispatch_knows=evolve(
                settings.dispatch_knows,
                paths=known.paths,
                cookies=known.cookies,
                protocols=known.protocols,
            ),
        )
        journal = SqliteJournal(journal_file(aside))
        hidden = hidden_folders(settings)
        trial_builds = evolve(build_store(aside, hidden), store=root / "store")
        rehearsed = GatePrograms(_either(trial_builds, real.builds), hidden)
        host, kept = real.host, real.host.ports
        ports = evolve(
            host_ports(aside, trial_builds, journal, kept.registry, real.heart, rehearsed),
            selection=kept.selection,
            switch=kept.switch,
            choices=kept.choices,
            permit=kept.permit,
        )
        host = wired(
            ports,
            host.rules,
            host.name_run,
            limits=host.limits,
            guard=host.guard,
            observers=host.engine.observers,
            stop=host.engine.stop,
            pause=time.sleep,
            may_open=host.may_open,
            wrap=real.heart.around,
        )
        trial = evolve(real, host=host, journal=journal, builds=trial_builds)
        try:
            yield trial
        finally:
            trial.close()


_TRIAL: Final = "t3safe-dry-run-"


def sweep_trials(settings: Settings) -> None:
    """Delete what a killed dry run left; if that fails, the next one deletes it."""
    with suppress(OSError):
        sweep(settings.tmpdir, _TRIAL)


def _either(first: BuildStore, second: BuildStore) -> Callable[[Version], Path]:
    def program(build: Version) -> Path:
        found = first.program(build)
        return found if found.exists() else second.program(build)

    return program


def name_run(at: datetime) -> str:
    """Name a run so that names sort by time and are safe as folder names."""
    return f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
