"""Takes one host through one place: struck, recovered, judged, and used again.

1. A host with everybody at work, gone on with from a prepared folder.
2. The command, struck.  A fault that lets it live ends it in its own way.
3. The judge looks, before anybody fixes anything.
4. Killed: `t3safe recover` (struck too where the place says so).  A disk that was full or ill is
   well again: `t3safe recover`, and what the command advised.
5. The judge looks: nobody is stranded, status, history and disk say the same.
6. A newer good release is on offer: the next run must take everybody there, and leave no litter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen
from filelock import FileLock

from fakes.embedded import CommandResult, EmbeddedHost
from fakes.kills import hook, judge
from fakes.kills.people import Crew
from fakes.kills.places import Blow, KillFault, KillPlace, KillScenario, RecordedStep, steps_of

REPOSITORY: Final = Path(__file__).parents[2]
LAUNCH: Final = (sys.executable, "-m", "fakes.kills.launcher")
CONFIG: Final = {
    "gate.soak": 0.05,
    "rollout.bake": 0.1,
    "rollout.bake_interval": 0.1,
    "rollout.verify_grace": 0.5,
    "rollout.verify_stay": 0.1,
}
ROOMY: Final = (512 * 1024**2, 100_000)
"""The limits of a file system with room, in bytes and in files."""
KILLED: Final = -9
SECONDS: Final = 240.0
"""No command takes longer here unless it hangs."""
_ILL: Final = re.compile(
    r"[Nn]o space left|disk is full|disk I/O error|([KMG]i)?B free|make room"
    r"|the serve of \S+ (ended|does not run)"
)
"""What is said of an ill disk; why a serve ended stands in its own log."""
_ADVICE: Final = re.compile(r"then `t3safe (rollback \S+ --to \S+ --force)`")


@frozen
class KillReport:
    """How one place went: what was struck, how it ended, and the violations that were seen."""

    place: str
    struck: str
    outcome: str
    found: tuple[str, ...]
    seconds: float
    said: str = ""


@frozen
class Prepared:
    """Folders of hosts to go on with, each made once below `root`, by whoever needs it first."""

    root: Path

    def folder(self, scenario: KillScenario, *, staged: bool) -> Path:
        """Give the folder of a scenario, with the candidate in the store or without."""
        folder = self.root / f"{scenario.name}-{'staged' if staged else 'bare'}"
        if not folder.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not folder.exists():
                    self._make(scenario, folder, staged=staged)
        return folder

    def _make(self, scenario: KillScenario, folder: Path, *, staged: bool) -> None:
        site = self.root / f"{folder.name}.site"
        site.mkdir()
        with EmbeddedHost(
            site, scenario.residents, level=scenario.old.schema, config=dict(CONFIG)
        ) as host:
            host.adopt(scenario.old)
            host.publish(scenario.offer, tag="nightly")
            if scenario.moved:
                _first_run(host, scenario)
            elif staged:
                host.stage(scenario.offer)
            made = folder.with_name(folder.name + ".new")
            host.pack(made)
        # npm's address is asked again, and the lock is nobody's.
        for name in ("registry.json", "lock"):
            (made / "state" / name).unlink(missing_ok=True)
        made.rename(folder)
        shutil.rmtree(site)


def _first_run(host: EmbeddedHost, scenario: KillScenario) -> None:
    if scenario.busy:
        client = host.client(scenario.busy)
        client.sign_in()
        client.turn("start")
        _ended_well(host.t3safe("run"))
        client.turn("finish")
    else:
        _ended_well(host.t3safe("run"))


def _ended_well(said: CommandResult) -> None:
    if said.status != 0:
        message = f"the host cannot be prepared: {said}"
        raise AssertionError(message)


def strike(place: KillPlace, prepared: Prepared, root: Path, *, again: bool = True) -> KillReport:
    """Take a host below `root`, a new folder, through a place; `again` uses it once more."""
    begun = time.monotonic()
    root.mkdir()
    with ExitStack() as stack:
        stack.callback(remove, root)
        disks = Disks(root, place.disk)
        stack.enter_context(disks)
        host = stack.enter_context(
            furnished(place.scenario, root, prepared, staged=not place.early)
        )
        crew = stack.enter_context(Crew.of(host.people, host.client))
        trial = Trial(place, host, crew, disks)
        trial.run()
        if again:
            trial.use_again()
    return KillReport(
        place=str(place),
        struck=trial.struck,
        outcome=trial.outcome,
        found=tuple(trial.found),
        seconds=time.monotonic() - begun,
        said="\n".join(trial.said),
    )


def trace(scenario: KillScenario, prepared: Prepared, root: Path) -> tuple[RecordedStep, ...]:
    """Tell every record of a scenario's command that nothing strikes, and what changes between."""
    root.mkdir()
    with ExitStack() as stack:
        stack.callback(remove, root)
        host = stack.enter_context(furnished(scenario, root, prepared, staged=False))
        stack.enter_context(Crew.of(host.people, host.client))
        launch(host, None, *scenario.command, trace=root / "trace")
        return tuple(steps_of((root / "trace").read_text(encoding="utf-8")))


