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

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from attrs import define, field

from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation import world as world_of
from t3safe.simulation.builds import SimulatedBuild
from t3safe.simulation.diary import stamp
from t3safe.simulation.fleet import Fleet, at
from t3safe.simulation.generations import LETTERS as GENERATION_LETTERS
from t3safe.simulation.history import HistoryError
from t3safe.simulation.nightlog import NightFate, NightLog
from t3safe.simulation.operator import Operator
from t3safe.simulation.policies import Updater
from t3safe.simulation.scores import LETTERS, Night, NightCrossing, PersonScore, PolicyRun, scored
from t3safe.simulation.world import SimulatedPerson, SimulatedPowerCut, SimulatedWorld

BOOT: Final = 120.0
"""Seconds for which the host is down in a reboot; an assumption."""
EVENING: Final = timedelta(minutes=30)
"""How long before the first night the world begins."""
BEFORE: Final = 3600.0
"""Seconds before the timer from which on what befalls the host is told with the coming night."""
BROKEN_LEAST: Final = 1.0
"""Minutes from which on a night counts as broken for a person."""


def window(fleet: Fleet, builds: tuple[SimulatedBuild, ...]) -> tuple[date, ...]:
    """The nights to replay; raises HistoryError where there are none.

    Without bounds: from the first night on which the track has a release that pairs, to the night
    after the last release of any track.
    """
    paired = [b for b in builds if b.channel is fleet.track and b.pairing]
    if not paired:
        message = f"the history has no release of the track {fleet.track} that has pairing"
        raise HistoryError(message)
    first = fleet.since or _night_after(fleet, paired[0].available)
    last = fleet.until or _night_after(fleet, max(build.available for build in builds))
    if first > last:
        message = f"no night lies between {first} and {last}"
        raise HistoryError(message)
    ready = at(first, fleet.night).timestamp() - EVENING.total_seconds()
    if not any(b.channel is fleet.track and b.available <= ready for b in builds):
        message = f"nothing of the track {fleet.track} is out before the night of {first}"
        raise HistoryError(message)
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def _night_after(fleet: Fleet, moment: float) -> date:
    when = stamp(moment + EVENING.total_seconds())
    return (
        when.date()
        if when.timetz().replace(tzinfo=None) <= fleet.night
        else (when.date() + timedelta(days=1))
    )


