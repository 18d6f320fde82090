"""Hosts for the tests of use cases: ports that fail where they are told to, and written runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import define, evolve, field, frozen

from fakes.world import EPOCH, NEW, OLD, FakePerson, World, host, version
from fakes.world.fakeports import FakeBuilds
from t3safe.domain import events as ev
from t3safe.domain.errors import PortError
from t3safe.domain.hook_events import HookEvent, Moment
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Status
from t3safe.domain.policy import Skip
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.domain.versions import Version
from t3safe.rules import AlwaysPermitted
from t3safe.simulation.journal import MemoryJournal
from t3safe.usecases.host import Host

GONE: Final = version("0.0.27")
"""A build that the store of no world holds."""
LOST: Final = "their link leads to 0.0.27, which is gone"
"""What the world says of a link to it."""


@frozen
class PartlyFailing:
    """A port of which these methods fail, for `only` alone where it names a person."""

    port: object
    errors: Mapping[str, PortError]
    only: str = ""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of any port
        works, error = getattr(self.port, name), self.errors.get(name)
        if error is None:
            return works

        def fails(*given: object, **named: object) -> object:
            if self.only and self.only not in given:
                return works(*given, **named)
            raise error

        return fails


def failing(wired: Host, port: str, only: str = "", /, **errors: PortError) -> Host:
    """Let these methods of a port fail; the ports of the engine stay as they are."""
    broken = PartlyFailing(getattr(wired.ports, port), errors, only)
    return evolve(wired, ports=evolve(wired.ports, **{port: broken}))


@define(eq=False)
class WrittenRuns(MemoryJournal):
    """A journal that holds these records, the newest first; `open_run` is unfinished."""

    records: tuple[RunRecord, ...] = field(default=())
    open_run: str | None = None

    def runs(self) -> Iterable[RunRecord]:
        """Yield every run, newest first."""
        self._usable()
        return iter(self.records)

    def unfinished(self) -> str | None:
        """The run that is open."""
        self._usable()
        return self.open_run


@define
class OwnerHooks:
    """Hooks that note their calls; those of a moment can fail, or all raise; `does` is work."""

    fails: dict[Moment, str] = field(factory=dict)
    raises: Exception | None = None
    does: Callable[[HookEvent], None] = lambda _: None
    called: list[HookEvent] = field(factory=list)

    def call(self, hook_event: HookEvent) -> str:
        """Call the hooks of this moment."""
        self.called.append(hook_event)
        self.does(hook_event)
        if self.raises is not None:
            raise self.raises
        return self.fails.get(hook_event.moment, "")


@frozen
class NotedPermit(AlwaysPermitted):
    """A permit that says this, and notes which plans it was asked about."""

    says: Skip | None = None
    plans: list[ev.Plan] = field(factory=list)

    def may_start(self, plan: ev.Plan) -> Skip | None:
        """Say why the plan may not start."""
        self.plans.append(plan)
        return self.says


def record(
    run: str,
    *moves: tuple[str, Status],
    kind: ev.Kind = ev.Kind.RUN,
    outcome: ev.Outcome | None = ev.Outcome.PROMOTED,
    old: Version = OLD,
    new: Version = NEW,
    hours: float = 0,
) -> RunRecord:
    """Write the record of a run that was opened so many hours after the epoch.

    It took one minute, or is unfinished where there is no outcome.
    """
    opened = EPOCH + timedelta(hours=hours)
    return RunRecord(
        run=run,
        kind=kind,
        candidate=new,
        opened=opened,
        ended=ev.Ended(outcome, f"{run} says why") if outcome is not None else None,
        closed=opened + timedelta(minutes=1) if outcome is not None else None,
        moves=tuple(
            MoveRecord(run, kind, opened, person, old, new, status, f"{person} is {status}")
            for person, status in moves
        ),
    )


def lose_link(world: World, name: str) -> FakePerson:
    """Let a person's link lead to a build that is gone."""
    person = world.people[name]
    person.link = GONE
    return person


def move_by_hand(world: World, *names: str) -> None:
    """Let people run NEW without a run; `before` is their at-rest snapshot of OLD."""
    world.store.add(NEW)
    states = host(world).ports.personal_data
    for name in names:
        world.halt(name)
        states.snapshot(name, "before", SnapshotKind.REST, OLD)
        world.people[name].link = NEW
        assert world.launch(name)


@frozen
class AskedBuilds(FakeBuilds):
    """A store that has to be asked about a build, and about nothing else."""

    def schema(self, build: Version) -> SetLedger | None:
        """What it knows."""
        return super().schema(Version.parse(build.text))
