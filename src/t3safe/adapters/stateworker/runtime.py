"""What a serve says of itself in the runtime file that it keeps while it runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.trouble import Trouble
from t3safe.t3.files import RUNTIME

_RUNTIME_MAX: Final = 64 * 1024


class Runtime(NamedTuple):
    """A serve's process and when it began, in UTC; None where the file does not say."""

    pid: int | None = None
    started: datetime | None = None


def moment(value: object) -> datetime | None:
    """Understand a time as t3 writes it (ISO 8601, or milliseconds), None where it is none."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def runtime(userdata: str | None) -> Runtime:
    """Read what the serve says of itself; nothing where the file is missing or garbage."""
    if userdata is None:
        return Runtime()
    try:
        said = json.loads(disk.read_small(userdata, RUNTIME, _RUNTIME_MAX))
    except (OSError, Trouble, ValueError, RecursionError):
        return Runtime()
    if not isinstance(said, dict):
        return Runtime()
    pid = said.get("pid")
    known = pid if isinstance(pid, int) and not isinstance(pid, bool) and pid > 0 else None
    return Runtime(known, moment(said.get("startedAt")))
