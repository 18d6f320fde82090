"""An independent judge of a real host: the promises in terms of files, databases and processes.

It shares nothing with t3safe: it imports none of it, reads links as text, databases with SQLite
itself, processes from /proc, and signs in over HTTP.  Each check gives the violations that it sees,
as lines that begin with the invariant's name.

- `at_once` holds at every moment, also right after a kill and while somebody needs a human.
- `settled` holds once a command has ended, `t3safe recover` after a kill among them.
- `tidy` holds once the next run has ended.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import field, frozen

from fakes.t3.app.migrations import NAMES, V2_FIRST
from fakes.t3.app.work import COMPACTED
from fakes.t3.client import (
    Acknowledged,
    PersonClient,
    SignInError,
    WorkRefusedError,
    acknowledged_rows,
    live_database,
)
from t3safe.t3.files import HOME_BASE, IMPORT_PREFIX, USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.ledger import READ_LEDGER

NEEDS_HUMAN: Final = 15
STATUS: Final = {
    "promoted": 0,
    "moved": 0,
    "deferred": 0,
    "passed": 0,
    "refused": 11,
    "later": 12,
    "interrupted": 12,
    "rolled-back": 13,
    "gate-broken": 14,
    "needs-human": NEEDS_HUMAN,
}
"""The exit status that says the same as an outcome of the history."""
MINT_SECONDS: Final = 5.0
"""How long a mint may take that the dispatch began for a browser which went away."""
ON_NEW: Final = frozenset({"moved", "kept"})
"""What the history says of people who are on the candidate; all others are on the build before."""
_BETWEEN: Final = re.compile(r"cannot write the journal .*; (\S+) is in transition until then")
_BUILD: Final = re.compile(r"/store/builds/([^/]+)/")

Ledger = tuple[tuple[int, str], ...]
Row = tuple[str, str]
_T = TypeVar("_T")


@frozen
class JudgedHost:
    """A host as the judge knows it: where it is, and what each build really knows.

    `schemas` gives the highest migration of each version; `proven` are the versions that need no
    verdict, because people ran them before.
    """

    root: Path
    people: tuple[str, ...]
    url: str
    schemas: Mapping[str, int]
    proven: frozenset[str]

    def base(self, person: str) -> Path:
        """A person's base directory."""
        return self.root / "home" / person / HOME_BASE

    def userdata(self, person: str) -> Path:
        """A person's state set."""
        return self.base(person) / USERDATA

    def knows(self, version: str) -> frozenset[tuple[int, str]]:
        """The migrations that a build knows."""
        return frozenset((number, NAMES[number - 1]) for number in range(1, self._top(version) + 1))

    def live(self, person: str) -> Path:
        """A person's live database."""
        return live_database(self.base(person))

    def looks_past(self, version: str, database: Path) -> bool:
        """Whether a build never looks at a database which is the live one: V1's at V2's."""
        return database.name == V2_DATABASE and self._top(version) < V2_FIRST

    def _top(self, version: str) -> int:
        return self.schemas.get(version, 0)


@frozen
class Stands:
    """How one person stands; `build` is empty while fenced, `ledger` None where it is not read."""

    link: str
    build: str
    serves: tuple[tuple[int, str], ...]
    ledger: Ledger | None
    restoring: bool

    @property
    def settled(self) -> bool:
        """Whether this person is in no transition: one serve, of the build that is selected."""
        return bool(self.build) and not self.restoring and self._one_serve

    @property
    def _one_serve(self) -> bool:
        return [version for _, version in self.serves] == [self.build]


@frozen
class HostBefore:
    """The host as it stood before a command."""

    people: Mapping[str, Stands]
    default: str
    last_good: str
    runs: frozenset[str]


