"""The nights, one after another: time, policy, operator, counting.

Rules:

1. A night begins when the timer fires and ends right before the next one.  In it: the policy's
   night, its drains, the morning's sign-ins, the operator.
2. A reboot ends whatever was running at that moment; the host comes up again two minutes later.
3. A person is stranded on a night where binary and ledger are apart when the policy is done, or at
   the end of the day.  What is apart for a moment within a policy's own steps is none of that.
4. Refusals and acceptances are held against how things are at that moment (`SimulatedWorld.unfit`).
"""

from __future__ import annotations

import gc
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from typing import Final

from attrs import define, field

from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation.builds import SimulatedBuild
from t3safe.simulation.diary import DAY, stamp
from t3safe.simulation.fleet import PolicyKind, at
from t3safe.simulation.nightlog import NightLog, PersonNight
from t3safe.simulation.operator import Operator
from t3safe.simulation.policies import Blind, Seed, Updater
from t3safe.simulation.safe import Safe
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import GENERATION_LETTERS, Night, PersonScore, PolicyRun, Scores
from t3safe.simulation.world import SimulatedPowerCut, SimulatedWorld

BOOT: Final = 120.0
"""Seconds for which the host is down in a reboot; an assumption."""
BEFORE: Final = 3600.0
"""Seconds before the timer from which on what befalls the host is told with the coming night."""
BROKEN_LEAST: Final = 1.0
"""Minutes from which on a night counts as broken for a person."""
_WORTH_A_PROCESS: Final = 50
"""People from whom on another process is worth its start (measured: 0.6 s, a policy's nights)."""
_UPDATERS: Final = {PolicyKind.BLIND: Blind, PolicyKind.SEED: Seed, PolicyKind.T3SAFE: Safe}


def updater(scenario: ReplayScenario, name: str) -> Updater:
    """One of the scenario's policies over a host of its own, ready for the first night."""
    settings = scenario.fleet.policies[name]
    return _UPDATERS[settings.kind](name, scenario.world(), settings)


def simulate(scenario: ReplayScenario, name: str) -> PolicyRun:
    """Replay every night of a scenario under one of its policies."""
    # Hundreds of thousands of small values live until the end: looking for cycles among them
    # again and again finds none.
    gc.freeze()
    gc.disable()
    try:
        policy = updater(scenario, name)
        return Replay(policy.world, policy, scenario.days).run()
    finally:
        gc.enable()


def simulate_all(
    scenario: ReplayScenario, names: tuple[str, ...], jobs: int
) -> tuple[PolicyRun, ...]:
    """Replay under each policy, `jobs` at a time, in the order asked.

    A small host is replayed here: it takes less time than the start of another process.
    """
    if jobs == 1 or len(names) == 1 or len(scenario.fleet.people) < _WORTH_A_PROCESS:
        return tuple(simulate(scenario, name) for name in names)
    # t3safe takes the longest: the others fill the time beside it.
    kinds = {name: scenario.fleet.policies[name].kind for name in names}
    safe_first = sorted(names, key=lambda name: kinds[name] is not PolicyKind.T3SAFE)
    with ProcessPoolExecutor(min(jobs, len(names)), get_context("spawn")) as pool:
        futures = {name: pool.submit(simulate, scenario, name) for name in safe_first}
        return tuple(futures[name].result() for name in names)


