"""A first look at a host for `init`: read only, and nothing of t3 is executed.

What cannot be looked at is not there; nothing is raised.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from t3safe.adapters._support import adopted, child
from t3safe.domain.hostguess import UnitSeen

_CONNECT_SECONDS: Final = 1.0
_ARGUMENTS: Final = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")
_SHOWN: Final = ("show", "--type=service", "-p", "Id", "-p", "ExecStart")


def manager_answers(*, own: bool) -> bool:
    """Whether the host's systemd, or the caller's own, can be asked."""
    return _systemctl(own, "show", "-p", "Version") is not None


def units(*, own: bool) -> tuple[UnitSeen, ...]:
    """Every unit that is loaded, and those of the name `*t3*` that are only installed."""
    listed = _systemctl(own, "list-unit-files", "--type=service", "--no-legend", "--plain", "*t3*")
    names = [line.split()[0] for line in (listed or "").splitlines() if line.split()]
    # An instance of a template is known only once it is started: the template stands for them.
    installed = [name.replace("@.service", "@init.service") for name in names]
    told = _systemctl(own, *_SHOWN, "*") or ""
    more = _systemctl(own, *_SHOWN, *installed) if installed else ""
    found = {unit.name: unit for unit in _read(f"{told}\n\n{more or ''}")}
    return tuple(found.values())


def _read(shown: str) -> Iterator[UnitSeen]:
    for block in shown.split("\n\n"):
        pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found = _ARGUMENTS.search(pairs.get("ExecStart", ""))
        if found and pairs.get("Id"):
            yield UnitSeen(pairs["Id"], tuple(found[1].split()))


def listens(host: str, port: int) -> bool:
    """Whether anybody takes a connection there."""
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


def there(path: str) -> bool:
    """Whether a file is there."""
    return os.path.exists(path)  # noqa: PTH110 - what may not be seen is not there


def program(name: str) -> str:
    """Where a program is; empty where it is not on the PATH."""
    return shutil.which(name) or ""


def version_of(t3: str) -> str:
    """The version of a global t3, as its package says; empty where that cannot be told."""
    return adopted.global_version(Path(t3)) if t3 else ""


def registry(npm: str) -> str:
    """The registry that npm is set to for the caller; empty where npm tells none.

    Also where its address holds credentials: it is written into a file that others may read.
    Asked in an empty folder, so that no project's settings count.
    """
    with tempfile.TemporaryDirectory(prefix="t3safe-init-") as folder:
        told = _output([npm, "config", "get", "registry"], folder) if npm else None
    found = re.match(r"https?://[^@\s]+$", (told or "").strip())
    return found[0] if found else ""


def _systemctl(own: bool, *words: str) -> str | None:
    return _output(["systemctl", *(("--user",) if own else ()), "--no-pager", *words], "/")


def _output(words: list[str], folder: str) -> str | None:
    runtime = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"}
    return child.printed(words, {**runtime, **os.environ, "LC_ALL": "C"}, folder)
