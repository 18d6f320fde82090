"""The shape of the configuration: every setting with its default and what it means.

`entrypoints.settings` reads it from file and environment, `bootstrap` wires a host from it.  The
defaults are those of the host that t3safe was made for; the first group keeps the names that the
environment has always had (`T3_TRACK` is `track`, and so on).
"""

from __future__ import annotations

from datetime import time
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from t3safe.domain.gate import DispatchKnowledge, OnPersonFailure
from t3safe.domain.policy import Track


class Manager(StrEnum):
    """What starts and stops the serves."""

    SYSTEMD = "systemd"
    PROCESSES = "processes"


class Isolation(StrEnum):
    """How npm and people's workers are kept apart; `auto` takes units of systemd where it can."""

    AUTO = "auto"
    UNITS = "units"
    PROCESSES = "processes"


class SandboxKind(StrEnum):
    """What a rehearsal runs in; `auto` takes a unit of systemd, else a network namespace."""

    AUTO = "auto"
    UNIT = "unit"
    NAMESPACE = "namespace"
    PLAIN = "plain"


@frozen
class WindowSettings:
    """A daily maintenance window in local time."""

    opens: time
    closes: time


@frozen
class PolicySettings:
    """Which builds are taken, and when; ages in days."""

    age_min_days: float = 0.0
    window: WindowSettings | None = None
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE
    stale_days: float = 14.0
    deferred_max_days: float = 7.0


@frozen
class GateSettings:
    """How a build is rehearsed; times in seconds.

    `port` 0 takes any free one.  `tolerance` is the share of a table's rows that a migration may
    clean up.  `deadline_per_gib` lets the deadline grow with the database.
    """

    bind_host: str = "0.0.0.0"  # noqa: S104 - as production binds: t3 names its cookie by it
    sandbox: SandboxKind = SandboxKind.AUTO
    soak: float = 90.0
    """Longer than the 20 to 82 s after which a real nightly ran out of memory."""
    deadline: float = 30.0
    deadline_per_gib: float = 30.0
    stop_limit: float = 30.0
    """For one stop; measured with 1 GB: 1.1 s."""
    tolerance: float = 0.05
    jobs: int = 2
    node: str = "node"
    user: str = "t3safe-gate"
    """Whom rehearsals run as where we are root and not in a unit: a user who owns nothing."""
    memory_max: int = 2 * 1024**3
    """Bytes of memory for one rehearsal in a unit; a real serve takes up to 305 MB."""
    evidence_keep: int = 20


@frozen
class RolloutSettings:
    """How people are moved; times in seconds."""

    bake: float = 600.0
    bake_interval: float = 60.0
    quiet: float = 900.0
    attempts_max: int = 3
    verify_deadline: float = 60.0
    verify_grace: float = 10.0
    """How long the dispatch may still fail once the serve itself answers."""
    verify_stay: float = 3.0
    stop_timeout: float = 90.0


@frozen
class RetentionSettings:
    """What is kept for each person, and how many builds beside those in use."""

    snapshots: int = 6
    snapshot_bytes: int = 20 * 1024**3
    builds: int = 1


@frozen
class DispatchSettings:
    """What the host's dispatch knows; each cookie is a regular expression for the whole name."""

    header: str = "X-authentik-username"
    paths: tuple[str, ...] = DispatchKnowledge().paths
    cookies: tuple[str, ...] = DispatchKnowledge().cookies


@frozen
class ServiceSettings:
    """What starts and stops the serves.

    `unit` is for systemd.  The rest is for plain processes: `command` and `environment` may hold
    `{person}`, `{base}`, `{port}` and `{t3}`; `ports` gives each person's port, `launchers` each
    person's `t3`.
    """

    manager: Manager = Manager.SYSTEMD
    unit: str = "t3-serve@{person}.service"
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(factory=dict)
    ports: dict[str, int] = field(factory=dict)
    run_dir: Path = Path("/run/t3safe")
    agents: tuple[str, ...] = ("claude", "codex", "opencode")


@frozen
class Settings:
    """Everything that can be set.  Paths are absolute."""

    track: Track = Track.NIGHTLY
    pin: str = ""
    freeze_file: Path = Path("/etc/t3-autoupdate.freeze")
    state_dir: Path = Path("/var/lib/t3-autoupdate")
    backup_dest: Path = Path("/var/backups/t3-state")
    smoke_port: int = 3799
    dispatch: str = "127.0.0.1:3780"
    user_map: Path = Path("/etc/ttyd-user-map")
    dry_run: bool = False
    tmpdir: Path = Path("/var/tmp")  # noqa: S108 - on disk: /tmp is often too small for databases
    backup_timeout: float = 900.0

    store: Path = Path("/opt/t3safe")
    launcher: Path | None = Path("/usr/bin/t3")
    base_dir: str = "/home/{person}/.t3"
    admin: str = "wizard"
    npm: str = "npm"
    npm_user: str = "t3safe-npm"
    npm_script_network: bool = False
    """Whether install scripts see the host's network; node-gyp fetches node's headers where they
    are not installed.  The dispatch on the loopback believes whoever speaks to it."""
    isolation: Isolation = Isolation.AUTO
    npm_free_bytes: int = 2 * 1024**3
    t3: str = "/usr/bin/t3"
    """The command by which serves and mints run; may hold `{person}` where people share a user."""
    shared_user: bool = False
    """Whether all people are this one OS user (containers, the embedded host)."""

    metrics_file: Path | None = None
    """Where metrics are written for Prometheus' textfile collector; empty writes none."""

    policy: PolicySettings = field(factory=PolicySettings)
    gate: GateSettings = field(factory=GateSettings)
    rollout: RolloutSettings = field(factory=RolloutSettings)
    retention: RetentionSettings = field(factory=RetentionSettings)
    dispatch_knows: DispatchSettings = field(factory=DispatchSettings)
    services: ServiceSettings = field(factory=ServiceSettings)
