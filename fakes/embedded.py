"""A whole host below one folder: real npm, registry, dispatch, serves and the real `t3safe`.

There is no root, no systemd and no Docker: all people share the caller's OS user, serves are plain
processes, and each person has a launcher of their own.  Everything else is the production path.

    with EmbeddedHost(root, people) as host:
        host.publish(release, tag="nightly")
        host.t3safe("run")
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import psutil
from attrs import define, field, frozen
from filelock import FileLock

from fakes.dispatch import COOKIES, PATHS, PROTOCOLS, Backend, Dispatch, Knowledge, mint_command
from fakes.fixed_launcher import render_fixed_launcher
from fakes.packages import FakeRelease
from fakes.registry import RegistryServer
from fakes.t3 import PersonClient, live_database, populate
from t3safe.adapters._support.layout import build_folder
from t3safe.domain.messages import LogLine
from t3safe.domain.versions import Version
from t3safe.entrypoints.settings import load
from t3safe.entrypoints.wiring.live import Live, live
from t3safe.t3 import commands
from t3safe.t3.files import HOME_BASE
from t3safe.t3.sign_in import SESSION_PATH

SAFE: Final = (sys.executable, "-m", "t3safe.entrypoints.cli")
READY: Final = "T3SAFE_READY_BUILDS"
"""The variable that names a folder for builds that were installed already."""
KEPT: Final = ("home", "store", "state", "backups")
"""What a host is, beside its processes and ports."""


@frozen
class HostPerson:
    """One person of the host: what their state set holds when they move in (see `populate`)."""

    name: str
    holds: Mapping[str, Any] = field(factory=dict)


@frozen
class CommandResult:
    """How one `t3safe` command ended: its status, what it printed, and how long it took (s)."""

    status: int
    out: str
    err: str


def reserved_port() -> socket.socket:
    """Hold a port for a serve, until the socket is closed.

    It is bound and does not listen: whoever sets SO_REUSEADDR, as t3 does, can listen there, and
    the kernel gives it to nobody as the near end of a connection while the serve is down.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("0.0.0.0", 0))
    return held