@frozen
class Run:
    """One run as the journal has it, read as plain data."""

    name: str
    events: tuple[dict[str, Any], ...]

    @property
    def plan(self) -> dict[str, Any]:
        """What it was opened with."""
        plan: dict[str, Any] = self.events[0]["plan"]
        return plan

    @property
    def candidate(self) -> str:
        """The build that it moves people to."""
        return str(self.plan["candidate"])

    @property
    def ended(self) -> dict[str, Any]:
        """How it ended, empty while it has not."""
        last = self.events[-1]
        ended: dict[str, Any] = last["ended"] if last["type"] == "Closed" else {}
        return ended

    def started(self, effect: str) -> frozenset[str]:
        """The people for whom an effect was begun."""
        begun = (event["effect"] for event in self.events if event["type"] == "Started")
        return frozenset(str(each["person"]) for each in begun if each["type"] == effect)

    @property
    def promotion_failed(self) -> bool:
        """Whether a promotion was begun that failed: it may be half done."""
        begun = {
            event["seq"]
            for event in self.events
            if event["type"] == "Started" and event["effect"]["type"] == "Promote"
        }
        ends = (event for event in self.events if event["type"] == "Finished")
        return any(end["seq"] in begun and end["answer"]["type"] == "Failed" for end in ends)

    @property
    def blamed(self) -> bool:
        """Whether its candidate was refused for what it did in production, on record."""
        begun = (event.get("effect", {}) for event in self.events)
        return any(each.get("verdict", {}).get("in_production") for each in begun)

    @property
    def passed(self) -> bool:
        """Whether its candidate passed the gate, on record."""
        ruling = ""
        for event in self.events:
            effect = event.get("effect", {})
            if effect.get("type") == "RecordVerdict":
                ruling = str(effect["verdict"]["ruling"])
            if event["type"] == "Finished" and event["answer"]["type"] == "Done" and ruling:
                return ruling == "passed"
        return False


@frozen
class ReportedEnd:
    """What a command said of its end: its exit status, and the document of `--json`.

    `history` is what `t3safe history --json` says afterwards, newest first.  With `homes_full` no
    serve can write, so that nobody can sign in whatever t3safe does; with `journal_ill` a run may
    be left open.
    """

    status: int
    result: Mapping[str, Any] = field(factory=dict)
    history: Sequence[Mapping[str, str]] = ()
    homes_full: bool = False
    journal_ill: bool = False
    complaint: str = ""
    """What a command without a document wrote on standard error."""

    @property
    def excused(self) -> frozenset[str]:
        """Who is named as needing a human, by a status that says so."""
        if self.status != NEEDS_HUMAN:
            return frozenset()
        people = self.result.get("people", {})
        named = {"needs-human", "environment"}
        between = _BETWEEN.findall(self.complaint)
        return frozenset([*between, *(name for name in people if people[name]["status"] in named)])

    @property
    def cut_off(self) -> bool:
        """Whether the run may be left open: it says that the journal cannot be written."""
        return self.journal_ill and self.status == NEEDS_HUMAN and not self.result


# Looking.


def remember(scene: JudgedHost) -> HostBefore:
    """Keep what is compared with later."""
    return HostBefore(
        people=look(scene),
        default=_default(scene),
        last_good=_text(scene.root / "state" / "last-good"),
        runs=frozenset(run.name for run in runs(scene)),
    )


def look(scene: JudgedHost) -> dict[str, Stands]:
    """See how everybody stands."""
    found = processes(scene.root)
    return {person: _stands(scene, person, found) for person in scene.people}


def _stands(scene: JudgedHost, person: str, found: Mapping[int, list[str]]) -> Stands:
    link = os.readlink(scene.root / "store" / "users" / person)
    build = link.rpartition("/")[2] if link.startswith("../builds/") else ""
    base = str(scene.base(person))
    serves = tuple(
        (pid, _version(words))
        for pid, words in sorted(found.items())
        if "serve" in words and base in words and _version(words)
    )
    at_rest = not build and not serves
    return Stands(
        link=link,
        build=build,
        serves=serves,
        ledger=None if at_rest else ledger(scene.live(person)),
        restoring=(scene.userdata(person) / ".t3safe-restore.json").exists(),
    )


def processes(root: Path) -> dict[int, list[str]]:
    """Name every live process that has something to do with a host, with its command line."""
    found: dict[int, list[str]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with suppress(OSError):
                words = Path("/proc", name, "cmdline").read_bytes().decode(errors="replace")
                if str(root) in words:
                    found[int(name)] = words.rstrip("\0").split("\0")
    return found


def _version(words: list[str]) -> str:
    found = _BUILD.search(" ".join(words))
    return found[1] if found else ""


def _default(scene: JudgedHost) -> str:
    return os.readlink(scene.root / "store" / "default").rpartition("/")[2]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


@contextmanager
def aside(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a database that nobody writes to, with the logs beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal", "-journal"):
            part = database.with_name(database.name + end)
            if part.exists():
                shutil.copy(part, Path(folder, part.name))
        with closing(sqlite3.connect(Path(folder, database.name))) as opened:
            yield opened


def _read(database: Path, read: Callable[[sqlite3.Connection], _T]) -> _T | None:
    """Read a database beside its serve, or else a copy of it; None where neither can be read.

    Nothing changes by it: no log is made, none is taken away.
    """
    uri = f"{database.as_uri()}?mode=ro"
    if database.with_name(database.name + "-shm").exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True, timeout=5)) as opened:
            return read(opened)
    with suppress(sqlite3.Error, OSError), aside(database) as copy:
        return read(copy)
    return None


