"""A copy of a state set that lies anywhere, byte by byte, without changing a byte of it.

Rules:

1. SQLite never opens what was given: it might write an index, apply a log or delete one.  It gets
   the copy, with the logs that lay beside each database.
2. A set that is in use is refused where that can be seen: a process has it open, holds one of
   SQLite's locks on it, or its files change while they are copied.  Nothing can open it through
   SQLite meanwhile (`holders.lying_still`).  A writer on another machine cannot be seen; what it
   leaves is checked when the copy is opened.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.discovery import discover, userdata_of
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.trouble import Kind, Trouble, shown, telling
from t3safe.adapters.stateworker.holders import lying_still
from t3safe.t3.files import USERDATA

ROOM: Final = 2
"""The copy, and the snapshot that is taken of it."""


def set_below(given: str) -> str:
    """Name the folder of the set: the given one, or the one of t3 in it.

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
    disk.require_space(target, ROOM * found.size, tools)
    with lying_still(userdata, found, tools) as still:
        tools.growing(target, found.size)
        for below in still.found.folders:
            disk.make_folders(target, below.name)
        for name, _ in still.found.looks:
            disk.make_folders(target, disk.split(name)[0])
            disk.copy((userdata, name), (target, name), 0o600)
            tools.reached(f"copied:{name}")
        still.refuse_moved()
