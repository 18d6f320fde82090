"""The composition root: from settings to a wired host.

Nothing is touched while wiring; every adapter opens what it needs on first use.
"""

from __future__ import annotations

import gc
import os
import pwd
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import assert_never

from attrs import define, evolve, frozen
from filelock import FileLock, Timeout

from t3safe.adapters._support import adopted, transient
from t3safe.adapters.builds import BuildStore, Npm, NpmCells
from t3safe.adapters.choices import ChoicesFile
from t3safe.adapters.clock import SystemClock
from t3safe.adapters.dispatch import DispatchPairing, LauncherMint
from t3safe.adapters.gate import Cells, Sandbox, SandboxGate, choose_sandbox
from t3safe.adapters.journal import SqliteJournal
from t3safe.adapters.offered import RememberingRegistry
from t3safe.adapters.people import UserMapPeople
from t3safe.adapters.registry import NpmRegistry, RegistryAddress
from t3safe.adapters.registry.question import Patience
from t3safe.adapters.selection import SymlinkSelection
from t3safe.adapters.services import ProcessServices, SystemdServices
from t3safe.adapters.statesets import LocalStateSets, WorkerCells
from t3safe.adapters.switch import FreezeFile
from t3safe.adapters.telling import IDENTIFIERS, Sink, Teller, system_log
from t3safe.adapters.units import Units
from t3safe.configuration import Isolation, Manager, SandboxKind, Settings
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.effects import Subject
from t3safe.domain.errors import LockedError, NoWayBackError, PortError, SelectionError
from t3safe.domain.gate import EMPTY, REPOSITORY, DispatchKnowledge, Rehearsal
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.narrate import Line
from t3safe.domain.policy import Policy, Window
from t3safe.domain.versions import Version
from t3safe.engine import Engine, Interpreter, Limits
from t3safe.operations import Host, Rules
from t3safe.simulation import ports as ports_of_replay
from t3safe.simulation.fleet import Fleet, PolicyKind, UpdaterSettings
from t3safe.simulation.history import History, told_by_registry
from t3safe.simulation.policies import Blind, Listener, Safe, Seed, Updater
from t3safe.simulation.replay import Replay
from t3safe.simulation.scenario import Scenario
from t3safe.simulation.scores import PolicyRun
from t3safe.simulation.world import World


@frozen
class AlwaysPermitted:
    """The local Permit: this host coordinates with no other."""

    def may_start(self, plan: ev.Plan) -> str:  # noqa: ARG002 - the port's shape
        """Let every rollout start."""
        return ""


@frozen
class Verified:
    """One thing that was checked; `problem` is empty when it is sound."""

    what: str
    problem: str


