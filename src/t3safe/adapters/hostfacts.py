"""Plain facts about this host for `doctor`: read only, and below no folder of another person's.

Raises OSError where something cannot be looked at.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from t3safe.adapters._support import child
from t3safe.domain.doctor import Folder
from t3safe.t3 import package

STANDARD: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""systemd's default PATH, which units have."""
CALLERS: Final = (
    "etc/crontab",
    "etc/cron.d/*",
    "etc/cron.daily/*",
    "etc/cron.hourly/*",
    "etc/cron.weekly/*",
    "etc/systemd/system/*.service",
)
"""Where the system's own jobs are written down."""
_FORMER: Final = re.compile(r"^[^#\n]*\bt3-autoupdate\.sh\b", re.MULTILINE)
"""A call of the script that updated a global t3 before t3safe did."""
LINGERING: Final = Path("/var/lib/systemd/linger")
"""Where logind notes whose manager it starts at boot (`loginctl enable-linger`)."""
_READ_MAX: Final = 256 * 1024


def program(name: str) -> str:
    """Where a program is, empty where it is not on the PATH."""
    return shutil.which(name) or ""


def node_version(node: str) -> str:
    """What `node --version` prints without its v, empty where it cannot be run."""
    told = child.printed([node, "--version"])
    return (told or "").strip().removeprefix("v")


def native_host() -> package.Host:
    """What this host has of all that t3's native program is known to take.

    A library is looked for as the program's own loader does it.  Nothing is executed.
    """
    machine = os.uname().machine
    loader, libraries = package.wanted(machine)
    files = {loader} if loader and Path(loader).exists() else set()
    return package.Host(machine, frozenset(files | set(filter(_loads, libraries))))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def first_on_path(name: str, folders: Iterable[str] = STANDARD) -> str:
    """The first program of this name on the units' PATH; nothing is executed."""
    for folder in folders:
        path = os.path.join(folder, name)  # noqa: PTH118 - as the PATH is written
        if os.access(path, os.X_OK):
            return path
    return ""


def callers(root: Path = Path("/")) -> tuple[str, ...]:
    """The system's jobs that install a global t3, or run the script that did."""
    files = sorted(path for pattern in CALLERS for path in root.glob(pattern) if path.is_file())
    return tuple(str(path) for path in files if _installs(_text(path)))


def own_callers(units: Path) -> tuple[str, ...]:
    """The caller's own jobs that do so: those of their own systemd, and of their crontab."""
    files = sorted(path for path in units.glob("*.service") if path.is_file())
    found = [str(path) for path in files if _installs(_text(path))]
    if _installs(child.printed(["crontab", "-l"]) or ""):
        found.append("your crontab")
    return tuple(found)


def _installs(text: str) -> bool:
    return bool(package.GLOBAL_INSTALL.search(text) or _FORMER.search(text))


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_READ_MAX).decode("utf-8", "replace")


def lingers(name: str, folder: Path = LINGERING) -> bool:
    """Whether logind keeps a user's own systemd running without a session."""
    return (folder / name).exists()


def user_id(name: str) -> int:
    """The id of a user; OSError where this host has none of that name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        message = f"this host has no user {name}"
        raise OSError(message) from error


def missing_users(names: Iterable[str]) -> tuple[str, ...]:
    """Those of these names that no user of this host has."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return tuple(name for name in names if name and name not in known)


def free_bytes(folder: Path) -> int:
    """How many bytes are free where a folder is, or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def folder_facts(path: Path, owner: int | None = None) -> Folder:
    """How a folder of ours, or of the user id `owner`, stands; a link in its place is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Folder(str(path), there=False)
    return Folder(
        str(path),
        there=stat.S_ISDIR(status.st_mode),
        ours=status.st_uid == (os.geteuid() if owner is None else owner),
        mode=stat.S_IMODE(status.st_mode),
    )
