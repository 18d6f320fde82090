"""State sets of V2, and the half-way ones between V1 and V2, made by the fake's own code.

`populate` makes the V1 set that most of these begin with.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from fakes.t3.app import v1import, v2work
from fakes.t3.app.build import BROWSER_SESSION, ReleaseBehaviour
from fakes.t3.app.migrations import V2_FIRST
from fakes.t3.app.state import FakeDatabase, migrate, open_database, stamp
from fakes.t3.app.v1copy import DIRECTORY
from fakes.t3.client import V1, V2
from fakes.t3.states import Populated, count_rows, populate

NEWEST: Final = 60
V1_NEWEST: Final = V2_FIRST - 1
MARKS: Final = (
    *("preparing", "starting", "running", "waiting", "queued"),
    *(
        "request",
        "message-request",
        "capture",
        "turn-start",
        "title",
        "task",
        "due-task",
        "webhook",
    ),
)
"""What `add_marks` can leave: the status of a run, or what else is open."""


def build_of(schema: int = NEWEST, faults: Mapping[str, str] | None = None) -> ReleaseBehaviour:
    """Give a V2 build as the program's own code takes it."""
    traits = ("0.0.46", schema, BROWSER_SESSION, "plain", 2, "start", 0.0, 0.0, 0.0)
    return ReleaseBehaviour(*traits, True, False, faults or {})


def populate_v2(
    base_dir: Path,
    level: int = NEWEST,
    *,
    v1_level: int = V1_NEWEST,
    hydrated: bool = True,
    keep_v1: bool = True,
    own_messages: int = 2,
    **v1: Any,
) -> Populated:
    """Make a set that moved from V1 at `v1_level` to V2 at `level` (55 to 60).

    `v1` goes to `populate`.  `own_messages` are written under V2 into each of its threads; without
    `hydrated` the transcripts are still to come, without `keep_v1` state.sqlite is gone.
    """
    populate(base_dir, v1_level, **v1)
    build = build_of(level)
    database = open_database(base_dir, build)
    migrate(database, build)
    v1import.import_shells(database, build)
    if hydrated:
        v1import.hydrate(database)
    for (thread,) in database.read("SELECT thread_id FROM orchestration_v2_projection_threads"):
        for number in range(own_messages):
            v2work.work(database, str(thread), f"message {number + 1} under V2")
    database.close()
    path = base_dir / "userdata" / V2
    if not keep_v1:
        _remove(base_dir / "userdata" / V1)
    return Populated(base_dir, path, count_rows(path))


def add_unmigrated(base_dir: Path) -> Path:
    """Leave statev2.sqlite at V1's ledger, as a crash after the hard link does; returns it."""
    path = base_dir / "userdata" / V2
    _copy(base_dir / "userdata" / V1, path)
    return path


def add_import_directory(base_dir: Path, name: str = "Ab12Cd", *, whole: bool = True) -> Path:
    """Leave a copy's directory, as a crash before the hard link does; returns it.

    Its snapshot is the whole database, or without `whole` its first page only.
    """
    userdata = base_dir / "userdata"
    folder = userdata / f"{DIRECTORY}{name}"
    folder.mkdir()
    snapshot = folder / "snapshot.sqlite"
    _copy(userdata / V1, snapshot)
    if not whole:
        with snapshot.open("r+b") as file:
            file.truncate(4096)
    return folder


def populate_preview(base_dir: Path, v2_at: int = 53, **v1: Any) -> Populated:
    """Make a set of a preview, which recorded V2's migration as `v2_at` (53 or 54)."""
    populate(base_dir, v2_at - 1, **v1)
    build = build_of(55 if v2_at == 53 else 56, {"numbers-v2-from": str(v2_at)})
    database = open_database(base_dir, build)
    migrate(database, build)
    v1import.import_shells(database, build)
    database.close()
    path = base_dir / "userdata" / V2
    return Populated(base_dir, path, count_rows(path))


def rename(base_dir: Path, names: Mapping[int, str], database: str = V2) -> None:
    """Give rows of the ledger other names; an id that is not there is added."""
    with closing(sqlite3.connect(base_dir / "userdata" / database)) as connection, connection:
        connection.executemany(
            "INSERT OR REPLACE INTO effect_sql_migrations (migration_id, name) VALUES (?, ?)",
            sorted(names.items()),
        )


def add_marks(
    base_dir: Path, marks: Iterable[str], thread: str = "thread-1", *, worktree: Path | None = None
) -> None:
    """Leave marks of work (`MARKS`) in a V2 set, as a kill leaves them; ValueError on others.

    With `worktree` the thread and its project have that folder.
    """
    database = FakeDatabase(base_dir / "userdata" / V2)
    with database.write() as connection:
        at = stamp()
        v2work.ensure_thread(connection, thread, at)
        if worktree is not None:
            _set_worktree(connection, thread, str(worktree))
        for mark in marks:
            _add_mark(connection, thread, mark, at)
    database.close()


def _add_mark(connection: sqlite3.Connection, thread: str, mark: str, at: str) -> None:
    project = f"project-of-{thread}"
    match mark:
        case "preparing" | "starting" | "running" | "waiting" | "queued":
            v2work.request_run(connection, thread, mark, at)
        case "request" | "message-request":
            capability = "live" if mark == "request" else "message"
            v2work.put_request(connection, thread, at, capability)
        case "capture" | "turn-start" | "title":
            kinds = {"capture": "checkpoint.capture", "turn-start": "provider-turn.start"}
            v2work.put_effect(connection, thread, kinds.get(mark, "thread-title.generate"), at)
        case "task" | "due-task":
            due = stamp(time.time() + (3600 if mark == "task" else -60))
            v2work.put_task(connection, project, at, next_run_at=due)
        case "webhook":
            v2work.put_task(connection, project, at, next_run_at=None, webhook=f"hook-{thread}")
        case _:
            raise ValueError(f"{mark!r} is no mark; known: {', '.join(MARKS)}")


def _set_worktree(connection: sqlite3.Connection, thread: str, worktree: str) -> None:
    connection.execute(
        "UPDATE orchestration_v2_projection_threads SET payload_json ="
        " json_set(payload_json, '$.worktreePath', ?) WHERE thread_id = ?",
        (worktree, thread),
    )
    connection.execute(
        "UPDATE projection_projects SET workspace_root = ? WHERE project_id ="
        " (SELECT project_id FROM orchestration_v2_projection_threads WHERE thread_id = ?)",
        (worktree, thread),
    )


def allow_everything(base_dir: Path, network: str = "") -> None:
    """Set up a V2 set so that its start does all that it can do (`fakes.t3.app.startwork`).

    Every project is pulled, interrupted threads are continued, a T3 Connect tunnel is opened;
    connections go to `network` (host:port).
    """
    userdata = base_dir / "userdata"
    settings: dict[str, object] = {"continueThreadsAfterServerUpdate": True}
    settings |= {"defaultAutoPull": True} | ({"fakeNetwork": network} if network else {})
    (userdata / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (userdata / "secrets").mkdir(exist_ok=True)
    (userdata / "secrets" / "cloud-endpoint-runtime-config.bin").write_bytes(b"tunnel")
    with closing(sqlite3.connect(userdata / V2)) as connection, connection:
        connection.execute("UPDATE projection_projects SET auto_pull = 1")


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source)) as origin,
        closing(sqlite3.connect(target)) as copy,
    ):
        origin.backup(copy)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    for folder in path.parent.glob(f"{DIRECTORY}*"):
        shutil.rmtree(folder)