def ledger(database: Path) -> Ledger | None:
    """Read what a database has been through; None where it cannot be read."""

    def read(opened: sqlite3.Connection) -> Ledger:
        return tuple((int(number), str(name)) for number, name in opened.execute(READ_LEDGER))

    return _read(database, read)


def live_rows(scene: JudgedHost, person: str) -> set[Row]:
    """Read the rows of a person's live database; none where it is being replaced.

    What V2 deletes on purpose is looked for in V1's database, which is left over.
    """
    database = scene.live(person)
    found = _read(database, acknowledged_rows) or set()
    if database.name == V1_DATABASE:
        return found
    left = _read(database.with_name(V1_DATABASE), acknowledged_rows) or set()
    return found | {row for row in left if row[0] in COMPACTED}


def kept_rows(scene: JudgedHost, person: str) -> set[Row]:
    """Read the rows of a person's sealed snapshots."""
    found: set[Row] = set()
    for folder in (scene.root / "backups" / person).glob("[!.]*"):
        for database in (folder / "files" / V1_DATABASE, folder / "files" / V2_DATABASE):
            if (folder / "manifest.json").exists() and database.exists():
                uri = f"{database.as_uri()}?immutable=1"
                with closing(sqlite3.connect(uri, uri=True)) as opened:
                    found |= acknowledged_rows(opened)
    return found


def runs(scene: JudgedHost) -> tuple[Run, ...]:
    """Read every run of the journal, oldest first."""
    journal = scene.root / "state" / "journal.sqlite"
    if not journal.exists():
        return ()
    events: dict[str, list[dict[str, Any]]] = {}
    with aside(journal) as opened, suppress(sqlite3.OperationalError):
        for name, body in opened.execute("SELECT run, body FROM events ORDER BY number"):
            events.setdefault(name, []).append(json.loads(body))
    return tuple(Run(name, tuple(told)) for name, told in events.items())


def verdicts(scene: JudgedHost) -> dict[str, tuple[str, bool]]:
    """Read what is held of each build: the ruling, and whether it is of production."""
    journal = scene.root / "state" / "journal.sqlite"
    with aside(journal) as opened:
        query = "SELECT version, ruling, in_production FROM verdicts"
        return {version: (ruling, bool(live)) for version, ruling, live in opened.execute(query)}


# Judging.


def at_once(
    scene: JudgedHost, before: HostBefore, acknowledged: Mapping[str, Sequence[Acknowledged]]
) -> list[str]:
    """Everything that must be true at every moment.

    `acknowledged` must have been taken before the call: what comes later is not looked for.
    """
    told = [run for run in runs(scene) if run.name not in before.runs]
    now = look(scene)
    return [
        *(line for person in scene.people for line in _matched(scene, person, now[person])),
        *(line for person in scene.people for line in _lost(scene, person, told, acknowledged)),
        *_ungated(scene, now, told),
        *_one_at_a_time(before, now, told),
    ]


def _matched(scene: JudgedHost, person: str, stands: Stands) -> Iterator[str]:
    able = {stands.build: "is selected"} if stands.build else {}
    able |= {version: "runs" for _, version in stands.serves}
    for version, how in able.items():
        if stands.ledger is None:
            yield f"I1 {person}: {version} {how}, and the database cannot be read"
            continue
        if scene.looks_past(version, scene.live(person)):
            yield f"I1 {person}: {version} {how} and does not look at {V2_DATABASE}"
        strange = [entry for entry in stands.ledger if entry not in scene.knows(version)]
        if strange:
            yield f"I1 {person}: {version} {how} and does not know {strange[0]} of the database"
    if stands.build and stands.restoring:
        yield f"I1 {person}: {stands.build} is selected while the set is being replaced"
    if len(stands.serves) > 1:
        yield f"I1 {person}: several serves run on one set: {stands.serves}"


def _lost(
    scene: JudgedHost,
    person: str,
    told: Sequence[Run],
    acknowledged: Mapping[str, Sequence[Acknowledged]],
) -> Iterator[str]:
    wanted = {(row.table, row.key) for row in acknowledged.get(person, ())}
    gone = wanted - live_rows(scene, person)
    if not gone:
        return
    nowhere = gone - kept_rows(scene, person)
    if nowhere:
        yield f"I2 {person}: {len(nowhere)} of {len(wanted)} acknowledged rows are nowhere"
    elif not any(person in run.started("Restore") for run in told):
        yield f"I2 {person}: {len(gone)} rows are in snapshots alone, and nothing was restored"


