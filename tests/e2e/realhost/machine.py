"""The host in its container, as a test drives it: from outside, through `docker exec` alone."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from fakes.packages import FakeRelease, release_like
from t3safe.domain.messages import ALERT_WORDS

OLD: Final = release_like("0.0.25-nightly.20260602.440", schema=30)
NEW: Final = release_like("0.0.25-nightly.20260608.497")
PEOPLE: Final = ("ann", "ben")
IDENTIFIERS: Final = ("t3-autoupdate", "t3-migrate-idle", "t3-watchdog")
DOCKER: Final = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


@frozen
class HostCommand:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str = ""


@frozen
class PersonState:
    """How a person stands, as `fakes.guest` reads it."""

    link: str
    ledger: tuple[tuple[int, str], ...]
    rows: Mapping[str, int]
    pid: int
    runs: str

    @property
    def build(self) -> str:
        """The version that is selected, `fence` while fenced."""
        return self.link.rpartition("/")[2]

    @property
    def level(self) -> int:
        """The highest migration of the ledger."""
        return self.ledger[-1][0] if self.ledger else 0


@define
class HostContainer:
    """A container that runs the host image."""

    container: str
    people: tuple[str, ...] = PEOPLE
    _mark: str = field(default="", init=False)

    # Talking to it.

    def run(
        self, *words: str, user: str = "", check: bool = True, given: str = "", **env: str
    ) -> HostCommand:
        """Run a command in it."""
        options = [f"--env={name}={value}" for name, value in env.items()]
        options += [f"--user={user}"] if user else []
        ran = subprocess.run(
            [DOCKER, "exec", "-i", *options, self.container, *words],
            input=given,
            capture_output=True,
            encoding="utf-8",
            # A person's files may hold anything.
            errors="replace",
            timeout=110,
            check=False,
        )
        if check and ran.returncode:
            raise AssertionError(f"{words}: status {ran.returncode}: {ran.stdout}{ran.stderr}")
        return HostCommand(ran.returncode, ran.stdout, ran.stderr)

    def sh(self, script: str, *, user: str = "", check: bool = True) -> HostCommand:
        """Run a shell script in it."""
        return self.run("sh", "-euc", script, user=user, check=check)

    def do(self, *steps: tuple[str, dict[str, Any]]) -> list[Any]:
        """Let `fakes.guest` do these steps, in one go."""
        said = self.run(
            *("python3", "-B", "-m", "fakes.guest"),
            given=json.dumps(steps),
            PYTHONPATH="/opt/fakes",
        )
        answers: list[Any] = json.loads(said.out)
        return answers

    def t3safe(self, *words: str, **env: str) -> HostCommand:
        """Run one command of `t3safe` as root."""
        return self.run("t3safe", *words, check=False, **env)

    def night(self) -> HostCommand:
        """Let the unit of the timer run; what it said stands in the log."""
        return self._unit("t3-autoupdate.service")

    def drain(self) -> HostCommand:
        """Let the unit of the other timer run."""
        return self._unit("t3-migrate-idle.service")

    def _unit(self, unit: str) -> HostCommand:
        script = (
            f"systemctl start {unit} || true; "
            f"systemctl show -p ExecMainStatus --value {unit}; "
            f"journalctl -q -o cat -t t3-autoupdate -t t3-migrate-idle "
            f"_SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value {unit})"
        )
        status, _, log = self.sh(script).out.partition("\n")
        return HostCommand(int(status), log)

    # What it is like.

    def look(self, *people: str) -> dict[str, PersonState]:
        """How people stand now."""
        (found,) = self.do(("look", {"people": people or self.people}))
        return {
            name: PersonState(
                body["link"],
                tuple((number, text) for number, text in body["ledger"]),
                body["rows"],
                body["pid"],
                body["runs"],
            )
            for name, body in found.items()
        }

    def sign_in(self, person: str) -> dict[str, Any]:
        """Sign in as a person through the dispatch, and work once."""
        (found,) = self.do(("sign_in", {"login": person}))
        body: dict[str, Any] = found
        return body

    def read(self, path: str) -> str:
        """What a file holds, empty where it is not there."""
        return self.run("cat", path, check=False).out

    def last_good(self) -> str:
        """The build that was promoted last."""
        return self.read("/var/lib/t3-autoupdate/last-good").strip()

    def journal(self, identifier: str = "t3-autoupdate") -> str:
        """What the journal holds under an identifier since the test began."""
        words = ("-q", "-o", "cat", f"--since=@{self._mark}", f"--identifier={identifier}")
        return self.run("journalctl", *words).out

    def frozen(self) -> bool:
        """Whether the freeze file is there."""
        return self.run("test", "-e", "/etc/t3-autoupdate.freeze", check=False).status == 0

    def alerts(self) -> set[str]:
        """The alert words that the journal holds under the identifiers since the test began."""
        names = [f"--identifier={name}" for name in IDENTIFIERS]
        log = self.run("journalctl", "-q", "-o", "cat", f"--since=@{self._mark}", *names).out
        return {word for word in ALERT_WORDS if word in log}

    # Changing it.

    def publish(self, release: FakeRelease, tag: str = "nightly") -> None:
        """Publish a release and let a tag point at it."""
        self.do(published(release, tag))

    def configure(self, **changes: object) -> None:
        """Add keys to the configuration; `table__key` stands for one of a table."""
        lines: dict[str, list[str]] = {}
        for name, value in changes.items():
            table, _, key = name.rpartition("__")
            lines.setdefault(table, []).append(f"{key} = {json.dumps(value)}")
        text = self.read("/etc/t3safe/config.toml")
        for table, added in lines.items():
            keys = {line.partition(" ")[0] for line in added}
            kept = [line for line in text.splitlines() if line.partition(" ")[0] not in keys]
            if table and f"[{table}]" not in kept:
                kept.append(f"[{table}]")
            at = kept.index(f"[{table}]") + 1 if table else 0
            text = "\n".join([*kept[:at], *added, *kept[at:]]) + "\n"
        self.run("tee", "/etc/t3safe/config.toml", given=text)

    def unstage(self) -> None:
        """Take NEW out of the store, so that npm has to install it."""
        self.run("rm", "-r", f"/opt/t3safe/builds/{NEW.version}")

    def map_users(self, *lines: str) -> None:
        """Write the user map."""
        self.run("tee", "/etc/ttyd-user-map", given="".join(f"{line}\n" for line in lines))

    def reset(self, people: tuple[str, ...] = PEOPLE) -> None:
        """Go back to the host as it was adopted, with these people and NEW on offer."""
        self.people = people
        lines = "".join(f"{name}@example.org={name}\n" for name in people)
        self.do(
            ("restore", {"running": people, "user_map": lines}),
            published(OLD, "old"),
            published(NEW, "nightly"),
        )
        self._mark = f"{time.time():.6f}"

    def restart(self, running: tuple[str, ...] = ()) -> None:
        """Kill the container as a power cut would, start it again, and wait for these serves."""
        for words in (("kill",), ("start",)):
            subprocess.run([DOCKER, *words, self.container], check=True, capture_output=True)
        self.wait_until_up()
        self.do(*(("wait_for", {"person": name}) for name in running))

    def wait_until_up(self) -> None:
        """Wait until systemd has started everything that it starts."""
        deadline = time.monotonic() + 60
        state = ""
        while time.monotonic() < deadline:
            state = self.run("systemctl", "is-system-running", check=False).out.strip()
            if state in {"running", "degraded"}:
                return
            time.sleep(0.1)
        raise TimeoutError(f"the host is {state or 'not up'}")


def inhabit(host: HostContainer, people: tuple[str, ...], old: FakeRelease = OLD) -> None:
    """Let these people run a release, installed for everybody by npm, as before t3safe came."""
    host.wait_until_up()
    host.do(published(old, "nightly"), ("move_in", {"people": {name: {} for name in people}}))
    host.run("npm", "install", "--global", f"t3@{old.version}")
    host.map_users(*(f"{name}@example.org={name}" for name in people))
    host.do(("start", {"people": list(people)}))


def take_over(host: HostContainer, people: tuple[str, ...], old: FakeRelease = OLD) -> None:
    """Take the host over as an administrator does, with these people on a release."""
    inhabit(host, people, old)
    host.run("t3safe", "units", "install")
    host.run("t3safe", "adopt", old.version)


def stage(host: HostContainer) -> None:
    """Install NEW beforehand, as `t3safe check` does, and forget that it was ever looked at.

    Most nights here are about what comes after npm; those that are about npm `unstage` it.
    """
    host.do(published(NEW, "nightly"))
    host.sh(
        f"cp -a /var/lib/t3-autoupdate /tmp/state; t3safe check {NEW.version};"
        " rm -rf /var/lib/t3-autoupdate; mv /tmp/state /var/lib/t3-autoupdate;"
        " rm -rf /var/backups/t3-state"
    )


def published(release: FakeRelease, tag: str) -> tuple[str, dict[str, Any]]:
    """Give the step that publishes a release."""
    fields = {
        name: getattr(release, name)
        for name in (
            *(
                "version",
                "schema",
                "pairing",
                "cookie",
                "faults",
                "orchestration",
                "native",
                "layout",
                "platform_fault",
                "compiled",
            ),
            *("start_time", "listen_window", "command_time", "quiet_migrations", "scripts"),
        )
    }
    return ("registry", {"command": "publish", "release": fields, "tag": tag})


def script_until(words: str) -> str:
    """Give a script that begins a run and returns once it has said these words, or has ended."""
    quoted = words.replace("'", "'\\''")
    said = f"journalctl -q -o cat -t t3-autoupdate --since=@$begun | grep -q '{quoted}'"
    return (
        f"begun=$(date +%s.%N); systemctl start --no-block t3-autoupdate; sleep 0.2;"
        f" until {said} || [ $(systemctl show -p ActiveState --value t3-autoupdate) = inactive ];"
        " do :; done"
    )


def project() -> str:
    """Name the compose project of this process; two test runs, or two workers, share nothing."""
    return f"t3safe{os.getpid()}"
