"""A small systemd behind a `systemctl` of its own, with real processes.

    python systemctl.py FOLDER [--flags] show|start|stop|kill|reset-failed|boot ... UNIT

FOLDER/units/UNIT.json describes a unit: `argv`, `load` (loaded), `kill_mode` (group or process),
`start_limit` (a failed unit is not started before `reset-failed`), `refuses` (what a start says
before it fails), `user` (whom it runs as), `queued` (a start waits, as at boot: a stop cancels it,
`boot` carries it out).
FOLDER/cgroup is a tree of control groups; every call brings it up to date.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

MARK = "TEST_UNIT"


class FakeSystemctl:
    """The units below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"

    def unit(self, name: str) -> dict[str, Any]:
        """How a unit is described, with what is not said."""
        known: dict[str, Any] = {"argv": [], "load": "loaded", "kill_mode": "group", "refuses": ""}
        known["user"] = ""
        try:
            known |= json.loads((self.folder / "units" / f"{name}.json").read_text())
        except FileNotFoundError:
            known["load"] = "not-found"
        return known

    def run(self, name: str) -> dict[str, Any]:
        """What became of a unit so far."""
        fresh: dict[str, Any] = {"pid": 0, "started": "", "failed": False, "stopping": False}
        with suppress(FileNotFoundError):
            fresh |= json.loads((self.folder / "run" / f"{name}.json").read_text())
        return fresh

    def note(self, name: str, **changes: object) -> None:
        """Keep what became of a unit."""
        file = self.folder / "run" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(self.run(name) | changes))

    def members(self, name: str) -> list[int]:
        """The processes of a unit's control group, kept up to date in its file."""
        mark = f"{MARK}={self.folder}:{name}".encode()
        found = [pid for pid in _pids() if mark in _environ(pid) and not _dead(pid)]
        group = self.group(name)
        # The main process in the group itself, the rest further down: a serve may make groups.
        main = self.run(name)["pid"]
        for folder, pids in (
            (group, [pid for pid in found if pid == main]),
            (group / "agents", [pid for pid in found if pid != main]),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        return found

    def group(self, name: str) -> Path:
        """Where a unit's control group is."""
        return self.folder / "cgroup" / "system.slice" / name

    def main(self, words: list[str]) -> int:
        """Do what a command line asks for; its exit status."""
        with self.calls.open("a") as file:
            file.write(" ".join(words) + "\n")
        verb, *rest = [word for word in words if not word.startswith("--")]
        name = rest[-1]
        if verb in {"list-units", "list-unit-files", "show"}:
            self.look(verb, rest)
            return 0
        if self.unit(name)["load"] == "not-found":
            _say(f"Unit {name} not found.", sys.stderr)
            return 5
        match verb:
            case "start":
                return self.start(name)
            case "boot":
                return self.start(name) if self.waits(name) else 0
            case "stop":
                self.stop(name)
            case "kill":
                number = next(word for word in words if word.startswith("--signal="))
                _signal(self.members(name), signal.Signals[number.partition("=")[2]])
            case "reset-failed":
                self.note(name, failed=False)
            case _:
                _say(f"Unknown command verb {verb}.", sys.stderr)
                return 1
        return 0

    def look(self, verb: str, rest: list[str]) -> None:
        """Print what is asked for."""
        if verb == "show":
            self.show_all(rest[2:])
        else:
            self.list_all(verb, rest[-1])

    def list_all(self, verb: str, pattern: str) -> None:
        """Name the units that are loaded, or those that have a file, as systemd does plainly."""
        folder = self.folder / {"list-units": "run", "list-unit-files": "units"}[verb]
        for file in sorted(folder.glob(f"{pattern}.json")):
            _say(f"{file.stem} loaded inactive dead", sys.stdout)

    def show_all(self, names: list[str]) -> None:
        """Print the properties of each unit, with an empty line between two."""
        for name in names:
            if name != names[0]:
                _say("", sys.stdout)
            self.show(name)

    def show(self, name: str) -> None:
        """Print the properties, as systemd does for a unit that it does not know either."""
        members, run = self.members(name), self.run(name)
        pid = run["pid"] if run["pid"] in members else 0
        active = "active" if pid else ("failed" if run["failed"] or run["pid"] else "inactive")
        if run["stopping"] and pid:
            active = "deactivating"
        shown = {
            "LoadState": self.unit(name)["load"],
            "ActiveState": active,
            "SubState": "running" if pid else "dead",
            "MainPID": pid,
            "ExecMainStartTimestamp": run["started"],
            "ControlGroup": f"/system.slice/{name}" if members else "",
            "User": self.unit(name)["user"],
        }
        _say("\n".join(f"{key}={value}" for key, value in shown.items()), sys.stdout)

    def start(self, name: str) -> int:
        """Start a unit; one that is active stays as it is."""
        unit, run = self.unit(name), self.run(name)
        if run["pid"] in self.members(name):
            return 0
        if unit["refuses"] or (unit.get("start_limit") and run["failed"]):
            _say(unit["refuses"] or "Start request repeated too quickly.", sys.stderr)
            return 1
        process = subprocess.Popen(
            unit["argv"],
            env={**os.environ, MARK: f"{self.folder}:{name}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started = datetime.now(UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC")
        self.note(name, pid=process.pid, started=started, failed=False, stopping=False)
        return 0

    def waits(self, name: str) -> bool:
        """Whether a start of the unit is queued and nobody has cancelled it."""
        return bool(self.unit(name).get("queued")) and not self.run(name).get("cancelled")

    def stop(self, name: str) -> None:
        """Stop a unit; waits as long as it takes, as a unit without TimeoutStopSec."""
        self.note(name, cancelled=True)
        run, members = self.run(name), self.members(name)
        waits = [run["pid"]] if self.unit(name)["kill_mode"] == "process" else members
        self.note(name, stopping=True)
        _signal([pid for pid in waits if pid in members], signal.SIGTERM)
        while set(waits) & set(self.members(name)):
            time.sleep(0.01)
        # As for a real serve, whose exit status 130 systemd calls a failure.
        self.note(name, stopping=False, failed=bool(run["pid"]))


def _say(text: str, where: TextIO) -> None:
    where.write(text + "\n")


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in b"ZX"
    except OSError:
        return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    sys.exit(FakeSystemctl(Path(sys.argv[1])).main(sys.argv[2:]))
