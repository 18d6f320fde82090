"""Which bytes a remembered refusal is about.

Rules:

1. A refusal by the gate counts for this gate, and for the same version, lock file and platform.
   While the build is not in the store nobody knows what npm would install: the refusal counts.
2. A refusal without bytes counts for every build of the version: nothing was installed, or an
   earlier t3safe wrote it.
3. A refusal in production counts for the version, under every gate and for all bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from t3safe.domain import events as ev
from t3safe.domain.versions import Version

Lookup = Callable[[Version], ev.Staged | None]
"""Returns the bytes of a build in the store, None if it is not there."""
Refusals = tuple[tuple[Version, str], ...]
"""Versions that are refused, each with the reason."""


def nothing_installed(_: Version) -> None:
    """Return that the store does not have the build."""


def fingerprint_of(gate: str, staged: ev.Staged | None) -> str:
    """Return what a verdict is remembered with: this gate's fingerprint, and what it judged."""
    return gate if staged is None else f"{gate}/{staged.lock}/{staged.platform}"


def still_counts(recorded: str, gate: str, staged: ev.Staged | None) -> bool:
    """Whether a refusal counts for this gate and for what is in the store (rules 1 and 2).

    `recorded` comes from `fingerprint_of`, or is an earlier t3safe's fingerprint of the gate.
    """
    judged, _, about = recorded.partition("/")
    return judged == gate and (
        not about or staged is None or recorded == fingerprint_of(gate, staged)
    )
