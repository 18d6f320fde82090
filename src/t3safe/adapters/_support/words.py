"""Why a program could not be run, in words for a person.

Rule: no command list, number of an error or other form of Python reaches a person.
"""

from __future__ import annotations

import subprocess


def why(error: Exception) -> str:
    """Say why, in the system's own words; a file is named where there is one."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {error.timeout:g} s"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
