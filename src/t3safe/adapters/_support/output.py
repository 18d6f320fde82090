"""What a short program prints, for a look at the machine: nothing is raised, nothing is kept."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

_SECONDS: Final = 15.0


def output(
    words: Sequence[str], folder: str = "/", environment: Mapping[str, str] | None = None
) -> str | None:
    """Give what a program prints; None where it cannot be run, fails or takes too long.

    Without an `environment` it has ours.
    """
    try:
        ran = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            start_new_session=True,
            cwd=folder,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout if ran.returncode == 0 else None
