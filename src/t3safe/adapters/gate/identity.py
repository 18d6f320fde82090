"""What a staged package says of itself, and what its program and node print."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from t3safe.adapters._support.layout import MANIFEST
from t3safe.adapters.gate.messages import Request
from t3safe.adapters.gate.places import Places
from t3safe.adapters.gate.processes import Ended, run
from t3safe.domain.gate import PACKAGE, PLATFORM_PACKAGES, IdentityFacts

NODE_SECONDS: Final = 30.0
_MANIFEST_MAX: Final = 4 * 1024**2
_REPORTED: Final = re.compile(r"^t3 v(\S+)\s*$", re.MULTILINE)
_NODE: Final = re.compile(r"^v?(\d+\.\d+\.\d+\S*)\s*$", re.MULTILINE)


def package_facts(request: Request) -> IdentityFacts:
    """Read what the package says of itself; nothing of it is run, and what is missing is empty."""
    body = _manifest(Path(request.program))
    name, bins = _text(body.get("name")), body.get("bin")
    return IdentityFacts(
        name=name,
        repository=_text(_inside(body.get("repository"), "url")),
        # A `bin` that is one path is a program with the package's name.
        bins=(name,) if isinstance(bins, str) else tuple(bins if isinstance(bins, dict) else ()),
        engines=_text(_inside(body.get("engines"), "node")),
        node="",
        reported="",
        launches=_platform_program(body.get("optionalDependencies")),
    )


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
        reported = _found(_REPORTED, printed) if asked else request.build
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
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=NODE_SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return _found(_NODE, done.stdout.decode("utf-8", "replace"))


def _manifest(program: Path) -> dict[str, Any]:
    """Read the package.json beside the `.bin` that holds the program, empty if there is none."""
    return _object(program.parent.parent / PACKAGE / "package.json")


def _object(path: Path) -> dict[str, Any]:
    """Read a JSON object, empty if there is none."""
    try:
        with path.open("rb") as file:
            body = json.loads(file.read(_MANIFEST_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _platform_program(optional: object) -> str:
    """Name a package that holds t3's program for one platform, empty where there is none."""
    names = sorted(optional) if isinstance(optional, dict) else []
    return next((name for name in names if name.startswith(PLATFORM_PACKAGES)), "")


def _printed(places: Places, request: Request, program: str) -> str:
    try:
        ended: Ended = run(places, [program, "--version"], request.step_limit)
    except PermissionError:
        raise
    except OSError:
        return ""
    return ended.output if ended.status == 0 else ""


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _inside(value: object, key: str) -> object:
    """Give the named part of a setting that may also be written without its parts."""
    return value.get(key) if isinstance(value, dict) else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