@contextmanager
def furnished(
    scenario: KillScenario, root: Path, prepared: Prepared, *, staged: bool = True
) -> Iterator[EmbeddedHost]:
    """Give a host gone on with below `root`, with its serves up and its candidate on offer."""
    folder = prepared.folder(scenario, staged=staged)
    shutil.copytree(folder, root, symlinks=True, dirs_exist_ok=True)
    with EmbeddedHost(
        root, scenario.residents, level=scenario.old.schema, config=dict(CONFIG)
    ) as host:
        host.publish(scenario.old)
        host.publish(scenario.offer, tag="nightly")
        host.start_serves()
        yield host


def scene_of(host: EmbeddedHost, scenario: KillScenario) -> judge.JudgedHost:
    """Tell the judge of a host."""
    proven = {scenario.old.version} | ({scenario.offer.version} if scenario.moved else set())
    return judge.JudgedHost(
        root=host.root,
        people=host.people,
        url=host.dispatch.url,
        schemas=scenario.schemas,
        proven=frozenset(proven),
    )


def launch(
    host: EmbeddedHost, blow: Blow | None, *arguments: str, trace: Path | None = None
) -> CommandResult:
    """Run the real command line, struck by a blow."""
    spec: dict[str, Any] = {
        "root": str(host.root),
        "trace": str(trace or ""),
        "spot": blow.spot if blow else {"when": "", "label": ""},
        "blow": None,
    }
    if blow is not None:
        spec["blow"] = {
            "fault": blow.fault.value,
            "mark": str(host.root / "struck"),
            "mount": str(Disks.mount(host.root, blow.disk)),
        }
    ended = subprocess.run(
        [*LAUNCH, json.dumps(spec), "--config", str(host.config_file), *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        env=host.environment | {"PYTHONPATH": str(REPOSITORY)},
        cwd=host.root,
    )
    return CommandResult(ended.returncode, ended.stdout, ended.stderr)


@define
class Disks:
    """The file systems of a host: with `disk` that one is a small one of its own, to be filled."""

    root: Path
    disk: str

    @staticmethod
    def mount(root: Path, disk: str) -> Path:
        """Where a disk is mounted."""
        return root if disk in {"", "all"} else root / disk

    def __enter__(self) -> Disks:
        if self.disk:
            place = self.mount(self.root, self.disk)
            place.mkdir(exist_ok=True)
            size, names = ROOMY
            limits = f"size={size},nr_inodes={names}"
            subprocess.run(["mount", "-t", "tmpfs", "-o", limits, "kills", place], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.disk:
            place = self.mount(self.root, self.disk)
            subprocess.run(["umount", "--lazy", place], check=False)

    def make_room(self) -> None:
        """Let the disk have room again."""
        if self.disk:
            hook.remount(str(self.mount(self.root, self.disk)), *ROOMY)


@define
class Trial:
    """One place on one host, as far as it has come."""

    place: KillPlace
    host: EmbeddedHost
    crew: Crew
    disks: Disks
    found: list[str] = field(factory=list)
    said: list[str] = field(factory=list)
    struck: str = ""
    outcome: str = ""
    scene: judge.JudgedHost = field(init=False)
    before: judge.HostBefore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.scene = scene_of(self.host, self.place.scenario)
        self.before = judge.remember(self.scene)

    def run(self) -> None:
        """Go through all of it; what is wrong is in `found`."""
        ended = self.command(self.place.first, *self.place.scenario.command, "--json")
        self._expect_struck(self.place.first, ended)
        self._see(judge.at_once(self.scene, self.before, self.crew.acknowledged()), "struck")
        if ended.status == KILLED:
            ended = self._recovered()
        self.outcome = str(_result(ended).get("outcome", "")) or f"status {ended.status}"
        if self.place.first.fault in {KillFault.FULL, KillFault.JOURNAL}:
            self._after_ill(ended)
        else:
            self._see(self._settled(self._told(ended)), "settled")

    def command(self, blow: Blow | None, *arguments: str) -> CommandResult:
        """Run a command, struck where a blow says so, and keep what it said."""
        ended = launch(self.host, blow, *arguments) if blow else self.host.t3safe(*arguments)
        self.said.append(f"$ t3safe {' '.join(arguments)}\n{ended.err}{ended.out}[{ended.status}]")
        if "Traceback" in ended.err:
            self.found.append(f"I6 a traceback of {arguments[0]}: {ended.err[-300:]}")
        return ended

    def _expect_struck(self, blow: Blow, ended: CommandResult) -> None:
        mark = self.host.root / "struck"
        if not mark.exists():
            self.found.append(f"HARNESS {blow} was never reached: status {ended.status}")
            return
        self.struck = mark.read_text(encoding="utf-8").splitlines()[-1]
        mark.unlink()
        dies = blow.fault in {KillFault.KILL, KillFault.KILL_ALONE}
        if dies != (ended.status == KILLED):
            self.found.append(f"HARNESS {blow}: status {ended.status}")

    def _see(self, found: Iterable[str], when: str) -> None:
        self.found += [f"{line} [{when}]" for line in found]

    def _recovered(self) -> CommandResult:
        for blow in self.place.blows[1:]:
            ended = self.command(blow, "recover", "--json")
            self._expect_struck(blow, ended)
            self._see(judge.at_once(self.scene, self.before, self.crew.acknowledged()), "again")
        return self.command(None, "recover", "--json")

    def _told(self, ended: CommandResult, *, ill: bool = False) -> judge.ReportedEnd:
        history = self.host.t3safe("history", "--json", "-n", "1000")
        records = json.loads(history.out)["history"] if history.status == 0 else []
        disk = self.place.disk if ill else ""
        journal = ill and (self.place.first.fault is KillFault.JOURNAL or disk in {"state", "all"})
        return judge.ReportedEnd(
            status=ended.status,
            result=_result(ended),
            history=records,
            homes_full=disk in {"home", "all"},
            journal_ill=journal,
            complaint=ended.err,
        )

    def _settled(self, told: judge.ReportedEnd) -> list[str]:
        return judge.settled(self.scene, self.before, self.crew.acknowledged(), told)

    def _after_ill(self, ended: CommandResult) -> None:
        """While a disk is ill nobody is stranded in silence; once it is well all are helped."""
        told = self._told(ended, ill=True)
        self._see(self._settled(told), "ill")
        self._see(_unsaid(ended, told, judge.look(self.scene)), "ill")
        self.disks.make_room()
        self.command(None, "recover", "--json")
        for advice in set(_ADVICE.findall("\n".join(self.said))):
            helped = self.command(None, *advice.split(), "--yes", "--json")
            if helped.status != 0:
                self.found.append(f"UNUSABLE the advice `t3safe {advice}` ends {helped.status}")
        # A serve that died of the full disk is the service manager's to start, or the human's.
        if told.homes_full:
            self.host.start_serves()
        self._see(self._settled(self._told(CommandResult(0, "", ""))), "well again")

    def use_again(self) -> None:
        """See that the host is of use: everybody gets a newer good release."""
        if self.host.freeze_file.exists():
            self.command(None, "thaw")
        self.host.publish(self.place.scenario.last, tag="nightly")
        ended = self.command(None, "run", "--json")
        self.crew.rest()
        result = _result(ended)
        if result.get("outcome") != "promoted":
            self.found.append(f"UNUSABLE the next run ended with {ended.status}: {result}")
        found = judge.at_once(self.scene, self.before, self.crew.acknowledged())
        now = judge.look(self.scene)
        left = [
            name for name in self.host.people if now[name].build != self.place.scenario.last.version
        ]
        if left:
            found.append(f"UNUSABLE the next run left {', '.join(left)} behind")
        self._see(found + judge.tidy(self.scene), "next run")


def _unsaid(
    ended: CommandResult, told: judge.ReportedEnd, now: Mapping[str, judge.Stands]
) -> Iterator[str]:
    """See that what the disk kept from being done, and to whom, was said."""
    words = ended.out + ended.err
    outcome = told.result.get("outcome")
    # A canary that breaks is taken back whether there is room or not.
    if ended.status not in {0, 13} and not _ILL.search(words):
        yield f"I6 {outcome or ended.status}, and nothing says that the disk is ill"
    for person, stands in now.items():
        if not stands.settled and person not in words:
            yield f"I6 {person} is left in between and not named"


def _result(ended: CommandResult) -> Mapping[str, Any]:
    """Read the document that `--json` prints; empty where there is none."""
    with suppress(ValueError, KeyError):
        result: dict[str, Any] = json.loads(ended.out)["result"]
        return result
    return {}


def remove(root: Path) -> None:
    """Take a host's folder away; sealed builds are read-only, folders too.

    What was killed a moment ago may still put a last file there, so it is tried again.
    """
    for _ in range(10):
        for folder, _, _ in os.walk(root):
            with suppress(OSError):
                os.chmod(folder, 0o700)
        shutil.rmtree(root, ignore_errors=True)
        if not root.exists():
            return
        time.sleep(0.1)
