"""What a rehearsal runs in: a command that the worker is started with.

Rules:

1. A unit is a transient one of systemd with a user of its own who exists for as long as it does
   (see `cells`).
2. Namespaces are what a host without systemd, and one person for themselves, have: a network of its
   own, so that the serve binds as in production and nobody reaches it; process ids of its own, so
   that the kernel ends whatever the worker leaves; and a view of the host with no home and no
   project in it (see `view`).
3. Where neither can be had no rehearsal is held: GateError.  Plain is no isolation at all, and
   nothing but the setting `gate.sandbox` leads there.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Final

from attrs import frozen

from t3safe.adapters._support import child, transient
from t3safe.adapters._support.child import why
from t3safe.adapters.gate import view
from t3safe.domain.errors import GateError

_PROBE_SECONDS: Final = 10.0
_NAMESPACES: Final = ("--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
HOW: Final = (
    "let this user make namespaces (kernel.unprivileged_userns_clone = 1, "
    "kernel.apparmor_restrict_unprivileged_userns = 0, user.max_user_namespaces above 0), "
    'then `t3safe doctor`; or rehearse unprotected on purpose: `gate.sandbox = "plain"`'
)
"""What lets a host hold rehearsals."""


@frozen
class Sandbox:
    """A kind of sandbox: `prefix` is put before the worker's command.

    With a network of its own every port is free; the worker brings the loopback device up, except
    in a unit, where systemd has done it.  `view` says that the worker hides the host, `hides` that
    somebody does.
    """

    kind: str
    prefix: tuple[str, ...]
    own_network: bool
    view: bool = False
    hides: bool = False


PLAIN: Final = Sandbox("plain", (), own_network=False)
UNIT: Final = Sandbox("unit", (), own_network=True, hides=True)


def namespace_sandbox() -> Sandbox:
    """Namespaces by unshare(1); without root the worker is root of a user namespace only."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    prefix = ("unshare", *user, *_NAMESPACES)
    return Sandbox("namespace", prefix, own_network=True, view=True, hides=True)


def choose_sandbox(kind: str) -> Sandbox:
    """Give the sandbox of this kind: unit, namespace, plain, or auto for the best that works here.

    Raises GateError when what is asked for cannot be had; auto is never plain.
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
    message = f"gate: no rehearsal can be held here: no namespace can be had: {problem}; {HOW}"
    raise GateError(message)


def why_not(sandbox: Sandbox) -> str:
    """Try this sandbox with nothing in it; why it cannot be had here, empty where it can."""
    try:
        with tempfile.TemporaryDirectory(prefix="t3safe-try-") as folder:
            words = [*sandbox.prefix, sys.executable, "-I", view.__file__, folder]
            done = child.run(words, _PROBE_SECONDS, os.environ).in_time()
    except OSError as error:
        return why(error)
    return (done.complaint or f"status {done.status}") if done.status else ""
