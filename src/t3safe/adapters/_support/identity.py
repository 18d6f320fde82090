"""The user that a child process runs as, where it works for a person.  Raises OSError alone."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from attrs import frozen

from t3safe.domain.people import valid_person


@frozen
class Identity:
    """An ordinary user; `switch` is false where the child runs as we do."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    switch: bool


def identity_of(person: str, *, switch_user: bool) -> Identity:
    """Find the user that a child must run as, where it works for a person.

    With `switch_user` false all people are the user that we are (containers, the embedded host).
    Raises PermissionError, with a text that says why, where there is no such ordinary user or we
    may not become them.
    """
    if not valid_person(person):
        message = f"{person[:64]!r} is not a person's user name"
        raise PermissionError(message)
    if not switch_user:
        return Identity(person, os.geteuid(), os.getegid(), (), str(Path.home()), switch=False)
    try:
        entry = pwd.getpwnam(person)
    except KeyError:
        message = "there is no such user on this host"
        raise PermissionError(message) from None
    if entry.pw_uid == 0:
        message = "the user is root under another name"
        raise PermissionError(message)
    if os.geteuid() not in (0, entry.pw_uid):
        message = "only root or the person can do that; run it as root"
        raise PermissionError(message)
    groups = tuple(os.getgrouplist(person, entry.pw_gid))
    switch = os.geteuid() == 0
    return Identity(person, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, switch)


def powerless(name: str) -> pwd.struct_passwd:
    """Find the user whom code that is not ours runs as, who owns nothing on this host.

    Raises PermissionError, with a text that says what to do, where there is none, or it is root.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        how = f"make one that owns nothing: useradd --system {name}"
        message = f"there is no user {name!r} on this host; {how}"
        raise PermissionError(message) from None
    if entry.pw_uid == 0:
        message = f"{name!r} is root; name a user without rights"
        raise PermissionError(message)
    return entry