@frozen
class Live:
    """A wired host with what the commands need beside the operations."""

    host: Host
    journal: SqliteJournal
    builds: BuildStore
    lock: Path
    teller: Teller
    selection: SymlinkSelection
    settings: Settings
    newest: Callable[[], Version | None]
    """What the registry offered last, None where nobody knows."""

    def say(self, line: Line) -> None:
        """Say one line wherever the events of a run are told."""
        self.teller.say((line,))

    def close(self) -> None:
        """Let go of the journal."""
        self.journal.close()

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """Hold the one lock; raises LockedError when another t3safe has it for `wait` seconds."""
        try:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.lock, timeout=wait):
                yield
        except Timeout as error:
            message = f"another t3safe acts on this host ({self.lock}); `--wait 600` waits for it"
            raise LockedError(message) from error
        finally:
            self.close()

    def verify(self, people: tuple[str, ...]) -> list[Verified]:
        """Check every snapshot of these people and every build of the store."""
        states = self.host.perform.states
        found = [
            Verified(f"{person}: {info.stored.id}", _problem(states.verify, person, info.stored.id))
            for person in people
            for info in states.snapshots(person)
        ]
        builds = self.builds.present()
        return found + [
            Verified(f"build {build}", _problem(self.builds.verify, build)) for build in builds
        ]

    def adopt(self, build: Version) -> tuple[str, ...]:
        """Take over a host on which everybody runs this build; restarts nobody.

        Raises NoWayBackError where the global t3 is of another version.
        """
        launcher = self.settings.launcher
        found = adopted.global_version(launcher) if launcher is not None else ""
        if found and found != build.text:
            message = f"cannot adopt {build}: the global t3 of this host is {found}"
            raise NoWayBackError(f"{message}; adopt that")
        if launcher is not None and found:
            record = adopted.Adopted(build, str(launcher), self.host.engine.clock.now())
            try:
                adopted.remember(_adoption(self.settings), record)
            except OSError as error:
                message = f"cannot note what is adopted in {self.settings.state_dir}: {error}"
                raise SelectionError(message) from error
        return self.host.adopt(build)

    def eject(self, build: Version | None) -> tuple[str, ...]:
        """Give the host back to one global t3; restarts nobody.

        Without a build to the one that everybody runs.  Raises NoWayBackError where people run
        several, where a run is unfinished, or where a set holds what the build does not know.
        """
        host = self.host
        people, _ = host.everybody()
        if host.engine.journal.unfinished() is not None:
            message = "cannot eject: a run is unfinished; `t3safe recover` settles it"
            raise NoWayBackError(message)
        chosen = {person: self.selection.selected(person).build for person in people}
        target = build or _common(chosen)
        others = [person for person in people if chosen[person] != target]
        schema = self._measured(target) if others else None
        for person in others:
            unknown = host.perform.states.ledger(person).unknown_to(schema or SetLedger())
            if unknown:
                message = f"cannot eject to {target}: it does not know {unknown[0]} of {person}"
                raise NoWayBackError(f"{message}; name the newest build that is in use")
        return (self.selection.eject(target),)

    def _measured(self, build: Version) -> SetLedger:
        """What a build makes of an empty set.  Raises NoWayBackError where it fails on that."""
        (measured,) = self.host.perform.gate.rehearse(build, (Subject(EMPTY, ""),))
        if measured.schema is None or not measured.passed:
            message = f"cannot eject to {build}: it fails on an empty set: {measured.reason}"
            raise NoWayBackError(message)
        return measured.schema

    def brief(self) -> Host:
        """Give the host with a registry that is waited for a few seconds only: to look."""
        address = _address(self.settings)
        address.timeout = _BRIEF_SECONDS
        return evolve(self.host, registry=NpmRegistry(address, _BRIEF))

    def units(self) -> Units:
        """Give the units that this host's settings make."""
        return _units(self.settings)


_BRIEF_SECONDS = 5.0
_BRIEF = Patience(connect=2.0, read=3.0, attempts=1, total=_BRIEF_SECONDS)
"""A person looks on; what the registry says is only a part of what they asked for."""


def _common(chosen: Mapping[str, Version | None]) -> Version:
    """The one build that everybody runs.  Raises NoWayBackError."""
    builds = set(chosen.values())
    (only, *others) = sorted(builds, key=str)
    if only is None or others:
        told = ", ".join(f"{person}: {build or 'fenced'}" for person, build in chosen.items())
        message = f"cannot eject: people run several builds ({told}); name one"
        raise NoWayBackError(message)
    return only


def _adoption(settings: Settings) -> Path:
    return settings.state_dir / "adopted.json"


def _units(settings: Settings) -> Units:
    folders = ((settings.store, 0o755), (settings.state_dir, 0o755), (settings.backup_dest, 0o711))
    writable = (
        settings.tmpdir,
        settings.freeze_file.parent,
        *((settings.metrics_file.parent,) if settings.metrics_file is not None else ()),
        *((settings.launcher.parent,) if settings.launcher is not None else ()),
    )
    beside = Path(sys.executable).with_name("t3safe")
    return Units(
        program=str(beside),
        folders=folders,
        writable=writable,
        serve=settings.services.unit.replace("{person}", ""),
        npm_user=settings.npm_user,
        gate_user=settings.gate.user,
    )


