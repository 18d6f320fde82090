"""The updaters that are compared with t3safe, each over the same host with one global binary.

`Blind` installs whatever the tag names, restarts whoever is idle and looks at `/`.  `Seed` is the
script that hosts ran before t3safe, guard by guard, its defects included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from t3safe.simulation.builds import (
    NEVER_RUNS,
    Data,
    SimulatedBuild,
    auth_broken,
    data_crash,
    node_problem,
)
from t3safe.simulation.filevercmp import newer
from t3safe.simulation.fleet import Bind, Mishap, UpdaterSettings
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.nightlog import NightLog, PersonNight
from t3safe.simulation.person import SimulatedPerson
from t3safe.simulation.world import SimulatedWorld
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.sign_in import PLAIN_COOKIE

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


@define(eq=False)
class Updater:
    """One updater on one host; `tonight` gathers what it says since the timer fired."""

    name: str
    world: SimulatedWorld
    settings: UpdaterSettings
    tonight: NightLog = field(factory=NightLog, init=False)
    freeze: bool = field(default=False, init=False)

    def night(self) -> None:
        """Do what the nightly timer does."""
        raise NotImplementedError

    def drain(self) -> None:
        """Do what a second timer does, where there is one."""

    def boot(self) -> None:
        """Come up again with the host."""
        self.world.boot()

    def frozen(self) -> bool:
        """Whether the updater waits for a person."""
        return self.freeze

    def thaw(self) -> None:
        """A person lets it act again."""
        self.freeze = False

    def mark_all(self, outcome: PersonNight, line: str) -> None:
        """Give all people one outcome, and the night its line."""
        self.tonight.say(line)
        self.tonight.outcome = line.partition(":")[0]
        for name in self.world.people:
            self.tonight.note_outcome(name, outcome, line)


@define(eq=False)
class OneBinary(Updater):
    """An updater of the one global binary; `held` builds are passed by."""

    previous: SimulatedBuild | None = field(default=None, init=False)
    held: set[SimulatedBuild] = field(factory=set, init=False)
    backups: dict[str, Data] = field(factory=dict, init=False)

    def tagged(self) -> SimulatedBuild | None:
        """Look where the tag points, None where the registry does not say."""
        self.world.pass_time(_LOOK)
        return (
            None
            if Mishap.REGISTRY_DOWN in self.world.lasting
            else self.world.tagged(self.world.track)
        )

    def install(self, target: SimulatedBuild) -> bool:
        """`npm i -g`; whether it worked."""
        world = self.world
        world.pass_time(NPM)
        if Mishap.DISK_NEARLY_FULL in world.lasting or world.in_parts(target):
            why = "ETARGET" if world.in_parts(target) else "no space left"
            line = f"npm install of t3@{target.version} FAILED ({why}): staying"
            self.mark_all(PersonNight.LATER, line)
            return False
        self.previous = world.default
        world.install_globally(target)
        self.tonight.say(f"installed t3@{target.version} for everybody")
        return True

    def roll_back_to(self, build: SimulatedBuild) -> None:
        """Put an earlier binary back for everybody."""
        self.world.pass_time(NPM)
        self.world.install_globally(build)
        self.tonight.say(f"rolled the binary back to {build.version}")

    def restarted(self, people: Iterable[SimulatedPerson]) -> Iterator[SimulatedPerson]:
        """Restart whoever is idle, one by one.

        Who is at work is seen by an agent among the direct children of the unit's main process.
        Where a launcher is the main process, the serve is its child and no agent is ever seen.
        """
        for person in people:
            build, at_work = person.running, person.turn(self.world.now) is not None
            if build and not build.launched and at_work and not person.settings.wrapped:
                self.tonight.note_outcome(person.name, PersonNight.DEFERRED, "an agent is active")
                continue
            restart(self.world, person)
            yield person

    def by_name(self) -> list[SimulatedPerson]:
        """Everybody in the order in which a script meets them."""
        return sorted(self.world.people.values(), key=lambda person: person.name)


def restart(world: SimulatedWorld, person: SimulatedPerson) -> None:
    """`systemctl restart`."""
    world.stop(person)
    world.pass_time(RESTART)
    world.start(person)


@define(eq=False)
class Blind(OneBinary):
    """Install the tag, restart the idle, check that `/` answers."""

    def night(self) -> None:
        """Once a night."""
        world, tonight, target = self.world, self.tonight, self.tagged()
        if target in self.held:
            tonight.say(f"{target.version} is held by the operator")
            return
        if target is None or target is world.default or not self.install(target):
            return
        down: list[SimulatedPerson] = []
        for person in self.restarted(self.by_name()):
            if person.running is None or world.now < person.wedged_until:
                tonight.say(f"{person.name}: / does not answer: {person.died}")
                down.append(person)
            else:
                tonight.note_outcome(person.name, PersonNight.MOVED)
        if not down:
            tonight.outcome = "moved"
            tonight.accepted.append(target.version.text)
            return
        self.roll_back_to(self.previous or target)
        for person in down:
            restart(world, person)
            tonight.note_outcome(person.name, PersonNight.ROLLED_BACK, "/ did not answer")
        tonight.outcome = "rolled back"
        tonight.refused.append(target.version.text)


@define(eq=False)
class Seed(OneBinary):
    """The gated script, guard by guard; the numbers are those of its sections."""

    last_good: SimulatedBuild | None = field(default=None, init=False)

    def night(self) -> None:
        """Once a night."""
        current, tonight = self.world.default, self.tonight
        if self.freeze:  # 0. freeze gate
            self.mark_all(PersonNight.FROZEN, f"FROZEN: holding at {current.version}")
            return
        self.last_good = self.last_good or current
        target = self._target(current)
        if target is None:
            return
        self._backup_all(target)  # 4. pre-bump backup, then install
        if not self.install(target):
            return
        problem = self._health(target)  # 5. the gate
        if problem:
            self.roll_back_to(self.last_good)
            self.mark_all(PersonNight.REFUSED, f"HEALTH-CHECK FAILED: {problem}")
            tonight.outcome = f"refused {target.version} as a bad build"
            tonight.refused.append(target.version.text)
            return
        running = (person for person in self.by_name() if person.running is not None)
        for person in self.restarted(running):  # 6. one by one; the first that fails ends it
            if not self._verified(person):
                self._failed_canary(person, target)
                return
            tonight.note_outcome(person.name, PersonNight.MOVED)
        self.last_good = target  # 7. success, also where nobody was restarted
        tonight.outcome = "moved"
        tonight.accepted.append(target.version.text)
        tonight.say(f"update complete: {target.version}")

    def _target(self, current: SimulatedBuild) -> SimulatedBuild | None:
        """1. resolve the tag; 2. downgrade and channel guard."""
        tonight, target = self.tonight, self.tagged()
        if target is None:
            self.mark_all(PersonNight.LATER, "could not resolve the tag: staying")
            return None
        if target is current:
            tonight.say(f"already on {self.world.track}={current.version}; nothing to do")
            return None
        if target in self.held:
            tonight.say(f"{target.version} is held by the operator")
            return None
        if not newer(target.version.text, current.version.text):
            line = f"{target.version} is NOT newer than installed {current.version}"
            self.mark_all(PersonNight.REFUSED, f"{line}: refusing downgrade")
            tonight.outcome = "refused as a downgrade"
            if target.version > current.version:
                tonight.refused.append(target.version.text)
            return None
        return target

    def _backup_all(self, target: SimulatedBuild) -> None:
        self.backups = {}
        for name, person in self.world.people.items():
            self.world.pass_time(0.1 + person.settings.size_mb * VACUUM_PER_MB)
            if Mishap.DISK_NEARLY_FULL in self.world.lasting:
                self.tonight.say(f"WARN: pre-bump backup FAILED for {name}")
                continue
            person.sync(self.world.now)
            self.backups[name] = person.data
        self.tonight.say(f"backed up {len(self.backups)} people before {target.version}")

    def _health(self, target: SimulatedBuild) -> str:
        """The check on a copy of the admin's database, bound as the script binds it."""
        world = self.world
        world.pass_time(CHECK)
        if Mishap.GATE_DOWN in world.lasting:
            return "live=0"
        names = [self.world.fleet.admin, *sorted(self.backups, reverse=True)]
        copied = next((world.people[name] for name in names if name in self.backups), None)
        if node_problem(target, world.node) or target.faults & NEVER_RUNS:
            return "live=0 pair=0"
        if copied is not None and data_crash(target, copied.data):
            return "live=0 pair=0 migerr=1"
        if not target.pairing or Behaviour.NO_COOKIE in target.faults:
            return "live=1 pair=0"
        cookie = target.cookie(loopback=self.settings.bind is Bind.LOOPBACK)
        broken = copied is not None and auth_broken(target, copied.data)
        if cookie != PLAIN_COOKIE or broken:
            return f"live=1 pair=0 (no set-cookie of {PLAIN_COOKIE})"
        return ""

    def _verified(self, person: SimulatedPerson) -> bool:
        """Through the real dispatch; the cookie's name is spelt out in the script."""
        for _ in range(VERIFY_TRIES):
            self.world.mint(person)
            running = person.running
            cookie = running.cookie(loopback=False) if running is not None else ""
            if cookie == PLAIN_COOKIE and not self.world.problem_of(person):
                return True
            self.world.pass_time(VERIFY_PAUSE)
        return False

    def _failed_canary(self, person: SimulatedPerson, target: SimulatedBuild) -> None:
        world, name = self.world, person.name
        why = world.problem_of(person) or f"no set-cookie of {PLAIN_COOKIE}, it is another"
        self.tonight.say(f"HEALTH-CHECK FAILED: {name} pairing broken after restart: {why}")
        self.roll_back_to(self.last_good or target)
        if name in self.backups:
            world.stop(person)
            world.restore(person, self.backups[name], whole=False)
            self.tonight.say(f"restored {name} {V1_DATABASE} from before the bump")
            world.pass_time(RESTART)
            world.start(person)
        self.freeze = True
        self.tonight.note_outcome(name, PersonNight.ROLLED_BACK, why)
        self.tonight.outcome = f"rolled back {target.version} and FROZEN"
        self.tonight.say(f"FROZEN after canary {name} failed on {target.version}")
        self.tonight.refused.append(target.version.text)
        self.tonight.human = "frozen"
