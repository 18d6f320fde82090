"""The shape of the configuration: every setting with its default and what it means.

`entrypoints.settings` reads it from file and environment, `entrypoints.wiring` wires a host from
it.  The defaults are those of the host that t3safe was made for.  The first group keeps the names
of the old environment variables (`T3_TRACK` is `track`, and so on).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen

from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.notices import Cause
from t3safe.domain.policy import Track
from t3safe.domain.scope import Scope
from t3safe.t3.files import BASE_TEMPLATE


def between(least: float, most: float) -> dict[str, float]:
    """Return the bounds of a setting, both inclusive; `out_of_range` checks them."""
    return {"least": least, "most": most}


def each_setting(
    table: attrs.AttrsInstance, above: str = ""
) -> Iterator[tuple[str, attrs.Attribute[Any], Any]]:
    """Yield every setting below a table: its dotted key, its field and its value."""
    for item in attrs.fields(type(table)):
        value = getattr(table, item.name)
        if attrs.has(type(value)):
            yield from each_setting(value, f"{above}{item.name}.")
        else:
            yield f"{above}{item.name}", item, value


def out_of_range(table: attrs.AttrsInstance, above: str = "") -> Iterator[str]:
    """Yield the numbers below a table that are out of bounds; each line begins with the key."""
    for key, item, value in each_setting(table, above):
        if "least" in item.metadata:
            least, most = item.metadata["least"], item.metadata["most"]
            if not least <= value <= most:
                yield f"{key}: {value} is not between {least} and {most}"


class Manager(StrEnum):
    """What starts and stops the serves."""

    SYSTEMD = "systemd"
    SYSTEMD_USER = "systemd-user"
    PROCESSES = "processes"
    COMMANDS = "commands"


class Verify(StrEnum):
    """How sign-in is verified: at the dispatch, at the person's serve, or by a command."""

    DISPATCH = "dispatch"
    DIRECT = "direct"
    COMMAND = "command"


class Isolation(StrEnum):
    """How npm and people's workers are isolated; `auto` takes units of systemd if possible."""

    AUTO = "auto"
    UNITS = "units"
    PROCESSES = "processes"


class SandboxKind(StrEnum):
    """What a rehearsal runs in; `auto` takes a unit of systemd, else namespaces, never `plain`."""

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
    """Which builds people are moved to, and when; ages in days."""

    age_min_days: float = field(default=0.0, metadata=between(0, 3650))
    """A release younger than this is not taken."""
    window: WindowSettings | None = None
    """When runs may move people; empty means always. A drain does not wait for it."""
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE
    """What a failing rehearsal means: the build is refused, or only its person stays."""
    stale_days: float = field(default=14.0, metadata=between(0, 3650))
    """From then on every run says STALE."""
    deferred_max_days: float = field(default=7.0, metadata=between(0, 3650))
    """From then on every run says DEFERRED TOO LONG."""


@frozen
class GateSettings:
    """How a build is rehearsed; times in seconds.

    A start needs more with more data, so three limits grow with it: each has a base, for empty
    data, and an addition for each GiB of a person's data (`_per_gib`).
    """

    bind_host: str = "0.0.0.0"  # noqa: S104 - as production binds: t3 names its cookie by it
    """Where a serve under rehearsal binds."""
    sandbox: SandboxKind = SandboxKind.AUTO
    """What a rehearsal runs in."""
    soak: float = field(default=90.0, metadata=between(0, 86400))
    """How long a serve must run without an error. The default is longer than the 20 to 82 s after
    which a real nightly ran out of memory."""
    soak_per_gib: float = field(default=30.0, metadata=between(0, 86400))
    """What each GiB of data adds to it: background reads take longer."""
    deadline: float = field(default=30.0, metadata=between(0.001, 86400))
    """For one start of the serve."""
    deadline_per_gib: float = field(default=60.0, metadata=between(0, 86400))
    """What each GiB of data adds to it: a start may copy all data, migrate it and read the event
    log again."""
    stop_limit: float = field(default=30.0, metadata=between(0.001, 86400))
    """For one stop; measured with 1 GB: 1.1 s."""
    tolerance: float = field(default=0.05, metadata=between(0, 1))
    """The share of a table's rows that a migration may clean up."""
    jobs: int = field(default=4, metadata=between(1, 64))
    """How many rehearsals run at a time, if memory and disk have space for them, and no more than
    there are processors; on a loaded host one."""
    node: str = "node"
    """The node that the units run."""
    user: str = "t3safe-gate"
    """The user of rehearsals when t3safe is root and they run outside a unit: it owns nothing."""
    memory_max: int = field(default=2 * 1024**3, metadata=between(64 * 1024**2, 2**50))
    """Bytes of memory for one rehearsal in a unit; a real serve takes up to 305 MB."""
    memory_max_per_gib: int = field(default=2 * 1024**3, metadata=between(0, 2**50))
    """What each GiB of data adds to it: one row may have 95 MB, and t3 holds a page of rows."""
    evidence_keep: int = field(default=20, metadata=between(1, 10000))
    """How many rehearsals' evidence is kept."""