def _ungated(scene: JudgedHost, now: Mapping[str, Stands], told: Sequence[Run]) -> Iterator[str]:
    good = set(scene.proven) | {run.candidate for run in told if run.passed}
    for person, stands in now.items():
        for version in {stands.build, *(version for _, version in stands.serves)} - {""}:
            if version not in good:
                yield f"I3 {person}: {version} is selected or runs, and passed no gate"
        known = {entry for version in good for entry in scene.knows(version)}
        strange = [entry for entry in stands.ledger or () if entry not in known]
        if strange:
            yield f"I3 {person}: {strange[0]} is of no build that passed the gate"
    if _default(scene) not in good:
        yield f"I3 the default is {_default(scene)}, which passed no gate"


def _one_at_a_time(
    before: HostBefore, now: Mapping[str, Stands], told: Sequence[Run]
) -> Iterator[str]:
    between = [person for person, stands in now.items() if not stands.settled]
    if len(between) > 1:
        yield f"I4 {' and '.join(between)} are in transition at once"
    begun = {person for run in told for person in run.started("Fence")}
    for person, stands in now.items():
        if person not in begun and stands != before.people[person]:
            yield f"I4 {person} was not begun, and changed: {before.people[person]} to {stands}"
    for run in told:
        late = _begun_late(run)
        if late:
            yield f"I4 {', '.join(late)} begun after {run.name} was interrupted"


def _begun_late(run: Run) -> list[str]:
    """Name the people who were begun only after the run was asked to stop, or was taken over."""
    ends = [n for n, event in enumerate(run.events) if event["type"] in {"StopAsked", "Resumed"}]
    if not ends:
        return []
    early = Run(run.name, run.events[: ends[0]]).started("Fence")
    return sorted(run.started("Fence") - early)


def settled(
    scene: JudgedHost,
    before: HostBefore,
    acknowledged: Mapping[str, Sequence[Acknowledged]],
    told: ReportedEnd,
) -> list[str]:
    """Everything that must be true once a command has ended: nobody is stranded, nothing is a lie.

    Whoever is named by a status that says a human is needed may be left in between.
    """
    now = look(scene)
    helped = [person for person in scene.people if person not in told.excused]
    return [
        *at_once(scene, before, acknowledged),
        *(line for person in helped for line in _stranded(scene, person, now[person], told)),
        *_history(scene, before, told),
        *_people_as_told(scene, now, told),
        *_disk_as_told(scene, before, told),
    ]


def _stranded(scene: JudgedHost, person: str, stands: Stands, told: ReportedEnd) -> Iterator[str]:
    if not stands.settled:
        yield f"STRANDED {person}: {stands.link}, serves {stands.serves}"
    if (scene.userdata(person) / ".t3safe-staging").exists():
        yield f"LITTER {person}: half a restore is left in {USERDATA}"
    pid = _pid_file(scene, person)
    if [pid] != [found for found, _ in stands.serves]:
        yield f"I6 {person}: the pid file names {pid}, {stands.serves} run"
    if told.homes_full:
        return
    client = PersonClient(scene.url, person)
    try:
        client.sign_in()
        if not client.authenticated():
            yield f"STRANDED {person}: the session of a new sign-in is not taken"
        client.work()
    except (OSError, ValueError, SignInError, WorkRefusedError) as error:
        yield f"STRANDED {person}: cannot sign in and work: {error}"


def _pid_file(scene: JudgedHost, person: str) -> int:
    with suppress(OSError, ValueError, KeyError):
        return int(json.loads((scene.root / "run" / f"{person}.pid").read_bytes())["pid"])
    return 0


def _history(scene: JudgedHost, before: HostBefore, told: ReportedEnd) -> Iterator[str]:
    journal = {run.name: run for run in runs(scene)}
    if set(journal) != {record["run"] for record in told.history}:
        yield f"I6 the history tells of {len(told.history)} runs, the journal of {len(journal)}"
        return
    for record in told.history:
        ended = journal[record["run"]].ended
        if not ended and not told.cut_off:
            yield f"I6 run {record['run']} was left open"
        if record["outcome"] != ended.get("outcome", "unfinished"):
            yield f"I6 the history says that {record['run']} ended as {record['outcome']}"
    fresh = [record["run"] for record in told.history if record["run"] not in before.runs]
    yield from _status_as_told(fresh, journal, told)


