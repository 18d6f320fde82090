"""A copy of a state set that lies anywhere, byte by byte, without changing a byte of it.

Rules:

1. SQLite never opens what was given: it might write an index, apply a log or delete one.  It gets
   the copy, with the logs that lay beside each database.
2. A set that is in use is refused where that can be seen: a process has it open, holds one of
   SQLite's locks on it, or its files change while they are copied.  A writer on another machine,
   or one that rests between two looks, cannot be seen; what it leaves is checked when the copy is
   opened.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from t3safe.adapters.stateworker import disk
from t3safe.adapters.stateworker.discovery import USERDATA, Found, discover, userdata_of
from t3safe.adapters.stateworker.disk import Tools
from t3safe.adapters.stateworker.holders import refuse_held
from t3safe.adapters.stateworker.trouble import Kind, Trouble, shown, telling

ROOM: Final = 2
"""The copy, and the snapshot that is taken of it."""

_Looks = dict[str, tuple[int, int, int]]


def set_below(given: str) -> str:
    """Name the folder of the set: the given one, or the `userdata` in it.

    Raises Trouble where there is neither with a database.
    """
    with telling(shown(given)):
        if not stat.S_ISDIR(os.stat(given).st_mode):
            raise Trouble(Kind.SHAPE, f"{shown(given)} is not a folder")
    userdata = userdata_of(given) or given
    if not discover(userdata).databases:
        what = f"{shown(given)} holds no database, neither at its top nor below {USERDATA}/"
        raise Trouble(Kind.SHAPE, what)
    return userdata


def copy_set(userdata: str, target: str, tools: Tools | None = None) -> None:
    """Copy a set into an existing empty folder of ours.  Raises Trouble."""
    tools = tools or Tools()
    found = discover(userdata)
    if found.problems:
        raise Trouble(Kind.BROKEN, found.problems[0])
    refuse_held(userdata, found.databases, tools)
    disk.require_space(target, ROOM * found.size, tools)
    before = _looks(userdata, found)
    tools.growing(target, found.size)
    for below in found.folders:
        disk.make_folders(target, below.name)
    for name in before:
        with telling(shown(name)):
            disk.make_folders(target, disk.split(name)[0])
            disk.copy((userdata, name), (target, name), 0o600)
        tools.reached(f"copied:{name}")
    again = discover(userdata)
    if changed := _changed(before, _looks(userdata, again)):
        raise Trouble(Kind.HELD, f"{shown(changed)} changed while it was copied")
    refuse_held(userdata, again.databases, tools)


def _looks(userdata: str, found: Found) -> _Looks:
    """Look at every file of a set: which it is, how long, when it was last written."""
    names = [part for database in found.databases for part in database.parts]
    names += [entry.name for entry in found.files]
    looks: _Looks = {}
    for name in names:
        with telling(shown(name)), disk.regular(userdata, name) as fd:
            status = os.fstat(fd)
            looks[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return looks


def _changed(before: _Looks, after: _Looks) -> str:
    """Name the first file that is not what it was; empty where all are."""
    names = sorted(before.keys() | after.keys())
    return next((name for name in names if before.get(name) != after.get(name)), "")
