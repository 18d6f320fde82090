"""t3safe over the replayed host: its own use cases, engine and rules; other ports."""

from __future__ import annotations

from typing import Final

import attrs
from attrs import define, field

from t3safe.configuration import Settings
from t3safe.domain import events as ev
from t3safe.domain import log
from t3safe.domain.messages import LogLevel
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.ports import Ports
from t3safe.domain.rollout_state import Rollout
from t3safe.rules import AlwaysPermitted, limits, rules
from t3safe.simulation import ports as replayed
from t3safe.simulation.decisions import MemoryChoices, MemorySwitch, MemoryVerdicts
from t3safe.simulation.gate import SimulatedGate
from t3safe.simulation.journal import MemoryJournal
from t3safe.simulation.nightlog import PersonNight
from t3safe.simulation.policies import Updater
from t3safe.usecases.host import Host, Result, wired
from t3safe.usecases.recover import recover
from t3safe.usecases.run import drain, run

_CROWD: Final = 20
"""From so many people on only what is out of the ordinary is said of each."""


@define(eq=False)
class Safe(Updater):
    """t3safe over the replayed host: an observer of its own engine."""

    host: Host = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Adopt the host: everybody runs the default already, and from now on by a link."""
        world, given, first = self.world, self.settings, self.world.default
        settings = Settings(
            track=world.track, policy=given.policy, gate=given.gate, rollout=given.rollout
        )
        builds = replayed.SimulatedBuilds(world, {first.version: first})
        states = replayed.SimulatedPersonalData(world)
        ports = Ports(
            builds=builds,
            selection=replayed.SimulatedSelection(world, builds, first.version),
            services=replayed.SimulatedServices(world),
            personal_data=states,
            gate=SimulatedGate(world, builds, states, given.gate),
            pairing=replayed.SimulatedPairing(world),
            verdicts=MemoryVerdicts(world),
            switch=MemorySwitch(world),
            clock=replayed.SimulatedClock(world),
            residents=replayed.SimulatedResidents(world),
            journal=MemoryJournal(forgets=True),
            registry=replayed.SimulatedRegistry(world),
            people=replayed.SimulatedPeople(world),
            choices=MemoryChoices(world),
            permit=AlwaysPermitted(),
        )
        self.host = wired(
            ports,
            rules(settings),
            lambda at: f"{at:%Y%m%dT%H%M%S.%fZ}",
            limits=limits(settings),
            observers=(self,),
        )
        for person in world.people.values():
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
                self.host.ports.choices.pin(target.version, "a person crosses over")

    def _arrived(self) -> None:
        """Take the pin away once everybody has crossed over."""
        world, choices = self.world, self.host.ports.choices
        pin = choices.chosen().pin
        if pin is not None and all(p.link and p.link.version == pin for p in world.people.values()):
            world.across = False
            choices.unpin()

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
        return bool(self.host.ports.switch.frozen())

    def thaw(self) -> None:
        """`t3safe thaw`."""
        self.host.ports.switch.thaw()

    # What came of it.

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Say what a person would read of an event; of a crowd only what is out of the ordinary."""
        if len(self.world.people) >= _CROWD and not _notable(event):
            return
        for line in log.lines(before, event, after):
            if line.level is not LogLevel.PROGRESS:
                self.tonight.say(_short(str(line)))

    def _take(self, result: Result) -> None:
        tonight, rollout, outcome = self.tonight, result.rollout, result.outcome
        for warning in result.warnings:
            tonight.say(warning)
        tonight.teach = tonight.teach or "update the dispatch first" in result.reason
        if rollout is None:
            self._stayed(result)
            return
        tonight.outcome = str(outcome) if outcome is not None else "unfinished"
        if len(self.world.people) >= _CROWD:
            # Of fewer `saw` has said it as it happened.
            tonight.say(f"{tonight.outcome}: {_short(result.reason)}")
        wholly = _WHOLE.get(outcome) if outcome is not None else None
        for move in rollout.moves:
            night = _OUTCOMES.get(move.status)
            if night is not None:
                tonight.note_outcome(move.person, night, move.reason)
            elif wholly is not None:
                tonight.note_outcome(move.person, wholly, _short(result.reason))
        candidate = rollout.plan.candidate.text
        blamed = rollout.verdict is not None and any(
            move.status is Status.ROLLED_BACK for move in rollout.moves
        )
        match outcome:
            case ev.Outcome.PROMOTED | ev.Outcome.MOVED:
                tonight.accepted.append(candidate)
            case ev.Outcome.REFUSED:
                tonight.refused.append(candidate)
            case ev.Outcome.ROLLED_BACK:
                if blamed:
                    tonight.refused.append(candidate)
                tonight.human = "rolled back, frozen"
            case ev.Outcome.GATE_BROKEN:
                tonight.human = "gate broken"
            case ev.Outcome.NEEDS_HUMAN:
                tonight.human = "needs a human"
            case _:
                return

    def _stayed(self, result: Result) -> None:
        outcome = _STAYED.get(result.stayed) if result.stayed is not None else None
        if outcome is None:
            self.tonight.say(result.reason)
            return
        self.tonight.outcome = str(result.stayed)
        self.tonight.say(f"{result.stayed}: {_short(result.reason)}")
        for name in self.world.people:
            self.tonight.note_outcome(name, outcome, _short(result.reason))


_OUTCOMES: Final = {
    Status.MOVED: PersonNight.MOVED,
    Status.KEPT: PersonNight.MOVED,
    Status.DEFERRED: PersonNight.DEFERRED,
    Status.REFUSED: PersonNight.REFUSED,
    Status.HELD_BACK: PersonNight.REFUSED,
    Status.BROKEN_BEFORE: PersonNight.LATER,
    Status.NOT_RUNNING: PersonNight.LATER,
    Status.RETURNED: PersonNight.LATER,
    Status.ROLLED_BACK: PersonNight.ROLLED_BACK,
    Status.ENVIRONMENT: PersonNight.ROLLED_BACK,
    Status.NEEDS_HUMAN: PersonNight.ROLLED_BACK,
}
_STAYED: Final = {
    SkipReason.FROZEN: PersonNight.FROZEN,
    SkipReason.REFUSED: PersonNight.REFUSED,
    SkipReason.LATER: PersonNight.LATER,
}
_WHOLE: Final = {
    ev.Outcome.REFUSED: PersonNight.REFUSED,
    ev.Outcome.GATE_BROKEN: PersonNight.LATER,
    ev.Outcome.LATER: PersonNight.LATER,
    ev.Outcome.INTERRUPTED: PersonNight.LATER,
    ev.Outcome.ROLLED_BACK: PersonNight.CALM,
}


def _short(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def _notable(event: ev.Event) -> bool:
    match event:
        case ev.Finished(answer=ev.Failed() | ev.NotPaired() | ev.BakeBroken() | ev.Quarantined()):
            return True
        case ev.Resumed() | ev.StopAsked():
            return True
        case _:
            return False
