"""The updaters that are compared, each over the same host.

`Blind` installs whatever the tag names, restarts whoever is idle and looks at `/`.  `Seed` is the
script that hosts ran before t3safe, guard by guard, its defects included.  `Safe` is t3safe: the
real operations, engine and domain; only what stands behind the ports is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import attrs
from attrs import define, field

from t3safe.domain import events as ev
from t3safe.domain import log
from t3safe.domain.messages import LogLevel
from t3safe.domain.moves import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.rollout import Rollout
from t3safe.simulation.builds import PLAIN, Data, SimulatedBuild, auth_broken, node_trouble
from t3safe.simulation.decisions import MemoryChoices, MemorySwitch
from t3safe.simulation.filevercmp import newer
from t3safe.simulation.fleet import Bind
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.nightlog import NightFate, NightLog
from t3safe.simulation.ports import SimulatedBuilds, SimulatedSelection
from t3safe.simulation.world import SimulatedPerson, SimulatedWorld
from t3safe.t3.files import V1_DATABASE
from t3safe.usecases.host import Host, Result
from t3safe.usecases.recover import recover
from t3safe.usecases.run import drain, run

NPM: Final = 25.0
"""Seconds of `npm i -g` on that host (measured)."""
RESTART: Final = 1.7
CHECK: Final = 4.0
"""Seconds of the seed's health check: a start, a mint, an exchange."""
VERIFY_TRIES: Final = 15
VERIFY_PAUSE: Final = 2.0
VACUUM_PER_MB: Final = 0.004
"""Seconds: `VACUUM INTO` of 104 MB took 0.27 to 0.57 s."""
_LOOK: Final = 0.8
_CROWD: Final = 20
"""From so many people on only what is out of the ordinary is told of each."""


class Updater(Protocol):
    """One updater on one host; `tonight` gathers what it says since the timer fired."""

    name: str
    world: SimulatedWorld
    tonight: NightLog

    def night(self) -> None:
        """What the nightly timer does."""

    def drain(self) -> None:
        """What a second timer does, where there is one."""

    def boot(self) -> None:
        """What happens as the host comes up again."""

    def frozen(self) -> bool:
        """Whether the updater waits for a person."""

    def thaw(self) -> None:
        """A person lets it act again."""


# One global binary.


@define(eq=False)
class Blind:
    """Install the tag, restart the idle, check that `/` answers."""

    name: str
    world: SimulatedWorld
    tonight: NightLog = field(factory=NightLog)
    previous: SimulatedBuild | None = None
    held: set[SimulatedBuild] = field(factory=set)
    backups: dict[str, Data] = field(factory=dict)

    def night(self) -> None:
        """Once a night."""
        world = self.world
        world.pass_time(_LOOK)
        target = None if world.registry_down else world.tagged(world.track)
        if target is None or target is world.default or target in self.held:
            self._calm(target)
            return
        if not self._installed(target):
            return
        down = self._restart_idle()
        if down:
            self._take_back(target, down)
            return
        self.tonight.outcome = "moved"
        self.tonight.accepted.append(target.version.text)

    def _calm(self, target: SimulatedBuild | None) -> None:
        if target is not None and target in self.held:
            self.tonight.say(f"{target.version} is held by the operator")

    def _installed(self, target: SimulatedBuild) -> bool:
        world = self.world
        world.pass_time(NPM)
        if world.disk_nearly_full or world.in_parts(target):
            why = "no space left" if world.disk_nearly_full else "ETARGET"
            self.tonight.say(f"npm install of t3@{target.version} FAILED ({why}): staying")
            self.tonight.outcome = "later"
            for name in world.people:
                self.tonight.fate(name, NightFate.LATER, why)
            return False
        self.previous = world.default
        world.install_globally(target)
        self.tonight.say(f"installed t3@{target.version} for everybody")
        return True

    def _restart_idle(self) -> list[SimulatedPerson]:
        """Restart whoever is idle; those who do not answer `/` afterwards."""
        down: list[SimulatedPerson] = []
        for name in sorted(self.world.people):
            person = self.world.people[name]
            if unit_busy(self.world, person):
                self.tonight.fate(name, NightFate.DEFERRED, "an agent is active")
                continue
            restart(self.world, person)
            if person.running is None or self.world.now < person.wedged_until:
                self.tonight.say(f"{name}: / does not answer: {person.died}")
                down.append(person)
            else:
                self.tonight.fate(name, NightFate.MOVED)
        return down

    def _take_back(self, target: SimulatedBuild, down: list[SimulatedPerson]) -> None:
        before = self.previous or target
        self.world.pass_time(NPM)
        self.world.install_globally(before)
        self.tonight.say(f"rolled the binary back to {before.version}")
        for person in down:
            restart(self.world, person)
            self.tonight.fate(person.name, NightFate.ROLLED_BACK, "/ did not answer")
        self.tonight.outcome = "rolled back"
        self.tonight.refused.append(target.version.text)

    def drain(self) -> None:
        """There is no second timer."""

    def boot(self) -> None:
        """Every unit starts with the one binary that there is."""
        self.world.boot()

    def frozen(self) -> bool:
        """Never."""
        return False

    def thaw(self) -> None:
        """Nothing to thaw."""


