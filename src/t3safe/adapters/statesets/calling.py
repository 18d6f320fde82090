"""Calling the worker as the person whose files it is for.

Rules:

1. What the worker says was written by a process of the person: it is bounded, and believed no
   further than the person may harm themselves.
2. It gets a clean environment, no descriptor of ours and no terminal, and is killed with
   everything it holds when its time is over or when we go away.
"""

from __future__ import annotations

import os
import pwd
import selectors
import subprocess
import time
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from t3safe.domain.people import valid_person

ANSWER_BYTES_MAX: Final = 16 * 1024**2
"""A thousand tables in each of a hundred snapshots fit several times."""
_COMPLAINT_BYTES: Final = 500
_CHUNK: Final = 65536
_END_SECONDS: Final = 5.0

# -I and -S: nothing of the person's environment or working folder is imported.
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from t3safe.adapters.stateworker.serving import main; main()"
)
_SOURCES: Final = str(Path(__file__).parents[3])


class CallFailed(Exception):  # noqa: N818 - named as what happened
    """The worker gave no usable answer; the text says why."""


@frozen
class Identity:
    """Whom the worker runs as; `switch` is false where it runs as we do."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    switch: bool


def identity_of(person: str, *, switch_user: bool) -> Identity:
    """Find out whom a person's worker must run as.  Raises CallFailed."""
    if not valid_person(person):
        message = f"{person[:64]!r} is not a person's user name"
        raise CallFailed(message)
    if not switch_user:
        return Identity(os.geteuid(), os.getegid(), (), str(Path.home()), switch=False)
    try:
        entry = pwd.getpwnam(person)
    except KeyError:
        message = "there is no such user on this host"
        raise CallFailed(message) from None
    if entry.pw_uid == 0:
        message = "the user is root under another name"
        raise CallFailed(message)
    if os.geteuid() not in (0, entry.pw_uid):
        message = "only root or the person can do that; run it as root"
        raise CallFailed(message)
    groups = tuple(os.getgrouplist(person, entry.pw_gid))
    switch = os.geteuid() == 0
    return Identity(entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, switch)


def call(python: str, identity: Identity, question: bytes, timeout: float) -> bytes:
    """Put one line to a worker and return what it says, within so many seconds.

    Raises CallFailed.
    """
    deadline = time.monotonic() + timeout
    try:
        process = _start(python, identity)
    except OSError as error:
        message = f"{python} cannot be run as the person: {error.strerror}"
        raise CallFailed(message) from error
    try:
        said, complaint = _talk(process, question, deadline)
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        message = f"it took longer than {timeout:g} s"
        raise CallFailed(message) from None
    finally:
        _end(process)
    if status != 0 or not said:
        words = " ".join(complaint.decode("utf-8", "replace").split())[-_COMPLAINT_BYTES:]
        message = f"the worker ended with status {status} and no answer: {words or 'silent'}"
        raise CallFailed(message)
    return said


def _start(python: str, identity: Identity) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [python, "-I", "-S", "-X", "utf8", "-c", _BOOT, _SOURCES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "HOME": identity.home},
        umask=0o077,
        start_new_session=True,
        user=identity.uid if identity.switch else None,
        group=identity.gid if identity.switch else None,
        extra_groups=identity.groups if identity.switch else None,
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    pipes = process.stdin, process.stdout, process.stderr
    if pipes[0] is None or pipes[1] is None or pipes[2] is None:
        message = "a worker was started without its pipes"
        raise CallFailed(message)
    return pipes[0], pipes[1], pipes[2]


def _talk(
    process: subprocess.Popen[bytes], question: bytes, deadline: float
) -> tuple[bytes, bytes]:
    """Ask and listen; the question's end of the pipe stays open, as the worker lives by it."""
    stdin, stdout, stderr = _pipes(process)
    heard = {stdout.fileno(): b"", stderr.fileno(): b""}
    try:
        # Far shorter than what a pipe takes without a reader.
        stdin.write(question + b"\n")
        stdin.flush()
    except BrokenPipeError:
        pass
    with selectors.DefaultSelector() as selector:
        for fd in heard:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                heard[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
                if len(heard[key.fd]) > ANSWER_BYTES_MAX:
                    message = f"the worker said more than {ANSWER_BYTES_MAX} bytes"
                    raise CallFailed(message)
    return heard[stdout.fileno()], heard[stderr.fileno()]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no worker behind; one that hangs in the kernel is left to it."""
    process.kill()
    for pipe in _pipes(process):
        try:
            pipe.close()
        except BrokenPipeError:
            continue
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        return
