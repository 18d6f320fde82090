"""What ran on this host before t3safe: the global t3 whose serves an adoption leaves running.

Such a serve was started by the path that is now the launcher's.  It is of the adopted version if it
is older than the adoption: a later one went through the launcher.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from t3safe.adapters._support import durable
from t3safe.domain.versions import InvalidVersion, Version


@frozen
class Adopted:
    """The version that was adopted, the program that its serves were started by, and when."""

    build: Version
    program: str
    at: datetime


def remember(file: Path, adopted: Adopted) -> None:
    """Keep what was adopted.  Raises OSError."""
    body = {
        "build": adopted.build.text,
        "program": adopted.program,
        "at": adopted.at.astimezone(UTC).isoformat(),
    }
    durable.make_folders(file.parent)
    durable.write_file(file, json.dumps(body).encode() + b"\n")


def recall(file: Path) -> Adopted | None:
    """Read what was adopted; None where nothing was, or it is unknown.  Never raises."""
    try:
        body = json.loads(file.read_bytes())
        build, at = Version.parse(body["build"]), datetime.fromisoformat(body["at"])
        program = str(body["program"])
    except (OSError, ValueError, KeyError, TypeError, InvalidVersion):
        return None
    return Adopted(build, program, at) if at.tzinfo is not None else None


def global_version(launcher: Path) -> str:
    """Read the version of the npm package that a global `t3` is a link into; empty if none."""
    try:
        if not launcher.is_symlink():
            return ""
        for folder in launcher.resolve(strict=True).parents:
            manifest = folder / "package.json"
            if manifest.is_file():
                return str(json.loads(manifest.read_bytes()).get("version", ""))
    except (OSError, ValueError, AttributeError):
        return ""
    return ""