@define(eq=False)
class Seed:
    """The gated script, guard by guard; the numbers are those of its sections."""

    name: str
    world: SimulatedWorld
    bind: Bind = Bind.LOOPBACK
    tonight: NightLog = field(factory=NightLog)
    freeze: bool = False
    last_good: SimulatedBuild | None = None
    previous: SimulatedBuild | None = None
    held: set[SimulatedBuild] = field(factory=set)
    backups: dict[str, Data] = field(factory=dict)

    def night(self) -> None:
        """Once a night."""
        current = self.world.installed
        if self.freeze:  # 0. freeze gate
            self._everybody(NightFate.FROZEN, f"FROZEN: holding at {current.version}")
            return
        self.last_good = self.last_good or current
        target = self._target(current)
        if target is None:
            return
        self._backup_all(target)  # 4. pre-bump backup, then install
        if not self._install(target):
            return
        trouble = self._health(target)  # 5. the gate
        if trouble:
            self._rollback_binary(target)
            text = f"HEALTH-CHECK FAILED: {trouble}"
            self._everybody(NightFate.REFUSED, text)
            self.tonight.outcome = f"refused {target.version} as a bad build"
            self.tonight.refused.append(target.version.text)
            return
        if self._canaries(target):  # 6. one by one
            self.last_good = target  # 7. success, also where nobody was restarted
            self.tonight.outcome = "moved"
            self.tonight.accepted.append(target.version.text)
            self.tonight.say(f"update complete: {target.version}")

    def _everybody(self, fate: NightFate, line: str) -> None:
        self.tonight.say(line)
        self.tonight.outcome = line.partition(":")[0]
        for name in self.world.people:
            self.tonight.fate(name, fate, line)

    def _target(self, current: SimulatedBuild) -> SimulatedBuild | None:
        """1. resolve the tag; 2. downgrade and channel guard."""
        world, tonight = self.world, self.tonight
        world.pass_time(_LOOK)
        target = None if world.registry_down else world.tagged(world.track)
        if target is None:
            self._everybody(NightFate.LATER, "could not resolve the tag: staying")
            return None
        if target is current:
            tonight.say(f"already on {world.track}={current.version}; nothing to do")
            return None
        if target in self.held:
            tonight.say(f"{target.version} is held by the operator")
            return None
        if not newer(target.version.text, current.version.text):
            line = f"{target.version} is NOT newer than installed {current.version}"
            self._everybody(NightFate.REFUSED, f"{line}: refusing downgrade")
            tonight.outcome = "refused as a downgrade"
            if target.version > current.version:
                tonight.refused.append(target.version.text)
            return None
        return target

    def _backup_all(self, target: SimulatedBuild) -> None:
        self.backups = {}
        for name, person in self.world.people.items():
            self.world.pass_time(0.1 + person.settings.size_mb * VACUUM_PER_MB)
            if self.world.disk_nearly_full:
                self.tonight.say(f"WARN: pre-bump backup FAILED for {name}")
                continue
            self.world.sync(person)
            self.backups[name] = person.data
        self.tonight.say(f"backed up {len(self.backups)} people before {target.version}")

    def _install(self, target: SimulatedBuild) -> bool:
        world = self.world
        world.pass_time(NPM)
        if world.disk_nearly_full or world.in_parts(target):
            self._everybody(NightFate.LATER, f"npm install of t3@{target.version} FAILED: staying")
            return False
        self.previous = world.default
        world.install_globally(target)
        return True

    def _health(self, target: SimulatedBuild) -> str:
        """The check on a copy of the admin's database, bound as the script binds it."""
        world = self.world
        world.pass_time(CHECK)
        if world.gate_down:
            return "live=0"
        names = [self.world.fleet.admin, *sorted(self.backups, reverse=True)]
        copied = next((world.people[name] for name in names if name in self.backups), None)
        traits = copied.traits if copied is not None else frozenset()
        if node_trouble(target, world.node) or target.faults & _NEVER_LIVE:
            return "live=0 pair=0"
        if traits & target.faults & _DATA_KILLS:
            return "live=0 pair=0 migerr=1"
        if not target.pairing or Behaviour.NO_COOKIE in target.faults:
            return "live=1 pair=0"
        cookie = target.cookie(loopback=self.bind is Bind.LOOPBACK)
        if cookie != PLAIN or (copied is not None and auth_broken(target, copied.data)):
            return f"live=1 pair=0 (no set-cookie of {PLAIN})"
        return ""

    def _rollback_binary(self, target: SimulatedBuild) -> None:
        good = self.last_good or target
        self.tonight.say(f"rolling back binary {target.version} -> {good.version}")
        self.world.pass_time(NPM)
        self.world.install_globally(good)

    def _canaries(self, target: SimulatedBuild) -> bool:
        """6. Restart the idle one by one; the first that does not pair ends it."""
        for name in sorted(self.world.people):
            person = self.world.people[name]
            if person.running is None:
                continue
            if unit_busy(self.world, person):
                self.tonight.fate(name, NightFate.DEFERRED, "an agent is active")
                continue
            restart(self.world, person)
            if not self._verified(person):
                self._failed_canary(person, target)
                return False
            self.tonight.fate(name, NightFate.MOVED)
        return True

    def _verified(self, person: SimulatedPerson) -> bool:
        """Through the real dispatch; the cookie's name is spelt out in the script."""
        for _ in range(VERIFY_TRIES):
            self.world.mint(person)
            running = person.running
            problem = self.world.problem_of(person)
            if not problem and running is not None and running.cookie(loopback=False) == PLAIN:
                return True
            self.world.pass_time(VERIFY_PAUSE)
        return False

    def _failed_canary(self, person: SimulatedPerson, target: SimulatedBuild) -> None:
        world, name = self.world, person.name
        why = world.problem_of(person) or f"no set-cookie of {PLAIN}, it is another"
        self.tonight.say(f"HEALTH-CHECK FAILED: {name} pairing broken after restart: {why}")
        self._rollback_binary(target)
        if name in self.backups:
            world.stop(person)
            world.restore(person, self.backups[name], whole=False)
            self.tonight.say(f"restored {name} {V1_DATABASE} from before the bump")
            world.pass_time(RESTART)
            world.start(person)
        self.freeze = True
        self.tonight.fate(name, NightFate.ROLLED_BACK, why)
        self.tonight.outcome = f"rolled back {target.version} and FROZEN"
        self.tonight.say(f"FROZEN after canary {name} failed on {target.version}")
        self.tonight.refused.append(target.version.text)
        self.tonight.human = "frozen"

    def drain(self) -> None:
        """There is no second timer: who was deferred waits for the next bump."""

    def boot(self) -> None:
        """Every unit starts with the one binary that there is."""
        self.world.boot()

    def frozen(self) -> bool:
        """Whether the freeze file is there."""
        return self.freeze

    def thaw(self) -> None:
        """A person removes the freeze file."""
        self.freeze = False


