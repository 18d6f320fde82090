"""What runs of a serve beside known helpers, and how much processor time each process has used.

Rules:

1. The serve itself, what belongs to t3's own package, and `cloudflared` and `resource-monitor` are
   helpers: they are busy whether or not the person is.
2. Shells and agents wait to be used.
3. Times are since the boot: they do not change when the clock is set.
4. A process that is just gone is none.  One that hides from us is an error: unknown is busy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

import psutil

from t3safe.adapters.services import daemon
from t3safe.adapters.services.agents import agent_of, program_of, scripts_of
from t3safe.domain.errors import ServiceError
from t3safe.domain.idle import Process, Sample
from t3safe.t3.package import is_own

HELPERS: Final = ("cloudflared", "resource-monitor")
SHELLS: Final = frozenset({"bash", "sh", "dash", "zsh", "fish", "ksh", "tcsh", "csh", "nu"})


def sampled(pids: Iterable[int], main: int | None, agents: tuple[str, ...]) -> Sample:
    """Sample these processes; `main` is the serve itself.  Raises ServiceError (rule 4)."""
    found = [_process(pid, agents) for pid in pids if pid != main]
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Sample(daemon.boot(), at, tuple(process for process in found if process is not None))


def _process(pid: int, agents: tuple[str, ...]) -> Process | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            arguments, name, program = process.cmdline(), process.name(), program_of(process)
            times = process.cpu_times()
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        message = f"cannot tell whether process {pid} is at work: it may not be looked at"
        raise ServiceError(message) from error
    began = daemon.began(pid)
    words = (program, *scripts_of(program, arguments))
    if not began or agent_of(HELPERS, name, program, arguments) or any(map(is_own, words)):
        return None
    shell = PurePosixPath(program or name).name.lstrip("-") in SHELLS
    return Process(
        pid=pid,
        name="".join(sign for sign in name if sign.isprintable())[:32],
        began=began / os.sysconf("SC_CLK_TCK"),
        used=times.user + times.system + times.children_user + times.children_system,
        waits=shell or bool(agent_of(agents, name, program, arguments)),
    )
