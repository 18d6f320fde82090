"""The progress of a long operation: what the log gets, and when.

Rules, for a log:

1. An operation that ends within `APART` seconds reports no progress.
2. Two lines are at least `APART` seconds apart.
3. After `SILENT` seconds without a line there is one, with or without news.
4. In between there is a line for news: another step, another tenth of the bytes.

A terminal shows the same text in one line that changes all the time.

Reports come from processes of other users.  They are shown, and nothing is decided by them.
"""

from __future__ import annotations

from typing import Final, assert_never

from attrs import evolve, field, frozen

from t3safe.domain import effects as fx
from t3safe.domain import messages
from t3safe.domain.gate import EMPTY
from t3safe.domain.text import duration, size

APART: Final = 10.0
SILENT: Final = 60.0
NAMED_MAX: Final = 3
"""How many rehearsals are named; the others are counted."""
_TENTH: Final = 10


@frozen
class BytesCopied:
    """How many bytes of about how many are copied."""

    done: int
    total: int


@frozen
class RehearsalStep:
    """A rehearsal on a person's copy is at this step; `seconds` is how long it lasts, if known.

    An empty step says that it ended.
    """

    whose: str
    step: str
    seconds: float = 0.0


Report = BytesCopied | RehearsalStep


@frozen
class LongTask:
    """A long operation that is not an effect; `what` says what is being done."""

    what: str


@frozen
class Meter:
    """What is known of an effect while it is performed; times are seconds since it began."""

    effect: fx.Effect | LongTask
    copied: BytesCopied | None = None
    copying_since: float = 0.0
    steps: tuple[tuple[RehearsalStep, float], ...] = field(default=())

    def heard(self, report: Report, elapsed: float) -> Meter:
        """Take in a report."""
        match report:
            case BytesCopied(done):
                another = self.copied is None or done < self.copied.done
                since = elapsed if another else self.copying_since
                return evolve(self, copied=report, copying_since=since)
            case RehearsalStep(whose, step):
                others = tuple(item for item in self.steps if item[0].whose != whose)
                own = ((report, elapsed),) if step else ()
                return evolve(self, steps=others + own, copied=None)
            case never:
                assert_never(never)


@frozen
class LastLine:
    """The last line about an effect: its news, and seconds since the effect began."""

    at: float = 0.0
    news: tuple[object, ...] | None = None


def steady(last: LastLine, meter: Meter, elapsed: float) -> tuple[LastLine, str]:
    """Give the log's last line afterwards, and its new text, empty for none (rules 1 to 4)."""
    news = _news(meter)
    silent = elapsed - last.at
    fresh = news != last.news and silent >= APART
    if not fresh and silent < SILENT:
        return last, ""
    return LastLine(elapsed, news), text(meter, elapsed)


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
    return f"{what}, {_so_far(elapsed)}"


def _doing(effect: fx.Effect | LongTask) -> str:
    return effect.what if isinstance(effect, LongTask) else messages.words(effect).doing


def _so_far(elapsed: float) -> str:
    return f"{duration(round(elapsed))} so far"


def _rehearsing(meter: Meter, elapsed: float) -> str:
    named = [_step(at, elapsed - since) for at, since in meter.steps[:NAMED_MAX]]
    left = len(meter.steps) - len(named)
    more = [f"{left} more"] if left else []
    match meter.effect:
        # What an adoption installs is rehearsed on empty data right afterwards.
        case fx.StageBuild(build) | fx.Rehearse(build):
            what = f"rehearsing {build}"
        case effect:
            what = _doing(effect)
    return f"{what} {'; '.join(named + more)}"


def _step(at: RehearsalStep, lasted: float) -> str:
    whose = "empty data" if at.whose == EMPTY else f"{at.whose}'s copy"
    of = f" of {duration(at.seconds)}" if at.seconds else ""
    return f"on {whose}: {at.step}, {duration(round(lasted))}{of}"


def _bytes(copied: BytesCopied, lasted: float, elapsed: float) -> str:
    done = f"{size(copied.done)} of {size(copied.total)}"
    if copied.done >= copied.total:
        return f"{done}, verifying, {_so_far(elapsed)}"
    rate = copied.done / lasted if lasted > 0 else 0.0
    if rate < 1:
        return f"{done}, {_so_far(elapsed)}"
    left = duration(round((copied.total - copied.done) / rate))
    return f"{done}, {size(int(rate))}/s, {left} left"
