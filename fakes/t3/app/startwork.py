"""What a V2 start does beside serving: everything that must never happen on a copy.

Each deed is visible from outside.  It writes a line into the worktree or project (`MARKER`), runs
a program found on PATH there, or connects to the address under `fakeNetwork` in settings.json and
sends a line; and it is said in the log and in `userdata/logs/start-work.ndjson`, with its outcome.

| deed | what has it done | seen |
|---|---|---|
| continue | an interrupted run, `continueThreadsAfterServerUpdate` | provider CLI in the worktree |
| effect | an outbox effect that is due | line in the worktree; a title runs the CLI |
| schedule | an enabled scheduled task that is due | provider CLI in the project |
| webhook | an enabled task with a webhook's token | connection |
| pull | `auto_pull` or `defaultAutoPull` | line in the project, `git pull` |
| tunnel | `secrets/cloud-endpoint-runtime-config.bin` | child `cloudflared`, connection |
| probe | a provider's CLI on PATH | run with `--version`; `caches/provider-status.json` |
| manifest | always | connection |
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.t3.app.build import PROVIDER_CLIS
from fakes.t3.app.state import stamp
from fakes.t3.app.v2work import PROVIDER, request_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fakes.t3.app.state import FakeDatabase

MARKER = "t3-was-here.log"
"""The file in a worktree or project that a deed writes a line into."""
CONTINUE = "Continue where you left off."
PROBE_SECONDS = 1.0
CONNECT_SECONDS = 1.0
_WORKTREES = (
    "SELECT coalesce(json_extract(t.payload_json, '$.worktreePath'), p.workspace_root, '')"
    " FROM orchestration_v2_projection_threads AS t"
    " LEFT JOIN projection_projects AS p ON p.project_id = t.project_id WHERE t.thread_id = ?"
)


class Unmet(Exception):  # noqa: N818 - no error: a deed for which something is not there
    """A deed could not be done; the text says what is missing."""


class StartWork:
    """The deeds of one start; `do_all` never raises."""

    def __init__(
        self, database: FakeDatabase, userdata: Path, log: Callable[[str], object]
    ) -> None:
        self._database, self._userdata, self._log = database, userdata, log
        self._settings = read_settings(userdata)
        self._children: list[subprocess.Popen[bytes]] = []

    def do_all(self) -> None:
        """Do everything, one after the other."""
        deeds = (
            *(self._continue, self._replay, self._schedule, self._webhooks, self._pull),
            *(self._tunnel, self._manifest, self._probe),
        )
        for deed in deeds:
            with suppress(sqlite3.Error):
                deed()

    def end(self) -> None:
        """End the children that a stop ends; a kill leaves them at work."""
        for child in self._children:
            with suppress(OSError):
                child.terminate()

    def _tried(self, deed: str, what: str, act: Callable[[], object]) -> bool:
        """Do something, say what came of it, and return whether it was done."""
        try:
            act()
            outcome = "done"
        except (OSError, Unmet, subprocess.SubprocessError) as error:
            outcome = str(error)
        self._log(f"start work: {deed} {what}: {outcome}")
        line = {"deed": deed, "what": what, "outcome": outcome, "at": stamp()}
        with suppress(OSError):
            path = self._userdata / "logs" / "start-work.ndjson"
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return outcome == "done"

    def _setting(self, name: str, project: str) -> bool:
        overrides = self._settings.get("projectSettingsOverrides")
        own = overrides.get(project) if isinstance(overrides, dict) else None
        given = own.get(name) if isinstance(own, dict) else None
        return bool(self._settings.get(name, False) if given is None else given)

    def _continue(self) -> None:
        found = self._database.read(
            "SELECT r.run_id, r.thread_id, t.project_id FROM orchestration_v2_projection_runs AS r"
            " JOIN orchestration_v2_projection_threads AS t ON t.thread_id = r.thread_id"
            " WHERE json_extract(r.payload_json, '$.interruptedByRestart') = 1"
        )
        for run, thread, project in found:
            wanted = self._setting("continueThreadsAfterServerUpdate", str(project))
            with self._database.write() as connection:
                connection.execute(
                    "UPDATE orchestration_v2_projection_runs SET payload_json ="
                    " json_remove(payload_json, '$.interruptedByRestart') WHERE run_id = ?",
                    (run,),
                )
                if wanted:
                    again = request_run(connection, str(thread), "running", stamp())
                    connection.execute(
                        "UPDATE orchestration_v2_projection_runs SET payload_json = json_set("
                        "payload_json, '$.restartContinuationOfRunId', ?) WHERE run_id = ?",
                        (run, again),
                    )
            if wanted:
                self._tried("continue", str(thread), lambda: self._ask(str(thread), CONTINUE))  # noqa: B023 - called at once

    def _ask(self, thread: str, prompt: str) -> None:
        self._run_provider(self._worktree(thread), prompt)

    def _run_provider(self, folder: Path, prompt: str) -> None:
        for name in (PROVIDER, *PROVIDER_CLIS):
            program = shutil.which(name)
            if program is not None:
                self._spawn([program, prompt], folder)
                return
        raise Unmet("no provider CLI on PATH")

    def _spawn(self, words: list[str], folder: Path) -> None:
        child = subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._children.append(child)

    def _worktree(self, thread: str) -> Path:
        found = self._database.read(_WORKTREES, thread)
        return _folder(str(found[0][0]) if found else "")

    def _replay(self) -> None:
        due = self._database.read(
            "SELECT effect_id, effect_type, thread_id FROM orchestration_v2_effect_outbox"
            " WHERE status = 'pending' AND available_at <= ? ORDER BY created_at",
            stamp(),
        )
        for effect, kind, thread in due:
            done = self._tried(
                "effect",
                f"{kind} {thread}",
                lambda: self._perform(str(kind), str(thread)),  # noqa: B023 - called at once
            )
            with self._database.write() as connection:
                connection.execute(
                    "UPDATE orchestration_v2_effect_outbox SET status = ?, completed_at = ?,"
                    " attempt_count = attempt_count + 1 WHERE effect_id = ?",
                    ("succeeded" if done else "failed", stamp(), effect),
                )

    def _perform(self, kind: str, thread: str) -> None:
        if kind == "thread-title.generate":
            self._ask(thread, "Write a title.")
        else:
            leave_mark(self._worktree(thread), f"{kind} {thread}")

    def _tasks(self, condition: str, *parameters: object) -> Iterator[tuple[str, str, str]]:
        found = self._database.read(
            "SELECT s.task_id, s.prompt, p.workspace_root FROM scheduled_tasks AS s"
            " JOIN projection_projects AS p ON p.project_id = s.project_id"
            f" WHERE s.enabled = 1 AND {condition}",
            *parameters,
        )
        return ((str(task), str(prompt), str(root)) for task, prompt, root in found)

    def _schedule(self) -> None:
        for task, prompt, root in self._tasks("s.next_run_at <= ?", stamp()):
            self._tried("schedule", task, lambda: self._run_provider(_folder(root), prompt))  # noqa: B023 - called at once
            with self._database.write() as connection:
                connection.execute(
                    "UPDATE scheduled_tasks SET last_run_at = ?, last_run_status = 'started',"
                    " run_count = run_count + 1, next_run_at = NULL WHERE task_id = ?",
                    (stamp(), task),
                )

    def _webhooks(self) -> None:
        for task, _, _ in self._tasks("s.webhook_token IS NOT NULL"):
            self._tried("webhook", task, lambda: self._connect(f"webhook {task}"))  # noqa: B023 - called at once

    def _pull(self) -> None:
        found = self._database.read(
            "SELECT project_id, workspace_root, auto_pull FROM projection_projects"
            " WHERE deleted_at IS NULL ORDER BY project_id"
        )
        for project, root, own in found:
            if own or self._setting("defaultAutoPull", str(project)):
                self._tried("pull", str(project), lambda: _pull(_folder(str(root))))  # noqa: B023 - called at once

    def _tunnel(self) -> None:
        if not (self._userdata / "secrets" / "cloud-endpoint-runtime-config.bin").exists():
            return
        program = shutil.which("cloudflared")
        if program is not None:
            words = [program, "tunnel", "run"]
            self._tried("tunnel", "cloudflared", lambda: self._spawn(words, self._userdata))
        self._tried("tunnel", "connection", lambda: self._connect("tunnel"))

    def _manifest(self) -> None:
        if self._settings.get("fakeNetwork"):
            self._tried("manifest", "connection", lambda: self._connect("manifest"))

    def _connect(self, line: str) -> None:
        host, _, port = str(self._settings.get("fakeNetwork", "")).rpartition(":")
        if not port.isdigit():
            raise Unmet("no fakeNetwork in settings.json")
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            connection.sendall(f"{line}\n".encode())

    def _probe(self) -> None:
        status: dict[str, str] = {}
        for name in PROVIDER_CLIS:
            program = shutil.which(name)
            if program is not None:
                self._tried("probe", name, lambda: status.update({name: _version(program)}))  # noqa: B023 - called at once
                status.setdefault(name, "error")
        with suppress(OSError):
            path = self._userdata.parent / "caches" / "provider-status.json"
            path.write_text(json.dumps(status), encoding="utf-8")


def read_settings(userdata: Path) -> dict[str, object]:
    """Read settings.json; empty where it is missing or no object."""
    try:
        found = json.loads((userdata / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def leave_mark(folder: Path, line: str) -> None:
    """Write a line into a folder, as whoever works there does."""
    with (folder / MARKER).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _folder(path: str) -> Path:
    if not path or not os.path.isdir(path):  # noqa: PTH112 - as in build.py
        raise Unmet(f"no such folder: {path}")
    return Path(path)


def _pull(folder: Path) -> None:
    leave_mark(folder, "git pull")
    git = shutil.which("git")
    if git is None:
        raise Unmet("no git on PATH")
    ended = subprocess.run(
        [git, "-C", str(folder), "pull", "--ff-only"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=10,
    )
    if ended.returncode:
        raise Unmet(f"git pull: {ended.stderr.decode(errors='replace').strip()[:200]}")


def _version(program: str) -> str:
    ended = subprocess.run(
        [program, "--version"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=PROBE_SECONDS,
    )
    return ended.stdout.decode(errors="replace").strip()