@define(eq=False)
class Replay:
    """One policy over all nights."""

    world: SimulatedWorld
    policy: Updater
    days: tuple[date, ...]
    _nights: list[Night] = field(factory=list)
    _stranded: Counter[str] = field(factory=Counter)
    _stale: Counter[str] = field(factory=Counter)
    _refused: dict[str, str] = field(factory=dict)
    _accepted: dict[str, str] = field(factory=dict)

    def run(self) -> PolicyRun:
        """Replay every night and count."""
        operator = Operator(self.world, self.policy)
        for day in self.days:
            self._night(day, operator)
        return self._counted()

    def _night(self, day: date, operator: Operator) -> None:
        fleet, world, policy = self.world.fleet, self.world, self.policy
        begin = at(day, fleet.night).timestamp()
        self._until(begin)
        policy.tonight = NightLog()
        tag = world.tagged(world.track)
        world.morning(int(begin // DAY))
        self._act(policy.night)
        self._judge(day)
        stranded = self._apart()
        for moment in fleet.drains:
            if at(day, moment).timestamp() > world.now:
                self._until(at(day, moment).timestamp())
                self._act(policy.drain)
        if tag is not None:
            for name, person in world.people.items():
                present = person.running or world.selected(person)
                if present is None or present.version < tag.version:
                    self._stale[name] += 1
        if fleet.operator.comes:
            self._until(begin + fleet.operator.hours * 3600.0)
            operator.attend()
        self._until(begin + DAY - 1.0)
        self._stranded.update(stranded | self._apart())
        self._nights.append(self._night_of(day, tag, begin))

    def _act(self, what: Callable[[], None]) -> None:
        """Let the policy act; a reboot ends it (rule 2)."""
        try:
            what()
        except SimulatedPowerCut:
            self._boot()

    def _until(self, moment: float) -> None:
        while self.world.now < moment:
            try:
                self.world.until(moment)
            except SimulatedPowerCut:
                self._boot()

    def _boot(self) -> None:
        self.policy.tonight.say("the host went down in the middle, and came up again")
        self.world.pass_time(BOOT)
        self.policy.boot()

    def _apart(self) -> set[str]:
        """Whose binary and ledger are apart now (rule 3)."""
        for person in self.world.people.values():
            if person.data.second is not None:
                # Work in one of the two databases hides by being written, without an event.
                person.sync(self.world.now)
                self.world.touch(person)
        return {name for name, person in self.world.people.items() if person.apart}

    # Judging (rule 4).

    def _judge(self, day: date) -> None:
        tonight, world = self.policy.tonight, self.world
        for text in tonight.refused:
            build = world.build(Version.parse(text))
            problem = world.unfit(build) if build is not None else "nothing of that name is out"
            if not problem and text not in self._refused:
                self._refused[text] = f"{day} refused {text}, which was good for everybody here"
                tonight.wrong.append(self._refused[text])
        for text in tonight.accepted:
            build = world.build(Version.parse(text))
            given = [p for p in world.people.values() if world.selected(p) is build]
            problem = world.unfit(build, given) if build is not None else ""
            if problem and text not in self._accepted:
                self._accepted[text] = f"{day} took {text}: {problem}"
                tonight.wrong.append(self._accepted[text])

    # What came of it.

    def _night_of(self, day: date, tag: SimulatedBuild | None, begin: float) -> Night:
        world, tonight = self.world, self.policy.tonight
        broken: list[tuple[str, float]] = []
        letters: list[str] = []
        generations: list[str] = []
        used: Counter[str] = Counter()
        for name, person in world.people.items():
            person.account(world.now)
            minutes = round(sum(person.why.values()) / 60.0, 1)
            outcome = tonight.people.get(name, PersonNight.CALM)
            if minutes >= BROKEN_LEAST:
                outcome = PersonNight.BROKEN
                broken.append((name, minutes))
                worst = max(person.why, key=lambda why: person.why[why])
                known = tonight.reasons.get(name, "")
                tonight.reasons[name] = f"{worst}; {known}" if known else worst
            person.why.clear()
            letters.append(outcome)
            present = person.running or world.selected(person)
            if present is not None:
                used[present.version.text] += 1
            shown = person.running or person.last or present
            generations.append(GENERATION_LETTERS[shown.generation.name] if shown else "-")
        return Night(
            day=day.isoformat(),
            tag=tag.version.text if tag is not None else "",
            version=max(used, key=lambda text: used[text], default=""),
            outcome=tonight.outcome,
            fates="".join(letters),
            lines=(*tonight.lines, *(f"wrong: {text}" for text in tonight.wrong)),
            cut=tonight.cut,
            reasons=tuple(tonight.reasons.items()),
            broken=tuple(broken),
            happened=tuple(
                f"{stamp(when):%H:%M} {what}"
                for when, what in world.happened
                if begin <= when + BEFORE < begin + DAY
            ),
            generations="".join(generations),
        )

    def _counted(self) -> PolicyRun:
        world = self.world
        for person in world.people.values():
            person.sync(world.now)
        people = tuple(
            PersonScore(
                name=name,
                broken=round(person.broken / 60.0, 1),
                hosts=round(person.hosts / 60.0, 1),
                away=round(person.away / 60.0, 1),
                stranded_nights=self._stranded[name],
                rows_lost=person.lost(),
                interrupted=person.interrupted,
                stale_nights=self._stale[name],
            )
            for name, person in world.people.items()
        )
        scores = Scores(
            broken_mean=_mean(person.broken for person in people),
            broken_worst=max(person.broken for person in people),
            hosts_mean=_mean(person.hosts for person in people),
            away_mean=_mean(person.away for person in people),
            stranded=sum(1 for person in people if person.stranded_nights),
            stranded_nights=sum(person.stranded_nights for person in people),
            rows_lost=sum(person.rows_lost for person in people),
            rows_kept=sum(rowset.size(person.kept) for person in world.people.values()),
            interrupted=sum(person.interrupted for person in people),
            stale=_mean(person.stale_nights for person in people),
            wrong_refusals=len(self._refused),
            wrong_acceptances=len(self._accepted),
            restores=world.restores,
            interventions=len(world.interventions),
        )
        return PolicyRun(
            name=self.policy.name,
            kind=self.policy.settings.kind.value,
            scores=scores,
            people=people,
            nights=tuple(self._nights),
            interventions=tuple(
                (f"{stamp(when):%Y-%m-%d %H:%M}", what) for when, what in world.interventions
            ),
            wrong=tuple(sorted((*self._refused.values(), *self._accepted.values()))),
            crossings=tuple(world.crossings),
        )


def _mean(values: Iterable[float]) -> float:
    return round(statistics.fmean(values), 1)