@define(eq=False)
class Replay:
    """One policy over all nights."""

    world: SimulatedWorld
    policy: Updater
    kind: str
    days: tuple[date, ...]
    progress: Callable[[date], None] | None = None
    _nights: list[Night] = field(factory=list)
    _stranded: Counter[str] = field(factory=Counter)
    _stale: Counter[str] = field(factory=Counter)
    _refused: dict[str, str] = field(factory=dict)
    _accepted: dict[str, str] = field(factory=dict)
    _strange: set[str] = field(factory=set)

    def run(self) -> PolicyRun:
        """Replay every night and count."""
        operator = Operator(self.world, self.policy)
        for day in self.days:
            self._night(day, operator)
            if self.progress is not None:
                self.progress(day)
        return self._counted()

    def _night(self, day: date, operator: Operator) -> None:
        fleet, world, policy = self.world.fleet, self.world, self.policy
        begin = at(day, fleet.night).timestamp()
        self._until(begin)
        tonight = policy.tonight = NightLog()
        self._strange = set()
        tag = world.tagged(world.track)
        day_number = int(begin // 86_400)
        world.morning(day_number)
        self._act(policy.night)
        self._judge(day)
        self._look_for_stranded()
        for moment in fleet.drains:
            if at(day, moment).timestamp() > world.now:
                self._until(at(day, moment).timestamp())
                self._act(policy.drain)
        self._count_stale(tag)
        if fleet.operator.comes:
            self._until(begin + fleet.operator.hours * 3600.0)
            operator.attend()
        self._until(begin + 86_400.0 - 1.0)
        self._look_for_stranded()
        self._stranded.update(self._strange)
        self._nights.append(self._night_of(day, tonight, tag, begin))

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

    def _look_for_stranded(self) -> None:
        for person in self.world.people.values():
            if person.data.second is not None:
                # Work in one of the two databases hides by being written, without an event.
                self.world.sync(person)
                self.world.touch(person)
        self._strange.update(name for name, person in self.world.people.items() if person.apart)

    # Judging (rule 4).

    def _judge(self, day: date) -> None:
        tonight, world = self.policy.tonight, self.world
        for text in tonight.refused:
            build = world.build(Version.parse(text))
            trouble = world.unfit(build) if build is not None else "nothing of that name is out"
            if not trouble and text not in self._refused:
                self._refused[text] = f"{day} refused {text}, which was good for everybody here"
                tonight.wrong.append(self._refused[text])
        for text in tonight.accepted:
            build = world.build(Version.parse(text))
            given = [p for p in world.people.values() if world.selected(p) is build]
            trouble = world.unfit(build, given) if build is not None else ""
            if trouble and text not in self._accepted:
                self._accepted[text] = f"{day} took {text}: {trouble}"
                tonight.wrong.append(self._accepted[text])

    def _count_stale(self, tag: SimulatedBuild | None) -> None:
        if tag is None:
            return
        for name, person in self.world.people.items():
            present = person.running or self.world.selected(person)
            if present is None or present.version < tag.version:
                self._stale[name] += 1

    # What came of it.

    def _night_of(
        self, day: date, tonight: NightLog, tag: SimulatedBuild | None, begin: float
    ) -> Night:
        world = self.world
        broken: list[tuple[str, float]] = []
        letters: list[str] = []
        for name, person in world.people.items():
            world.account(person)
            minutes = round(sum(person.why.values()) / 60.0, 1)
            fate = tonight.fates.get(name, NightFate.CALM)
            if minutes >= BROKEN_LEAST:
                fate = NightFate.BROKEN
                broken.append((name, minutes))
                worst = max(person.why, key=lambda why: person.why[why])
                told = tonight.reasons.get(name, "")
                tonight.reasons[name] = f"{worst}; {told}" if told else worst
            person.why.clear()
            letters.append(LETTERS[fate])
        events = tuple(
            f"{stamp(when):%H:%M} {what}"
            for when, what in world.happened
            if begin <= when + BEFORE < begin + 86_400.0
        )
        return Night(
            day=day.isoformat(),
            tag=tag.version.text if tag is not None else "",
            version=self._most_used(),
            outcome=tonight.outcome,
            fates="".join(letters),
            lines=(*tonight.lines, *(f"wrong: {text}" for text in tonight.wrong)),
            cut=tonight.cut,
            reasons=tuple(tonight.reasons.items()),
            broken=tuple(broken),
            happened=events,
            generations="".join(map(self._generation, world.people.values())),
        )

    def _generation(self, person: SimulatedPerson) -> str:
        present = person.running or person.last or self.world.selected(person)
        return GENERATION_LETTERS[present.generation.name] if present is not None else "-"

    def _crossing(self, found: world_of.Crossing) -> NightCrossing:
        begun = found.at - self._timer
        return NightCrossing(
            night=f"{stamp(begun):%Y-%m-%d}",
            at=f"{stamp(found.at):%Y-%m-%d %H:%M}",
            person=found.person,
            before=found.before.generation.name,
            after=found.after.generation.name,
            build=found.after.version.text,
            hidden=found.hidden,
            aside=found.aside,
        )

    @property
    def _timer(self) -> float:
        """Seconds from midnight to the timer."""
        night = self.world.fleet.night
        return night.hour * 3600.0 + night.minute * 60.0 + night.second

    def _most_used(self) -> str:
        used = Counter(
            found.version.text
            for person in self.world.people.values()
            if (found := person.running or self.world.selected(person)) is not None
        )
        return used.most_common(1)[0][0] if used else ""

    def _counted(self) -> PolicyRun:
        world = self.world
        for person in world.people.values():
            world.sync(person)
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
        scores = scored(
            people,
            kept=sum(rowset.size(person.kept) for person in world.people.values()),
            wrong_refusals=len(self._refused),
            wrong_acceptances=len(self._accepted),
            restores=world.restores,
            interventions=len(world.interventions),
        )
        told = tuple((f"{stamp(when):%Y-%m-%d %H:%M}", what) for when, what in world.interventions)
        wrong = tuple(sorted((*self._refused.values(), *self._accepted.values())))
        return PolicyRun(
            self.policy.name,
            self.kind,
            scores,
            people,
            tuple(self._nights),
            told,
            wrong,
            tuple(map(self._crossing, world.crossings)),
        )
