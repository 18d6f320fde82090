"""The entrance: one question in JSON on a line of standard input, one answer on standard output.

An answer is `{"answer": ...}` or `{"error": kind, "text": ...}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
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
from t3safe.adapters.personaldata.worker.manifest import FILES, DatabaseCopy, SnapshotManifest
from t3safe.adapters.personaldata.worker.parent import asked, to_parent, watching
from t3safe.adapters.personaldata.worker.restore import restore, restoring
from t3safe.adapters.personaldata.worker.rows import rows_beyond
from t3safe.adapters.personaldata.worker.signout import sign_out
from t3safe.adapters.personaldata.worker.snapshots import SnapshotOrder, alone, verify
from t3safe.t3.generations import origin_of

Question = dict[str, Any]


def told(databases: tuple[tuple[str, Ledger], ...]) -> dict[str, Ledger]:
    """Name databases so that the names can be written anywhere; two that look alike are refused."""
    named = {shown(name): entries for name, entries in databases}
    if len(named) != len(databases):
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
        "ledger": told(tuple((item.name, item.ledger) for item in sealed.databases)),
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
    store = question["store"]
    later = manifest.load(store, question["snapshot"])
    earlier = manifest.load(store, question["since"])
    _countable((*later.databases, *earlier.databases))
    names = tuple(copied.name for copied in later.databases)
    return _beyond(_files(store, later), names, store, earlier)


def _rows_written(question: Question, _: Tools) -> object:
    store = question["store"]
    earlier = manifest.load(store, question["since"])
    _countable(earlier.databases)
    userdata = userdata_of(question["base"])
    found = discover(userdata)
    if found.problems:
        raise DataError(ErrorKind.BROKEN, found.problems[0])
    names = tuple(item.name for item in found.databases)
    return _beyond(str(userdata), names, store, earlier, live=True)


def _countable(databases: tuple[DatabaseCopy, ...]) -> None:
    for copied in databases:
        if copied.problem:
            what = f"{shown(copied.name)} is kept as bytes that SQLite cannot read"
            raise DataError(ErrorKind.RAW, f"{what} ({copied.problem})")


def _beyond(
    root: str, names: tuple[str, ...], store: str, earlier: SnapshotManifest, *, live: bool = False
) -> list[tuple[str, int]]:
    """Count what is new, also beside what V2 took over where it has begun since then."""
    before = {database.name for database in earlier.databases}
    found: list[tuple[str, int]] = []
    for name in names:
        origin = origin_of(name, before)
        old = (_files(store, earlier), origin) if origin else None
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
    found = discover(userdata)
    if found.problems:
        raise DataError(ErrorKind.BROKEN, found.problems[0])
    ledgers: list[tuple[str, Ledger]] = []
    for item in found.databases:
        with opened(str(userdata), item.name) as connection:
            ledgers.append((item.name, ledger(connection, item.name)))
    return told(tuple(ledgers))


def _holder(question: Question, tools: Tools) -> object:
    userdata = userdata_of(question["base"])
    if userdata is None:
        return ""
    return outsider(userdata, discover(userdata).databases, question["own"], tools)


def _activity(question: Question, _: Tools) -> object:
    try:
        said = work(userdata_of(question["base"]))
        copied = None if said.copied is None else said.copied._asdict()
        return {**said._asdict(), "copied": copied}
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
    "programs": lambda question, _: programs(
        os.path.dirname(question["base"]), question["places"].splitlines()
    ),
    "updates": lambda question, _: updates(question["base"], os.path.dirname(question["base"])),
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
    """Answer one question; whatever the outside world refuses is an answer too."""
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
    # The watching thread sits in a read that never returns; nothing else is left to be done.
    os._exit(0)
