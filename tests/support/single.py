"""One person without root, dispatch or user map: their home, real npm, a real serve of the fake t3.

As root everything runs as `nobody`, who may read what is root's (the interpreter may lie there)
and write nothing of it.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, Self

from attrs import define, field

from fakes.embedded import SAFE, CommandResult, reserved_port
from fakes.packages import FakeRelease
from fakes.registry import RegistryServer
from fakes.t3 import PersonClient, populate
from t3safe.t3.commands import BASE_OPTION, NO_TELEMETRY, mint
from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION

READS_ALL: Final = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
_START: Final = """
import os, sys
from t3safe.entrypoints.wiring.live import live
from t3safe.entrypoints.settings import load
wired = live(load(None, os.environ), "run", lambda line: None, lambda: False)
services = wired.host.ports.services
getattr(services, sys.argv[1])(sys.argv[2])
"""


@define
class OnePerson:
    """A person with a home below `root` and a serve as a plain process."""

    root: Path
    registry: RegistryServer = field(factory=RegistryServer, init=False)
    port: int = field(default=0, init=False)
    _open: ExitStack = field(factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        self._open.enter_context(self.registry)
        self._open.callback(self._leave)
        held = self._open.enter_context(reserved_port())
        self.port = int(held.getsockname()[1])
        self.home.mkdir()
        populate(self.home / HOME_BASE, 30)
        self.configure()
        self._give()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _leave(self) -> None:
        """Stop the serve, whatever a test made of the configuration."""
        self.configure()
        self.serve("stop")

    @property
    def name(self) -> str:
        """Who it is."""
        return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    @property
    def home(self) -> Path:
        """Their home."""
        return self.root / "home"

    @property
    def launcher(self) -> Path:
        """Their `t3`."""
        return self.home / ".local" / "bin" / "t3"

    @property
    def store(self) -> Path:
        """Their builds."""
        return self.home / ".local" / "share" / "t3safe"

    def configure(self, **changes: Any) -> None:  # noqa: ANN401 - settings of any type
        """Write their configuration: what is quick for a test, and their serve as a process."""
        command = ["{t3}", "serve", "--host", "127.0.0.1", "--port", "{port}", BASE_OPTION]
        settings = {
            "npm_free_bytes": 64 * 1024**2,
            "smoke_port": 0,
            "tmpdir": str(self.root),
            "gate.soak": 0.1,
            "gate.deadline": 20.0,
            "pressure.cpu_max": 100,
            "pressure.io_max": 100,
            "pressure.load_max": 10000,
            # In a namespace of its own nothing of root's may be read any more.
            "gate.sandbox": "plain" if os.geteuid() == 0 else "auto",
            "gate.node": shutil.which("node") or "node",
            "rollout.bake": 0.2,
            "rollout.bake_interval": 0.1,
            "rollout.quiet": 0.0,
            "rollout.verify_deadline": 10.0,
            "rollout.verify_grace": 0.5,
            "rollout.verify_stay": 0.3,
            "services.manager": "processes",
            "services.command": [*command, "{base}"],
            **{f"services.environment.{name}": value for name, value in NO_TELEMETRY.items()},
            f"services.ports.{self.name}": self.port,
            **changes,
        }
        file = self.home / ".config" / "t3safe" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{key} = {json.dumps(is_)}\n" for key, is_ in settings.items()))

    def _give(self) -> None:
        """Let everything in the folder be the person's."""
        if os.geteuid() != 0:
            return
        who = pwd.getpwnam(self.name)
        for path in (self.root, self.home, *self.home.rglob("*")):
            os.chown(path, who.pw_uid, who.pw_gid, follow_symlinks=False)

    @property
    def environment(self) -> dict[str, str]:
        """What their shell has."""
        return {
            "PATH": f"{self.launcher.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "USER": self.name,
            "LANG": "C.UTF-8",
            "T3SAFE_SCOPE": "user",
            "npm_config_registry": self.registry.url,
            "npm_config_cache": str(self.home / ".npm"),
        }

    def run(self, *words: str, timeout: float = 120.0) -> CommandResult:
        """Run a command as the person."""
        who = pwd.getpwnam(self.name)
        ids = ("--reuid", str(who.pw_uid), "--regid", str(who.pw_gid), "--clear-groups")
        become = ("setpriv", *ids, *READS_ALL, "--") if os.geteuid() == 0 else ()
        ended = subprocess.run(
            [*become, *words],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            env=self.environment,
            cwd=self.home,
        )
        return CommandResult(ended.returncode, ended.stdout, ended.stderr)

    def t3safe(self, *words: str) -> CommandResult:
        """Run the real command line as the person."""
        return self.run(*SAFE, *words)

    def serve(self, verb: str) -> None:
        """Start or stop their serve, as their service manager does."""
        said = self.run(sys.executable, "-c", _START, verb, self.name)
        assert said.status == 0, said

    def publish(self, release: FakeRelease) -> None:
        """Publish a release as the newest nightly."""
        self.registry.publish(release, "nightly")

    def rows(self) -> dict[str, set[tuple[object, ...]]]:
        """Read every row of every table of their database."""
        database = self.home / HOME_BASE / USERDATA / V1_DATABASE
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            names = opened.execute(query).fetchall()
            return {name: set(opened.execute(f'SELECT * FROM "{name}"')) for (name,) in names}

    def client(self) -> PersonClient:
        """Give a browser of theirs that is signed in at their serve."""
        minted = self.run(*mint(str(self.launcher), str(self.home / HOME_BASE)))
        credential = json.loads(minted.out)["credential"]
        browser = PersonClient(f"http://127.0.0.1:{self.port}", self.name)
        for path in (BROWSER_SESSION, BOOTSTRAP):
            body = json.dumps({"credential": credential}).encode()
            status, headers, _ = browser.request("POST", path, body)
            if status == 200:
                browser.cookie = headers.get("Set-Cookie", "").partition(";")[0]
        return browser
