"""Runs the real `t3safe` and strikes it at an exact place.

    python -m fakes.kills.launcher SPEC ...

SPEC is JSON: `root` (the host's folder), `trace` (a file that gets a line for each record and each
changing call, or empty), `blow` (of `hook`, without the command's pid) and `spot`:

    {"when": "before" | "after", "label": L}        right before or after the record L is durable
    {"when": "cli" | "worker", "label": L, "call": K}   before the K-th changing call after it
    {"when": "delay", "label": L, "seconds": S}     so long after it, wherever that is

L names a record of the journal, see `Labels`; `start` is the time before the first.  Nothing of
the product knows of this: the journal's `append` and the text that workers are started with are
replaced from outside.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
from collections import Counter as Tally
from typing import Any

from attrs import define, field

from fakes.kills import hook
from t3safe.adapters.journal import SqliteJournal
from t3safe.adapters.journal.codec import FORMS, tag
from t3safe.adapters.personaldata import calls
from t3safe.domain import events as ev
from t3safe.entrypoints import cli

START = "start"


@define
class Labels:
    """Names the records of one process: `Started.Select.ann`, the second of a name with `~2`."""

    _pending: str = ""
    _seen: Tally[str] = field(factory=Tally)

    def name(self, event: ev.Event) -> str:
        """Name the next record."""
        match event:
            case ev.Started(effect=effect):
                person = getattr(effect, "person", "")
                self._pending = ".".join(filter(None, (FORMS[type(effect)].tag, person)))
                plain = f"Started.{self._pending}"
            case ev.Finished():
                # After a resume the effect that it answers was begun by another process.
                plain = f"Finished.{self._pending}"
            case _:
                plain = tag(event)
        self._seen[plain] += 1
        count = self._seen[plain]
        return plain if count == 1 else f"{plain}~{count}"


@define
class Launcher:
    """Strikes where `spot` says."""

    root: str
    trace: str
    spot: dict[str, Any]
    blow: hook.StruckProcess | None
    labels: Labels = field(factory=Labels)
    counter: hook.Counter = field(init=False)
    _plain_boot: str = calls._BOOT

    def __attrs_post_init__(self) -> None:
        self.counter = hook.Counter(self.root, self.trace)

    def install(self) -> None:
        """Put ourselves around the journal and before the workers."""
        append = SqliteJournal.append

        def struck(journal: SqliteJournal, run: str, event: ev.Event) -> None:
            label = self.labels.name(event)
            self._window("")
            self._reach("before", label)
            append(journal, run, event)
            if self.trace:
                hook.note(self.trace, f"record {label}")
            self._reach("after", label)
            self._window(label)

        setattr(SqliteJournal, "append", struck)  # noqa: B010 - a method, from outside
        self.counter.install()
        self._window(START)

    def _reach(self, when: str, label: str) -> None:
        if self.blow is not None and (self.spot["when"], self.spot["label"]) == (when, label):
            hook.strike(self.blow, f"{when} the record {label}")
            if self.blow.fault == "journal":
                setattr(SqliteJournal, "_insert", _ill)  # noqa: B010

    def _window(self, label: str) -> None:
        """Arm what is to be struck between this record and the next."""
        here = self.blow is not None and bool(label) and self.spot["label"] == label
        when = self.spot["when"] if here else ""
        self.counter.arm(self.spot["call"] if when == "cli" else 0, self.blow)
        due = self.spot["call"] if when == "worker" else 0
        blow = self.blow._asdict() if self.blow is not None and due else None
        settings = {"root": self.root, "trace": self.trace, "due": due, "blow": blow}
        armed = hook.boot(settings) if due or self.trace else ""
        calls._BOOT = armed + self._plain_boot  # type: ignore[misc]
        if when == "delay":
            timer = threading.Timer(self.spot["seconds"], self._late, (label,))
            timer.daemon = True
            timer.start()

    def _late(self, label: str) -> None:
        assert self.blow is not None
        hook.strike(self.blow, f"{self.spot['seconds']} s after the record {label}")


def _ill(*_: object) -> None:
    """Refuse to write, as SQLite does on a disk that is ill."""
    raise sqlite3.OperationalError("disk I/O error")


def main() -> None:
    """Take the specification off the arguments and be the command line."""
    given: dict[str, Any] = json.loads(sys.argv.pop(1))
    blow = hook.StruckProcess(command=os.getpid(), **given["blow"]) if given["blow"] else None
    Launcher(given["root"], given["trace"], given["spot"], blow).install()
    cli.main()


if __name__ == "__main__":
    main()
