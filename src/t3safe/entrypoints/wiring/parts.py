"""The adapters of a real host, from the settings.

Nothing is touched while wiring; every adapter opens what it needs on first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol, TypedDict, assert_never

from attrs import define, evolve, frozen

from t3safe.adapters._support import adopted
from t3safe.adapters._support import units as transient
from t3safe.adapters._support.seen_dispatch import SeenDispatch
from t3safe.adapters._support.units import NpmUnits, RehearsalUnits
from t3safe.adapters.builds import BuildStore, NodeHeaders, Npm
from t3safe.adapters.choices import ChoicesFile
from t3safe.adapters.clock import SystemClock
from t3safe.adapters.gate.sandbox import PLAIN, Sandbox, choose_sandbox
from t3safe.adapters.gate.sandboxgate import SandboxGate
from t3safe.adapters.heartbeat import Heartbeat
from t3safe.adapters.hooks import HookFolders
from t3safe.adapters.hostload import HoldUpMark, HostLoad
from t3safe.adapters.journal import SqliteJournal
from t3safe.adapters.log import Sink
from t3safe.adapters.pairing import CommandPairing, DirectPairing, DispatchPairing, LauncherMint
from t3safe.adapters.people import CallerAlone, UserMapPeople
from t3safe.adapters.personaldata.calls import WorkerUnits
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.registry import RegistryAddress
from t3safe.adapters.residents import (
    HostResidents,
    PasswdBases,
    SharedBases,
    T3Processes,
    by_mark,
    by_user,
)
from t3safe.adapters.selection.links import SymlinkSelection
from t3safe.adapters.selection.locks import StartLocks, user_id
from t3safe.adapters.services.commands import CommandServices
from t3safe.adapters.services.members import MARK
from t3safe.adapters.services.processes import ProcessServices
from t3safe.adapters.services.systemd import SystemdServices
from t3safe.adapters.switch import FreezeFile
from t3safe.configuration import Isolation, Manager, SandboxKind, Settings, Verify
from t3safe.domain import ports
from t3safe.domain.allowance import Allowance
from t3safe.domain.checks import DispatchKnowledge
from t3safe.domain.effects import Subject
from t3safe.domain.gate import Rehearsal
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.messages import UNPROTECTED, LogLevel, LogLine
from t3safe.domain.scope import Scope
from t3safe.domain.versions import Version
from t3safe.loadguard import LoadGuard
from t3safe.rules import AlwaysPermitted, pressure_limits


def adoption_file(settings: Settings) -> Path:
    """Return the file that records which global t3 was adopted."""
    return settings.state_dir / "adopted.json"


def seen_dispatch(settings: Settings) -> SeenDispatch:
    """Wire the record of how people signed in through the dispatch."""
    return SeenDispatch(settings.state_dir / "dispatch.json")


def journal_file(settings: Settings) -> Path:
    """Return the path of the journal."""
    return settings.state_dir / "journal.sqlite"


def hold_up_mark(settings: Settings) -> HoldUpMark:
    """Wire the file that records since when an overloaded host has deferred runs."""
    return HoldUpMark(settings.state_dir / "held-up")


def load_guard(settings: Settings) -> LoadGuard:
    """Wire the guard that moves no one on an overloaded host."""
    return LoadGuard(
        HostLoad(),
        pressure_limits(settings),
        hold_up_mark(settings),
        timedelta(days=settings.pressure.loud_days),
    )


def own_hooks(settings: Settings, say: Sink) -> HookFolders:
    """Wire the host owner's hooks; what they print goes to `say`."""
    return HookFolders(settings.hooks.folder, settings.hooks.timeout, say)


def registry_address(settings: Settings) -> RegistryAddress:
    """Wire the registry's address: as configured, else that of npm, remembered beside the journal.

    If t3safe has its own units, npm is asked with their environment, also by hand.
    """
    in_unit = settings.scope is Scope.SYSTEM and not settings.shared_user and transient.booted()
    return RegistryAddress(
        settings.state_dir / "registry.json",
        settings.npm,
        stated=settings.registry,
        homeless=in_unit and timed_by_systemd(settings),
    )


def node_headers(settings: Settings) -> NodeHeaders:
    """Wire the search for the headers of the node that the units run."""
    return NodeHeaders(settings.gate.node, settings.npm_node_headers)