@frozen
class RolloutSettings:
    """How people are moved; times in seconds."""

    bake: float = field(default=600.0, metadata=between(0, 7 * 86400))
    """How long the people who were moved are watched before the build is promoted."""
    bake_interval: float = field(default=60.0, metadata=between(0.1, 86400))
    """The longest time between two looks at one person meanwhile."""
    quiet: float = field(default=900.0, metadata=between(0, 7 * 86400))
    """How long a person must have done nothing to count as idle."""
    attempts_max: int = field(default=3, metadata=between(1, 10))
    """How often a step is tried."""
    verify_deadline: float = field(default=60.0, metadata=between(1, 3600))
    """For a person's first sign-in on a build."""
    verify_grace: float = field(default=10.0, metadata=between(0, 3600))
    """How long the dispatch may still fail once the serve itself answers."""
    verify_stay: float = field(default=3.0, metadata=between(0, 3600))
    """How long the serve's process must stay the same after it."""
    stop_timeout: float = field(default=90.0, metadata=between(1, 3600))
    """For one stop of a serve."""


@frozen
class PressureSettings:
    """When a host is too loaded to move people.

    Percent of time in which programs waited, as the kernel measures it (PSI), or that of the
    container in which t3safe runs. Both the last 10 and the last 60 seconds must be above the
    limit. If it cannot be read, nothing is held up.
    """

    cpu_max: float = field(default=90.0, metadata=between(1, 100))
    """For a processor; 100 holds nothing up."""
    io_max: float = field(default=90.0, metadata=between(1, 100))
    """For the disks; 100 holds nothing up."""
    load_max: float = field(default=4.0, metadata=between(0.1, 10000))
    """The load average for each processor, if the kernel has no PSI."""
    sign_ins: int = field(default=4, metadata=between(1, 64))
    """How many sign-ins are tried at a time in a bake, and no more than there are processors; a
    sign-in costs 1 to 2.4 s of one."""
    loud_days: float = field(default=3.0, metadata=between(0, 3650))
    """From then on every run that is held up says HOST OVERLOADED."""


@frozen
class RetentionSettings:
    """What is kept: for each person, builds beside those in use, and runs in the journal."""

    snapshots: int = field(default=6, metadata=between(1, 1000))
    """For each person; quarantines count separately, and one way back to each build stays."""
    snapshot_bytes: int = field(default=20 * 1024**3, metadata=between(0, 2**60))
    """For each person."""
    builds: int = field(default=1, metadata=between(0, 100))
    """Beside those in use and last-good."""
    journal_days: int = field(default=400, metadata=between(30, 36500))
    """How long the journal keeps the steps of a run that is over; the newest 30 keep theirs."""


@frozen
class DispatchSettings:
    """What the host's dispatch knows; each cookie is a regular expression for the whole name.

    An empty list is learned from the sign-ins through the dispatch, at `t3safe adopt` and each
    night. Before the first sign-in it holds what t3 has used so far.

    Without a dispatch (`verify`) only `paths` count: where a serve itself may accept a credential.
    """

    header: str = "X-authentik-username"
    """The header that tells the dispatch who signs in."""
    paths: tuple[str, ...] = ()
    """The paths of a serve at which it exchanges a credential."""
    cookies: tuple[str, ...] = ()
    """The names of session cookies that it forwards."""
    protocols: tuple[int, ...] = ()
    """The protocols of t3's web socket that it passes on: 1, and 2 where the query of a request
    (`?orchestrationProtocol=2`) reaches the serve."""


