"""V1's database beside V2's copy of it: which of them was worked in last (`t3.work`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from t3safe.adapters._support.personaldata.reading import ledger, opened, tables
from t3safe.adapters.stateworker.runtime import moment
from t3safe.t3 import work as t3
from t3safe.t3.files import V1_DATABASE, V2_DATABASE


class Compared(NamedTuple):
    """The newest times (ISO 8601, UTC) of each content, None where there is none.

    `first` is of V1's own database, `copied` of V1's content in V2's, `second` of work in V2.
    `empty` says that no migration is on record in V2's.
    """

    first: str | None
    copied: str | None
    second: str | None
    empty: bool

    @property
    def v1_since(self) -> bool:
        """Whether V2 would not show all of V1: it was worked in since, or was never copied."""
        return self.empty or (self.first or "") > (self.copied or "")


def compared(userdata: str, names: Collection[str]) -> Compared | None:
    """Compare both databases where they are among these names."""
    if not {V1_DATABASE, V2_DATABASE} <= set(names):
        return None
    return Compared(
        first=_newest(userdata, V1_DATABASE, t3.V1_CONTENT),
        copied=_newest(userdata, V2_DATABASE, t3.V1_CONTENT),
        second=_newest(userdata, V2_DATABASE, t3.V2_CONTENT),
        empty=_empty(userdata, V2_DATABASE),
    )


def v1_lives(userdata: str, both: Compared) -> bool:
    """Whether V1's marks count: V2 would not show all of it, or has only been begun to be made."""
    with opened(userdata, V2_DATABASE) as connection:
        return both.v1_since or not t3.is_begun(tables(connection))


def _empty(userdata: str, name: str) -> bool:
    with opened(userdata, name) as connection:
        return not ledger(connection, name)


def _newest(userdata: str, name: str, queries: Iterable[tuple[str, str]]) -> str | None:
    with opened(userdata, name) as connection:
        there = tables(connection)
        rows = [
            row
            for table, query in queries
            if table in there
            for row in connection.execute(query).fetchall()
        ]
    times = [time for row in rows if (time := moment(row[0])) is not None]
    return max(times).isoformat(timespec="microseconds") if times else None