def _status_as_told(
    fresh: Sequence[str], journal: Mapping[str, Run], told: ReportedEnd
) -> Iterator[str]:
    ran = str(told.result.get("run", ""))
    if fresh and ran and fresh[0] != ran:
        yield f"I6 the command speaks of {ran}, the last run is {fresh[0]}"
    if ran and STATUS[journal[ran].ended["outcome"]] != told.status:
        yield f"I6 exit status {told.status} where {ran} ended as {journal[ran].ended}"
    if told.result and told.result["exit"] != told.status:
        yield f"I6 exit status {told.status}, and {told.result['exit']} in its document"


def _people_as_told(
    scene: JudgedHost, now: Mapping[str, Stands], told: ReportedEnd
) -> Iterator[str]:
    ran = str(told.result.get("run", ""))
    plan = next((run.plan for run in runs(scene) if run.name == ran), None)
    if plan is None:
        return
    for move in plan["moves"]:
        status = told.result["people"][move["person"]]["status"]
        expected = move["new"] if status in ON_NEW else move["old"]
        if status != "needs-human" and now[move["person"]].build != expected:
            link = now[move["person"]].link
            yield f"I6 {move['person']} is called {status} and is on {link}, not {expected}"


def _disk_as_told(scene: JudgedHost, before: HostBefore, told: ReportedEnd) -> Iterator[str]:
    new = [run for run in runs(scene) if run.name not in before.runs]
    outcomes = {str(run.ended.get("outcome", "unfinished")) for run in new}
    promoted = [run.candidate for run in new if run.ended.get("outcome") == "promoted"]
    half = {run.candidate for run in new if run.promotion_failed}
    half |= {run.candidate for run in new if not run.ended and told.cut_off}
    for what, found, was in (
        ("last-good", _text(scene.root / "state" / "last-good"), before.last_good),
        ("the default", _default(scene), before.default),
    ):
        if found != (promoted[-1] if promoted else was) and found not in half:
            yield f"I6 {what} is {found} after {sorted(outcomes)}"
    frozen = _text(scene.root / "freeze")
    if frozen and not outcomes & {"rolled-back", "needs-human"} and not told.cut_off:
        yield f"I6 frozen ({frozen}) after {sorted(outcomes)}"
    if not frozen and "rolled-back" in outcomes:
        yield f"I6 not frozen after {sorted(outcomes)}"
    held = verdicts(scene) if new else {}
    for run in new:
        refused = held.get(run.candidate) == ("refused", True)
        if run.ended and refused != run.blamed:
            yield f"I6 {run.candidate} is held as {held.get(run.candidate)} after {run.ended}"


def _strays(scene: JudgedHost) -> dict[int, list[str]]:
    """Name what runs beside the serves; a sign-in that nobody waits for any more may end first."""
    deadline = time.monotonic() + MINT_SECONDS
    while True:
        serves = {pid for stands in look(scene).values() for pid, _ in stands.serves}
        strays = {pid: words for pid, words in processes(scene.root).items() if pid not in serves}
        if not strays or time.monotonic() > deadline:
            return strays
        time.sleep(0.05)


def tidy(scene: JudgedHost) -> list[str]:
    """What a crash must not leave behind for good: people must be at rest when it is called."""
    places = {
        "half a build": (scene.root / "store" / "builds").glob(".*"),
        "a snapshot that was never sealed": (scene.root / "backups").glob("*/.*"),
        "half a restore": (scene.root / "home").glob(f"*/{HOME_BASE}/{USERDATA}/.t3safe-*"),
        "an import of V2 that was broken off": (scene.root / "home").glob(
            f"*/{HOME_BASE}/{USERDATA}/{IMPORT_PREFIX}*"
        ),
        "a room of the gate": (scene.root / "tmp").glob("*"),
        "half a link": (scene.root / "store").glob(".*.new"),
        "half a selection": (scene.root / "store" / "users").glob(".*"),
        "half a note": (scene.root / "state").glob(".*.new"),
        "half a switch": scene.root.glob(".*.new"),
        "half a pid file": (scene.root / "run").glob("*.new"),
    }
    found = [
        f"LITTER {what}: {path.relative_to(scene.root)}"
        for what, paths in places.items()
        for path in paths
    ]
    found += [
        f"LITTER process {pid} is left: {' '.join(words)[:200]}"
        for pid, words in _strays(scene).items()
    ]
    for person, stands in look(scene).items():
        if not stands.build:
            found.append(f"LITTER {person} is fenced")
    return found
