"""What a file bears besides bytes and owner: mode, group, extended attributes and ACLs.

Rules:

1. A snapshot's manifest keeps them, its own files do not bear them.  They are given to what a
   restore puts in place, and what the new file inherited from its folder instead is taken away.
2. The worker is the person: a group of which they are no member, attributes of the system's and,
   in a unit, set-id bits cannot be given.  Then the file is restored without, and that is said.
3. A file never opens up by that: without its group or its ACL it is closed to every group.
4. A file is replaced, not rewritten: another name of it (a hard link) leads to what was there
   before.  That is said.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
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
    """Read what an open file or folder bears; values beyond `VALUES_MAX` are left out."""
    found: list[tuple[str, str]] = []
    room = VALUES_MAX
    for name in sorted(_names(fd)):
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


def _names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno in _NONE_THERE:
            return []
        raise


def below(root: str, names: Iterable[str]) -> Iterator[tuple[str, Attributes]]:
    """Read what files and folders below `root` bear; what went away meanwhile bears nothing."""
    for name in names:
        with errors_about(shown(name)), suppress(FileNotFoundError), _either(root, name) as fd:
            yield name, read(fd)


def _either(root: str, name: str) -> AbstractContextManager[int]:
    if disk.kind_below(root, name) == stat.S_IFDIR:
        return disk.folder(root, name)
    return disk.regular(root, name)


def give(fd: int, mode: int, wanted: Attributes | None) -> Iterator[str]:
    """Let an open file or folder of ours bear these, durable at the end; name what it cannot.

    Without `wanted` only the mode is given: an earlier t3safe kept no more.
    """
    if wanted is not None:
        missing = [*_give_group(fd, wanted.group), *_give_extended(fd, dict(wanted.extended))]
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


def _give_group(fd: int, group: int) -> Iterator[str]:
    if os.fstat(fd).st_gid != group:
        try:
            os.fchown(fd, -1, group)
        except OSError:
            yield _GROUP


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
