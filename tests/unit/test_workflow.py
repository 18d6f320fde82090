"""The workflow for GitHub: it parses, and what it types is a command with options that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from t3safe.entrypoints.cli import cli

WORKFLOW = Path(__file__).parents[2] / "contrib" / "github" / "t3-check.yml"


def steps() -> list[dict[str, Any]]:
    """Give the steps of the one job."""
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    return list(job["steps"])


def script() -> str:
    """Give the script that checks."""
    (found,) = (step["run"] for step in steps() if step.get("name") == "Check")
    return str(found)


def test_what_is_typed_exists() -> None:
    """Each command, and each option of the check."""
    typed = re.findall(r"\bt3safe ([a-z-]+)", WORKFLOW.read_text(encoding="utf-8"))
    assert "check" in typed
    assert set(typed) <= set(cli.commands)
    known = {name for param in cli.commands["check"].params for name in param.opts}
    assert set(re.findall(r"--[a-z-]+", script())) <= known


def test_nobody_who_starts_it_by_hand_types_into_the_script() -> None:
    """What GitHub would paste into a script is a way in; it comes through the environment."""
    assert "${{" not in script()


def test_evidence_is_kept_also_where_the_check_fails() -> None:
    """The folder that is uploaded is the one that evidence goes to, whatever the status was."""
    (upload,) = (step for step in steps() if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert f"--evidence {upload['with']['path']}" in script()


def run(folder: Path, *, status: int = 0, **environment: str) -> tuple[int, str]:
    """Run the script with stand-ins for npm and t3safe; give its status and what t3safe got."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, body in (
        ("npm", "echo 0.0.28-nightly.1.1"),
        ("t3safe", f'echo "$@" >got; exit {status}'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    # As GitHub starts a step whose shell is bash.
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script()]
    given = {"PATH": f"{tools}:/usr/bin:/bin", "VERSION": "", "CONTROL": "", **environment}
    ended = subprocess.run(words, check=False, cwd=folder, env=given, capture_output=True)
    return ended.returncode, (folder / "got").read_text().strip()


def test_the_newest_nightly_is_checked_on_what_there_is(tmp_path: Path) -> None:
    """Without a state on the empty one; a state, a version and a control are passed on."""
    plain = "check 0.0.28-nightly.1.1 --standalone --evidence evidence --json"
    assert run(tmp_path) == (0, plain)
    (tmp_path / "state").mkdir()
    _, got = run(tmp_path, VERSION="0.0.27", CONTROL="0.0.26")
    assert got == f"{plain} --state state --control 0.0.26".replace("0.0.28-nightly.1.1", "0.0.27")


def test_the_job_is_red_where_the_check_is(tmp_path: Path) -> None:
    """The status passes through the pipe that keeps the verdict."""
    assert run(tmp_path, status=11)[0] == 11