def build_store(settings: Settings, hidden: tuple[Path, ...] = ()) -> BuildStore:
    """Wire the store of builds; `hidden` are folders that npm must not see."""
    user = _never_root(settings, settings.npm_user)
    units = user is not None and _in_units(settings)
    npm = Npm(
        registry=lambda: registry_address(settings).known().url,
        user=user,
        npm=settings.npm,
        headers=node_headers(settings),
        units=_npm_units(settings, user, hidden) if user is not None and units else None,
    )
    logs = settings.state_dir / "npm"
    return BuildStore(settings.store, logs, npm, space_min=settings.npm_free_bytes)


def _npm_units(settings: Settings, user: str, hidden: tuple[Path, ...]) -> NpmUnits:
    kept = hidden or hidden_folders(settings)
    return NpmUnits(user, settings.store, kept, settings.npm_script_network)


def _in_units(settings: Settings) -> bool:
    """Return whether npm and people's workers run in transient units."""
    match settings.isolation:
        case Isolation.AUTO:
            return transient.booted() and not settings.shared_user
        case Isolation.UNITS:
            return True
        case Isolation.PROCESSES:
            return False
        case never:
            assert_never(never)


def timed_by_systemd(settings: Settings) -> bool:
    """Return whether systemd runs t3safe's own units and timers here, whatever runs the serves."""
    match settings.services.manager:
        case Manager.SYSTEMD | Manager.SYSTEMD_USER:
            return True
        case Manager.COMMANDS:
            return transient.booted() and not settings.shared_user
        case Manager.PROCESSES:
            return False
        case never:
            assert_never(never)