@frozen
class ServiceSettings:
    """What starts and stops the serves.

    `unit` is for systemd, the host's or a person's own (`systemd-user`).  `start`, `stop`, `status`
    and `timeout` are for commands of your own.  The rest is for plain processes: `command` and
    `environment` may hold `{person}`, `{base}`, `{port}` and `{t3}`; `ports` gives each person's
    port, `launchers` each person's `t3`.
    """

    manager: Manager = Manager.SYSTEMD
    """What starts and stops the serves."""
    unit: str = "t3-serve@{person}.service"
    """The unit of a person's serve."""
    start: tuple[str, ...] = ()
    """The command that starts a person's serve; may hold `{person}`, as the next two may."""
    stop: tuple[str, ...] = ()
    """The command that stops it; it may take `rollout.stop_timeout`."""
    status: tuple[str, ...] = ()
    """The command that prints its status. If the serve runs, it ends with 0 and prints the main
    process on its first line (and, after a space, when it started). If not, it ends with 3."""
    timeout: float = field(default=60.0, metadata=between(0.1, 3600))
    """Seconds for `start` and `status`, and for a started serve until it runs."""
    command: tuple[str, ...] = ()
    """The command of a person's serve."""
    environment: dict[str, str] = field(factory=dict)
    """What it finds in its environment."""
    ports: dict[str, int] = field(factory=dict)
    """Each person's port."""
    run_dir: Path = Path("/run/t3safe")
    """Where process ids are kept."""
    agents: tuple[str, ...] = ("claude", "codex", "opencode")
    """Programs below a serve that mean that its person is busy."""


@frozen
class HookSettings:
    """The host owner's own programs before and after what t3safe does."""

    folder: Path = Path("/etc/t3safe/hooks")
    """Executables in its `before-run.d`, `after-run.d`, `before-canary.d`, `after-canary.d`,
    `before-rollback.d` and `after-rollback.d` are called then, in the order of their names."""
    timeout: float = field(default=60.0, metadata=between(0.1, 3600))
    """Seconds for one of them, which is killed then."""


@frozen
class NotifySettings:
    """The destinations and causes of notifications; needs `t3safe[notify]`.

    A notice is not sent again until it changed, or went and came back.
    """

    urls: tuple[str, ...] = field(default=(), repr=False)
    """Destinations: URLs of Apprise. They are secrets: let no other user read the file."""
    urls_file: Path | None = None
    """The same from a file, one per line, that only the user of t3safe may read (0600)."""
    on: tuple[Cause, ...] = tuple(Cause)
    """The causes to notify of."""
    timeout: float = field(default=20.0, metadata=between(1, 300))
    """Seconds for all of them together, at the end of a run."""

    @property
    def wanted(self) -> bool:
        """Whether there is a destination."""
        return bool(self.urls) or self.urls_file is not None


@frozen
class FleetSettings:
    """The fleet that this host belongs to; needs `t3safe[fleet]`.

    Without this table the host belongs to no fleet. With it, `run` and `drain` ask the fleet before
    they move anybody; a rollback, a recovery, a check and a bake never do.
    """

    endpoints: tuple[str, ...]
    """The client URLs of etcd, such as `https://etcd1.example.org:2379`; one that answers is
    enough."""
    name: str
    """The fleet's name."""
    ring: str
    """The ring of the fleet's policy that this host is in."""
    host: str = ""
    """This host's name in the fleet; empty: the host name, in lower case."""
    credentials: Path | None = None
    """This host's user in etcd: a TOML file with `user` and `password`, mode 0600, owned by the
    user of t3safe or by root. Empty: etcd asks for no user."""
    ca: Path | None = None
    """The certificates that etcd's certificate must come from (PEM); empty: the system's."""
    connect: float = field(default=2.0, metadata=between(0.1, 60))
    """Seconds to connect to an endpoint."""
    answer: float = field(default=5.0, metadata=between(0.1, 300))
    """Seconds for an endpoint's answer."""
    total: float = field(default=15.0, metadata=between(0.1, 600))
    """Seconds for one request over all endpoints."""


