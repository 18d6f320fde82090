"""What a command does that finds the journal damaged, and what it then says and leaves alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pytest
from attrs import define, field

from fakes.world import EPOCH, NEW, OLD, Defect, World, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedJournalError, ServiceError
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.policy import SkipReason
from t3safe.domain.ports import SetAside
from t3safe.usecases.damaged_journal import JournalRepair
from t3safe.usecases.host import Host, Result
from tests.unit.usecases.hosts import failing

TORN: Final = "the file is torn"
ASIDE: Final = (
    "JOURNAL SET ASIDE ({}): kept as /var/journal-damaged, a new one is begun;"
    " 3 verdicts on builds were saved"
)
LOST: Final = ", others could not be read: builds that were refused may be tried again"
ORDINARY: Final = "the journal was set aside; no one was moved, and the next run is an ordinary one"
MOVED: Final = Result(ev.Outcome.MOVED, "ann was moved")


@define
class File:
    """A journal's file with this damage; it is sound once it was set aside."""

    damage: str = ""
    complete: bool = True
    set_aside_at: list[datetime] = field(factory=list)

    def complaint(self) -> str:
        """Say what is damaged."""
        return self.damage

    def set_aside(self, at: datetime) -> SetAside:
        """Begin a new file."""
        self.set_aside_at.append(at)
        self.damage = ""
        return SetAside("/var/journal-damaged", 3, self.complete)


@define
class Command:
    """A use case that finds the damage itself, as often as it is said to, and then moves people."""

    finds: list[str] = field(factory=list)
    calls: int = 0

    def __call__(self) -> Result:
        """Move people."""
        self.calls += 1
        if self.finds:
            raise DamagedJournalError(self.finds.pop())
        return MOVED


@define
class Repair:
    """The repair of a world's journal, with what it said."""

    world: World
    file: File
    moving: str = ""
    wired: Host | None = None
    lines: list[LogLine] = field(factory=list)

    def __call__(self) -> JournalRepair:
        """Make it."""
        wired = self.wired or host(self.world)
        return JournalRepair(wired, self.file, self.lines.append, lambda: self.moving)


def warning(text: str, person: str = "") -> LogLine:
    """Write a line that warns."""
    return LogLine(LogLevel.WARNING, text, person)


def down(person: str) -> LogLine:
    """Write the line on a serve that does not run."""
    text = f"the serve of {person} does not run, and no run tells why; start it if it should run"
    return warning(text, person)


def fenced_line(people: str) -> str:
    """Write the line on people who are fenced."""
    return (
        f"NEEDS A HUMAN: {people} fenced, and the journal that told why was set aside;"
        " `t3safe recover` looks, and lifts the fence where a build fits"
    )


def on_new(world: World, name: str) -> None:
    """Let a person run NEW, which no run explains."""
    world.store.add(NEW)
    world.halt(name)
    world.people[name].link = NEW
    world.launch(name)


# When it is set aside.


def test_with_a_sound_journal_a_command_runs_as_it_is() -> None:
    """Nothing is set aside, and nothing is said."""
    made, command = Repair(small_world("ann"), File()), Command()
    assert made().repaired() is False
    assert made().before_moves(command) == MOVED
    assert made().before_settling(command) == MOVED
    assert (command.calls, made.lines, made.file.set_aside_at) == (2, [], [])


def test_a_damaged_journal_is_set_aside_and_no_one_is_moved() -> None:
    """The command does not run; the next one finds a sound journal and does."""
    world, command = small_world("ann"), Command()
    made = Repair(world, File(TORN))
    world.advance(60.0)
    at = world.clock
    assert made().before_moves(command) == Result(None, ORDINARY, stayed=SkipReason.LATER)
    assert made.file.set_aside_at == [at]
    assert at > EPOCH
    assert (command.calls, made.lines) == (0, [warning(ASIDE.format(TORN))])
    assert made().before_moves(command) == MOVED
    assert len(made.lines) == 1


def test_damage_that_a_command_finds_ends_it() -> None:
    """It is not tried a second time: it may have moved somebody."""
    command = Command(["event 7 is damaged"])
    made = Repair(small_world("ann"), File())
    assert made().before_moves(command) == Result(None, ORDINARY, stayed=SkipReason.LATER)
    assert (command.calls, made.lines) == (1, [warning(ASIDE.format("event 7 is damaged"))])


def test_what_settles_people_runs_after_the_damage_is_out_of_the_way() -> None:
    """Found before it or by it: it runs to its end on the new journal."""
    command, made = Command(), Repair(small_world("ann"), File(TORN))
    assert made().before_settling(command) == MOVED
    assert (command.calls, made.lines) == (1, [warning(ASIDE.format(TORN))])
    command, made = Command(["event 7 is damaged"]), Repair(small_world("ann"), File())
    assert made().before_settling(command) == MOVED
    assert (command.calls, made.lines) == (2, [warning(ASIDE.format("event 7 is damaged"))])