def _problem(check: Callable[..., None], *what: object) -> str:
    try:
        check(*what)
    except PortError as error:
        return str(error)
    return ""


def live(settings: Settings, command: str, sink: Sink, stop: Callable[[], bool]) -> Live:
    """Wire the host that the settings describe; `stop` ends a run at the next safe point."""
    teller = Teller((sink, *_log_sinks(command)))
    journal = SqliteJournal(settings.state_dir / "journal.sqlite")
    builds = _builds(settings)
    perform = _interpreter(settings, builds, journal, stop)
    registry = RememberingRegistry(NpmRegistry(_address(settings)), settings.state_dir / "offered")
    host = Host(
        engine=Engine(perform, journal, perform.clock, teller, stop),
        perform=perform,
        registry=registry,
        people=_people(settings),
        choices=ChoicesFile(settings.state_dir / "choices.json"),
        permit=AlwaysPermitted(),
        rules=_rules(settings),
        name_run=name_run,
    )
    selection = _selection(settings)
    lock, newest = settings.state_dir / "lock", registry.newest
    return Live(host, journal, builds, lock, teller, selection, settings, newest)


@contextmanager
def rehearsal_only(settings: Settings, wired: Live) -> Iterator[Live]:
    """Wire the same host so that nothing it does is kept: for a dry run.

    Builds, snapshots, journal and evidence go below a folder that is deleted afterwards; a control
    runs the builds of the real store, which are only read.
    """
    settings.tmpdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="t3safe-dry-run-", dir=settings.tmpdir) as folder:
        root = Path(folder)
        root.chmod(0o711)
        aside = evolve(
            settings, state_dir=root / "state", backup_dest=root / "backups", launcher=None
        )
        journal = SqliteJournal(aside.state_dir / "journal.sqlite")
        hidden = _hidden(settings)
        trial_builds = evolve(_builds(aside, hidden), store=root / "store")
        perform = _interpreter(aside, trial_builds, journal, wired.host.engine.stop)
        real = wired.host.perform
        perform = evolve(perform, selection=real.selection, switch=real.switch)
        perform = evolve(perform, gate=_gate(aside, _either(trial_builds, wired.builds), hidden))
        engine = evolve(wired.host.engine, perform=perform, journal=journal)
        host = evolve(wired.host, engine=engine, perform=perform)
        trial = evolve(wired, host=host, journal=journal, builds=trial_builds)
        try:
            yield trial
        finally:
            trial.close()
            _make_removable(root / "store")


def _make_removable(folder: Path) -> None:
    """Sealed builds are read-only, folders too; what is deleted must be writable first."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)


def _either(first: BuildStore, second: BuildStore) -> Callable[[Version], Path]:
    def program(build: Version) -> Path:
        found = first.program(build)
        return found if found.exists() else second.program(build)

    return program


def name_run(at: datetime) -> str:
    """Name a run so that names sort by time and are safe as folder names."""
    return f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _log_sinks(command: str) -> tuple[Sink, ...]:
    """Started by hand as root, what is said goes to the system log as the timer's lines do."""
    by_hand = os.geteuid() == 0 and "JOURNAL_STREAM" not in os.environ
    if not by_hand or not Path("/dev/log").exists():
        return ()
    return (system_log(IDENTIFIERS.get(command, IDENTIFIERS["run"])),)


def _address(settings: Settings) -> RegistryAddress:
    return RegistryAddress(settings.state_dir / "registry.json", settings.npm)


def _builds(settings: Settings, hidden: tuple[Path, ...] = ()) -> BuildStore:
    user = _never_root(settings, settings.npm_user)
    units = user is not None and _in_units(settings)
    npm = Npm(
        registry=lambda: _address(settings).known().url,
        user=user,
        npm=settings.npm,
        cells=_npm_cells(settings, user, hidden) if user is not None and units else None,
    )
    logs = settings.state_dir / "npm"
    return BuildStore(settings.store, logs, npm, space_min=settings.npm_free_bytes)


