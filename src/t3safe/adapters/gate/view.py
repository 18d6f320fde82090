"""What a worker does to itself before anything of the build runs, and its view of the host.

In a sandbox of namespaces that is a root of its own, with little in it.

Rules:

1. Shown, read-only: the system's folders, what runs the worker, node, and the one build.  To be
   written: the scratch directory, and folders for temporary files that begin empty.  Nothing else
   of the host is there: no home, no project, no world-writable folder, no socket.
2. The old root is let go of, so that nothing lies underneath what is shown.  Who is root of a user
   namespace alone gives up every capability afterwards, so that no mount can be changed.
3. A view that cannot be had whole is an OSError that says what is missing; there is no lesser one.

It is run by its path, too, to try: `python -I view.py FOLDER`.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from t3safe.adapters._support.subreaper import adopt_orphans

if TYPE_CHECKING:
    from t3safe.adapters.gate.messages import RehearsalRequest

SYSTEM: Final = (
    *("/usr", "/etc", "/sys", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/nix/store", "/gnu/store"),
)
"""The system's folders, where they are there."""
OWN: Final = frozenset({"/", "/dev", "/dev/shm", "/proc", "/run", "/tmp", "/var/tmp"})  # noqa: S108
"""Folders that every sandbox has of its own."""
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - of the view
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_LINKS: Final = (
    *(("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0")),
    *(("/dev/stdout", "/proc/self/fd/1"), ("/dev/stderr", "/proc/self/fd/2")),
    ("/dev/ptmx", "pts/ptmx"),
)

_MS_RDONLY: Final = 0x1
_MS_NOSUID: Final = 0x2
_MS_NODEV: Final = 0x4
_MS_NOEXEC: Final = 0x8
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_MNT_DETACH: Final = 0x2
_SYS_MOUNT_SETATTR: Final = 442
"""On every architecture of Linux, from 5.12."""
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_ATTR_RDONLY: Final = 0x1
_ATTR_NOSUID: Final = 0x2
_PR_CAPBSET_DROP: Final = 24
_PR_SET_SECUREBITS: Final = 28
_NOROOT_LOCKED: Final = 0x3
"""SECBIT_NOROOT, and that it stays: root's id alone gives no capability (capabilities(7))."""
_CAPABILITY_VERSION: Final = 0x20080522
_CAPABILITIES: Final = 64

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_IFREQ: Final = "16sh22x"
"""struct ifreq of 64-bit Linux with its flags: 40 bytes."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def confine(request: RehearsalRequest) -> None:
    """Make the namespace what a build may have of the host, and adopt every orphan.

    Its loopback is brought up, its view of the host entered, and the account become, for good.
    Neither this process nor anything that it starts can gain privileges afterwards, and none
    leaves a core file, which would hold secrets.  Raises OSError.
    """
    if request.view:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", _IFF_UP))
        build = str(Path(request.program).parents[2])
        enter(request.folder, (*worker_folders(), request.node, build))
    account = request.account
    if account is not None:
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    adopt_orphans()
    if request.view:
        give_up_capabilities()


def worker_folders() -> tuple[str, ...]:
    """Name the folders that this interpreter and its modules lie in, beside the system's."""
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]
    return tuple(
        dict.fromkeys(
            os.path.realpath(each)
            for each in found
            if os.path.isabs(each) and os.path.isdir(each) and not is_system(each)  # noqa: PTH112
        )
    )


def is_system(path: str) -> bool:
    """Whether a path lies in a folder of the system, links followed."""
    real = os.path.realpath(path)
    return real == "/" or any(real == each or real.startswith(f"{each}/") for each in SYSTEM)


def enter(scratch: str, shown: Iterable[str]) -> None:
    """Make `/` a view of the host that shows these folders and files.

    Only the scratch directory can be written to.
    We are in a namespace of mounts of our own, and may mount.  Raises OSError.
    """
    root = f"{scratch}/view"
    os.mkdir(root, 0o755)
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=16m")
    for path in SYSTEM:
        if os.path.islink(path):
            os.symlink(os.readlink(path), f"{root}{path}")
        elif os.path.isdir(path):  # noqa: PTH112
            _show(root, path)
    _own(root)
    for path in sorted({path for path in shown if not is_system(path)}):
        _show(root, path)
    _bind(root, scratch, scratch, writable=True)
    _set_read_only(root, recursive=False)
    os.chdir(root)
    _done(_LIBC.pivot_root(b".", b"."), "pivot_root")
    _done(_LIBC.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def give_up_capabilities() -> None:
    """Have none for good, in nothing that is executed either (rule 2).  Raises OSError."""
    for capability in range(_CAPABILITIES):
        # The kernel knows fewer than the numbers there are.
        _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _LIBC.prctl(_PR_SET_SECUREBITS, _NOROOT_LOCKED, 0, 0, 0)
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    _done(_LIBC.capset(header, bytes(24)), "capset")


def _own(root: str) -> None:
    """Lay out what every process expects."""
    for path in ("/proc", "/dev/pts", "/dev/shm", "/run", *_TEMPORARY):  # noqa: S108
        os.makedirs(f"{root}{path}", exist_ok=True)
    _mount("proc", f"{root}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for path in (*_TEMPORARY, "/dev/shm"):  # noqa: S108
        _mount("tmpfs", f"{root}{path}", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777,size=256m")
    options = "newinstance,ptmxmode=0666,mode=620"
    _mount("devpts", f"{root}/dev/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, options)
    for name in _DEVICES:
        _bind(root, f"/dev/{name}", f"/dev/{name}", writable=True)
    for path, target in _LINKS:
        os.symlink(target, f"{root}{path}")


def _show(root: str, path: str) -> None:
    _bind(root, os.path.realpath(path), path, writable=False)


def _bind(root: str, source: str, path: str, *, writable: bool) -> None:
    target = f"{root}{path}"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    _mount(source, target, "", _MS_BIND | (0 if writable else _MS_REC))
    if not writable:
        _set_read_only(target, recursive=True)


def _set_read_only(target: str, *, recursive: bool) -> None:
    attributes = struct.pack("QQQQ", _ATTR_RDONLY | _ATTR_NOSUID, 0, 0, 0)
    number = ctypes.c_long(_SYS_MOUNT_SETATTR)
    flags = _AT_RECURSIVE if recursive else 0
    given = (os.fsencode(target), flags, attributes, ctypes.c_size_t(len(attributes)))
    _done(_LIBC.syscall(number, _AT_FDCWD, *given), "mount_setattr (Linux 5.12 or later)")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [os.fsencode(word) for word in (source, target, kind)]
    given = (*words, ctypes.c_ulong(flags), os.fsencode(options) or None)
    _done(_LIBC.mount(*given), f"mount of {source} at {target}")


def _done(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def main() -> int:
    """Try to enter a view with nothing in it; status 0 where that works, else say why."""
    try:
        enter(sys.argv[1], ())
        why = "the homes are still there" if os.path.exists("/home") else ""  # noqa: PTH110
        give_up_capabilities()
    except OSError as error:
        why = str(error.strerror)
    sys.stderr.write(why and f"{why}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
