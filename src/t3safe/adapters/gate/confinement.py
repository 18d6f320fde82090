"""What a worker does to itself before anything of the build runs."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import struct
from pathlib import Path
from typing import Final

from t3safe.adapters.gate import view
from t3safe.adapters.gate.messages import Request

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_IFREQ: Final = "16sh22x"
"""struct ifreq of 64-bit Linux with its flags: 40 bytes."""


def confine(request: Request) -> None:
    """Make the namespace what a build may have of the host, and adopt every orphan.

    Its loopback is brought up, its view of the host entered, and the account become, for good.
    Neither this process nor anything that it starts can gain privileges afterwards, and none
    leaves a core file, which would hold secrets.  Raises OSError.
    """
    if request.raise_loopback:
        _bring_up_loopback()
    if request.view:
        build = str(Path(request.program).parents[2])
        view.enter(request.folder, (*view.worker_folders(), request.node, build))
    account = request.account
    if account is not None:
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    for option in (_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS):
        if libc.prctl(option, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option} failed")
    if request.view:
        view.give_up_capabilities()


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", _IFF_UP))