def _npm_cells(settings: Settings, user: str, hidden: tuple[Path, ...]) -> NpmCells:
    kept = hidden or _hidden(settings)
    return NpmCells(user, settings.store, kept, settings.npm_script_network)


def _in_units(settings: Settings) -> bool:
    """Whether npm and people's workers run in units of their own."""
    match settings.isolation:
        case Isolation.AUTO:
            return transient.booted() and not settings.shared_user
        case Isolation.UNITS:
            return True
        case Isolation.PROCESSES:
            return False
        case never:
            assert_never(never)


def _hidden(settings: Settings) -> tuple[Path, ...]:
    """What no job may see, whoever it runs as; in a dry run that of the real host."""
    return (settings.state_dir, settings.backup_dest, Path("/etc/t3safe"))


def _never_root(settings: Settings, user: str) -> str | None:
    """Whom foreign code runs as: never root, unless everybody here is one user anyway."""
    return None if settings.shared_user or os.geteuid() != 0 else user


def _people(settings: Settings) -> UserMapPeople:
    if settings.shared_user:
        return UserMapPeople(settings.user_map, settings.admin, exists=lambda _: True)
    return UserMapPeople(settings.user_map, settings.admin)


def _services(settings: Settings) -> ports.Services:
    services = settings.services
    if services.manager is Manager.SYSTEMD:
        return SystemdServices(
            unit=services.unit,
            agents=services.agents,
            stop_timeout=settings.rollout.stop_timeout,
        )
    return ProcessServices(
        run_dir=services.run_dir,
        command=services.command,
        t3=settings.t3,
        base=settings.base_dir,
        ports=services.ports,
        environment=services.environment,
        agents=services.agents,
        stop_timeout=settings.rollout.stop_timeout,
    )


def _interpreter(
    settings: Settings, builds: BuildStore, journal: SqliteJournal, stop: Callable[[], bool]
) -> Interpreter:
    clock = SystemClock()
    services = _services(settings)
    return Interpreter(
        builds=builds,
        selection=_selection(settings),
        services=services,
        states=_states(settings),
        gate=_gate(settings, builds.program),
        pairing=_pairing(settings, services),
        verdicts=journal,
        switch=FreezeFile(settings.freeze_file, clock),
        clock=clock,
        limits=_limits(settings),
        stop=stop,
    )


def _selection(settings: Settings) -> SymlinkSelection:
    return SymlinkSelection(settings.store, settings.state_dir, settings.launcher)


def _states(settings: Settings) -> LocalStateSets:
    return LocalStateSets(
        base=settings.base_dir,
        destination=settings.backup_dest,
        clock=SystemClock(),
        timeout=settings.backup_timeout,
        switch_user=not settings.shared_user,
        cells=WorkerCells(settings.backup_dest) if _in_units(settings) else None,
    )


def _pairing(settings: Settings, services: ports.Services) -> DispatchPairing:
    mint = LauncherMint(
        settings.t3,
        settings.base_dir,
        switch_user=not settings.shared_user,
        in_units=_in_units(settings),
    )
    return DispatchPairing(
        dispatch=settings.dispatch,
        store=settings.store,
        logins=_people(settings).login,
        main_pid=lambda person: services.status(person).main_pid,
        mint=mint,
        header=settings.dispatch_knows.header,
        paths=settings.dispatch_knows.paths,
        deadline=settings.rollout.verify_deadline,
        grace=settings.rollout.verify_grace,
        stay=settings.rollout.verify_stay,
        interval=settings.rollout.bake_interval,
        adopted=lambda: adopted.recall(_adoption(settings)),
    )


def _knowledge(settings: Settings) -> DispatchKnowledge:
    return DispatchKnowledge(settings.dispatch_knows.paths, settings.dispatch_knows.cookies)


