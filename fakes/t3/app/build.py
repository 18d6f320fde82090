"""What a fake release is, read from its own package.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from fakes.t3.app.faults import parse_faults

BOOTSTRAP = "/api/auth/bootstrap"
BROWSER_SESSION = "/api/auth/browser-session"

PROVIDER_CLIS = ("claude", "codex", "cursor", "opencode")
"""What a serve probes on its PATH."""


class ReleaseBehaviour(NamedTuple):
    """One release; times in seconds, `faults` maps a name to its argument.

    `cookie` is `plain` (t3_session), `loopback` (scoped to port and environment on a loopback
    bind, plain elsewhere), `environment` (the same, scoped to the environment elsewhere) or
    `everywhere` (scoped to the environment on any bind, as once reported).
    `orchestration` is 1 (state.sqlite) or 2 (statev2.sqlite); `compaction` says when a build with 2
    deletes superseded rows: `never`, at a `start`, or `always` (also after the transcripts).
    """

    version: str
    schema: int
    pairing: str
    cookie: str
    orchestration: int
    compaction: str
    start_time: float
    listen_window: float
    command_time: float
    quiet_migrations: bool
    native: bool
    faults: Mapping[str, str]

    def has(self, fault: str) -> bool:
        """Whether the release was made with this fault."""
        return fault in self.faults

    def number(self, fault: str) -> float:
        """The argument of a fault that the release has, as a number."""
        return float(self.faults[fault])

    @property
    def database(self) -> str:
        """The file below userdata that holds everything."""
        return "statev2.sqlite" if self.orchestration == 2 else "state.sqlite"

    @property
    def exchange_path(self) -> str:
        """Where the serve exchanges a credential for a cookie."""
        return self.faults.get("pairing-moved", self.pairing)

    @property
    def protocol(self) -> int:
        """The protocol of its web socket."""
        return self.orchestration

    @property
    def describes(self) -> bool:
        """Whether it has a public descriptor: nobody knows since when V1 had one."""
        return self.orchestration == 2 or self.cookie == "environment"

    def cookie_name(self, host: str, port: int, environment: str, folder: str) -> str:
        """Name the session cookie, which depends on the bind in some releases."""
        if self.has("cookie-renamed"):
            return self.faults["cookie-renamed"]
        if self.cookie in ("loopback", "environment") and is_loopback(host):
            return f"t3_session_{port}_{_scope(folder)}"
        scoped = self.cookie in ("environment", "everywhere")
        return f"t3_session_{_scope(environment)}" if scoped else "t3_session"

    def takes_plain_cookie(self, host: str) -> bool:
        """Whether a cookie of before the environment's still counts, and is made over."""
        return self.cookie == "environment" and not is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a bind address is reachable from this machine only."""
    return host in ("", "localhost", "::1") or host.startswith("127.")


def _scope(text: str) -> str:
    import hashlib  # noqa: PLC0415 - `--version` does without it

    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_build(package: str) -> ReleaseBehaviour:
    """Read the release from the package folder that holds package.json."""
    with open(os.path.join(package, "package.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - pathlib would cost a fifth of the start
        manifest: dict[str, Any] = json.load(file)
    traits: dict[str, Any] = manifest["fakeT3"]
    return ReleaseBehaviour(
        version=manifest["version"],
        schema=traits["schema"],
        pairing=traits["pairing"],
        cookie=traits["cookie"],
        orchestration=traits["orchestration"],
        compaction=traits["compaction"],
        start_time=traits["startTime"],
        listen_window=traits["listenWindow"],
        command_time=traits["commandTime"],
        quiet_migrations=traits["quietMigrations"],
        native=traits["native"],
        faults=parse_faults(traits["faults"]),
    )
