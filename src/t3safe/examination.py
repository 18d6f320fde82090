"""Looks at a wired host and has `domain.doctor` conclude; of the host nothing is changed.

Where the registry is gets remembered, as by every command; no journal is made where there is none.

A part that cannot be looked at is a finding of its own; the rest is looked at all the same.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import assert_never

from attrs import frozen

from t3safe.adapters import hostfacts, notify
from t3safe.adapters._support import adopted
from t3safe.adapters._support.http_client import Address, NoAnswerError, ask, session
from t3safe.adapters._support.pairing import described, takes
from t3safe.adapters.gate.sandbox import HOW, namespace_sandbox, why_not
from t3safe.adapters.pairing.check import look
from t3safe.adapters.registry import RegistryLocation as RegistryAt
from t3safe.adapters.units import UserUnits
from t3safe.bootstrap.live import Live
from t3safe.bootstrap.parts import (
    dispatch_knowledge,
    hold_up_mark,
    node_headers,
    own_hooks,
    registry_address,
    sandbox_of,
    timed_by_systemd,
)
from t3safe.configuration import Manager, Verify
from t3safe.domain import doctor
from t3safe.domain.disk_space import rooms
from t3safe.domain.doctor import Finding, Precondition
from t3safe.domain.errors import (
    GateError,
    NewerJournalError,
    NotifyError,
    PeopleError,
    PersonalDataError,
    PortError,
)
from t3safe.domain.idle import dated_after, times_after
from t3safe.domain.people import units_of
from t3safe.domain.scope import Scope
from t3safe.domain.versions import Version
from t3safe.person import chosen
from t3safe.t3.sign_in import FIRST_PROTOCOL, Session
from t3safe.t3.updater import LINK
from t3safe.usecases.host import Reader, deferrals, everybody
from t3safe.usecases.recover import unexplained
from t3safe.usecases.survey import astray, left_behind, obstacle_of, unmapped_serves

_PATIENCE = 5.0
"""Seconds for one answer of the dispatch or of a serve."""


@frozen
class Examination:
    """The looks at one host; `deep` checks every snapshot, not only each person's newest."""

    wired: Live
    deep: bool = False
    config: Path | None = None
    """Where the configuration was read, None where there is no file."""

    def findings(self) -> tuple[Finding, ...]:
        """Look at every precondition, in the order of `Precondition`."""
        looks: dict[Precondition, Callable[[], Iterable[Finding]]] = {
            Precondition.NPM: self._npm,
            Precondition.NODE: self._node,
            Precondition.PROGRAM: self._program,
            Precondition.REGISTRY: self._registry,
            Precondition.LAUNCHER: self._launcher,
            Precondition.INSTALLERS: self._installers,
            Precondition.UPDATER: self._updater,
            Precondition.DISPATCH: self._dispatch,
            Precondition.COOKIES: self._cookies,
            Precondition.PATHS: self._paths,
            Precondition.PROTOCOLS: self._protocols,
            Precondition.UNITS: self._units,
            Precondition.TIMERS: self._timers,
            Precondition.HOOKS: self._hooks,
            Precondition.USERS: self._users,
            Precondition.SANDBOX: self._sandbox,
            Precondition.USER_MAP: self._user_map,
            Precondition.SERVES: self._serves,
            Precondition.DATA: self._data,
            Precondition.GENERATIONS: self._generations,
            Precondition.DISK: self._disk,
            Precondition.LOAD: self._load,
            Precondition.CLOCK: self._clock,
            Precondition.JOURNAL: self._journal,
            Precondition.NOTES: self._notes,
            Precondition.UNFINISHED: self._unfinished,
            Precondition.SNAPSHOTS: self._snapshots,
            Precondition.FOLDERS: self._folders,
            Precondition.NOTIFICATIONS: self._notifications,
        }
        # Folders first: what later looks remember there must not hide that one was missing.
        seen = {check: _looked(check, looks[check]) for check in reversed(Precondition)}
        return doctor.without_repeats(
            tuple(found for check in Precondition for found in seen[check])
        )

    # Programs.

    def _npm(self) -> Iterator[Finding]:
        npm = self.wired.settings.npm
        yield doctor.judge_npm(npm, hostfacts.program(npm))
        yield self._compiling()

    def _compiling(self) -> Finding:
        settings = self.wired.settings
        found = node_headers(settings).found()
        missing = tuple(name for name in _COMPILING if not hostfacts.program(name))
        return doctor.judge_compiling(
            hostfacts.node_version(settings.gate.node),
            str(found.folder) if found is not None else "",
            missing,
            fetched=settings.npm_script_network,
        )

    def _node(self) -> Iterator[Finding]:
        version = hostfacts.node_version(self.wired.settings.gate.node)
        builds = self.wired.builds
        needs = ((build.text, builds.manifest(build).engines) for build in builds.present())
        yield doctor.judge_node(version, tuple(needs))

    def _program(self) -> Iterator[Finding]:
        builds = self.wired.builds
        native = (build.text for build in builds.present() if builds.manifest(build).native)
        yield doctor.judge_program(hostfacts.native_host(), tuple(native))

    def _registry(self) -> Iterator[Finding]:
        try:
            offer = self.wired.host.ports.registry.offer(self.wired.settings.track, history=False)
        except PortError as error:
            npm = self.wired.settings.npm
            found = doctor.judge_npm(npm, hostfacts.program(npm))
            if found.level is doctor.Health.PROBLEM:
                yield doctor.unknown(Precondition.REGISTRY, found.seen)
            else:
                yield doctor.judge_registry("", str(error))
        else:
            yield doctor.judge_registry(offer.tag.text, "")
            yield from _looked(Precondition.REGISTRY, self._one_registry)
            yield from _looked(Precondition.NODE, partial(self._offered, offer.tag))

    def _one_registry(self) -> Iterator[Finding]:
        settings = self.wired.settings
        asked = registry_address(settings).known().host
        yield doctor.judge_one_registry(asked, RegistryAt(hostfacts.registry(settings.npm)).host)

    def _offered(self, newest: Version) -> Iterator[Finding]:
        """Ask before npm does: the newest build may need another node than the present one."""
        if newest in self.wired.builds.present():
            return
        needs = {release.version: release.node for release in self.wired.metadata()}
        node = hostfacts.node_version(self.wired.settings.gate.node)
        yield doctor.judge_offered(newest.text, needs.get(newest, ""), node)

    def _launcher(self) -> Iterator[Finding]:
        launcher = self.wired.settings.launcher
        yield doctor.judge_launcher(str(launcher or ""), self.wired.selection.launcher_trouble())

    def _installers(self) -> Iterator[Finding]:
        launcher = self.wired.settings.launcher
        own = self.wired.settings.scope is Scope.USER
        # A person's serve and shell have their own PATH, a host's units that of systemd.
        folders = os.get_exec_path() if own else hostfacts.STANDARD
        first = hostfacts.first_on_path(launcher.name, folders) if launcher is not None else ""
        callers = hostfacts.callers()
        if isinstance(units := self.wired.units(), UserUnits):
            callers += hostfacts.own_callers(units.folder)
        yield from doctor.judge_installers(first, str(launcher or ""), callers)
        for person in everybody(self.wired.host)[0]:
            yield from _looked(Precondition.INSTALLERS, partial(self._programs, person))

    def _programs(self, person: str) -> Iterator[Finding]:
        """Look as the person: of a home root sees nothing."""
        settings, states = self.wired.settings, self.wired.personal_data()
        home = Path(settings.base_dir.replace("{person}", person)).parent
        ours = {str(settings.launcher), settings.t3.replace("{person}", person)}
        if states.updater(person).linked:
            # The check of the updater says what that one is.
            ours.add(str(home / LINK))
        places = (place for place in states.programs(person) if str(home / place) not in ours)
        yield doctor.judge_programs(person, tuple(places))

    def _updater(self) -> Iterator[Finding]:
        for person in everybody(self.wired.host)[0]:
            yield from _looked(Precondition.UPDATER, partial(self._updater_of, person))

    def _updater_of(self, person: str) -> Iterable[Finding]:
        return doctor.judge_updater(person, self.wired.personal_data().updater(person))

    # Signing in.

    def _dispatch(self) -> Iterator[Finding]:
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield doctor.ok(
                Precondition.DISPATCH, "sign-ins are proven without a dispatch (`verify`)"
            )
            return
        text, trouble = self.wired.settings.dispatch, ""
        try:
            ask(Address.parse(text), "/", {}, _PATIENCE)
        except (NoAnswerError, ValueError) as error:
            trouble = str(error)
        yield doctor.judge_dispatch(text, trouble)

    def _cookies(self) -> Iterator[Finding]:
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield doctor.ok(
                Precondition.COOKIES, "sign-ins are proven without a dispatch (`verify`)"
            )
            return
        people, _ = everybody(self.wired.host)
        homes = ((person, self._home(person)) for person in people)
        told = ((person, home[1].cookie) for person, home in homes if home is not None)
        cookies = tuple(pair for pair in told if pair[1])
        known = dispatch_knowledge(self.wired.settings).cookies
        yield from doctor.judge_cookies(cookies, known)

    def _paths(self) -> Iterator[Finding]:
        """Offer a credential that nobody has: a path that is not there answers 404, others not."""
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield doctor.ok(Precondition.PATHS, "sign-ins are proven without a dispatch (`verify`)")
            return
        known = dispatch_knowledge(self.wired.settings).paths
        homes = ((who, self._home(who)) for who in everybody(self.wired.host)[0])
        taken = tuple(
            (person, tuple(path for path in known if _takes(home[0], path)))
            for person, home in homes
            if home is not None
        )
        yield from doctor.judge_paths(taken, known)

    def _protocols(self) -> Iterator[Finding]:
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield doctor.ok(
                Precondition.PROTOCOLS, "sign-ins are proven without a dispatch (`verify`)"
            )
            return
        homes = ((who, self._home(who)) for who in everybody(self.wired.host)[0])
        told = ((who, described(home[0], _PATIENCE)) for who, home in homes if home is not None)
        spoken = tuple((who, FIRST_PROTOCOL if one is None else one.protocol) for who, one in told)
        known = dispatch_knowledge(self.wired.settings).protocols
        yield from doctor.judge_protocols(spoken, known)

    def _home(self, person: str) -> tuple[Address, Session] | None:
        """Where a person's serve answers and what it tells of sign-ins; None where nowhere."""
        ports = self.wired.host.ports
        build = chosen(ports, person)
        pid = ports.services.status(person).main_pid
        if build is None or pid is None:
            return None
        settings = self.wired.settings
        record = adopted.recall(settings.state_dir / "adopted.json")
        serve = look(settings.store, pid, build, record)
        for address in serve.listens if serve is not None else ():
            try:
                told, _ = session(address, {}, _PATIENCE)
            except NoAnswerError:
                continue
            if isinstance(told, Session):
                return address, told
        return None

    # What systemd runs.

    def _units(self) -> Iterator[Finding]:
        if not self._systemd:
            yield doctor.ok(Precondition.UNITS, "this host is not managed by systemd")
            return
        seen = self.wired.units().look()
        yield from doctor.judge_units(seen.missing, seen.changed, seen.disabled)

    def _timers(self) -> Iterator[Finding]:
        if not self._systemd:
            yield doctor.ok(Precondition.TIMERS, "this host is not managed by systemd")
            return
        seen = self.wired.units().look().persistent
        own = self.wired.settings.scope is Scope.USER
        lingers = not own or all(map(hostfacts.lingers, everybody(self.wired.host)[0]))
        yield from doctor.judge_timers(seen, own=own, lingers=lingers)

    def _hooks(self) -> Iterator[Finding]:
        hooks = own_hooks(self.wired.settings, self.wired.say)
        seen = hooks.look()
        refused = tuple((one.name, one.refused) for one in seen if one.refused)
        idle = tuple(one.name for one in seen if not one.executable)
        runs = len(seen) - len(refused) - len(idle)
        yield from doctor.judge_hooks(runs, refused, idle, hooks.strangers())

    def _users(self) -> Iterator[Finding]:
        settings = self.wired.settings
        needed = () if settings.shared_user else (settings.npm_user, settings.gate.user)
        yield from doctor.judge_users(hostfacts.missing_users(needed))

    def _sandbox(self) -> Iterator[Finding]:
        try:
            chosen = sandbox_of(self.wired.settings)
        except GateError:
            yield doctor.judge_sandbox("", why_not(namespace_sandbox()), HOW)
            return
        yield doctor.judge_sandbox(chosen.kind, "")

    @property
    def _systemd(self) -> bool:
        return timed_by_systemd(self.wired.settings)

    # People.

    def _user_map(self) -> Iterator[Finding]:
        try:
            people, problems = everybody(self.wired.host)
        except PeopleError as error:
            yield doctor.judge_no_map(str(error), str(self.wired.settings.user_map))
            return
        told = tuple(str(problem) for problem in problems)
        yield from doctor.judge_map(len(people), told, str(self.wired.settings.user_map))

    def _serves(self) -> Iterator[Finding]:
        for person in everybody(self.wired.host)[0]:
            yield from _looked(Precondition.SERVES, partial(self._serve, person))
        yield from _looked(Precondition.SERVES, self._unmapped)

    def _unmapped(self) -> Iterator[Finding]:
        host = self.wired.host
        yield from map(doctor.judge_unmapped, unmapped_serves(host, everybody(host)[0]))

    def _serve(self, person: str) -> Iterator[Finding]:
        ports = self.wired.host.ports
        lost = astray(self.wired.host, person)
        if lost:
            yield doctor.judge_dead_link(person, lost)
            return
        selected = ports.selection.selected(person)
        status = ports.services.status(person)
        fenced, running = selected.fenced, status.running
        if running:
            self._process(selected.build, status.main_pid)
        yield doctor.judge_serve(person, self._starting(person), fenced=fenced, running=running)

    def _data(self) -> Iterator[Finding]:
        behind = Reader()(partial(left_behind, self.wired.host)) if self._begun else None
        for person in everybody(self.wired.host)[0]:
            yield from _looked(
                Precondition.DATA, partial(self._data_of, person, (behind or {}).get(person, ""))
            )

    def _data_of(self, person: str, behind: str) -> Iterator[Finding]:
        try:
            obstacle = obstacle_of(self.wired.host, person)
        except PersonalDataError as error:
            yield doctor.judge_unreadable(person, str(error))
            return
        yield doctor.judge_data(person, obstacle, behind)

    def _generations(self) -> Iterator[Finding]:
        candidate = self._candidate()
        for person in everybody(self.wired.host)[0]:
            yield from _looked(
                Precondition.GENERATIONS, partial(self._generation_of, person, candidate)
            )

    def _candidate(self) -> Version | None:
        """The newest build that is offered or installed."""
        present = self.wired.builds.present()
        try:
            offer = self.wired.host.ports.registry.offer(self.wired.settings.track, history=False)
        except PortError:
            return max(present, default=None)
        return max((offer.tag, *present))

    def _generation_of(self, person: str, candidate: Version | None) -> Iterator[Finding]:
        builds, states = self.wired.builds, self.wired.personal_data()
        build = chosen(self.wired.host.ports, person)
        present = builds.present()
        ran = builds.schema(build) if build in present else None
        newest = builds.schema(candidate) if candidate in present else None
        to = doctor.Candidate(str(candidate or build or ""), newest)
        try:
            held, size = states.ledger(person), states.weight(person)
        except PersonalDataError:
            # The check of the data says what is wrong with it.
            return
        yield doctor.judge_generation(person, str(build or "no build"), (ran, held), size, to)

    def _process(self, build: Version | None, pid: int | None) -> None:
        """Look at the process as a verification does.  Raises DispatchError where it may not."""
        settings = self.wired.settings
        if build is not None and pid is not None:
            look(settings.store, pid, build, adopted.recall(settings.state_dir / "adopted.json"))

    def _starting(self, person: str) -> str:
        """The command that starts a person's serve."""
        services = self.wired.settings.services
        unit = shlex.quote(units_of(services.unit, person)[0])
        match services.manager:
            case Manager.SYSTEMD:
                return f"systemctl start {unit}"
            case Manager.SYSTEMD_USER:
                return f"systemctl --user start {unit}"
            case Manager.PROCESSES | Manager.COMMANDS:
                return f"t3safe serves start {person}"
            case never:
                assert_never(never)

    def _snapshots(self) -> Iterator[Finding]:
        for person in everybody(self.wired.host)[0]:
            yield from _looked(Precondition.SNAPSHOTS, partial(self._snapshots_of, person))

    def _snapshots_of(self, person: str) -> Iterator[Finding]:
        states = self.wired.host.ports.personal_data
        ids = [info.stored.id for info in states.snapshots(person)]
        for snapshot in ids if self.deep else ids[-1:]:
            trouble = ""
            try:
                states.verify(person, snapshot)
            except PortError as error:
                trouble = str(error)
            yield doctor.judge_snapshot(person, snapshot, trouble)
        if not ids:
            yield doctor.judge_snapshot(person, "", "")

    # The machine.

    def _disk(self) -> Iterator[Finding]:
        states = self.wired.host.ports.personal_data
        people, _ = everybody(self.wired.host)
        kept = {person: states.snapshots(person) for person in people}
        weigh = self.wired.personal_data().weight
        sizes = [infos[-1].stored.size if infos else weigh(who) for who, infos in kept.items()]
        yield from map(doctor.judge_room, rooms(self.wired.places(), sizes))

    def _load(self) -> Iterator[Finding]:
        guard, mark = self.wired.host.guard, hold_up_mark(self.wired.settings)
        yield doctor.judge_load(guard.measure(), guard.limits, mark.since())

    def _clock(self) -> Iterator[Finding]:
        host = self.wired.host
        newest = next(iter(host.ports.journal.runs()), None)
        last = (newest.closed or newest.opened) if newest is not None else None
        days = [build.published_on for build in host.ports.builds.present()]
        published = max((day for day in days if day is not None), default=None)
        yield doctor.judge_clock(host.ports.clock.now(), last, published)
        waiting = {item.person: item.since for item in Reader()(lambda: deferrals(host)) or ()}
        for person in everybody(host)[0]:
            yield from _looked(
                Precondition.CLOCK, partial(self._times, person, waiting.get(person))
            )

    def _times(self, person: str, deferred: datetime | None) -> Iterable[Finding]:
        """Look at every time of a person's that something here is decided by."""
        ports, now = self.wired.host.ports, self.wired.host.ports.clock.now()
        started = ports.services.status(person).started
        after = list(times_after(ports.personal_data.activity(person), started, now))
        after += dated_after("the deferral", deferred, now)
        for info in ports.personal_data.snapshots(person):
            after += dated_after(f"snapshot {info.stored.id}", info.stored.taken, now)
        return doctor.judge_times(person, tuple(after))

    def _journal(self) -> Iterator[Finding]:
        journal, trouble = self.wired.journal, ""
        if not self._begun:
            yield doctor.ok(
                Precondition.JOURNAL, f"{journal.path}: none yet; the first run makes it"
            )
            yield from self._unexplained()
            return
        try:
            trouble = journal.complaint(thorough=True)
        except NewerJournalError as error:
            yield doctor.judge_newer_journal(str(error))
            return
        except PortError as error:
            trouble = str(error)
        yield doctor.judge_journal(str(journal.path), trouble)
        if not trouble:
            yield from self._unexplained()

    def _unexplained(self) -> Iterable[Finding]:
        host = self.wired.host
        found = tuple((person, build.text) for person, build in unexplained(host))
        return doctor.judge_unexplained(found, str(host.ports.selection.last_good()))

    def _notes(self) -> Iterable[Finding]:
        host, selection = self.wired.host, self.wired.selection
        told = Reader()
        told(host.ports.choices.chosen)
        told(selection.last_good)
        told(selection.previous_good)
        return doctor.judge_notes(tuple(told.problems))

    def _unfinished(self) -> Iterator[Finding]:
        yield doctor.judge_unfinished(self.wired.journal.unfinished() or "")

    @property
    def _begun(self) -> bool:
        """Whether there is anything where the journal is."""
        return self.wired.journal.path.exists()

    def _folders(self) -> Iterator[Finding]:
        settings = self.wired.settings
        for folder in (settings.state_dir, settings.store, settings.backup_dest):
            yield doctor.judge_folder(hostfacts.folder_facts(folder))
        for person in everybody(self.wired.host)[0]:
            yield from _looked(Precondition.FOLDERS, partial(self._persons_folder, person))

    def _persons_folder(self, person: str) -> Iterator[Finding]:
        settings = self.wired.settings
        owner = None if settings.shared_user else hostfacts.user_id(person)
        facts = hostfacts.folder_facts(settings.backup_dest / person, owner)
        yield doctor.judge_persons_folder(person, facts)

    # Being told.

    def _notifications(self) -> Iterator[Finding]:
        settings = self.wired.settings.notify
        try:
            those = notify.ends(settings.urls, settings.urls_file)
        except NotifyError as error:
            yield doctor.judge_no_ends(str(error))
            return
        installed = notify.installed()
        letters = (notify.Letter(end) for end in those)
        seen = notify.send(letters, settings.timeout) if installed else ()
        told = {item.end: item.trouble for item in seen}
        exposed = self.config if settings.urls and self.config is not None else None
        yield from doctor.judge_notifications(
            tuple((end.name, told.get(end.name, "")) for end in those),
            installed=installed,
            exposed=str(exposed) if exposed and notify.readable_by_others(exposed) else "",
        )


def _takes(home: Address, path: str) -> bool:
    """Whether a serve has this path.  Raises OSError where it does not answer."""
    try:
        return takes(home, path, _PATIENCE)
    except NoAnswerError as error:
        message = f"the serve at {home} {error}"
        raise OSError(message) from error


_COMPILING = ("make", "g++", "python3")
"""What node-gyp needs beside node's headers."""


def _looked(check: Precondition, gather: Callable[[], Iterable[Finding]]) -> tuple[Finding, ...]:
    """Look; what cannot be looked at is unknown."""
    try:
        return tuple(gather())
    except (PortError, OSError) as error:
        return (doctor.unknown(check, str(error)),)