def test_a_repair_says_whether_there_was_damage() -> None:
    """It is true once, and the line has the file's own complaint."""
    made = Repair(small_world("ann"), File(TORN))
    assert [made().repaired(), made().repaired()] == [True, False]
    assert made.lines == [warning(ASIDE.format(TORN))]


def test_verdicts_that_could_not_be_read_are_admitted() -> None:
    """A refused build may then be tried again."""
    made = Repair(small_world("ann"), File(TORN, complete=False))
    assert made().repaired() is True
    assert made.lines == [warning(ASIDE.format(TORN) + LOST)]


def test_while_a_person_is_in_transition_the_journal_stays() -> None:
    """Whoever finds the damage, its own reason is raised, and nothing is said or set aside."""
    made, command = Repair(small_world("ann"), File(TORN), moving="ann"), Command()
    with pytest.raises(DamagedJournalError, match=f"^{TORN}$"):
        made().before_moves(command)
    with pytest.raises(DamagedJournalError, match=f"^{TORN}$"):
        made().before_settling(command)
    made.file.damage = ""
    with pytest.raises(DamagedJournalError, match=r"^event 7 is damaged$"):
        made().before_moves(Command(["event 7 is damaged"]))
    assert (command.calls, made.lines, made.file.set_aside_at) == (0, [], [])


# What the lost runs may have left.


def test_each_serve_that_could_run_and_does_not_is_named() -> None:
    """Not one that is fenced, or of which nothing is known; none is started."""
    world = small_world("ann", "ben", "cid", "dan", "eva")
    for name in ("ann", "cid", "dan", "eva"):
        world.halt(name)
    world.people["cid"].fenced = True
    wired = failing(host(world), "services", "dan", status=ServiceError("no such unit"))
    made = Repair(world, File(TORN), wired=wired)
    assert made().repaired() is True
    assert made.lines == [warning(ASIDE.format(TORN)), down("ann"), down("eva")]
    assert [name for name, person in world.people.items() if person.pid] == ["ben"]


def test_no_serve_is_named_while_the_people_are_unknown() -> None:
    """The journal is set aside all the same."""
    world = small_world("ann")
    world.halt("ann")
    world.people_unknown = "the map is gone"
    made = Repair(world, File(TORN))
    assert made().repaired() is True
    assert made.lines == [warning(ASIDE.format(TORN))]


def test_a_frozen_host_still_says_so() -> None:
    """No one signs in as anybody then."""
    world = small_world("ann", candidate=[Defect.MUTE])
    on_new(world, "ann")
    world.frozen = "rolled back r001"
    made = Repair(world, File(TORN))
    assert made().before_moves(Command()) == Result(
        None, "rolled back r001", stayed=SkipReason.FROZEN
    )
    assert made.lines == [warning(ASIDE.format(TORN))]


@pytest.mark.parametrize("frozen", ["", "rolled back r001"])
def test_fenced_people_need_a_human(frozen: str) -> None:
    """They are named, the fences stay, and a frozen host says that it is, too."""
    world = small_world("ann", "ben", "cid")
    world.frozen = frozen
    for name in ("ann", "cid"):
        world.people[name].fenced = True
    made = Repair(world, File(TORN))
    text = fenced_line("ann, cid")
    assert made().before_moves(Command()) == Result(ev.Outcome.NEEDS_HUMAN, text)
    held = f"({frozen}); holding at {OLD}; `t3safe thaw` lets runs act again"
    said = [LogLine(LogLevel.ALERT, held, alert="FROZEN")] if frozen else []
    assert made.lines == [
        warning(ASIDE.format(TORN)),
        *said,
        LogLine(LogLevel.ALERT, text),
    ]
    assert [name for name, person in world.people.items() if person.fenced] == ["ann", "cid"]


def test_a_build_that_no_run_explains_any_more_is_tried_and_named() -> None:
    """Where sign-in works that is a warning beside the ordinary result."""
    world = small_world("ann", "ben")
    on_new(world, "ann")
    why = f"UNEXPLAINED BUILD: no run tells why ann is on {NEW}, not on last-good"
    assert Repair(world, File(TORN))().before_moves(Command()) == Result(
        None,
        ORDINARY,
        stayed=SkipReason.LATER,
        warnings=(f"{why}; sign-in works there",),
    )


def test_a_build_on_which_no_one_can_sign_in_needs_a_human() -> None:
    """The result is that of the attempt, with how to go back."""
    world = small_world("ann", candidate=[Defect.MUTE])
    on_new(world, "ann")
    result = Repair(world, File(TORN))().before_moves(Command())
    why = f"UNEXPLAINED BUILD: no run tells why ann is on {NEW}, not on last-good"
    text = (
        f"NEEDS A HUMAN: {why}; sign-in does not work: the serve of {NEW} answers the exchange"
        " with 500; `t3safe rollback ann` starts the rollback"
    )
    assert result == Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text,))
