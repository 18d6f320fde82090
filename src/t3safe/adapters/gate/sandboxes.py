"""What a rehearsal runs in: a command that the worker is started with.

A unit is a transient one of systemd with a user of its own who exists for as long as it does (see
`cells`).  A namespace has a network of its own, so that the serve binds as in production and nobody
reaches it, and process ids of its own, so that the kernel ends whatever the worker leaves.  Plain
is no isolation at all: for containers and for hosts without root where no namespace can be had.
"""

from __future__ import annotations

import os
import subprocess
from typing import Final

from attrs import frozen

from t3safe.adapters._support import transient
from t3safe.adapters._support.words import why
from t3safe.domain.errors import GateError

_PROBE_SECONDS: Final = 10.0
_NAMESPACES: Final = ("--net", "--pid", "--fork", "--kill-child", "--mount-proc")


@frozen
class Sandbox:
    """A kind of sandbox: `prefix` is put before the worker's command.

    With a network of its own every port is free; the worker brings the loopback device up, except
    in a unit, where systemd has done it.
    """

    kind: str
    prefix: tuple[str, ...]
    own_network: bool


PLAIN: Final = Sandbox("plain", (), own_network=False)
UNIT: Final = Sandbox("unit", (), own_network=True)


def namespace_sandbox() -> Sandbox:
    """Namespaces by unshare(1); without root the worker is root of a user namespace only."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return Sandbox("namespace", ("unshare", *user, *_NAMESPACES), own_network=True)


def choose_sandbox(kind: str) -> Sandbox:
    """Give the sandbox of this kind: unit, namespace, plain, or auto for the best that works here.

    Raises GateError when what is asked for cannot be had.
    """
    if kind == "plain":
        return PLAIN
    if kind in {"unit", "auto"} and transient.booted():
        return UNIT
    if kind == "unit":
        message = "cannot rehearse in a unit: that needs systemd and root; set the gate's sandbox"
        raise GateError(message)
    sandbox = namespace_sandbox()
    problem = why_not(sandbox)
    if not problem:
        return sandbox
    if kind == "auto":
        return PLAIN
    message = (
        f"cannot make a network namespace to rehearse in: {problem}; run as root, allow "
        "unprivileged user namespaces, or set the gate's sandbox to plain"
    )
    raise GateError(message)


def why_not(sandbox: Sandbox) -> str:
    """Try this sandbox with nothing in it; why it cannot be had here, empty where it can."""
    try:
        done = subprocess.run(
            [*sandbox.prefix, "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return why(error)
    return done.stderr.decode("utf-8", "replace").strip() if done.returncode else ""
