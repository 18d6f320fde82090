"""Where things lie in the store of builds.

<store>/builds/<version>/               an npm prefix, sealed by its build.json
<store>/builds/.stage-<version>-<x>/    a build in the making, or garbage of one
<store>/builds/.trash-<version>-<x>/    a build that is being deleted, or garbage of one
<store>/schemas/<version>.json          the migrations that the build knows, once measured
<store>/users/<person>                  -> ../builds/<version> or ../fence
<store>/default                         -> builds/<version>
<store>/first-default                   the default when the launcher came: a line with the version
<store>/fence/                          has a stub where a build has its program
<store>/locks/<person>                  the person's start lock (`selection/locks.py`)
<store>/default.lock                    that of people who have none of their own
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from t3safe.domain.versions import Version
from t3safe.t3 import package

BUILDS: Final = "builds"
FENCE: Final = "fence"
FIRST_DEFAULT: Final = "first-default"
LOCKS: Final = "locks"
DEFAULT_LOCK: Final = "default.lock"
MANIFEST: Final = "build.json"
PROGRAM: Final = package.ENTRY
"""What is executed of a build; below the fence, in place of one.  npm links the package's command
here.  Where that is only a launcher, the link of a sealed build leads to the native program."""


def build_folder(store: Path, build: Version) -> Path:
    """Where a build lies once it is sealed; a version's text is safe as a folder's name."""
    return store / BUILDS / build.text


def holds(store: Path, build: Version) -> bool:
    """Whether the store holds this build, sealed and with a program."""
    folder = build_folder(store, build)
    sealed = not folder.is_symlink() and (folder / MANIFEST).is_file()
    return sealed and (folder / PROGRAM).is_file()
