"""The files of a build: sealed, digested, deleted.

Rules:

1. A tree is sealed only after everything that npm's user started has ended; then nobody but root
   can change it, and no entry of it is a device, a pipe, a socket or a name of a file that has
   another name elsewhere.  Two names in the tree are well: `make` links what it has compiled.
2. Entries are reached through the descriptor of their folder and never followed.
3. The digest is over every entry below the top but the manifest: the path, the kind, a link's
   target, a file's mode and content.  The same tree gives the same digest anywhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from attrs import frozen

from t3safe.adapters._support import layout


class StrangeTreeError(Exception):
    """Raised when a tree holds what no package has; the text names it."""


@frozen
class Tree:
    """What a tree is: its digest (sha256, hexadecimal), and its files and their length in bytes."""

    digest: str
    files: int
    size: int


def digest(top: Path, *, sealing: bool = False) -> Tree:
    """Digest a tree as it is, or take it for the caller and make it read-only for everybody first.

    Folders become 0555, files 0444 or 0555; the top itself stays 0755, so that it can be renamed.
    Raises OSError and StrangeTreeError.
    """
    if sealing:
        _require_own_names(top)
    lines: list[bytes] = []
    files = size = 0
    for path, folders, names, folder in os.fwalk(top, topdown=False, onerror=_raise):
        below = os.path.relpath(path, top)
        for name in (*folders, *names):
            relative = os.path.normpath(f"{below}/{name}")
            if relative == layout.MANIFEST:
                continue
            kind, length = _entry(folder, name, relative, sealing=sealing)
            lines.append(os.fsencode(relative) + b"\0" + kind + b"\n")
            files += length is not None
            size += length or 0
        if sealing:
            os.fchown(folder, os.geteuid(), os.getegid())
            os.fchmod(folder, 0o755 if below == "." else 0o555)
    return Tree(hashlib.sha256(b"".join(sorted(lines))).hexdigest(), files, size)


def lead(top: Path, relative: str, target: str) -> None:
    """Let the link at `relative` below the top lead to `target`; no folder's link is followed.

    Raises OSError, also where a folder on the way is none.
    """
    *folders, name = relative.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with ExitStack() as opened:
        folder: int | None = None
        for part in (str(top), *folders):
            folder = os.open(part, flags, dir_fd=folder)
            opened.callback(os.close, folder)
        assert folder is not None  # noqa: S101 - the top was opened
        # Of a sealed tree nobody may write into a folder, its owner neither.
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        os.fchmod(folder, mode | 0o200)
        fresh = f".{name}.new"
        try:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=folder)
            os.symlink(target, fresh, dir_fd=folder)
            os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.fchmod(folder, mode)
        os.fsync(folder)


def delete(top: Path) -> None:
    """Delete a tree, sealed or not, as far as it is there.  Raises OSError."""
    if not top.exists():
        return
    if os.geteuid() != 0:
        for _, _, _, folder in os.fwalk(top):
            os.fchmod(folder, 0o700)
    shutil.rmtree(top)


def _require_own_names(top: Path) -> None:
    """See that each name of every file is in the tree, before anything of it is changed."""
    seen: Counter[tuple[int, int]] = Counter()
    several: dict[tuple[int, int], tuple[str, int]] = {}
    for path, _, names, folder in os.fwalk(top, onerror=_raise):
        for name in names:
            status = os.lstat(name, dir_fd=folder)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                file = status.st_dev, status.st_ino
                seen[file] += 1
                several[file] = os.path.relpath(f"{path}/{name}", top), status.st_nlink
    for file, (relative, names_of_it) in several.items():
        if seen[file] < names_of_it:
            message = f"{relative!r} is one of {names_of_it} names of a file"
            raise StrangeTreeError(message)


def _raise(error: OSError) -> None:
    raise error


def _entry(folder: int, name: str, relative: str, *, sealing: bool) -> tuple[bytes, int | None]:
    """Give what is digested of an entry beside its path, and its length if it is a file."""
    status = os.lstat(name, dir_fd=folder)
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFDIR:
            return b"folder", None
        case stat.S_IFLNK:
            if sealing:
                os.chown(name, os.geteuid(), os.getegid(), dir_fd=folder, follow_symlinks=False)
            return b"link\0" + os.fsencode(os.readlink(name, dir_fd=folder)), None
        case stat.S_IFREG:
            mode, content = _file(folder, name, sealing=sealing)
            return f"file\0{mode:o}\0{content}".encode(), status.st_size
        case _:
            message = f"{relative!r} is neither a file nor a folder nor a link"
            raise StrangeTreeError(message)


def _file(folder: int, name: str, *, sealing: bool) -> tuple[int, str]:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if sealing:
            mode = 0o555 if mode & 0o111 else 0o444
            os.fchown(handle, os.geteuid(), os.getegid())
            os.fchmod(handle, mode)
        return mode, hashlib.file_digest(file, "sha256").hexdigest()
