"""Which processes are agents."""

from __future__ import annotations

import os

import pytest

from t3safe.adapters.services.members import AGENTS, agent_of, agents_among
from t3safe.t3.commands import BASE_OPTION
from t3safe.t3.files import HOME_BASE
from t3safe.t3.package import ENTRY

NODE = "/usr/bin/node"
MODULES = "/home/claude/.npm-global/lib/node_modules"


@pytest.mark.parametrize(
    ("own", "program", "arguments", "agent"),
    [
        ("claude", NODE, ["claude"], "claude"),
        ("node", NODE, ["node", "/usr/local/bin/claude", "--print"], "claude"),
        ("node", NODE, ["node", f"{MODULES}/@anthropic-ai/claude-code/cli.js"], "claude"),
        ("node", NODE, ["node", "--no-warnings", "/usr/bin/codex", "exec"], "codex"),
        ("node", NODE, ["node", "--require", "/x/hook.js", "/usr/bin/codex"], "codex"),
        ("MainThread", NODE, ["node", f"{MODULES}/@openai/codex/bin/codex.js"], "codex"),
        ("codex", "/opt/codex-x86_64-unknown-linux-musl", ["codex", "app-server"], "codex"),
        ("1.0.123", "/home/a/.local/share/claude/versions/1.0.123", ["claude"], "claude"),
        ("opencode", f"{MODULES}/opencode-linux-x64/bin/opencode", ["opencode"], "opencode"),
        ("sh", "/bin/dash", ["sh", "/home/alice/bin/Claude"], "claude"),
        ("python3", "/usr/bin/python3.11", ["python3", "-I", "/home/alice/codex"], "codex"),
        # What is no agent.
        ("node", NODE, ["node", f"/opt/t3safe/builds/0.0.29/{ENTRY}", "serve"], ""),
        ("node", NODE, ["node", "t3", "serve", BASE_OPTION, f"/home/claude/{HOME_BASE}"], ""),
        ("node", NODE, ["node", "/home/claude/server.js"], ""),
        ("vim", "/usr/bin/vim", ["vim", "claude"], ""),
        ("grep", "/bin/grep", ["grep", "-r", "codex", "."], ""),
        ("bash", "/bin/bash", ["-bash"], ""),
        ("claudette", "/usr/bin/claudette", ["claudette"], ""),
        ("kworker/0:1", "", [], ""),
    ],
)
def test_agent_is_told_by_how_it_was_started(
    own: str, program: str, arguments: list[str], agent: str
) -> None:
    """By its program, by the name it gives itself, or by its script; never by a folder."""
    assert agent_of(AGENTS, own, program, arguments) == agent


def test_names_are_those_that_are_set() -> None:
    """A host may know other agents; a process that is gone is none."""
    assert agent_of(("aider",), "aider", "/usr/bin/aider", ["aider"]) == "aider"
    assert agent_of((), "claude", "/usr/bin/claude", ["claude"]) == ""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert agents_among([pid], AGENTS) == ()
