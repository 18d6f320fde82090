"""What is said while something takes long, and when: never a silent minute, never a flood.

Rules, for a log:

1. What ends within `FIRST` seconds says nothing of its progress.
2. Two lines are at least `APART` seconds apart.
3. After `SILENT` seconds without a line there is one, whatever is known.
4. In between a line is said where there is news: another step, another tenth of the bytes.

At a terminal one line changes all the time; what it says is the same.

Reports come from processes that do not run as we do.  They are shown, and nothing is decided by
them.
"""

from __future__ import annotations

from typing import Final, assert_never

from attrs import evolve, field, frozen

from t3safe.domain import effects as fx
from t3safe.domain.gate import EMPTY
from t3safe.domain.standalone import STATE

FIRST: Final = 10.0
APART: Final = 10.0
SILENT: Final = 60.0
NAMED_MAX: Final = 3
"""So many rehearsals are told one by one, the others are counted."""
_MINUTES_FROM: Final = 120.0
_TENTH: Final = 10
_UNITS: Final = ("B", "kB", "MB", "GB")
_THOUSAND: Final = 1000.0


@frozen
class Copied:
    """So many bytes of about so many are there."""

    done: int
    total: int


@frozen
class At:
    """A rehearsal on a person's copy is at this step; `seconds` is how long it lasts, if known.

    An empty step says that it ended.
    """

    whose: str
    step: str
    seconds: float = 0.0


Report = Copied | At


@frozen
class Task:
    """Something that takes long and is no effect, in the words in which it is told."""

    what: str


@frozen
class Meter:
    """What is known of an effect while it is performed; times are seconds since it began."""

    effect: fx.Effect | Task
    copied: Copied | None = None
    copying_since: float = 0.0
    steps: tuple[tuple[At, float], ...] = field(default=())

    def heard(self, report: Report, elapsed: float) -> Meter:
        """Take in a report."""
        match report:
            case Copied(done):
                anew = self.copied is None or done < self.copied.done
                since = elapsed if anew else self.copying_since
                return evolve(self, copied=report, copying_since=since)
            case At(whose, step):
                others = tuple(item for item in self.steps if item[0].whose != whose)
                own = ((report, elapsed),) if step else ()
                return evolve(self, steps=others + own, copied=None)
            case never:
                assert_never(never)


@frozen
class Voice:
    """What was said last of an effect, and when."""

    at: float = 0.0
    news: tuple[object, ...] | None = None


def steady(voice: Voice, meter: Meter, elapsed: float) -> tuple[Voice, str]:
    """Give what a log is told now, empty for nothing, and the voice afterwards (rules 1 to 4)."""
    news = _news(meter)
    silent = elapsed - voice.at
    fresh = news != voice.news and silent >= (APART if voice.at else FIRST)
    if not fresh and silent < SILENT:
        return voice, ""
    return Voice(elapsed, news), text(meter, elapsed)


def _news(meter: Meter) -> tuple[object, ...]:
    copied = meter.copied
    tenth = _TENTH * copied.done // copied.total if copied and copied.total > 0 else None
    return (tenth, *((at.whose, at.step) for at, _ in meter.steps))


def text(meter: Meter, elapsed: float) -> str:
    """Say how far an effect is, in one line."""
    if meter.steps:
        return _rehearsing(meter, elapsed)
    what = _doing(meter.effect)
    if meter.copied is not None:
        return f"{what}: {_bytes(meter.copied, elapsed - meter.copying_since, elapsed)}"
    if isinstance(meter.effect, fx.Bake):
        return f"{what}, {span(elapsed)} of {span(meter.effect.seconds)}"
    return f"{what}, {span(elapsed)}"


def _rehearsing(meter: Meter, elapsed: float) -> str:
    named = [_step(at, elapsed - since) for at, since in meter.steps[:NAMED_MAX]]
    left = len(meter.steps) - len(named)
    more = [f"{left} more"] if left else []
    effect = meter.effect
    # What an adoption installs is measured on an empty set right afterwards.
    what = f"rehearsing {effect.build}" if isinstance(effect, fx.Stage) else _doing(effect)
    return f"{what} {'; '.join(named + more)}"


def _step(at: At, lasted: float) -> str:
    whose = "the empty set" if at.whose == EMPTY else f"{at.whose}'s copy"
    of = f" of {span(at.seconds)}" if at.seconds else ""
    return f"on {whose}: {at.step}, {span(lasted)}{of}"


def _bytes(copied: Copied, lasted: float, elapsed: float) -> str:
    told = f"{size(copied.done)} of {size(copied.total)}"
    if copied.done >= copied.total:
        return f"{told}, being checked, {span(elapsed)}"
    rate = copied.done / lasted if lasted > 0 else 0.0
    if rate < 1:
        return f"{told}, {span(elapsed)}"
    return f"{told}, {size(int(rate))}/s, {span((copied.total - copied.done) / rate)} left"


def span(seconds: float) -> str:
    """Write a time as a person would say it."""
    return f"{seconds:.0f} s" if seconds < _MINUTES_FROM else f"{seconds / 60:.0f} min"


def size(count: int) -> str:
    """Write a number of bytes as a person would say it; units are decimal."""
    scaled = float(count)
    for unit in _UNITS[:-1]:
        if round(scaled) < _THOUSAND:
            return f"{scaled:.0f} {unit}"
        scaled /= _THOUSAND
    return f"{scaled:.1f} {_UNITS[-1]}"


def _doing(effect: fx.Effect | Task) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each effect
    match effect:
        case Task(what):
            return what
        case fx.Stage(build):
            return f"installing {build}: waiting for npm"
        case fx.Rehearse(build):
            return f"rehearsing {build}"
        case fx.SnapshotOnline(person) | fx.SnapshotAtRest(person):
            return "copying the given state" if person == STATE else f"copying {person}'s state"
        case fx.Quarantine(person):
            return f"keeping {person}'s state aside"
        case fx.Restore(person):
            return f"restoring {person}'s state"
        case fx.Stop(person):
            return f"stopping {person}'s serve"
        case fx.Start(person):
            return f"starting {person}'s serve"
        case fx.Verify(person, build):
            return f"pairing as {person} on {build}"
        case fx.Assess(person) | fx.Inspect(person):
            return f"looking at {person}"
        case fx.Fence(person):
            return f"fencing {person}"
        case fx.Select(person, build):
            return f"selecting {build} for {person}"
        case fx.Bake(people, build):
            return f"watching {', '.join(people)} on {build}"
        case fx.Revisit(people, build):
            return f"pairing once more as {', '.join(people)} on {build}"
        case fx.Promote(build):
            return f"promoting {build}"
        case fx.Prune():
            return "clearing away what nobody needs"
        case fx.Freeze():
            return "stopping further runs"
        case fx.RecordVerdict(verdict):
            return f"keeping the verdict on {verdict.build}"
        case never:
            assert_never(never)