def _limits(settings: Settings) -> Limits:
    return Limits(
        quiet=timedelta(seconds=settings.rollout.quiet),
        snapshots_keep=settings.retention.snapshots,
        snapshots_bytes_max=settings.retention.snapshot_bytes,
        builds_keep=settings.retention.builds,
    )


def _rules(settings: Settings) -> Rules:
    policy = settings.policy
    window = Window(policy.window.opens, policy.window.closes) if policy.window else None
    return Rules(
        policy=Policy(
            track=settings.track,
            pin=Version.parse(settings.pin) if settings.pin else None,
            age_min=timedelta(days=policy.age_min_days),
            window=window,
        ),
        bake=settings.rollout.bake,
        attempts_max=settings.rollout.attempts_max,
        on_person_failure=policy.on_person_failure,
        stale_after=timedelta(days=policy.stale_days),
        deferred_max=timedelta(days=policy.deferred_max_days),
    )


# Replayed hosts.


def simulate(scenario: Scenario, name: str) -> PolicyRun:
    """Replay every night of a scenario under one of its policies."""
    # Hundreds of thousands of small values live until the end: looking for cycles among them
    # again and again finds none.
    gc.freeze()
    gc.disable()
    try:
        world = scenario.world()
        kind = scenario.fleet.policies[name].kind
        updater = replayed(name, scenario.fleet, world)
        return Replay(world, updater, kind.value, scenario.days).run()
    finally:
        gc.enable()


def simulate_all(scenario: Scenario, names: tuple[str, ...], jobs: int) -> tuple[PolicyRun, ...]:
    """Replay under each policy, `jobs` at a time, in the order asked.

    A small host is replayed here: it takes less time than the start of another process.
    """
    if jobs == 1 or len(names) == 1 or len(scenario.fleet.people) < _WORTH_A_PROCESS:
        return tuple(simulate(scenario, name) for name in names)
    # The longest first, so that the others fill the time beside it.
    safe_first = sorted(names, key=lambda name: _is_safe(scenario, name), reverse=True)
    with ProcessPoolExecutor(min(jobs, len(names)), get_context("spawn")) as pool:
        futures = {name: pool.submit(simulate, scenario, name) for name in safe_first}
        return tuple(futures[name].result() for name in names)


_WORTH_A_PROCESS = 50
"""People from whom on another process is worth its start (measured: 0.6 s, a policy's nights)."""


def _is_safe(scenario: Scenario, name: str) -> bool:
    return scenario.fleet.policies[name].kind is PolicyKind.T3SAFE


def fetched_history(npm: str, known: History, at: datetime) -> History:
    """Ask the registry that this npm is set to for every release.  Raises RegistryError."""
    with tempfile.TemporaryDirectory(prefix="t3safe-history-") as folder:
        address = RegistryAddress(Path(folder) / "registry.json", npm)
        told = NpmRegistry(address).metadata()
    own = [item for item in told if not item.repository or REPOSITORY in item.repository]
    about = f"What the registry told of the npm package t3 on {at:%Y-%m-%d}; {known.about}"
    return told_by_registry(about, ((i.version, i.published, i.node) for i in own), known)


def replayed(name: str, fleet: Fleet, world: World) -> Updater:
    """One of the fleet's updaters over a replayed host, ready for its first night."""
    settings = fleet.policies[name]
    match settings.kind:
        case PolicyKind.BLIND:
            return Blind(name, world)
        case PolicyKind.SEED:
            return Seed(name, world, settings.bind)
        case PolicyKind.T3SAFE:
            return replay(name, settings, world)
        case never:
            assert_never(never)


