"""Users who have a base directory, and what the launcher noted there: looked at as each of them.

Rules:

1. It starts as root with a list of users; a child for each gives all of that up and becomes the
   user before it looks at anything of theirs.
2. A user who cannot be looked at, or whose home does not answer in time, is unknown.
3. Only whether there is data, and one short line of text from each base directory, comes back.

Input: a JSON list of `{name, uid, gid, bases}`.  Output: a JSON object of name to `[seen, notes]`,
where `seen` is true, false, or null for unknown, and the note beside the data comes first.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypedDict

from t3safe.adapters._support.personaldata import NOTE
from t3safe.t3.files import USERDATA

SECONDS: Final = 5.0
"""How long one user's home may take."""
_NOTE_BYTES: Final = 128

Answer = tuple[bool | None, list[str]]


class User(TypedDict):
    """One user to ask for."""

    name: str
    uid: int
    gid: int
    bases: list[str]


def look(bases: Iterable[str]) -> Answer:
    """Look as the user that we are: whether a base directory has data, and what is noted."""
    seen: bool | None = False
    listed = list(bases)
    for base in listed:
        try:
            if os.path.isdir(f"{base}/{USERDATA}") or _must_know(base):  # noqa: PTH112
                return True, [_noted(f"{each}/{NOTE}") for each in dict.fromkeys((base, *listed))]
        except OSError:
            seen = None
    return seen, []


def _must_know(base: str) -> bool:
    """Tell a folder that is not there from one that cannot be looked at.  Raises OSError."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(f"{base}/{USERDATA}")
        return True
    return False


def _noted(path: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return " ".join(os.read(handle, _NOTE_BYTES).decode("ascii", "replace").split()[:2])
    except OSError:
        return ""
    finally:
        os.close(handle)


def ask(user: User) -> Answer:
    """Look as a user, in a child that becomes them first."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(user, writer)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], SECONDS)
        answer = os.read(reader, 4096) if ready else b""
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        # One that hangs in the kernel is left to it.
        os.waitpid(child, 0 if answer else os.WNOHANG)
    try:
        seen, notes = json.loads(answer)
    except ValueError:
        return None, []
    return seen, [str(note) for note in notes]


def _answer(user: User, writer: int) -> None:
    """Become the user, look, say it, and end: the child's whole life."""
    try:
        os.setgroups([])
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])
        if user["uid"] != 0 and os.getresuid() == (user["uid"],) * 3:
            os.write(writer, json.dumps(look(user["bases"])).encode())
    finally:
        os._exit(0)


def main() -> None:
    """Answer for all users on the list."""
    users: list[User] = json.load(sys.stdin)
    sys.stdout.write(json.dumps({user["name"]: ask(user) for user in users}))
