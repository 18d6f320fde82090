"""The person who is called when an updater leaves something to a person.

They come some hours after the night, do what a careful operator would do, and every such morning
counts as one intervention:

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
from t3safe.simulation.policies import Blind, Seed, Updater, restart
from t3safe.simulation.world import AWAY, OF_THE_HOST, SimulatedPerson, SimulatedWorld

_PASSING = OF_THE_HOST | {AWAY}


@define(eq=False)
class Operator:
    """Looks after one host."""

    world: SimulatedWorld
    policy: Updater
    done: list[str] = field(factory=list)

    def attend(self) -> None:
        """Come, look, fix, and be counted where anything was to be done."""
        self.done = []
        if isinstance(self.policy, Blind | Seed):
            self._mend_binary(self.policy)
        else:
            self._mend()
        if self.policy.frozen():
            self._teach_what_is_tagged()
            self.policy.thaw()
            self.done.append("thawed the updater")
        if not self.done and self.policy.tonight.human:
            self.done.append(f"looked into it: {self.policy.tonight.human}")
        if self.done:
            self.world.interventions.append((self.world.now, "; ".join(self.done)))
            for line in self.done:
                self.policy.tonight.say(f"operator: {line}")

    def _broken(self) -> list[SimulatedPerson]:
        return [
            person
            for person in self.world.people.values()
            if person.problem and person.problem not in _PASSING
        ]

    # A host with one global binary.

    def _mend_binary(self, policy: Blind | Seed) -> None:
        broken = self._broken()
        if not broken:
            return
        bad = self.world.default
        if isinstance(policy, Blind):
            self._roll_back_first(policy, broken)
            broken = self._broken()
        self._teach()
        self._forward(policy, self._broken())
        broken = self._broken()
        if broken and policy.previous is not None:
            self._put_back(policy, policy.previous, broken)
            if bad is not None:
                policy.held.add(bad)

    def _roll_back_first(self, policy: Blind, broken: list[SimulatedPerson]) -> None:
        world, previous, bad = self.world, policy.previous, self.world.default
        if previous is None or previous is bad or bad is None:
            return
        self._install(previous, broken)
        if not self._broken():
            if self.world.contract(bad):
                self._teach_of(bad)
            else:
                policy.held.add(bad)
            self.done.append(f"rolled the binary back to {previous.version}")
            return
        why = self._broken()[0].problem
        self.done.append(f"the binary rollback to {previous.version} does not help: {why}")
        self._install(bad, broken)
        world.touch_all()

    def _install(self, build: SimulatedBuild, people: list[SimulatedPerson]) -> None:
        self.world.install_globally(build)
        for person in people:
            restart(self.world, person)

    def _forward(self, policy: Blind | Seed, broken: list[SimulatedPerson]) -> None:
        if not broken:
            return
        newest = self._newest()
        if newest is None or self.world.unfit(newest):
            return
        self._install(newest, broken)
        if isinstance(policy, Seed):
            policy.last_good = newest
        self.done.append(
            f"installed {newest.version} by hand for {', '.join(p.name for p in broken[:5])}"
        )

    def _newest(self) -> SimulatedBuild | None:
        """The newest build that has come near this host: what is tagged now, or what runs."""
        tagged = self.world.tagged(self.world.track)
        known = [build for build in (tagged, self.world.default) if build is not None]
        return max(known, key=lambda build: build.version, default=None)

    def _put_back(
        self, policy: Blind | Seed, previous: SimulatedBuild, broken: list[SimulatedPerson]
    ) -> None:
        self._install(previous, broken)
        for person in broken:
            copy = policy.backups.get(person.name)
            if person.problem and copy is not None:
                self.world.stop(person)
                self.world.restore(person, copy, whole=False)
                self.world.start(person)
                self.done.append(f"restored {person.name} from before the bump")
        self.done.append(f"put {previous.version} back")

    # The dispatch.

    def _teach(self) -> None:
        lacking = {
            person.running
            for person in self._broken()
            if person.running is not None and self.world.contract(person.running)
        }
        for build in lacking:
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

    # t3safe.

    def _mend(self) -> None:
        self._teach()
        if self.policy.tonight.teach:
            self._teach_what_is_tagged()
        for person in self._broken():
            if person.running is None:
                self.world.start(person)
                self.done.append(f"started the serve of {person.name}")
