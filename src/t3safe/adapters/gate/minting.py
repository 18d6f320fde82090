"""Having a pairing credential made, as the dispatch does."""

from __future__ import annotations

import time
from typing import Final

from attrs import field, frozen

from t3safe.adapters.gate.messages import Request
from t3safe.adapters.gate.places import Places
from t3safe.adapters.gate.processes import Ended, run
from t3safe.adapters.gate.servelog import Secrets
from t3safe.t3 import commands, serve_log
from t3safe.t3.commands import MINTING
from t3safe.t3.sign_in import credential_of

_PAUSES: Final = (0.2, 0.4, 0.8, 1.6)
"""Seconds before each further attempt where the one before met a locked database."""
_PROBLEM_MAX: Final = 200


@frozen
class Minted:
    """A credential, or why there is none; `timed_out` is the problem where it took too long."""

    credential: str = field(default="", repr=False)
    problem: str = ""
    timed_out: str = ""


def mint(request: Request, places: Places, secrets: Secrets) -> Minted:
    """Have a credential made; a database that is locked for a moment is tried again."""
    command = commands.mint(request.program, str(places.base))
    try:
        ended = run(places, command, request.step_limit)
        for pause in _PAUSES:
            if not serve_log.is_locked(ended.output):
                break
            time.sleep(pause)
            ended = run(places, command, request.step_limit)
    except OSError as error:
        return Minted(problem=f"the program cannot be executed: {error.strerror}")
    return _understood(ended, request.step_limit, secrets)


def _understood(ended: Ended, limit: float, secrets: Secrets) -> Minted:
    credential = credential_of(ended.output) if ended.status == 0 else ""
    secrets.add(credential)
    if credential:
        return Minted(credential)
    if ended.status is None:
        late = f"{MINTING} took longer than {limit:g} s"
        return Minted(problem=late, timed_out=late)
    shown = secrets.clean(ended.output)
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    said = lines[-1][:_PROBLEM_MAX] if lines else "nothing printed"
    return Minted(problem=f"{MINTING} exits {ended.status}: {said}")
