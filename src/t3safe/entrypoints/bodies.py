"""What `--json` prints where no value of the core has just that shape.

A type checker holds what a command prints to these; `shapes` makes schemas and a page of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from attrs import frozen

from t3safe.domain.accounts import Account


class EndBody(TypedDict):
    """How a run ended for one person."""

    status: str
    reason: str


class PersonEndBody(EndBody, total=False):
    """How a run ended for one person: `status` and `reason`.

    Going back on purpose also says what it cost (`preview`), the command that undoes it
    (`undo`), and with `--all` each one's `run` and `fate`.
    """

    preview: GoingBackBody | None
    undo: str
    run: str
    fate: str


class ResultBody(TypedDict):
    """How a command that acts ended.

    `outcome` is empty where no run was opened and nothing forbade one; `run` is empty then too.
    `exit` is the exit status.  `people` are those whom the run was to move.  `rehearsals` are those
    of the candidate, then of the builds that it was compared with; none where none was held.
    """

    outcome: str
    reason: str
    run: str
    exit: int
    warnings: list[str]
    people: Mapping[str, PersonEndBody]
    rehearsals: list[RehearsalBody]


class SnapshotBody(TypedDict):
    """One snapshot: `build` wrote the set, `ledger` is its highest migration, `rows` its tables'.

    `build` is empty where the snapshot tells none.
    """

    person: str
    id: str
    kind: str
    taken: str
    build: str
    ledger: int
    bytes: int
    rows: Mapping[str, int]


class _AskedBody(TypedDict):
    person: str
    problem: str


class TakenBody(_AskedBody, total=False):
    """A snapshot that was taken, with its ledger's level; or `problem`, why there is none."""

    id: str
    ledger: int
    bytes: int


class JudgedBody(TypedDict):
    """What retention says of a snapshot: `fate` is `kept`, `pruned` or `would go`, and `why`."""

    person: str
    id: str
    kind: str
    taken: str
    bytes: int
    fate: str
    why: str


class PruneBody(TypedDict):
    """What was given up; `problems` says of a person why their snapshots could not be judged."""

    snapshots: list[JudgedBody]
    problems: Mapping[str, str]


class ExportBody(TypedDict):
    """What was exported: `file` holds so many `files` of the set, of `size` bytes in all."""

    person: str
    snapshot: str
    file: str
    files: int
    size: int


class GoingBackBody(TypedDict):
    """What going back would cost: `rows` a table that leave the set, where `restore` is true.

    `uncounted` says why rows could not be counted, `work` why the person seems to be at work.
    """

    person: str
    old: str
    build: str
    snapshot: str
    taken: str
    restore: bool
    rows: Mapping[str, int]
    uncounted: str
    work: str


class WholeBody(TypedDict):
    """What taking everybody back would cost.

    `leaves` is the build that would be left, empty where there is none.  `staying` and `stuck`
    say of the others why they stay where they are, and why there is no way back for them.
    """

    leaves: str
    people: list[GoingBackBody]
    staying: Mapping[str, str]
    stuck: Mapping[str, str]


class NoticeBody(TypedDict):
    """One thing that is worth a notice: `about` is whom or what it concerns, empty for the host."""

    cause: str
    about: str
    text: str


class NotifyBody(TypedDict):
    """How one end stands: what it would be told, and what of that which holds it was told."""

    end: str
    due: list[NoticeBody]
    told: list[NoticeBody]


class TriedBody(TypedDict):
    """Whether a test message went out to an end; `why` not, empty where it did."""

    end: str
    sent: bool
    why: str


class JudgementBody(TypedDict):
    """How one check of the gate ended; `notes` is what a person should know all the same."""

    check: str
    passed: bool
    reason: str
    notes: list[str]


class RehearsalBody(TypedDict):
    """One build on one copy; `subject` is `empty set`, a person, or `state` without a host.

    `checks` are those that were run, in order: the first that fails is the last.  `timings` are
    seconds a check, `ledger` the highest migration a database afterwards, `evidence` a folder.
    """

    build: str
    subject: str
    passed: bool
    reason: str
    seconds: float
    evidence: str
    ledger: Mapping[str, int]
    checks: list[JudgementBody]
    timings: Mapping[str, float]


class VerdictBody(TypedDict):
    """What a check without a host says of a build.

    `outcome` is `passed`, `refused`, `gate-broken` or `later`, `exit` the exit status.  `reasons`
    has each trouble once.  `sandbox` is what rehearsals ran in.  `rehearsals` are those of the
    build, then of the control; there are none where a rehearsal could not be held.
    """

    version: str
    outcome: str
    exit: int
    reason: str
    reasons: list[str]
    control: str | None
    state: str | None
    sandbox: str | None
    evidence: str | None
    rehearsals: list[RehearsalBody]


@frozen
class RunBody(Account):
    """A run with its steps.

    `events` are the journal's own records.  Their shape is that of this very t3safe and is not
    promised.
    """

    events: tuple[Mapping[str, Any], ...]
