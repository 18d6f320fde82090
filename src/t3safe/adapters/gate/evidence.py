"""What is kept of a rehearsal, for the person who asks why a build was refused.

`<root>/<time>-<build>-<subject>/` holds `report.json` and `serve.log`, the redacted last part of
the serve's log.  Only root (or the one user of an embedded host) can read it: people's tables are
named there, and their counts.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import durable
from t3safe.adapters.gate.messages import Report, plain
from t3safe.domain.effects import Subject
from t3safe.domain.errors import GateError
from t3safe.domain.gate import EMPTY, Rehearsal
from t3safe.domain.redaction import redact

NOBODY: Final = "+empty"
"""Stands for the empty set; no person's name has a `+`."""
_BATCH: Final = re.compile(r"(\d{8}T\d{12}Z)-.+", re.ASCII)


@frozen
class Evidence:
    """Keeps evidence below `root`, of the last `keep` times that a build was rehearsed.

    Raises GateError: what is not on record did not happen.
    """

    root: Path
    keep: int

    def folder(self, at: datetime, build: str, subject: Subject) -> Path:
        """Where the evidence of one rehearsal goes; `at` is when its batch began, in UTC."""
        return self.root / f"{at:%Y%m%dT%H%M%S%f}Z-{build}-{subject.person or NOBODY}"

    def write(self, folder: Path, rehearsal: Rehearsal, subject: Subject, report: Report) -> None:
        """Keep what was seen in a rehearsal."""
        content = json.dumps(_told(rehearsal, subject, report), indent=1) + "\n"
        try:
            durable.make_folders(self.root, 0o700)
            durable.make_folders(folder, 0o700)
            durable.write_file(folder / "serve.log", redact(report.log_tail).encode(), 0o600)
            durable.write_file(folder / "report.json", content.encode("ascii"), 0o600)
        except OSError as error:
            message = f"cannot keep the evidence {folder}: {error.strerror}; free some space"
            raise GateError(message) from error

    def prune(self) -> None:
        """Throw away all but the newest batches."""
        for folder in _beyond(self.keep, self._folders()):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                message = f"cannot delete old evidence {folder}: {error}; delete it by hand"
                raise GateError(message) from error

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if _BATCH.fullmatch(path.name)]
        except FileNotFoundError:
            return []


def _beyond(keep: int, folders: Iterable[Path]) -> list[Path]:
    stamped = [(path.name.partition("-")[0], path) for path in folders]
    newest = sorted({stamp for stamp, _ in stamped}, reverse=True)[:keep]
    return [path for stamp, path in stamped if stamp not in newest]


def _told(rehearsal: Rehearsal, subject: Subject, report: Report) -> dict[str, object]:
    return {
        "build": rehearsal.build.text,
        "subject": "empty set" if subject.person == EMPTY else subject.person,
        "snapshot": subject.snapshot,
        "passed": rehearsal.passed,
        "reason": rehearsal.reason,
        "seconds": rehearsal.seconds,
        "checks": plain(report.checks),
        "timings": report.timings,
        "ledger_before": plain(report.before),
        "ledger_after": plain(report.after),
        "rows_before": report.rows_before,
        "rows_after": report.rows_after,
        "rows_lost": report.rows_lost,
        "leftovers": report.leftovers,
    }
