"""What the gate asks a worker, and what the worker answers: one line of JSON each way.

The worker runs as the same user as the build, so its answer is believed only where it has the
documented form and size.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import define, frozen
from cattrs.preconf.json import make_converter

from t3safe.domain.checks import CheckResult, DispatchKnowledge
from t3safe.domain.errors import Fault
from t3safe.domain.ledgers import SetLedger

ANSWER_MAX: Final = 8 * 1024**2
"""Bytes of an answer: the log's tail, and the counts of some ten thousand tables twice."""

STEP_SECONDS: Final = 30.0
"""For one command of the build."""
HERE: Final = b"\n"
"""The first word of a worker, by which the kernel tells who it is."""
_CONVERTER: Final = make_converter(forbid_extra_keys=True)


class UnreadableAnswerError(Exception):
    """Raised when what a worker printed is not an answer."""


@frozen
class SandboxUser:
    """The user whom a rehearsal becomes; it owns nothing else on this host."""

    uid: int
    gid: int


@frozen
class RehearsalRequest:
    """One rehearsal to be held; times in seconds, paths absolute.

    `port` 0 takes a free one.  `view` is for namespaces: the host is hidden first, and the loopback
    device brought up.  `shown` are folders that the sandbox shows beside the system's, None where
    it hides nothing.  `alone` says that no control is tried where a copy is no good.  `deadline` is
    for one start of the serve, `stop_limit` for one stop.  `copy_max` is how many bytes the set may
    have that is handed over with the request as an open stream, None where nothing is.  `sealed` is
    what the program printed as its version when the build was sealed, and under which node; empty
    where nobody knows.  `memory_max` is how many bytes everything may take together, 0 where
    nothing limits it.
    """

    build: str
    program: str
    node: str
    folder: str
    host: str
    port: int
    view: bool
    shown: tuple[str, ...] | None
    alone: bool
    account: SandboxUser | None
    deadline: float
    soak: float
    stop_limit: float
    tolerance: float
    dispatch: DispatchKnowledge
    copy_max: int | None = None
    sealed: tuple[str, str] = ("", "")
    memory_max: int = 0

    def dumps(self) -> bytes:
        """Give the line that `loads` reads."""
        return _CONVERTER.dumps(self).encode("ascii") + b"\n"

    @classmethod
    def loads(cls, line: bytes) -> RehearsalRequest:
        """Read a request of our own parent."""
        return _CONVERTER.loads(line, cls)


@define
class RehearsalReport:
    """A rehearsal that was held, filled in as it goes on.  Nothing in here is secret.

    `rows_before` and `rows_after` are rows per `file:table`; `rows_lost` are lines about rows that
    must be kept and are gone; `timings` seconds per check; `leftovers` the names of
    processes that outlived the serve's stop; `log_tail` the last part of the serve's log.
    `timed_out` says which time limit ran out last with nothing else to show for it: why a check
    failed, else it is empty.
    """

    checks: tuple[CheckResult, ...]
    before: SetLedger
    after: SetLedger | None
    rows_before: dict[str, int]
    rows_after: dict[str, int]
    rows_lost: tuple[str, ...]
    timings: dict[str, float]
    leftovers: tuple[str, ...]
    log_tail: str
    timed_out: str = ""

    @classmethod
    def begun(cls, *checks: CheckResult) -> RehearsalReport:
        """Give one of which no more is known than these checks."""
        return cls(checks, SetLedger(), None, {}, {}, (), {}, (), "")


@frozen
class NoRehearsal:
    """Why no rehearsal could be held; says nothing about the build."""

    reason: str
    fault: Fault = Fault.HOST


_ANSWER: Final[Any] = RehearsalReport | NoRehearsal


def dumps_answer(answer: RehearsalReport | NoRehearsal) -> str:
    """Give the text that a worker prints and `loads_answer` reads."""
    return _CONVERTER.dumps(answer)


def loads_answer(text: bytes) -> RehearsalReport | NoRehearsal:
    """Read what a worker printed.  Raises UnreadableAnswerError."""
    try:
        answer: RehearsalReport | NoRehearsal = _CONVERTER.loads(text, _ANSWER)
    # A converter lets out whatever a hostile text provokes in it; none of it is an answer.
    except Exception as error:
        message = "what it printed is not an answer"
        raise UnreadableAnswerError(message) from error
    return answer


def plain(value: object) -> object:
    """Give a value of ours as JSON knows it, for a file that people read."""
    return _CONVERTER.unstructure(value)
