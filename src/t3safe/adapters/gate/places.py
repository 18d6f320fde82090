"""Where things lie in a sandbox, and what a build finds there of the host.

Rules:

1. A build gets a home, a working folder and a folder for temporary files below the sandbox, and
   no variable of ours.
2. Its PATH has node and the system's tools and no provider's CLI: each is probed at a start, can
   delay it by more than a minute, and could work.  The login shell says the same: t3 asks it for
   the PATH.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.t3.commands import UNATTENDED
from t3safe.t3.files import USERDATA
from t3safe.t3.harmless import PROGRAMS

SYSTEM: Final = (Path("/usr/bin"), Path("/bin"))


@frozen
class Places:
    """The folders of one sandbox."""

    folder: Path

    @property
    def base(self) -> Path:
        """The base directory of the rehearsed serve."""
        return self.folder / "base"

    @property
    def userdata(self) -> Path:
        """The copied state set."""
        return self.base / USERDATA

    @property
    def home(self) -> Path:
        """The home; its path also marks every process of this sandbox by its environment."""
        return self.folder / "home"

    @property
    def work(self) -> Path:
        """The working folder of every command."""
        return self.folder / "work"

    @property
    def temporary(self) -> Path:
        """Where the build puts temporary files."""
        return self.folder / "tmp"

    @property
    def tools(self) -> Path:
        """What is on the PATH before the system's folders."""
        return self.folder / "tools"

    @property
    def log(self) -> Path:
        """The log of the serve, of all of its starts."""
        return self.folder / "serve.log"

    @property
    def output(self) -> Path:
        """What the last command printed."""
        return self.folder / "output"

    @property
    def kept(self) -> Path:
        """The keys of the event log as they were before the build touched the copy."""
        return self.folder / "events.sqlite"

    @property
    def made(self) -> tuple[Path, ...]:
        """The folders that `make` makes, parents first."""
        return (self.base, self.userdata, self.home, self.work, self.temporary, self.tools)


def make(places: Places, node: str) -> None:
    """Make the folders below an existing empty one, and lay out the tools."""
    for folder in places.made:
        folder.mkdir(mode=0o700)
    (places.tools / "node").symlink_to(node)
    for folder in _polluted():
        _mirror(folder, _mirrored(places, folder))
    profile = f"PATH={shlex.quote(search_path(places))}\nexport PATH\n"
    (places.home / ".profile").write_text(profile, encoding="utf-8")


def search_path(places: Places) -> str:
    """Give the PATH of a sandbox (rule 2)."""
    polluted = _polluted()
    system = (_mirrored(places, path) if path in polluted else path for path in SYSTEM)
    return ":".join(str(path) for path in (places.tools, *system))


def environment(places: Places) -> dict[str, str]:
    """Give everything that a build finds in its environment (rule 1)."""
    return {
        "HOME": str(places.home),
        "LANG": "C.UTF-8",
        "PATH": search_path(places),
        "SHELL": "/bin/sh",
        "TMPDIR": str(places.temporary),
        **UNATTENDED,
    }


def _polluted() -> tuple[Path, ...]:
    return tuple(folder for folder in SYSTEM if any((folder / name).exists() for name in PROGRAMS))


def _mirrored(places: Places, folder: Path) -> Path:
    return places.tools / f"without-providers{str(folder).replace('/', '-')}"


def _mirror(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    # Whom the sandbox is given to owns it, and not what is below.
    target.chmod(0o755)
    for name in os.listdir(source):
        if name not in PROGRAMS:
            (target / name).symlink_to(source / name)
