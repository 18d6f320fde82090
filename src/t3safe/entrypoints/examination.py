"""Examine a wired host for `domain.doctor`, which judges; change nothing on the host.

Like every command it remembers the registry's address.  It does not create a journal.

A part that cannot be examined is a finding of its own; the rest is examined nevertheless.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
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
from t3safe.configuration import Manager, Verify
from t3safe.domain.doctor import machine as doctor
from t3safe.domain.doctor import people as people_doctor
from t3safe.domain.doctor.findings import (
    Finding,
    Health,
    Precondition,
    ok,
    unknown,
    without_repeats,
)
from t3safe.domain.errors import (
    GateError,
    NewerJournalError,
    NotifyError,
    PortError,
)
from t3safe.domain.people import units_of
from t3safe.domain.scope import Scope
from t3safe.domain.versions import Version
from t3safe.entrypoints.wiring.live import Live
from t3safe.entrypoints.wiring.parts import (
    dispatch_knowledge,
    hold_up_mark,
    node_headers,
    own_hooks,
    registry_address,
    sandbox_of,
    timed_by_systemd,
)
from t3safe.person import chosen
from t3safe.t3.sign_in import FIRST_PROTOCOL, Session
from t3safe.t3.updater import LINK
from t3safe.usecases.doctor import Look, PeopleExamination, Surroundings, looked
from t3safe.usecases.host import all_people

_PATIENCE = 5.0
"""Seconds for one answer of the dispatch or of a serve."""


@frozen
class Examination:
    """The checks of one host; `deep` verifies every snapshot, not only each person's newest."""

    wired: Live
    deep: bool = False
    config: Path | None = None
    """The configuration file, None when there is none."""

    def findings(self) -> tuple[Finding, ...]:
        """Check every precondition; return the findings in the order of `Precondition`."""
        wired = self.wired
        people = PeopleExamination(
            wired.host,
            Surroundings(
                user_map=str(wired.settings.user_map),
                starting=self._starting,
                look_at=self._process,
                weigh=wired.personal_data().weight,
                places=wired.places,
                held_up=hold_up_mark(wired.settings).since,
            ),
            begun=self._begun,
            deep=self.deep,
        )
        looks: dict[Precondition, Look] = {
            **people.looks(),
            Precondition.NPM: self._npm,
            Precondition.NODE: self._node,
            Precondition.PROGRAM: self._program,
            Precondition.REGISTRY: self._registry,
            Precondition.LAUNCHER: self._launcher,
            Precondition.INSTALLERS: self._installers,
            Precondition.DISPATCH: self._dispatch,
            Precondition.COOKIES: self._cookies,
            Precondition.PATHS: self._paths,
            Precondition.PROTOCOLS: self._protocols,
            Precondition.UNITS: self._units,
            Precondition.TIMERS: self._timers,
            Precondition.HOOKS: self._hooks,
            Precondition.USERS: self._users,
            Precondition.SANDBOX: self._sandbox,
            Precondition.JOURNAL: partial(self._journal, people),
            Precondition.FOLDERS: self._folders,
            Precondition.NOTIFICATIONS: self._notifications,
            Precondition.FLEET: self._fleet,
        }
        # Folders first: files that later checks write there must not hide a missing folder.
        seen = {check: looked(check, looks[check]) for check in reversed(Precondition)}
        return without_repeats(tuple(found for check in Precondition for found in seen[check]))

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
            str(found or ""),
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
            if found.level is Health.PROBLEM:
                yield unknown(Precondition.REGISTRY, found.seen)
            else:
                yield doctor.judge_registry("", str(error))
        else:
            yield doctor.judge_registry(offer.tag.text, "")
            yield from looked(Precondition.REGISTRY, self._one_registry)
            yield from looked(Precondition.NODE, partial(self._offered, offer.tag))

    def _one_registry(self) -> Iterator[Finding]:
        settings = self.wired.settings
        asked = registry_address(settings).known().host
        yield doctor.judge_one_registry(asked, RegistryAt(hostfacts.registry(settings.npm)).host)

    def _offered(self, newest: Version) -> Iterator[Finding]:
        """Check, before npm does, whether the newest build needs another node."""
        if newest in self.wired.builds.present():
            return
        needs = {release.version: release.node for release in self.wired.metadata()}
        node = hostfacts.node_version(self.wired.settings.gate.node)
        yield doctor.judge_offered(newest.text, needs.get(newest, ""), node)

    def _launcher(self) -> Iterator[Finding]:
        launcher = self.wired.settings.launcher
        yield doctor.judge_launcher(str(launcher or ""), self.wired.selection.launcher_problem())

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
        for person in all_people(self.wired.host)[0]:
            yield from looked(Precondition.INSTALLERS, partial(self._programs, person))

    def _programs(self, person: str) -> Iterator[Finding]:
        """Look as the person, because root does not read a home."""
        settings, states = self.wired.settings, self.wired.personal_data()
        home = Path(settings.base_dir.replace("{person}", person)).parent
        ours = {str(settings.launcher), settings.t3.replace("{person}", person)}
        if states.updater(person).linked:
            # The check of the updater reports that one.
            ours.add(str(home / LINK))
        places = (place for place in states.programs(person) if str(home / place) not in ours)
        yield doctor.judge_programs(person, tuple(places))

    # Signing in.

    def _dispatch(self) -> Iterator[Finding]:
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield ok(Precondition.DISPATCH, "sign-ins are verified without a dispatch (`verify`)")
            return
        text, failure = self.wired.settings.dispatch, ""
        try:
            ask(Address.parse(text), "/", {}, _PATIENCE)
        except (NoAnswerError, ValueError) as error:
            failure = str(error)
        yield doctor.judge_dispatch(text, failure)

    def _cookies(self) -> Iterator[Finding]:
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield ok(Precondition.COOKIES, "sign-ins are verified without a dispatch (`verify`)")
            return
        people, _ = all_people(self.wired.host)
        homes = ((person, self._home(person)) for person in people)
        named = ((person, home[1].cookie) for person, home in homes if home is not None)
        cookies = tuple(pair for pair in named if pair[1])
        known = dispatch_knowledge(self.wired.settings).cookies
        yield from doctor.judge_cookies(cookies, known)

    def _paths(self) -> Iterator[Finding]:
        """Offer an unknown credential: only a missing path answers 404."""
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield ok(Precondition.PATHS, "sign-ins are verified without a dispatch (`verify`)")
            return
        known = dispatch_knowledge(self.wired.settings).paths
        homes = ((who, self._home(who)) for who in all_people(self.wired.host)[0])
        taken = tuple(
            (person, tuple(path for path in known if _takes(home[0], path)))
            for person, home in homes
            if home is not None
        )
        yield from doctor.judge_paths(taken, known)

    def _protocols(self) -> Iterator[Finding]:
        if self.wired.settings.verify is not Verify.DISPATCH:
            yield ok(Precondition.PROTOCOLS, "sign-ins are verified without a dispatch (`verify`)")
            return
        homes = ((who, self._home(who)) for who in all_people(self.wired.host)[0])
        answers = ((who, described(home[0], _PATIENCE)) for who, home in homes if home is not None)
        spoken = tuple(
            (who, FIRST_PROTOCOL if one is None else one.protocol) for who, one in answers
        )
        known = dispatch_knowledge(self.wired.settings).protocols
        yield from doctor.judge_protocols(spoken, known)

    def _home(self, person: str) -> tuple[Address, Session] | None:
        """Return where a person's serve answers, and its sign-in facts; None for no answer."""
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
                found, _ = session(address, {}, _PATIENCE)
            except NoAnswerError:
                continue
            if isinstance(found, Session):
                return address, found
        return None

    # What systemd runs.

    def _units(self) -> Iterator[Finding]:
        if not self._systemd:
            yield ok(Precondition.UNITS, "this host is not managed by systemd")
            return
        seen = self.wired.units().look()
        yield from doctor.judge_units(seen.missing, seen.changed, seen.disabled)

    def _timers(self) -> Iterator[Finding]:
        if not self._systemd:
            yield ok(Precondition.TIMERS, "this host is not managed by systemd")
            return
        seen = self.wired.units().look().persistent
        own = self.wired.settings.scope is Scope.USER
        lingers = not own or all(map(hostfacts.lingers, all_people(self.wired.host)[0]))
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

    def _process(self, build: Version | None, pid: int | None) -> None:
        """Inspect the process as a verification does.  Raises DispatchError if that is refused."""
        settings = self.wired.settings
        if build is not None and pid is not None:
            look(settings.store, pid, build, adopted.recall(settings.state_dir / "adopted.json"))

    def _starting(self, person: str) -> str:
        """Return the command that starts a person's serve."""
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

    def _journal(self, people: PeopleExamination) -> Iterator[Finding]:
        journal, failure = self.wired.journal, ""
        if not self._begun:
            yield ok(Precondition.JOURNAL, f"{journal.path}: none yet; the first run creates it")
            yield from people.unexplained()
            return
        try:
            failure = journal.complaint(thorough=True)
        except NewerJournalError as error:
            yield people_doctor.judge_newer_journal(str(error))
            return
        except PortError as error:
            failure = str(error)
        yield people_doctor.judge_journal(str(journal.path), failure)
        if not failure:
            yield from people.unexplained()

    @property
    def _begun(self) -> bool:
        """Whether the journal exists."""
        return self.wired.journal.path.exists()

    def _folders(self) -> Iterator[Finding]:
        settings = self.wired.settings
        for folder in (settings.state_dir, settings.store, settings.backup_dest):
            yield doctor.judge_folder(hostfacts.folder_facts(folder))
        for person in all_people(self.wired.host)[0]:
            yield from looked(Precondition.FOLDERS, partial(self._persons_folder, person))

    def _persons_folder(self, person: str) -> Iterator[Finding]:
        settings = self.wired.settings
        owner = None if settings.shared_user else hostfacts.user_id(person)
        facts = hostfacts.folder_facts(settings.backup_dest / person, owner)
        yield doctor.judge_persons_folder(person, facts)

    # Notifications.

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
        errors = {item.end: item.error for item in seen}
        exposed = self.config if settings.urls and self.config is not None else None
        yield from doctor.judge_notifications(
            tuple((end.name, errors.get(end.name, "")) for end in those),
            installed=installed,
            exposed=str(exposed) if exposed and notify.readable_by_others(exposed) else "",
        )

    # The fleet.

    def _fleet(self) -> tuple[Finding, ...]:
        settings = self.wired.settings
        if settings.fleet is None:
            return (ok(Precondition.FLEET, "this host belongs to no fleet"),)
        from t3safe.entrypoints.wiring.fleet import fleet_findings  # noqa: PLC0415

        return fleet_findings(settings)


def _takes(home: Address, path: str) -> bool:
    """Whether a serve has this path.  Raises OSError when it does not answer."""
    try:
        return takes(home, path, _PATIENCE)
    except NoAnswerError as error:
        message = f"the serve at {home} {error}"
        raise OSError(message) from error


_COMPILING = ("make", "g++", "python3")
"""The programs that node-gyp needs besides node's headers."""
