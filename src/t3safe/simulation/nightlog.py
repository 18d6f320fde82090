"""What a policy says and does to people in one night, gathered for the report."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attrs import define, field

LINES_MAX: Final = 60
"""Lines kept of a night; a thousand people moved are one line and a number."""


class PersonNight(StrEnum):
    """How a night was for a person, from the timer to the next one; as its letter in a report."""

    CALM = "."
    """Nothing was to be done."""
    MOVED = "m"
    DEFERRED = "d"
    REFUSED = "r"
    """A guard or a gate said no, rightly or not."""
    LATER = "l"
    """Nothing was proven either way."""
    FROZEN = "f"
    ROLLED_BACK = "b"
    BROKEN = "x"
    """They could not sign in or work, for a minute or more."""


@define
class NightLog:
    """One night's lines, people's outcomes and marks."""

    lines: list[str] = field(factory=list)
    cut: int = 0
    people: dict[str, PersonNight] = field(factory=dict)
    reasons: dict[str, str] = field(factory=dict)
    outcome: str = "nothing to do"
    accepted: list[str] = field(factory=list)
    refused: list[str] = field(factory=list)
    wrong: list[str] = field(factory=list)
    """What was judged against how things are, as `refused VERSION: why`."""
    teach: bool = False
    """The dispatch has to be updated first."""
    human: str = ""
    """Why a person has to act, empty where none has."""

    def say(self, line: str) -> None:
        """Keep a line, up to the limit."""
        if len(self.lines) < LINES_MAX:
            self.lines.append(line)
        else:
            self.cut += 1

    def note_outcome(self, person: str, outcome: PersonNight, reason: str = "") -> None:
        """Say how it went for a person; the last word counts."""
        self.people[person] = outcome
        if reason:
            self.reasons[person] = reason
