"""A host of a fleet that only types `t3safe fleet`: a configuration and a state folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import define, field

from fakes.embedded import SAFE, CommandResult
from t3safe.entrypoints.exits import Exit
from tests.support.documents import body_of


@define
class FleetMember:
    """A host of the fleet `lab` by its configuration and its state folder."""

    root: Path
    url: str
    host: str = "web1"
    settings: dict[str, object] = field(factory=dict)

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.root / self.host

    def config(self) -> Path:
        """Write its configuration; an empty URL leaves `[fleet]` out."""
        chosen = {
            "endpoints": [self.url],
            "name": "lab",
            "ring": "main",
            "host": self.host,
            "answer": 20.0,
            "total": 30.0,
        } | self.settings
        table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in chosen.items())
        file = self.root / f"{self.host}.toml"
        fleet = f"[fleet]\n{table}" if self.url else ""
        file.write_text(f'state_dir = "{self.state}"\n{fleet}', encoding="utf-8")
        return file

    def words(self, *words: str, program: str = "") -> list[str]:
        """Give the command line of a command of the fleet."""
        begun = (sys.executable, "-c", program) if program else SAFE
        return [*begun, "--config", str(self.config()), "fleet", *words]

    def fleet(self, *words: str, program: str = "") -> CommandResult:
        """Run a command of the fleet."""
        ended = subprocess.run(
            self.words(*words, program=program),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            env={"PATH": os.environ["PATH"]},
        )
        return CommandResult(ended.returncode, ended.stdout, ended.stderr)

    def done(self, *words: str) -> str:
        """Run a command that must succeed; give what it printed."""
        said = self.fleet(*words)
        assert (said.status, said.err) == (Exit.OK, ""), said
        return said.out

    def fails(self, status: Exit, *words: str, program: str = "") -> str:
        """Run a command that must fail with this status; give its one line.

        A status that the store does not answer shows what the host knows itself.
        """
        said = self.fleet(*words, program=program)
        assert said.status == status, said
        local = words == ("status",) and status == Exit.LATER
        assert said.out.startswith("this host  ") if local else said.out == "", said
        (line,) = said.err.splitlines()
        assert line.startswith("t3safe: ")
        return line

    def status(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Read the document of `fleet status`."""
        return body_of(self.done("status", "--json"), "fleet-status")