_NEVER_LIVE: Final = frozenset({Behaviour.UNBUILT, Behaviour.FOREIGN_PACKAGE})
_DATA_KILLS: Final = frozenset(
    {
        Behaviour.SISTER_DATA,
        Behaviour.ID_COLLISION,
        Behaviour.OLD_EVENTS,
        Behaviour.LARGE_EVENTS,
    }
)


def unit_busy(world: SimulatedWorld, person: SimulatedPerson) -> bool:
    """The script's look at a unit: an agent among the direct children of its main process.

    Where a launcher is the main process, the serve is its child and no agent is ever seen.
    """
    return (
        person.running is not None
        and not person.running.launched
        and world.turn(person) is not None
        and not person.settings.wrapped
    )


def restart(world: SimulatedWorld, person: SimulatedPerson) -> None:
    """`systemctl restart`."""
    world.stop(person)
    world.pass_time(RESTART)
    world.start(person)


# t3safe.


@define(eq=False)
class Safe:
    """t3safe over the replayed host."""

    name: str
    world: SimulatedWorld
    host: Host
    store: SimulatedBuilds
    selection: SimulatedSelection
    switch: MemorySwitch
    choices: MemoryChoices
    tonight: NightLog = field(factory=NightLog)

    def begin(self) -> None:
        """Adopt the host: everybody runs the default already, and from now on by a link."""
        first = self.world.installed
        self.store.store[first.version] = first
        self.selection.good = first.version
        for person in self.world.people.values():
            person.link = first

    def night(self) -> None:
        """`t3safe run`."""
        self._follow()
        self._take(run(self.host))
        self._arrived()

    def drain(self) -> None:
        """`t3safe drain`."""
        result = drain(self.host)
        if result.rollout is None:
            return
        before = self.tonight.outcome
        self._take(result)
        self._arrived()
        if result.outcome is ev.Outcome.DEFERRED:
            self.tonight.outcome = before
        elif before != self.tonight.outcome:
            self.tonight.outcome = f"{before}; drain: {self.tonight.outcome}"

    def _follow(self) -> None:
        """Follow the track that a person chose; across channels only a pin moves anybody."""
        world, rules = self.world, self.host.rules
        if rules.policy.track is not world.track:
            policy = attrs.evolve(rules.policy, track=world.track)
            self.host = attrs.evolve(self.host, rules=attrs.evolve(rules, policy=policy))
        if world.across:
            target = world.tagged(world.track)
            present = max((p.link.version for p in world.people.values() if p.link), default=None)
            if target is not None and present is not None and target.version > present:
                self.choices.pin(target.version, "a person crosses over")

    def _arrived(self) -> None:
        """Take the pin away once everybody has crossed over."""
        world, pin = self.world, self.choices.chosen().pin
        if pin is None:
            return
        if all(person.link and person.link.version == pin for person in world.people.values()):
            world.across = False
            self.choices.unpin()

    def boot(self) -> None:
        """Recovery before the serves, the serves, recovery."""
        early = recover(self.host, boot=True)
        self.world.boot()
        late = recover(self.host)
        for result in (early, late):
            if result is not None and result.outcome is not None:
                self._take(result)

    def frozen(self) -> bool:
        """Whether the switch is set."""
        return bool(self.switch.frozen())

    def thaw(self) -> None:
        """`t3safe thaw`."""
        self.switch.thaw()

    # What came of it.

    def _take(self, result: Result) -> None:
        tonight = self.tonight
        for warning in result.warnings:
            tonight.say(warning)
        if result.rollout is None:
            self._stayed(result)
            return
        tonight.outcome = str(result.outcome) if result.outcome is not None else "unfinished"
        if len(self.world.people) >= _CROWD:
            # Of fewer the listener has told it as it happened.
            tonight.say(f"{tonight.outcome}: {_short(result.reason)}")
        self._moves(result.rollout, result)
        self._marks(result.rollout, result)

    def _stayed(self, result: Result) -> None:
        tonight = self.tonight
        fate = {
            SkipReason.FROZEN: NightFate.FROZEN,
            SkipReason.REFUSED: NightFate.REFUSED,
            SkipReason.LATER: NightFate.LATER,
        }
        if result.stayed is None or result.stayed is SkipReason.NOTHING:
            tonight.say(result.reason)
            return
        tonight.outcome = str(result.stayed)
        tonight.say(f"{result.stayed}: {_short(result.reason)}")
        tonight.teach = tonight.teach or _dispatch_first(result.reason)
        for name in self.world.people:
            tonight.fate(name, fate[result.stayed], _short(result.reason))

    def _moves(self, rollout: Rollout, result: Result) -> None:
        wholly = _WHOLE.get(result.outcome) if result.outcome is not None else None
        for move in rollout.moves:
            fate = _FATES.get(move.status)
            if fate is not None:
                self.tonight.fate(move.person, fate, move.reason)
            elif wholly is not None:
                self.tonight.fate(move.person, wholly, _short(result.reason))

    def _marks(self, rollout: Rollout, result: Result) -> None:
        tonight = self.tonight
        candidate = rollout.plan.candidate.text
        match result.outcome:
            case ev.Outcome.PROMOTED | ev.Outcome.MOVED:
                tonight.accepted.append(candidate)
            case ev.Outcome.REFUSED:
                tonight.refused.append(candidate)
                tonight.teach = _dispatch_first(result.reason)
            case ev.Outcome.ROLLED_BACK:
                refused = rollout.verdict is not None
                if refused and any(m.status is Status.ROLLED_BACK for m in rollout.moves):
                    tonight.refused.append(candidate)
                tonight.human = "rolled back, frozen"
            case ev.Outcome.GATE_BROKEN:
                tonight.human = "gate broken"
            case ev.Outcome.NEEDS_HUMAN:
                tonight.human = "needs a human"
            case _:
                return


