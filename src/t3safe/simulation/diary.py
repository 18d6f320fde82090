"""What people do all day: turns of their agents, drawn from a seed and the same in every policy.

A day's turns depend on the seed, the person and the day alone, never on what a policy did.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from hashlib import blake2b
from random import Random
from typing import Final, NamedTuple

from attrs import define, field

from t3safe.simulation.fleet import PersonSettings

DAY: Final = 86_400
ROW_EVERY: Final = 60
"""Seconds between two rows that a turn writes; an assumption: a real turn writes in bursts."""
TURN_MEAN: Final = 600.0
"""Seconds that a turn takes on average."""
_SATURDAY: Final = 5
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday."""
_KEPT_DAYS: Final = 4


class Turn(NamedTuple):
    """One turn of an agent, in seconds since the epoch; `waits` for an approval at its end."""

    start: int
    end: int
    waits: bool = False

    def rows(self, until: float) -> int:
        """How many rows it has written by then: one at its start, one a minute from there."""
        if until < self.start:
            return 0
        return (min(int(until), self.end - 1) - self.start) // ROW_EVERY + 1


@define(eq=False)
class Diary:
    """The turns of one person, made a day at a time."""

    seed: int
    person: PersonSettings
    _days: dict[int, tuple[Turn, ...]] = field(factory=dict)

    def opens(self, day: int) -> float | None:
        """When the person signs in on a day, None where they do not work."""
        if not self.person.weekends and (day + _EPOCH_WEEKDAY) % 7 >= _SATURDAY:
            return None
        return day * DAY + (seconds_into(self.person.opens) or 7 * 3600)

    def in_flight(self, moment: float) -> Turn | None:
        """The turn that is under way, or waits for an answer, at this moment."""
        day = int(moment // DAY)
        for turn in (*self._turns(day - 1)[-1:], *self._turns(day)):
            if turn.start <= moment < turn.end:
                return turn
        return None

    def last_end(self, moment: float) -> float | None:
        """When the last turn before this moment ended; looks back to yesterday."""
        day = int(moment // DAY)
        for turn in reversed((*self._turns(day - 1), *self._turns(day))):
            if turn.end <= moment:
                return turn.end
        return None

    def rows(self, after: float, until: float) -> int:
        """How many rows are written after the one moment, up to the other."""
        first, last = int(after // DAY), int(until // DAY)
        return sum(
            turn.rows(until) - turn.rows(after)
            for day in range(first - 1, last + 1)
            for turn in self._turns(day)
            if turn.end > after and turn.start <= until
        )

    def _turns(self, day: int) -> tuple[Turn, ...]:
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = tuple(self._made(day))
            for old in [known for known in self._days if known < day - _KEPT_DAYS]:
                del self._days[old]
        return found

    def _made(self, day: int) -> list[Turn]:
        person = self.person
        if self.opens(day) is None or not person.busy:
            return []
        digest = blake2b(f"{self.seed}/{person.name}/{day}".encode(), digest_size=8).digest()
        draw = Random(int.from_bytes(digest, "big"))  # noqa: S311 - a simulation, not a secret
        begin = day * DAY + seconds_into(person.opens)
        end = day * DAY + (seconds_into(person.closes) or DAY)
        if end <= begin:
            end += DAY
        made = _filled(draw, begin, end, person.busy)
        if made and person.forgets and draw.random() < person.forgets:
            last = made[-1]
            made[-1] = Turn(last.start, max(last.end, begin + DAY), waits=True)
        return made


def _filled(draw: Random, begin: int, end: int, busy: float) -> list[Turn]:
    """Turns from `begin` to `end` that fill the share `busy` of it."""
    mean = TURN_MEAN * (1 + 2 * busy)
    idle = mean * (1 - busy) / busy
    made: list[Turn] = []
    moment = begin + draw.random() * idle
    while moment < end:
        start = int(moment)
        length = max(30, int(mean * (0.25 + 1.5 * draw.random())))
        made.append(Turn(start, min(start + length, end)))
        moment = start + length + idle * (0.1 + 1.8 * draw.random())
    return [turn for turn in made if turn.end > turn.start]


def seconds_into(moment: time) -> int:
    """How far into its day a time is."""
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def stamp(moment: float) -> datetime:
    """The moment as an aware time, in UTC."""
    return datetime.fromtimestamp(moment, UTC)
