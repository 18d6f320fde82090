"""One person of a replayed host: their data, what they are in the middle of, what befell them."""

from __future__ import annotations

from datetime import date
from typing import Final

import attrs
from attrs import define, field

from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation.builds import Data, SimulatedBuild
from t3safe.simulation.diary import Diary, Turn, stamp
from t3safe.simulation.fleet import PersonSettings
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.rows import Rows

AWAY: Final = "away while being moved"
DISPATCH_DOWN: Final = "the dispatch does not answer"
NO_LISTENER: Final = "the serve is active and has no listener"
HOST_DOWN: Final = "the host is down"
NODE_CHANGED: Final = "the units run another node, which is too old for t3"
OF_THE_HOST: Final = frozenset({DISPATCH_DOWN, NO_LISTENER, HOST_DOWN, NODE_CHANGED})
"""What befalls everybody whatever the updater does."""
LEGACY_ROWS: Final = "2026-03-15"
"""Rows from before this day have the form that 0.0.21 could not decode; an assumption: the
incident names no day."""
LEGACY_TURNS: Final = "2026-03-08"
"""Turns from before this day have no turnId; an assumption: the incident names neither a day nor a
release that fixed it, so whoever has such turns stays behind from there on."""
_ROWS_A_DAY: Final = 50
"""Rows of a person from before the first night; an assumption."""
_TRIAL: Final = 55
"""The migration that a preview of V2 leaves in its copy."""
_SISTER: Final = (24, "SisterProductShellSummary")
_COLLISION: Final = (40, "ProjectAutoPull")


@define(eq=False)
class SimulatedPerson:
    """One person as they stand.  Times are seconds since the epoch."""

    settings: PersonSettings
    diary: Diary
    data: Data
    link: SimulatedBuild | None = None
    fenced: bool = False
    running: SimulatedBuild | None = None
    since: float = 0.0
    died: str = ""
    """Why the serve is down although it should run."""
    started: set[Version] = field(factory=set)
    wedged_until: float = 0.0
    last: SimulatedBuild | None = None
    """What ran last, also while nothing runs."""

    serial: int = 0
    kept: Rows = rowset.NONE
    """Rows of failed builds that a policy keeps aside."""
    synced: float = 0.0
    killed_until: float = 0.0

    problem: str = ""
    troubled: float = 0.0
    """Since when there is one."""
    changed: float = 0.0
    apart: bool = False
    broken: float = 0.0
    """Seconds so far; `why` splits the present night's by reason."""
    hosts: float = 0.0
    """Seconds out of reach for a reason of the host's own."""
    away: float = 0.0
    why: dict[str, float] = field(factory=dict)
    interrupted: int = 0

    @classmethod
    def of(
        cls, seed: int, settings: PersonSettings, first: SimulatedBuild, now: float
    ) -> SimulatedPerson:
        """Give the person on the first evening, with what they did before it."""
        since = settings.since.isoformat()
        traits = {
            Behaviour.OLD_ROWS: since < LEGACY_ROWS,
            Behaviour.OLD_TURNS: since < LEGACY_TURNS,
            Behaviour.SISTER_DATA: settings.sister,
            Behaviour.ID_COLLISION: settings.collides,
            Behaviour.OLD_EVENTS: settings.old_events,
            Behaviour.LARGE_EVENTS: settings.large_events,
        }
        earlier = _rows_by(settings, stamp(now).date())
        data = Data(
            first.schema,
            rowset.upto(earlier),
            strange=_SISTER if settings.sister else _COLLISION if settings.collides else None,
            traits=frozenset(trait for trait, there in traits.items() if there),
        )
        if settings.trial is not None:
            copied = rowset.upto(min(earlier, _rows_by(settings, settings.trial)))
            data = attrs.evolve(data, second=copied, second_level=_TRIAL)
        return cls(
            settings,
            Diary(seed, settings),
            data.opened_by(first),
            serial=earlier,
            synced=now,
            changed=now,
        )

    @property
    def name(self) -> str:
        """The OS user."""
        return self.settings.name

    def lost(self) -> int:
        """Rows that were committed and are neither in the set that is shown nor kept aside."""
        present = self.running or self.last
        shown = self.data.seen_by(present) if present is not None else self.data.rows
        return rowset.missing(rowset.upto(self.serial), rowset.union(shown, self.kept))

    def turn(self, now: float) -> Turn | None:
        """The turn that is in flight now, None where there is none or it was killed."""
        return None if now < self.killed_until else self.diary.in_flight(now)

    def sync(self, now: float) -> None:
        """Write the rows of the turns since the last look, as long as they are not broken."""
        if now <= self.synced:
            return
        build, start, data = self.running, self.serial, self.data
        count = self.diary.rows(self.synced, now) if build and not self.problem else 0
        if count and build is not None:
            if build.second and data.second is not None:
                grown = attrs.evolve(data, second=rowset.grown(data.second, start, count))
            else:
                grown = attrs.evolve(data, rows=rowset.grown(data.rows, start, count))
            self.data, self.serial = grown, start + count
        self.synced = now

    def cut(self, turn: Turn) -> None:
        """Kill a turn: nothing of it is written any more."""
        self.killed_until = turn.end
        self.synced = max(self.synced, float(turn.end))

    def interrupt(self, now: float) -> None:
        """Cut the turn that is in flight; it counts unless the person was broken before it."""
        turn = self.turn(now)
        # A turn that began before the outage is still under way.
        if turn is not None and (not self.problem or turn.start < self.troubled):
            self.interrupted += 1
            self.cut(turn)

    def account(self, now: float) -> None:
        """Count the time since the last change to what the person was in."""
        seconds, self.changed = now - self.changed, now
        if not self.problem or seconds <= 0:
            return
        if self.problem == AWAY:
            self.away += seconds
        elif self.problem in OF_THE_HOST:
            self.hosts += seconds
        else:
            self.broken += seconds
            self.why[self.problem] = self.why.get(self.problem, 0.0) + seconds


def _rows_by(settings: PersonSettings, day: date) -> int:
    return _ROWS_A_DAY * max(0, (day - settings.since).days)