@define
class EmbeddedHost:
    """The host below `root`, an empty folder; `level` is the ledger of everybody at first.

    `config` holds further settings by dotted key (`gate.soak`).  A folder that was left by another
    host's `pack` goes on as it was left, with new ports; `start_serves` starts what was stopped.
    """

    root: Path
    residents: tuple[HostPerson, ...]
    level: int = 30
    config: dict[str, Any] = field(factory=dict)
    registry: RegistryServer = field(factory=RegistryServer, init=False)
    dispatch: Dispatch = field(factory=Dispatch, init=False)
    ports: dict[str, int] = field(factory=dict, init=False)
    _open: ExitStack = field(factory=ExitStack, init=False)

    # Setting up and taking down.

    def __enter__(self) -> Self:
        self._open.enter_context(self.registry)
        self._open.callback(self.end_serves)
        for resident in self.residents:
            self._move_in(resident)
        self.dispatch.knowledge = self._knowledge()
        self._open.enter_context(self.dispatch)
        lines = "".join(f"{name}@example.org={name}\n" for name in self.people)
        self.user_map.write_text(f"# login=os_user\n{lines}", encoding="utf-8")
        self.write_config()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _move_in(self, resident: HostPerson) -> None:
        name = resident.name
        if not self.base(name).exists():
            populate(self.base(name), self.level, **resident.holds)
        launcher = self.launcher(name)
        launcher.parent.mkdir(parents=True)
        launcher.write_text(render_fixed_launcher(self.store, name), encoding="utf-8")
        launcher.chmod(0o755)
        held = self._open.enter_context(reserved_port())
        self.ports[name] = int(held.getsockname()[1])

    def _knowledge(self) -> Knowledge:
        backends = {
            name: Backend(
                mint_command([str(self.launcher(name))], self.base(name)),
                f"http://127.0.0.1:{self.ports[name]}",
            )
            for name in self.people
        }
        return Knowledge(backends=backends, logins={name: name for name in self.people})

    def adopt(self, release: FakeRelease) -> None:
        """Let everybody run this release, as a host that was just taken over."""
        self.offer(release)
        build = Version.parse(release.version)
        with self.wired() as wired:
            ports = wired.host.ports
            ports.selection.promote(build)
            for name in self.people:
                ports.selection.select(name, build)
        self.start_serves()

    def offer(self, release: FakeRelease) -> None:
        """Publish a release as the newest nightly, and have it in the store already."""
        self.publish(release, tag="nightly")
        self.stage(release)

    def stage(self, release: FakeRelease) -> None:
        """Have a published release in the store already, as the real store and npm seal it.

        Where `READY` names a folder, npm installs a release once, and it is copied after that.
        """
        build = Version.parse(release.version)
        shared = os.environ.get(READY)
        if shared is None:
            self._install(build)
            return
        ready = Path(shared, hashlib.sha256(repr(release).encode()).hexdigest())
        mine = build_folder(self.store, build)
        with FileLock(f"{ready}.lock"):
            if not ready.exists():
                self._install(build)
                half = ready.with_suffix(".half")
                shutil.copytree(mine, half, symlinks=True)
                half.rename(ready)
        if not mine.exists():
            shutil.copytree(ready, mine, symlinks=True)

    def _install(self, build: Version) -> None:
        with self.wired() as wired:
            wired.host.ports.builds.stage(build)

    def start_serves(self) -> None:
        """Start everybody's serve with what is selected for them, and wait for the answers."""
        with self.wired() as wired:
            for name in self.people:
                wired.host.ports.services.start(name)
        for name in self.people:
            self.wait_for(name)

    def pack(self, folder: Path) -> None:
        """Stop everybody and copy what a host is, to be gone on with elsewhere."""
        with self.wired() as wired:
            for name in self.people:
                wired.host.ports.services.stop(name)
        for name in KEPT:
            if (self.root / name).exists():
                shutil.copytree(self.root / name, folder / name, symlinks=True)

    def wait_for(self, person: str, seconds: float = 60.0) -> None:
        """Wait until a person's serve answers; TimeoutError when it does not.

        Each look is short and on a connection of its own, because a serve never answers what
        reaches it between its listening and its handling.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[person], timeout=0.3)
            with closing(connection), suppress(OSError, http.client.HTTPException):
                connection.request("GET", SESSION_PATH)
                if connection.getresponse().status == HTTPStatus.OK:
                    return
            time.sleep(0.02)
        message = f"the serve of {person} does not answer"
        raise TimeoutError(message)

    def end_serves(self) -> None:
        """End every process that runs a build of this host's store, whoever started it."""
        ours = [process for process in psutil.process_iter() if self._is_ours(process)]
        for process in ours:
            with suppress(psutil.Error):
                process.kill()
        deadline = time.monotonic() + 5
        while any(map(_lives, ours)) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return any(str(self.root) in word for word in process.cmdline())
        return False

    # Where things are.

    @property
    def people(self) -> tuple[str, ...]:
        """The names of everybody."""
        return tuple(resident.name for resident in self.residents)

    @property
    def store(self) -> Path:
        """The store of builds."""
        return self.root / "store"

    @property
    def user_map(self) -> Path:
        """The user map."""
        return self.root / "user-map"

    @property
    def freeze_file(self) -> Path:
        """The freeze switch."""
        return self.root / "freeze"

    @property
    def backups(self) -> Path:
        """Everybody's snapshots."""
        return self.root / "backups"

    @property
    def config_file(self) -> Path:
        """The configuration of `t3safe`."""
        return self.root / "config.toml"

    def base(self, person: str) -> Path:
        """A person's base directory."""
        return self.root / "home" / person / HOME_BASE

    def database(self, person: str) -> Path:
        """A person's live database: that of the newest generation that is there."""
        return live_database(self.base(person))

    def launcher(self, person: str) -> Path:
        """A person's `t3`."""
        return self.root / "bin" / person / "t3"

    def client(self, person: str) -> PersonClient:
        """A browser of this person, in front of the dispatch."""
        return PersonClient(self.dispatch.url, person)

    # Doing.

    def publish(self, release: FakeRelease, tag: str | None = None, **how: Any) -> None:
        """Publish a release, and point a tag at it."""
        self.registry.publish(release, tag, **how)

    @property
    def environment(self) -> dict[str, str]:
        """What `t3safe` is started with: npm is told of the registry as a host would tell it."""
        plain = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return plain | {
            "npm_config_registry": self.registry.url,
            "npm_config_cache": str(self.root / "npm-cache"),
        }

    def t3safe(
        self, *arguments: str, timeout: float = 300.0, program: str = "", **extra: str
    ) -> CommandResult:
        """Run the real command line; `extra` are further environment variables.

        `program` is Python that starts it after a change of its own.
        """
        begun = (sys.executable, "-c", program) if program else SAFE
        ended = subprocess.run(
            [*begun, "--config", str(self.config_file), *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            env=self.environment | extra,
            cwd=self.root,
        )
        return CommandResult(ended.returncode, ended.stdout, ended.stderr)

    def wired(self) -> _Wired:
        """Wire the host in this very process, under the environment of `t3safe`."""
        return _Wired(self)

    def write_config(self, **changes: Any) -> None:
        """Write the configuration; `changes` are kept, with `__` for the dot of a key."""
        self.config |= {key.replace("__", "."): value for key, value in changes.items()}
        tables: dict[str, dict[str, Any]] = {"": {}}
        for key, value in (self._settings() | self.config).items():
            table, _, name = key.rpartition(".")
            tables.setdefault(table, {})[name] = value
        text = "".join(_table(name, body) for name, body in tables.items())
        self.config_file.write_text(text, encoding="utf-8")

    def _settings(self) -> dict[str, Any]:
        return {
            "freeze_file": str(self.freeze_file),
            "state_dir": str(self.root / "state"),
            "backup_dest": str(self.backups),
            "smoke_port": 0,
            "dispatch": self.dispatch.address,
            "user_map": str(self.user_map),
            "tmpdir": str(self._folder("tmp")),
            "store": str(self.store),
            "launcher": "",
            "base_dir": str(self.root / "home" / "{person}" / HOME_BASE),
            "admin": self.people[-1],
            "npm_user": "",
            "npm_free_bytes": 64 * 1024**2,
            "t3": str(self.root / "bin" / "{person}" / "t3"),
            "shared_user": True,
            "dispatch_knows.paths": list(PATHS),
            "dispatch_knows.cookies": list(COOKIES),
            "dispatch_knows.protocols": list(PROTOCOLS),
            "gate.soak": 0.3,
            # Nobody waits for these but where something hangs: a loaded machine needs its time.
            "gate.deadline": 60.0,
            "gate.jobs": 4,
            # A host of tests is judged by what it does, however loaded the machine below it is.
            "pressure.cpu_max": 100,
            "pressure.io_max": 100,
            "pressure.load_max": 10000,
            "gate.node": shutil.which("node") or "node",
            "rollout.bake": 0.5,
            "rollout.bake_interval": 0.5,
            "rollout.quiet": 0.0,
            "rollout.verify_deadline": 60.0,
            "rollout.verify_grace": 1.0,
            "rollout.verify_stay": 0.3,
            "rollout.stop_timeout": 30.0,
            "hooks.folder": str(self.root / "hooks"),
            "services.manager": "processes",
            "services.command": commands.serve("{t3}", "0.0.0.0", "{port}", "{base}"),
            "services.environment": dict(commands.NO_TELEMETRY),
            "services.ports": dict(self.ports),
            "services.run_dir": str(self.root / "run"),
        }

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder


@define
class _Wired:
    """The wired host, for as long as the block lasts."""

    host: EmbeddedHost
    _before: dict[str, str] = field(factory=dict, init=False)
    _live: Live | None = field(default=None, init=False)

    def __enter__(self) -> Live:
        self._before = dict(os.environ)
        os.environ.update(self.host.environment)
        settings = load(self.host.config_file, {})
        self._live = live(settings, "run", _ignore, lambda: False)
        return self._live

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.close()
        os.environ.clear()
        os.environ.update(self._before)


def _lives(process: psutil.Process) -> bool:
    """Whether a process still runs; one that nobody has reaped yet does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _ignore(line: LogLine) -> None:
    """Say nothing."""


def _table(name: str, body: Mapping[str, Any]) -> str:
    lines = "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in body.items())
    return f"[{name}]\n{lines}" if name else lines


def _value(value: Any) -> str:
    """Write a value as TOML; JSON is TOML for all but tables."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value)
