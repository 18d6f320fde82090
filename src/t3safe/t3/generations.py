"""The generations of t3: which database is live, what the ledger says, which rows may go and why.

Rules:

1. A generation is recognised by the databases that a build makes on empty data, and the names in
   their ledgers.  A version alone proves nothing: previews ran ahead.
2. A build that fits no generation is unknown, and refused.  `strangeness` says what is new about
   it.
3. A generation leaves a database that it does not read unchanged, byte for byte.  When its own is
   missing it starts on a copy of the previous generation's, once and for all.
4. Data with the database of a newer generation does not fit an older build: the build would start,
   and hide all later work.

Sources: everything up to V1 was measured on real releases (June and July 2026, 0.0.24 to
0.0.29-nightly.20260721.864).  V2 was read off t3's public source of October 2026 and not measured:
apps/server/src/persistence/initializeV2Database.ts, Migrations.ts, orchestration-v2/.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from t3safe.t3.files import V1_DATABASE, V2_DATABASE, is_of_t3
from t3safe.t3.ledger import ORCHESTRATION_V2, SCOPES, Pair
from t3safe.t3.package import Shape
from t3safe.t3.sign_in import (
    SIGN_IN_BEFORE_SCOPES,
    SIGN_IN_IDS,
    SIGN_IN_V1,
    SIGN_IN_V2,
    SignIn,
)

Ledgers = Mapping[str, Iterable[Pair]]
"""The (id, name) pairs of each database, by file name below `userdata`."""


@dataclass(frozen=True)
class KeptRows:
    """Rows that a start must not lose: `keys` identify a row, `where` (SQL) selects them.

    With `into` they must be in that table afterwards, and only when a start copied the database.
    """

    table: str
    keys: tuple[str, ...]
    where: str = ""
    into: str = ""


@dataclass(frozen=True)
class Generation:
    """The facts of every release of a generation.

    `database` is the live one; when it is missing it is copied from `copied_from` (empty: it begins
    empty).  `marked_by` is a migration in its ledger, `not_yet` one that is not in it.
    `may_shrink` says of each table why it may have fewer rows after a start; `kept` are rows that
    must all stay.  `shapes` are how its packages start t3, oldest first.
    """

    name: str
    first_release: str
    seen: date
    database: str
    marked_by: str
    not_yet: str
    copied_from: str
    kept: tuple[KeptRows, ...]
    may_shrink: Mapping[str, str]
    shapes: tuple[Shape, ...]
    sign_in: SignIn
    follows_log: bool
    """Whether the projections say up to which event of the log they are."""

    def __str__(self) -> str:
        return self.name


EVENT_LOG: Final = "orchestration_events"
PROJECTS: Final = "projection_projects"
THREADS: Final = "projection_threads"
V2_THREADS: Final = "orchestration_v2_projection_threads"
V2_MESSAGES: Final = "orchestration_v2_projection_messages"
OUTBOX: Final = "orchestration_v2_effect_outbox"
SCHEDULES: Final = "scheduled_tasks"
TABLE_NAME: Final = r"orchestration_v\d_[a-z_]+"
"""The tables of V2's orchestration, as a regular expression."""
_SIGN_IN: Final = dict.fromkeys(SIGN_IN_IDS, "migration 31 rebuilds it: people sign in again")
_WHOLE_LOG: Final = (KeptRows(EVENT_LOG, ("sequence", "event_id")),)
_COMPACTED: Final = "t3 compacts it on purpose"
_QUEUE: Final = "t3 removes what was done"

