"""What a staged package says of itself, and what its program and node print."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from t3safe.adapters._support import child
from t3safe.adapters._support.layout import MANIFEST
from t3safe.adapters.gate.messages import Request
from t3safe.adapters.gate.places import Places
from t3safe.adapters.gate.processes import Ended, run
from t3safe.domain.gate import IdentityFacts
from t3safe.t3 import commands, package

NODE_SECONDS: Final = 30.0
_MANIFEST_MAX: Final = 4 * 1024**2
_NODE: Final = re.compile(r"^v?(\d+\.\d+\.\d+\S*)\s*$", re.MULTILINE)


def package_facts(request: Request) -> IdentityFacts:
    """Read what the package says of itself; nothing of it is run, and what is missing is empty."""
    program = Path(request.program)
    prefix = program.parents[2]
    manifest = package.Manifest.read(_object(prefix / package.FOLDER / "package.json"))
    try:
        executed = str(program.resolve().relative_to(prefix.resolve()))
    except (OSError, RuntimeError, ValueError):
        executed = ""
    return IdentityFacts.of(manifest, launches=manifest.launches(executed))


def printed_facts(facts: IdentityFacts, request: Request, places: Places) -> IdentityFacts:
    """Add what node and the program print; what cannot be had is empty.

    A start of the program takes a second of a processor.  So it is not asked again what it printed
    under the same node when it was sealed: nothing of a build changes after that.  Else it is asked
    where the set is the empty one, which every batch rehearses: it prints the same beside each set.

    Raises PermissionError where node, or the program that is asked, may not be executed.
    """
    node = _found(_NODE, _printed(places, request, request.node))
    reported, under = request.sealed
    if not (reported and node == under):
        asked = request.copy_max is None
        printed = _printed(places, request, request.program) if asked else ""
        reported = commands.version_of(printed) if asked else request.build
    return evolve(facts, node=node, reported=reported)


def sealed_version(program: Path) -> tuple[str, str]:
    """Read what a program printed when its build was sealed, and under which node, else empty."""
    body = _object(program.parents[2] / MANIFEST)
    return _text(body.get("reported")), _text(body.get("node"))


def node_program(node: str) -> str:
    """Find the node that the units run, as an absolute path; empty where there is none."""
    found = shutil.which(node)
    return str(Path(found).absolute()) if found else ""


def node_version(program: str) -> str:
    """Ask a node for its version outside of any sandbox; empty where it tells none."""
    try:
        return _found(_NODE, child.run([program, "--version"], NODE_SECONDS, {}).text)
    except OSError:
        return ""


def _object(path: Path) -> dict[str, Any]:
    """Read a JSON object, empty if there is none."""
    try:
        with path.open("rb") as file:
            body = json.loads(file.read(_MANIFEST_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _printed(places: Places, request: Request, program: str) -> str:
    try:
        ended: Ended = run(places, commands.version(program), request.step_limit)
    except PermissionError:
        raise
    except OSError:
        return ""
    return ended.output if ended.status == 0 else ""


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