def hidden_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders that no job may see; in a dry run, those of the real host."""
    return (settings.state_dir, settings.backup_dest, Path("/etc/t3safe"))


def _never_root(settings: Settings, user: str) -> str | None:
    """Return the user that foreign code runs as; None if that is the caller.

    That is never root, unless all people here are one user.
    """
    return None if settings.shared_user or os.geteuid() != 0 else user


def people_of(settings: Settings) -> UserMapPeople | CallerAlone:
    """Wire the list of people; if they share one OS user, no user is looked up."""
    if settings.scope is Scope.USER:
        return CallerAlone()
    if settings.shared_user:
        return UserMapPeople(settings.user_map, settings.admin, exists=lambda _: True)
    return UserMapPeople(settings.user_map, settings.admin)


class _Serves(ports.Services, Protocol):
    """A service manager that also lists the people who have a serve."""

    def people(self) -> tuple[str, ...]:
        """Return people with a unit or a serve, as far as the manager lists them."""


def _residents(settings: Settings, services: _Serves) -> HostResidents:
    """Wire the search for people who can run t3 here, in the user map or not."""
    if settings.shared_user:
        owner = by_mark(MARK, settings.services.run_dir, settings.base_dir)
        found = T3Processes(settings.store, owner, others=False)
        return HostResidents(found, services.people, SharedBases(settings.base_dir))
    owner = by_user(frozenset({settings.npm_user, settings.gate.user}))
    if settings.scope is Scope.USER or os.geteuid() != 0:
        # A user other than root keeps their own serve and can look at no other user.
        mine = T3Processes(settings.store, owner, others=False)
        return HostResidents(mine, units=tuple, bases=lambda _: {})
    bases = PasswdBases(settings.base_dir, settings.store, _in_units(settings))
    return HostResidents(T3Processes(settings.store, owner), services.people, bases)


def _services(settings: Settings) -> _Serves:
    services = settings.services
    match services.manager:
        case Manager.SYSTEMD | Manager.SYSTEMD_USER:
            return SystemdServices(
                unit=services.unit,
                agents=services.agents,
                stop_timeout=settings.rollout.stop_timeout,
                own=services.manager is Manager.SYSTEMD_USER,
            )
        case Manager.PROCESSES:
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
        case Manager.COMMANDS:
            return CommandServices(
                run_dir=services.run_dir,
                start_command=services.start,
                stop_command=services.stop,
                status_command=services.status,
                agents=services.agents,
                timeout=services.timeout,
                stop_timeout=settings.rollout.stop_timeout,
            )
        case never:
            assert_never(never)


def host_ports(
    settings: Settings,
    builds: BuildStore,
    journal: SqliteJournal,
    registry: ports.Registry,
    heart: Heartbeat,
    rehearsed: GatePrograms | None = None,
) -> ports.Ports:
    """Wire every port; long operations report progress to the heart.

    `rehearsed` is what the gate runs; without it, the builds of this store.
    """
    clock = SystemClock()
    services = _services(settings)
    states = evolve(
        personal_data(settings), copied=heart.copied, watched=heart.task, lost=heart.warn
    )
    own = GatePrograms(builds.program, learned=builds.record_schema)
    return ports.Ports(
        builds=builds,
        selection=symlink_selection(settings),
        services=services,
        personal_data=states,
        gate=gate_of(settings, states, rehearsed or own, heart),
        pairing=_pairing(settings, services, states),
        verdicts=journal,
        switch=FreezeFile(settings.freeze_file, clock),
        clock=clock,
        residents=_residents(settings, services),
        journal=journal,
        registry=registry,
        people=people_of(settings),
        choices=ChoicesFile(settings.state_dir / "choices.json"),
        permit=_permit(settings, builds, journal),
    )


def _permit(settings: Settings, builds: BuildStore, journal: SqliteJournal) -> ports.Permit:
    """Wire the permit; what a fleet needs is imported only with one."""
    if settings.fleet is None:
        return AlwaysPermitted()
    from t3safe.entrypoints.wiring.fleet import fleet_permit  # noqa: PLC0415
    from t3safe.usecases.permit import FleetParts  # noqa: PLC0415

    parts = FleetParts(
        builds, journal, symlink_selection(settings), people_of(settings), SystemClock()
    )
    return fleet_permit(settings, settings.fleet, parts)


def symlink_selection(settings: Settings) -> SymlinkSelection:
    """Wire the selection."""
    locks = StartLocks(settings.store, uid_of=None if settings.shared_user else user_id)
    return SymlinkSelection(
        settings.store, settings.state_dir, settings.launcher, settings.base_dir, locks
    )


def personal_data(settings: Settings) -> LocalPersonalData:
    """Wire the personal data."""
    return LocalPersonalData(
        base=settings.base_dir,
        destination=settings.backup_dest,
        clock=SystemClock(),
        timeout=settings.backup_timeout,
        switch_user=not settings.shared_user,
        units=WorkerUnits(settings.backup_dest) if _in_units(settings) else None,
    )


def _pairing(
    settings: Settings, services: ports.Services, states: LocalPersonalData
) -> ports.Pairing:
    mint = LauncherMint(
        settings.t3,
        settings.base_dir,
        switch_user=not settings.shared_user,
        in_units=_in_units(settings),
    )
    guard = load_guard(settings)
    verifying: _Verifying = {
        "store": settings.store,
        "main_pid": lambda person: services.status(person).main_pid,
        "mint": mint,
        "paths": settings.dispatch_knows.paths,
        "deadline": settings.rollout.verify_deadline,
        "grace": settings.rollout.verify_grace,
        "stay": settings.rollout.verify_stay,
        "interval": settings.rollout.bake_interval,
        "adopted": lambda: adopted.recall(adoption_file(settings)),
        "leave": states.sign_out,
        "links": mint.links,
        "minter": mint.version,
        "at_a_time": lambda: guard.at_a_time(settings.pressure.sign_ins),
        "strained": guard.strained,
    }
    match settings.verify:
        case Verify.DISPATCH:
            return DispatchPairing(
                dispatch=settings.dispatch,
                logins=people_of(settings).login,
                header=settings.dispatch_knows.header,
                seen=seen_dispatch(settings),
                **verifying,
            )
        case Verify.DIRECT:
            return DirectPairing(**verifying)
        case Verify.COMMAND:
            return CommandPairing(
                command=settings.verify_command, seconds=settings.verify_timeout, **verifying
            )
        case never:
            assert_never(never)


class _Verifying(TypedDict):
    """The arguments that every sign-in check takes."""

    store: Path
    main_pid: Callable[[str], int | None]
    mint: LauncherMint
    paths: tuple[str, ...]
    deadline: float
    grace: float
    stay: float
    interval: float
    adopted: Callable[[], adopted.Adopted | None]
    leave: Callable[[str, tuple[str, ...]], None]
    links: Mapping[str, Sequence[str]]
    minter: Callable[[str], str | None]
    at_a_time: Callable[[], int]
    strained: Callable[[], str]


def dispatch_knowledge(settings: Settings) -> DispatchKnowledge:
    """What a build's sign-in must fit: as configured, else as seen, else as t3 has done it.

    Without a dispatch any cookie and any protocol does.
    """
    knows, usual = settings.dispatch_knows, DispatchKnowledge()
    if settings.verify is not Verify.DISPATCH:
        return DispatchKnowledge(knows.paths or usual.paths, (".+",), ())
    seen = seen_dispatch(settings).knowledge() or usual
    return DispatchKnowledge(
        knows.paths or seen.paths,
        knows.cookies or seen.cookies,
        knows.protocols or seen.protocols,
    )


@define
class _LateGate:
    """The gate, made at its first use: commands that only look make no sandbox."""

    make: Callable[[], SandboxGate]
    say: Callable[[LogLine], None]
    _made: SandboxGate | None = None

    def _gate(self) -> SandboxGate:
        if self._made is None:
            self._made = self.make()
        return self._made

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """As the port promises; warn when rehearsals have no sandbox."""
        if self._gate().sandbox is PLAIN:
            self.say(LogLine(LogLevel.WARNING, UNPROTECTED))
        return self._gate().rehearse(build, subjects)

    def fingerprint(self) -> str:
        """As the port promises."""
        return self._gate().fingerprint()


@frozen
class GatePrograms:
    """What the gate runs: `program` returns the program of a build.

    `hidden` are folders that no build may see.  `learned` is called with the migrations that a
    build knows.
    """

    program: Callable[[Version], Path]
    hidden: tuple[Path, ...] = ()
    learned: Callable[[Version, SetLedger], None] = lambda _, __: None


def gate_of(
    settings: Settings, states: LocalPersonalData, rehearsed: GatePrograms, heart: Heartbeat
) -> ports.Gate:
    """Wire the gate, made at its first use, over the personal data whose snapshots the run takes.

    It is the same object (`states`), which remembers what it sealed in this run.
    """

    def make() -> SandboxGate:
        return sandbox_gate(settings, states, sandbox_of(settings), rehearsed, heart)

    return _LateGate(make, heart.say)


def sandbox_of(settings: Settings) -> Sandbox:
    """Choose the sandbox.  Raises GateError if there is none."""
    return choose_sandbox(settings.gate.sandbox.value)


def sandbox_gate(
    settings: Settings,
    states: LocalPersonalData,
    sandbox: Sandbox,
    rehearsed: GatePrograms,
    heart: Heartbeat,
) -> SandboxGate:
    """Wire a gate over snapshots of this data, in this sandbox; report progress to the heart."""
    gate = settings.gate
    guard = load_guard(settings)
    unit = sandbox.kind == SandboxKind.UNIT
    user = None if unit else _never_root(settings, gate.user)
    return SandboxGate(
        program=rehearsed.program,
        hand_out=states.export_stream,
        set_size=states.size,
        evidence=settings.state_dir / "evidence",
        tmp=settings.tmpdir,
        sandbox=sandbox,
        units=_rehearsal_units(settings, rehearsed.hidden) if unit else None,
        user=user,
        node=gate.node,
        bind_host=gate.bind_host,
        port=settings.smoke_port,
        soak=Allowance(gate.soak, gate.soak_per_gib),
        stop_limit=gate.stop_limit,
        deadline=Allowance(gate.deadline, gate.deadline_per_gib),
        tolerance=gate.tolerance,
        dispatch=dispatch_knowledge(settings),
        jobs=lambda: guard.at_a_time(gate.jobs),
        strained=guard.strained,
        evidence_keep=gate.evidence_keep,
        learned=rehearsed.learned,
        at=heart.at,
    )


def _rehearsal_units(settings: Settings, hidden: tuple[Path, ...]) -> RehearsalUnits:
    memory = Allowance(settings.gate.memory_max, settings.gate.memory_max_per_gib)
    return RehearsalUnits(settings.store, hidden or hidden_folders(settings), memory)
