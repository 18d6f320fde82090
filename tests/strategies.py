"""Hypothesis strategies that the suites share: values of the domain, small enough to collide.

Pools are kept small on purpose.  A law about order or about sets is only tested where two values
meet, and two values out of a large space never do.
"""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from t3safe.domain.idle import Activity, TurnMark
from t3safe.domain.ledgers import Ledger, Migration, SetLedger
from t3safe.domain.policy import Release
from t3safe.domain.retention import SnapshotKind, Stored
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE, V2_DATABASE

# Versions, by the grammar of SemVer 2.0.0 (paragraphs 2 and 9).

_NUMBERS = st.one_of(st.integers(0, 3), st.integers(0, 10**20))

numeric_identifiers: st.SearchStrategy[str] = _NUMBERS.map(str)

alphanumeric_identifiers: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(["alpha", "beta", "nightly", "rc", "A", "Z", "a", "z", "-", "0a", "1-", "a-b"]),
    st.from_regex(r"\A[0-9]{0,3}[a-zA-Z-][0-9a-zA-Z-]{0,6}\Z"),
)

identifiers: st.SearchStrategy[str] = st.one_of(numeric_identifiers, alphanumeric_identifiers)

releases: st.SearchStrategy[str] = st.tuples(_NUMBERS, _NUMBERS, _NUMBERS).map(
    lambda parts: "{}.{}.{}".format(*parts)
)

_DAYS = st.dates(date(2026, 4, 1), date(2026, 4, 4))

nightly_texts: st.SearchStrategy[str] = st.builds(
    lambda patch, day, run: f"0.0.{patch}-nightly.{day:%Y%m%d}.{run}",
    st.integers(27, 30),
    _DAYS,
    st.integers(1, 12),
)

version_texts: st.SearchStrategy[str] = st.one_of(
    releases,
    nightly_texts,
    st.builds("{}-alpha.{}".format, st.sampled_from(["0.0.27", "0.0.28"]), st.integers(0, 12)),
    st.builds(
        lambda release, fields: f"{release}-{'.'.join(fields)}",
        st.one_of(st.just("1.0.0"), releases),
        st.lists(identifiers, min_size=1, max_size=5),
    ),
)

versions: st.SearchStrategy[Version] = version_texts.map(Version.parse)

nightlies: st.SearchStrategy[Version] = nightly_texts.map(Version.parse)

# Ledgers: few ids and few names, so that one id meets two names.

migrations: st.SearchStrategy[Migration] = st.builds(
    Migration, st.integers(1, 4), st.sampled_from(["Events", "Scopes", "Foreign"])
)

ledgers: st.SearchStrategy[Ledger] = st.builds(Ledger, st.lists(migrations, max_size=6).map(tuple))

set_ledgers: st.SearchStrategy[SetLedger] = st.builds(
    SetLedger.of,
    st.dictionaries(st.sampled_from([V1_DATABASE, V2_DATABASE]), ledgers, max_size=2),
)

# Times around one moment, and what a person's databases say about work.

MOMENT = datetime(2026, 6, 9, 4, 0, tzinfo=UTC)

moments: st.SearchStrategy[datetime] = st.integers(-7200, 7200).map(
    lambda seconds: MOMENT + timedelta(seconds=seconds)
)

turn_marks: st.SearchStrategy[TurnMark] = st.builds(
    TurnMark, st.sampled_from(["t1", "t2"]), st.none() | moments
)

activities: st.SearchStrategy[Activity] = st.builds(
    Activity,
    tracked=st.booleans(),
    turns=st.lists(turn_marks, max_size=2).map(tuple),
    approvals=st.integers(0, 2),
    inputs=st.integers(0, 2),
    last_activity=st.none() | moments,
    serve_started=st.none() | moments,
    unreadable=st.sampled_from(["", "database is locked"]),
)

# Releases, snapshots.

releases_offered: st.SearchStrategy[Release] = st.builds(
    Release, st.one_of(nightlies, versions), st.none() | moments
)


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[Stored, ...]:
    """Draw one person's snapshots: ids all different, times and sizes often the same."""
    ids = draw(st.lists(st.text("abcdef", min_size=1, max_size=2), unique=True, max_size=8))
    return tuple(
        Stored(
            id=name,
            kind=draw(st.sampled_from(SnapshotKind)),
            taken=MOMENT + timedelta(minutes=draw(st.integers(0, 5))),
            size=draw(st.integers(0, 40)),
            sequence=draw(st.integers(0, 3)),
        )
        for name in ids
    )


# Secrets as `crypto` gives them: base64url of random bytes, 24 characters and longer.

secrets: st.SearchStrategy[str] = st.binary(min_size=18, max_size=48).map(
    lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")
)
