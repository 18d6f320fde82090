"""Plain facts about this host for `doctor` and `init`: read only, below no other person's folder.

Nothing of t3 is executed.  What doctor asks raises OSError where it cannot be looked at; for `init`
that is not there.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from t3safe.adapters._support import adopted, child
from t3safe.domain.doctor.machine import Folder
from t3safe.domain.hostguess import UnitSeen
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


def native_host() -> package.NativeHost:
    """What this host has of all that t3's native program is known to take.

    A library is looked for as the program's own loader does it.  Nothing is executed.
    """
    machine = os.uname().machine
    loader, libraries = package.wanted(machine)
    files = {loader} if loader and Path(loader).exists() else set()
    return package.NativeHost(machine, frozenset(files | set(filter(_loads, libraries))))


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
