"""Attributes of files beside bytes and owner: mode, group, extended attributes and ACLs.

Rules:

1. A snapshot's manifest keeps them, its own files do not have them.  They are given to what a
   restore puts in place, and what the new file inherited from its folder instead is removed.
2. The worker is the person: a group of which they are not a member, attributes of the system's and,
   in a unit, set-id bits cannot be given.  Then the file is restored without, and that is reported.
3. A file never opens up by that: without its group or its ACL it is closed to every group.
4. A file is replaced, not rewritten: another name of it (a hard link) leads to what was there
   before.  That is reported.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.errors import errors_about, shown

VALUES_MAX: Final = 64 * 1024
"""Of one file; what a file system keeps in a file's own block is 4 KiB."""
_GROUP: Final = "the group"
_ACLS: Final = ("system.posix_acl_access", "system.posix_acl_default")
_NONE_THERE: Final = (errno.ENOTSUP, errno.ENOSYS)


class Attributes(NamedTuple):
    """The group, and each extended attribute with its value in base64; ACLs are among them."""

    group: int
    extended: tuple[tuple[str, str], ...] = ()


def read(fd: int) -> Attributes:
    """Read those of an open file or folder; values beyond `VALUES_MAX` are left out."""
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno not in _NONE_THERE:
            raise
        names = []
    found: list[tuple[str, str]] = []
    room = VALUES_MAX
    for name in sorted(names):
        try:
            value = os.getxattr(fd, name)
        except OSError as error:
            if error.errno in (errno.ENODATA, *_NONE_THERE):
                continue
            raise
        room -= len(value)
        if room >= 0:
            found.append((name, base64.b64encode(value).decode("ascii")))
    return Attributes(os.fstat(fd).st_gid, tuple(found))


def below(root: str, names: Iterable[str]) -> Iterator[tuple[str, Attributes]]:
    """Read those of files and folders below `root`; what went away meanwhile has none."""
    for name in names:
        with errors_about(shown(name)), suppress(FileNotFoundError):
            is_folder = disk.kind_below(root, name) == stat.S_IFDIR
            with disk.folder(root, name) if is_folder else disk.regular(root, name) as fd:
                yield name, read(fd)


def give(fd: int, mode: int, wanted: Attributes | None) -> Iterator[str]:
    """Give these to an open file or folder of ours, durable at the end; name what it cannot have.

    Without `wanted` only the mode is given: an earlier t3safe kept no more.
    """
    if wanted is not None:
        missing: list[str] = []
        if os.fstat(fd).st_gid != wanted.group:
            # Before the attributes: a change of the group removes some of them.
            try:
                os.fchown(fd, -1, wanted.group)
            except OSError:
                missing.append(_GROUP)
        missing += _give_extended(fd, dict(wanted.extended))
        yield from missing
        if any(what in (_GROUP, *_ACLS) for what in missing):
            mode &= ~stat.S_IRWXG
    if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        try:
            os.fchmod(fd, mode)
        except PermissionError:
            yield "a set-id bit"
            os.fchmod(fd, mode & (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO))
    os.fsync(fd)


def _give_extended(fd: int, wanted: dict[str, str]) -> Iterator[str]:
    here = dict(read(fd).extended)
    for name in sorted(here.keys() | wanted.keys()):
        if here.get(name) == wanted.get(name):
            continue
        try:
            if name in wanted:
                os.setxattr(fd, name, base64.b64decode(wanted[name]))
            else:
                os.removexattr(fd, name)
        except (OSError, ValueError):
            yield name
