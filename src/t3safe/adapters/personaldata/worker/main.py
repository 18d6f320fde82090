"""The program: one question in JSON on a line of standard input, one answer on standard output.

An answer is `{"answer": ...}` or `{"error": kind, "text": ...}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from t3safe.adapters._support.personaldata.databases import Ledger, ledger, opened
from t3safe.adapters._support.personaldata.discovery import discover, userdata_of
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about, shown
from t3safe.adapters.personaldata.worker import manifest, snapshots
from t3safe.adapters.personaldata.worker.activity import work
from t3safe.adapters.personaldata.worker.holders import outsider
from t3safe.adapters.personaldata.worker.installed import programs, updates
from t3safe.adapters.personaldata.worker.manifest import FILES, SnapshotManifest
from t3safe.adapters.personaldata.worker.parent import asked, to_parent, watching
from t3safe.adapters.personaldata.worker.restore import restore, restoring
from t3safe.adapters.personaldata.worker.rows import rows_beyond
from t3safe.adapters.personaldata.worker.signout import sign_out
from t3safe.adapters.personaldata.worker.snapshots import SnapshotOrder, alone, verify
from t3safe.t3.generations import origin_of

Question = dict[str, Any]


def printable(databases: Iterable[tuple[str, Ledger]]) -> dict[str, Ledger]:
    """Name databases so that the names can be written anywhere; two that look alike are refused."""
    listed = tuple(databases)
    named = {shown(name): entries for name, entries in listed}
    if len(named) != len(listed):
        raise DataError(ErrorKind.BROKEN, "two databases bear names that look the same")
    return named


def _summary(sealed: SnapshotManifest) -> dict[str, Any]:
    return {
        "id": sealed.id,
        "person": sealed.person,
        "kind": sealed.kind,
        "taken": sealed.taken,
        "sequence": sealed.sequence,
        "build": sealed.build,
        "size": sealed.size,
        "ledger": printable((item.name, item.ledger) for item in sealed.databases),
        "rows": [
            (f"{shown(item.name)}:{shown(table)}", rows)
            for item in sealed.databases
            for table, rows in item.counts
        ],
    }


def _snapshot(question: Question, tools: Tools) -> object:
    if question["kind"] not in snapshots.KINDS:
        raise DataError(ErrorKind.SYSTEM, "unknown kind of snapshot")
    fields = {name: question[name] for name in SnapshotOrder._fields}
    return _summary(snapshots.take(SnapshotOrder(**fields), tools))


def _rows_since(question: Question, _: Tools) -> object:
    later = _countable(question["store"], question["snapshot"])
    names = [copied.name for copied in later.databases]
    return _rows_beyond(question, _files(question["store"], later), names, live=False)


def _rows_written(question: Question, _: Tools) -> object:
    userdata = userdata_of(question["base"])
    names = [item.name for item in discover(userdata).sound().databases]
    return _rows_beyond(question, str(userdata), names, live=True)


def _countable(store: str, snapshot: str) -> SnapshotManifest:
    sealed = manifest.load(store, snapshot)
    for copied in sealed.databases:
        if copied.problem:
            what = f"{shown(copied.name)} is kept as bytes that SQLite cannot read"
            raise DataError(ErrorKind.RAW, f"{what} ({copied.problem})")
    return sealed


def _rows_beyond(
    question: Question, root: str, names: list[str], *, live: bool
) -> list[tuple[str, int]]:
    """Count the rows that are new since a snapshot.

    A database that V2 began as a copy of V1's is compared with the one that it copied.
    """
    earlier = _countable(question["store"], question["since"])
    before = {database.name for database in earlier.databases}
    found: list[tuple[str, int]] = []
    for name in names:
        origin = origin_of(name, before)
        old = (_files(question["store"], earlier), origin) if origin else None
        rows = rows_beyond((root, name), old, live=live)
        found += ((f"{shown(name)}:{shown(table)}", count) for table, count in rows)
    return found


def _files(store: str, sealed: SnapshotManifest) -> str:
    return f"{store}/{sealed.id}/{FILES}"


def _restoring(question: Question, _: Tools) -> object:
    if not question["store"]:
        return restoring(question["base"])
    with alone(question["store"], shared=True):
        return restoring(question["base"])


def _ledger(question: Question, _: Tools) -> object:
    userdata = userdata_of(question["base"])
    ledgers: list[tuple[str, Ledger]] = []
    for item in discover(userdata).sound().databases:
        with opened(str(userdata), item.name) as connection:
            ledgers.append((item.name, ledger(connection, item.name)))
    return printable(ledgers)


def _holder(question: Question, tools: Tools) -> object:
    userdata = userdata_of(question["base"])
    if userdata is None:
        return ""
    return outsider(userdata, discover(userdata).databases, question["own"], tools)


def _activity(question: Question, _: Tools) -> object:
    try:
        said = work(userdata_of(question["base"]))
        return {**said._asdict(), "copied": said.copied and said.copied._asdict()}
    except DataError as error:
        return {"tracked": False, "unreadable": str(error)}


def _snapshots(question: Question, _: Tools) -> object:
    listed: list[dict[str, Any]] = []
    for sealed in snapshots.listing(question["store"]):
        with suppress(DataError):
            listed.append(_summary(sealed))
    return listed


_QUESTIONS: Final[dict[str, Callable[[Question, Tools], object]]] = {
    "snapshot": _snapshot,
    "rows_since": _rows_since,
    "rows_written": _rows_written,
    "restore": lambda question, tools: restore(
        question["base"], question["store"], question["person"], question["snapshot"], tools
    ),
    "restoring": _restoring,
    "ledger": _ledger,
    "holder": _holder,
    "weight": lambda question, _: discover(userdata_of(question["base"])).size,
    "programs": lambda question, _: programs(question["base"], question["places"].splitlines()),
    "updates": lambda question, _: updates(question["base"]),
    "activity": _activity,
    "sign_out": lambda question, _: sign_out(
        userdata_of(question["base"]), question["made"].split()
    ),
    "snapshots": _snapshots,
    "verify": lambda question, _: verify(
        question["store"], manifest.load(question["store"], question["snapshot"])
    ),
    "remove": lambda question, tools: snapshots.remove(
        question["store"], question["snapshot"], tools
    ),
}


def answer(question: Question, tools: Tools | None = None) -> dict[str, Any]:
    """Answer one question; what the system or SQLite refuses is an answer, too."""
    try:
        with errors_about(str(question["ask"])):
            said = _QUESTIONS[question["ask"]](question, tools or Tools())
    except DataError as error:
        return {"error": error.kind, "text": str(error)}
    return {"answer": said}


def main() -> None:
    """Answer the question on standard input, unless the parent goes away first."""
    question = asked()
    sys.stdout.write(json.dumps(answer(question, Tools(growing=watching(to_parent)))))
    sys.stdout.flush()
    # The thread that watches for the parent's end sits in a read that never returns.
    os._exit(0)