def replay(name: str, settings: UpdaterSettings, world: World) -> Safe:
    """Wire t3safe itself over a replayed host: the same engine and rules, other ports."""
    builds, states = ports_of_replay.Builds(world), ports_of_replay.StateSets(world)
    selection, switch = ports_of_replay.Selection(world, builds), ports_of_replay.Switch()
    choices, clock = ports_of_replay.Choices(), ports_of_replay.Clock(world)
    live_settings = Settings(
        track=world.track, policy=settings.policy, gate=settings.gate, rollout=settings.rollout
    )
    perform = Interpreter(
        builds=builds,
        selection=selection,
        services=ports_of_replay.Services(world),
        states=states,
        gate=ports_of_replay.Gate(world, builds, states, settings.gate),
        pairing=ports_of_replay.Pairing(world),
        verdicts=ports_of_replay.Verdicts(),
        switch=switch,
        clock=clock,
        limits=_limits(live_settings),
    )
    listener = Listener(lambda: safe.tonight, len(world.people))
    host = Host(
        engine=Engine(perform, ports_of_replay.Journal(), clock, listener),
        perform=perform,
        registry=ports_of_replay.Registry(world),
        people=ports_of_replay.People(world),
        choices=choices,
        permit=AlwaysPermitted(),
        rules=_rules(live_settings),
        name_run=lambda at: f"{at:%Y%m%dT%H%M%S.%fZ}",
    )
    safe = Safe(name, world, host, builds, selection, switch, choices)
    safe.begin()
    return safe


@define
class _LateGate:
    """The gate, made when it is first asked: what only looks makes no sandbox."""

    make: Callable[[], SandboxGate]
    _made: SandboxGate | None = None

    def _gate(self) -> SandboxGate:
        if self._made is None:
            self._made = self.make()
        return self._made

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """As the port promises."""
        return self._gate().rehearse(build, subjects)

    def fingerprint(self) -> str:
        """As the port promises."""
        return self._gate().fingerprint()


def _gate(
    settings: Settings, program: Callable[[Version], Path], hidden: tuple[Path, ...] = ()
) -> ports.Gate:
    return _LateGate(lambda: _sandbox_gate(settings, program, hidden))


def _sandbox(settings: Settings) -> Sandbox:
    """Choose the sandbox; a host with root never falls back to one without isolation in silence."""
    kind = settings.gate.sandbox
    root = os.geteuid() == 0 and not settings.shared_user
    if kind is not SandboxKind.AUTO:
        return choose_sandbox(kind.value)
    if root:
        return choose_sandbox(SandboxKind.UNIT if transient.booted() else SandboxKind.NAMESPACE)
    return choose_sandbox(kind.value)


def _sandbox_gate(
    settings: Settings, program: Callable[[Version], Path], hidden: tuple[Path, ...]
) -> SandboxGate:
    states, gate = _states(settings), settings.gate
    sandbox = _sandbox(settings)
    unit = sandbox.kind == SandboxKind.UNIT
    user = None if unit else _never_root(settings, gate.user)
    return SandboxGate(
        program=program,
        copy_set=_copier(states, user),
        set_size=states.size,
        evidence=settings.state_dir / "evidence",
        tmp=settings.tmpdir,
        sandbox=sandbox,
        cells=_cells(settings, hidden) if unit else None,
        user=user,
        node=gate.node,
        bind_host=gate.bind_host,
        port=settings.smoke_port,
        soak=gate.soak,
        stop_limit=gate.stop_limit,
        deadline=gate.deadline,
        deadline_per_gib=gate.deadline_per_gib,
        tolerance=gate.tolerance,
        dispatch=_knowledge(settings),
        jobs=gate.jobs,
        evidence_keep=gate.evidence_keep,
    )


def _cells(settings: Settings, hidden: tuple[Path, ...]) -> Cells:
    return Cells(settings.store, hidden or _hidden(settings), settings.gate.memory_max)


def _copier(states: LocalStateSets, user: str | None) -> Callable[[str, str, Path], None]:
    """Fill a sandbox's folder with a snapshot, and give it to the sandbox's user."""

    def copy(person: str, snapshot: str, folder: Path) -> None:
        states.export(person, snapshot, folder)
        if user is not None:
            owner = pwd.getpwnam(user)
            # The folder is ours and holds plain files alone: there is no link to follow.
            for path in (folder, *folder.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)

    return copy