@frozen
class Settings:
    """Everything that can be set.  Paths are absolute."""

    scope: Scope = Scope.SYSTEM
    """Whose serves t3safe manages: all on a host, or the caller's own. A person's own scope has
    other defaults, see single-user.md."""
    track: Track = Track.NIGHTLY
    """Which channel is followed."""
    pin: str = ""
    """The one version to be on; empty follows the track."""
    freeze_file: Path = Path("/etc/t3-autoupdate.freeze")
    """While this file exists, no one is moved."""
    state_dir: Path = Path("/var/lib/t3-autoupdate")
    """The journal, the evidence, last-good and the lock."""
    backup_dest: Path = Path("/var/backups/t3-state")
    """Snapshots, one folder per person."""
    smoke_port: int = field(default=3799, metadata=between(0, 65535))
    """Where a serve under rehearsal listens, in a network of its own."""
    dispatch: str = "127.0.0.1:3780"
    """Host and port."""
    verify: Verify = Verify.DISPATCH
    """How sign-ins are verified; `direct` if there is no dispatch before the serves, `command` if
    only a program of the host can verify them."""
    verify_command: tuple[str, ...] = ()
    """That program and its words, for `command`; may hold `{person}` and `{build}`. It ends with 0
    if the person can sign in, with 75 if it could not try, with any other status if they cannot;
    its last line is the reason."""
    verify_timeout: float = field(default=30.0, metadata=between(0.1, 3600))
    """Seconds for each call; it is killed then."""
    user_map: Path = Path("/etc/ttyd-user-map")
    """The users of logins: lines of `login=os_user`."""
    dry_run: bool = False
    """Let `run` only rehearse."""
    tmpdir: Path = Path("/var/tmp")  # noqa: S108 - on disk: /tmp is often too small for databases
    """The folder of rehearsals' scratch directories, on disk: they hold copies of databases."""
    backup_timeout: float = field(default=900.0, metadata=between(1, 86400))
    """Seconds for one copy of a person's data."""

    store: Path = Path("/opt/t3safe")
    """The builds, and the link of each person."""
    launcher: Path | None = Path("/usr/bin/t3")
    """The `t3` of the host; empty if there is none."""
    base_dir: str = BASE_TEMPLATE
    """A person's data; `{person}` stands for the name."""
    admin: str = "wizard"
    """The person who is moved last."""
    npm: str = "npm"
    """The command."""
    registry: str = ""
    """The registry's address, for commands by hand and for timers. Empty: what npm is set to; on a
    host with systemd without root's own npmrc, which the units cannot see."""
    npm_user: str = "t3safe-npm"
    """The user of npm and install scripts when t3safe is root: it owns nothing."""
    npm_node_headers: Path | None = None
    """The folder whose `include/node` holds node's headers, for modules that are compiled. Empty:
    the node's own prefix, then `/usr`, as far as their version fits."""
    npm_script_network: bool = False
    """Whether install scripts see the host's network; node-gyp fetches node's headers if they are
    not installed. The dispatch on the loopback trusts every program that connects to it."""
    isolation: Isolation = Isolation.AUTO
    """How npm and people's workers are isolated."""
    npm_free_bytes: int = field(default=2 * 1024**3, metadata=between(0, 2**50))
    """What must be free before npm is started."""
    t3: str = "/usr/bin/t3"
    """The command that runs serves and mints; may hold `{person}` if people share a user."""
    shared_user: bool = False
    """Whether all people are this one OS user (containers, the embedded host)."""

    metrics_file: Path | None = None
    """The metrics file for Prometheus' textfile collector; empty writes none."""

    policy: PolicySettings = field(factory=PolicySettings)
    gate: GateSettings = field(factory=GateSettings)
    rollout: RolloutSettings = field(factory=RolloutSettings)
    pressure: PressureSettings = field(factory=PressureSettings)
    retention: RetentionSettings = field(factory=RetentionSettings)
    dispatch_knows: DispatchSettings = field(factory=DispatchSettings)
    services: ServiceSettings = field(factory=ServiceSettings)
    hooks: HookSettings = field(factory=HookSettings)
    notify: NotifySettings = field(factory=NotifySettings)
    fleet: FleetSettings | None = None