_FATES: Final = {
    Status.MOVED: NightFate.MOVED,
    Status.KEPT: NightFate.MOVED,
    Status.DEFERRED: NightFate.DEFERRED,
    Status.REFUSED: NightFate.REFUSED,
    Status.HELD_BACK: NightFate.REFUSED,
    Status.BROKEN_BEFORE: NightFate.LATER,
    Status.NOT_RUNNING: NightFate.LATER,
    Status.RETURNED: NightFate.LATER,
    Status.ROLLED_BACK: NightFate.ROLLED_BACK,
    Status.ENVIRONMENT: NightFate.ROLLED_BACK,
    Status.NEEDS_HUMAN: NightFate.ROLLED_BACK,
}
_WHOLE: Final = {
    ev.Outcome.REFUSED: NightFate.REFUSED,
    ev.Outcome.GATE_BROKEN: NightFate.LATER,
    ev.Outcome.LATER: NightFate.LATER,
    ev.Outcome.INTERRUPTED: NightFate.LATER,
    ev.Outcome.ROLLED_BACK: NightFate.CALM,
}


def _dispatch_first(reason: str) -> bool:
    return "update the dispatch first" in reason


def _short(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


@define(eq=False)
class NightLogObserver:
    """An observer that keeps what a person would read of a night."""

    told: Callable[[], NightLog]
    people: int

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Keep the lines of an event; of a crowd only what is out of the ordinary."""
        if self.people >= _CROWD and not _notable(event):
            return
        for line in self._lines(before, event, after):
            self.told().say(line)

    @staticmethod
    def _lines(before: Rollout | None, event: ev.Event, after: Rollout) -> Iterator[str]:
        for line in log.lines(before, event, after):
            if line.level is not LogLevel.PROGRESS:
                yield _short(str(line))


def _notable(event: ev.Event) -> bool:
    match event:
        case ev.Finished(answer=ev.Failed() | ev.NotPaired() | ev.BakeBroken() | ev.Quarantined()):
            return True
        case ev.Resumed() | ev.StopAsked():
            return True
        case _:
            return False
