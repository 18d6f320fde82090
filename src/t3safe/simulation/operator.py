"""The person who is called when an updater leaves something to a person.

They come some hours after the night and do what a careful operator would do.  Every morning on
which they act counts as one manual intervention:

1. Where people are broken since the last bump, the binary is rolled back first, because that is
   what anybody tries first.  It is undone where it does not help.  Where it helps, the build is
   held, unless all that was wrong is what the dispatch did not know.
2. What the dispatch does not know of a build is taught to it.
3. Whoever is still broken or apart from their data gets a build that knows the data; where the
   newest is no good for them, the set from before the bump, if there is a copy of it.
4. A frozen updater is thawed.
"""

from __future__ import annotations

import re

from attrs import define, field

from t3safe.simulation.builds import SimulatedBuild
from t3safe.simulation.person import AWAY, OF_THE_HOST, SimulatedPerson
from t3safe.simulation.policies import Blind, OneBinary, Seed, Updater, restart
from t3safe.simulation.world import SimulatedWorld

_PASSING = OF_THE_HOST | {AWAY}


@define(eq=False)
class Operator:
    """Looks after one host."""

    world: SimulatedWorld
    policy: Updater
    done: list[str] = field(factory=list)

    def attend(self) -> None:
        """Come, look, fix, and be counted where anything was to be done."""
        policy, tonight = self.policy, self.policy.tonight
        self.done = []
        if isinstance(policy, OneBinary):
            self._fix_binary(policy)
        else:
            self._teach()
            if tonight.teach:
                self._teach_what_is_tagged()
            for person in self._broken():
                if person.running is None:
                    self.world.start(person)
                    self.done.append(f"started the serve of {person.name}")
        if policy.frozen():
            self._teach_what_is_tagged()
            policy.thaw()
            self.done.append("thawed the updater")
        if not self.done and tonight.human:
            self.done.append(f"looked into it: {tonight.human}")
        if self.done:
            self.world.interventions.append((self.world.now, "; ".join(self.done)))
            for line in self.done:
                tonight.say(f"operator: {line}")

    def _broken(self) -> list[SimulatedPerson]:
        return [
            person
            for person in self.world.people.values()
            if person.problem and person.problem not in _PASSING
        ]

    # A host with one global binary.

    def _fix_binary(self, policy: OneBinary) -> None:
        bad, previous = self.world.default, policy.previous
        if not self._broken():
            return
        if isinstance(policy, Blind) and previous is not None and previous is not bad:
            self._roll_back_first(policy, previous, bad)
        self._teach()
        self._forward(policy)
        broken = self._broken()
        if broken and previous is not None:
            self._install(previous, broken)
            for person in broken:
                copy = policy.backups.get(person.name)
                if person.problem and copy is not None:
                    self.world.stop(person)
                    self.world.restore(person, copy, whole=False)
                    self.world.start(person)
                    self.done.append(f"restored {person.name} from before the bump")
            self.done.append(f"put {previous.version} back")
            policy.held.add(bad)

    def _roll_back_first(
        self, policy: OneBinary, previous: SimulatedBuild, bad: SimulatedBuild
    ) -> None:
        broken = self._broken()
        self._install(previous, broken)
        still = self._broken()
        if still:
            why = still[0].problem
            self.done.append(f"the binary rollback to {previous.version} does not help: {why}")
            self._install(bad, broken)
            self.world.touch_all()
            return
        if self.world.contract(bad):
            self._teach_of(bad)
        else:
            policy.held.add(bad)
        self.done.append(f"rolled the binary back to {previous.version}")

    def _install(self, build: SimulatedBuild, people: list[SimulatedPerson]) -> None:
        self.world.install_globally(build)
        for person in people:
            restart(self.world, person)

    def _forward(self, policy: OneBinary) -> None:
        """Install the newest build that has come near this host, where that is good for all."""
        broken, tagged = self._broken(), self.world.tagged(self.world.track)
        newest = max(filter(None, (tagged, self.world.default)), key=lambda build: build.version)
        if not broken or self.world.unfit(newest):
            return
        self._install(newest, broken)
        if isinstance(policy, Seed):
            policy.last_good = newest
        names = ", ".join(person.name for person in broken[:5])
        self.done.append(f"installed {newest.version} by hand for {names}")

    # The dispatch.

    def _teach(self) -> None:
        """Teach what it lacks for the builds of those who are broken."""
        running = {person.running for person in self._broken() if person.running is not None}
        for build in {build for build in running if self.world.contract(build)}:
            self._teach_of(build)

    def _teach_what_is_tagged(self) -> None:
        target = self.world.tagged(self.world.track)
        if target is not None and self.world.contract(target):
            self._teach_of(target)

    def _teach_of(self, build: SimulatedBuild) -> None:
        cookie, protocol = build.cookie(loopback=False), build.generation.sign_in.protocol
        known = self.world.dispatch
        lacking = [
            text
            for text, there in (
                (build.pairing, build.pairing in known.paths),
                (f"the cookie {cookie}", any(re.fullmatch(name, cookie) for name in known.cookies)),
                (f"protocol {protocol}", protocol in known.protocols),
            )
            if not there
        ]
        self.world.teach((build.pairing,), (cookie,), (protocol,))
        self.done.append(f"taught the dispatch {', '.join(lacking)} ({build.version})")
