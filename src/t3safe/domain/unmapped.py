"""Serves of users outside the user map: t3safe does not manage them, and reports them."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from t3safe.domain.ports import Running


@frozen
class Unmapped:
    """A user outside the user map whose serve runs; a text is empty when it is unknown."""

    person: str
    pid: int
    build: str

    @property
    def seen(self) -> str:
        """What was seen, in one clause."""
        who = self.person or "a user without a name"
        what = f"t3 {self.build}" if self.build else "another t3"
        return f"{who} runs {what} (process {self.pid}) and is not in the user map"

    @property
    def fix(self) -> str:
        """What to do about it."""
        line = (
            f"add a line `login={self.person}` to the user map" if self.person else "map its user"
        )
        return f"{line}, or stop that serve: t3safe does not move or copy unmapped users"

    def __str__(self) -> str:
        return f"NOT IN THE USER MAP: {self.seen}; {self.fix}"


def unmapped(running: Iterable[Running], people: Iterable[str]) -> tuple[Unmapped, ...]:
    """Return each user outside of these people whose serve runs, once, by name."""
    here = frozenset(people)
    found: dict[str, Unmapped] = {}
    for process in sorted(running, key=lambda process: (process.person, process.pid)):
        if process.serves and process.person not in here:
            build = process.build.text if process.build is not None else ""
            found.setdefault(process.person, Unmapped(process.person, process.pid, build))
    return tuple(found.values())