BEFORE_SCOPES: Final = Generation(
    name="V1 before scoped pairing",
    first_release="0.0.2",
    seen=date(2026, 3, 6),
    database=V1_DATABASE,
    marked_by="OrchestrationEvents",
    not_yet=SCOPES,
    copied_from="",
    kept=_WHOLE_LOG,
    may_shrink=_SIGN_IN,
    shapes=(Shape.NODE,),
    sign_in=SIGN_IN_BEFORE_SCOPES,
    follows_log=False,
)
V1: Final = Generation(
    name="V1",
    first_release="0.0.25-nightly.20260603.445",
    seen=date(2026, 6, 3),
    database=V1_DATABASE,
    marked_by=SCOPES,
    not_yet=ORCHESTRATION_V2,
    copied_from="",
    kept=_WHOLE_LOG,
    may_shrink=_SIGN_IN,
    shapes=(Shape.NODE, Shape.LAUNCHER),
    sign_in=SIGN_IN_V1,
    follows_log=False,
)
V2: Final = Generation(
    name="V2",
    first_release="0.0.46-nightly.20261003.2610",
    seen=date(2026, 10, 3),
    database=V2_DATABASE,
    marked_by=ORCHESTRATION_V2,
    not_yet="",
    copied_from=V1_DATABASE,
    # Compaction keeps them (ProjectionMaintenance.compactEventStore): derived, not measured.
    kept=(
        KeptRows(EVENT_LOG, ("stream_id",), "event_type = 'thread.created'"),
        KeptRows(PROJECTS, ("project_id",)),
        KeptRows(THREADS, ("thread_id",)),
        KeptRows("projection_thread_messages", ("message_id",)),
        KeptRows(V2_THREADS, ("thread_id",)),
        KeptRows(V2_MESSAGES, ("message_id",)),
        KeptRows(SCHEDULES, ("task_id",)),
        # The shells of V1's threads are taken over before a start is ready.
        KeptRows(
            THREADS,
            ("thread_id",),
            "deleted_at IS NULL",
            into=V2_THREADS,
        ),
    ),
    may_shrink={
        **_SIGN_IN,
        EVENT_LOG: _COMPACTED,
        "orchestration_command_receipts": _COMPACTED,
        OUTBOX: _QUEUE,
        "orchestration_v2_projection_provider_sessions": "sessions of providers that ended",
        "orchestration_v2_projection_provider_session_bindings": "sessions of providers that ended",
        "scheduled_task_webhook_deliveries": "the newest 50 of a task are kept",
        "scheduled_task_webhook_relay_deliveries": _QUEUE,
    },
    shapes=(Shape.LAUNCHER,),
    sign_in=SIGN_IN_V2,
    follows_log=True,
)
GENERATIONS: Final = (BEFORE_SCOPES, V1, V2)
"""Oldest first."""

LOG_FOLLOWED: Final = (
    "SELECT (SELECT max(last_sequence) FROM orchestration_v2_projection_metadata "
    "WHERE projection_name = 'thread-projections'), "
    "(SELECT max(sequence) FROM orchestration_events)"
)
"""Up to which event the projections of V2 are, and the newest one: they are the same."""


def recognised(ledgers: Ledgers) -> Generation | None:
    """Return the generation that made these databases; None when they fit none (rule 2).

    A database with a name that t3 does not give belongs to another program.
    """
    names = {database: {name for _, name in pairs} for database, pairs in ledgers.items()}
    if not all(map(is_expected, names)):
        return None
    for generation in reversed(GENERATIONS):
        known = names.get(generation.database)
        if known and generation.marked_by in known and generation.not_yet not in known:
            return generation
    return None


def strangeness(ledgers: Ledgers) -> str:
    """Say what of a build fits no generation; empty when it fits a known one.

    `ledgers` are those of the databases that it makes on empty data.
    """
    known = {generation.database for generation in GENERATIONS}
    strange = sorted(set(ledgers) - known)
    if recognised(ledgers) is not None and not strange:
        return ""
    if strange:
        return f"it makes {', '.join(strange)}, which no generation of t3 known here has"
    return "its databases fit no generation of t3 known here"


def strange_set(names: Collection[str]) -> str:
    """Say what of a person's data fits no generation; empty when all of it does (rule 2)."""
    strange = sorted(name for name in names if not is_expected(name))
    return f"it has {', '.join(strange)}, which no generation of t3 known here has" * bool(strange)


def starts_on(names: Collection[str], build: Collection[str]) -> dict[str, str]:
    """Return the databases that a build starts on, each with the build's own that it becomes.

    `names` are the databases of the data, `build` those that the build makes.  A database that is
    not in the result is left over for that build (rule 3).  A database of a newer generation is
    always in it: it becomes itself, which the build does not know (rule 4).
    """
    older = {
        generation.copied_from: generation.database
        for generation in GENERATIONS
        if generation.copied_from and generation.database in build
    }
    found = {name: name if name in build else older.get(name, name) for name in names}
    return {name: own for name, own in found.items() if name == own or own not in names}


def became(before: Collection[str], after: Collection[str]) -> dict[str, str]:
    """Return which database each one became in a start, from the databases afterwards.

    A database that is not in the result was left over.
    """
    left = {each.copied_from for each in GENERATIONS if each.database in after}
    return starts_on(before, set(after) - left)


def origin_of(database: str, names: Collection[str]) -> str:
    """Return the one of these databases from which `database` came; empty for none.

    That is `database` itself, or the one that it is copied from.
    """
    if database in names:
        return database
    copied = (each.copied_from for each in GENERATIONS if each.database == database)
    return next((origin for origin in copied if origin in names), "")


def newer(names: Collection[str]) -> tuple[str, ...]:
    """Return the databases that are copied from another one which is there, too."""
    return tuple(
        each.database
        for each in GENERATIONS
        if each.copied_from in names and each.database in names
    )


def is_expected(name: str) -> bool:
    """Whether a generation makes a database of this name, or t3 does not own the name."""
    return not is_of_t3(name) or any(name == each.database for each in GENERATIONS)
