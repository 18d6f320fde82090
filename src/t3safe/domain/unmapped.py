"""Serves that run for nobody in the user map: t3safe does nothing for them, so it says so."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from t3safe.domain.ports import Running


@frozen
class Unmapped:
    """Somebody outside of the user map whose serve runs; texts are empty where nobody can tell."""

    person: str
    pid: int
    build: str

    @property
    def seen(self) -> str:
        """What was seen, for a sentence of a person's."""
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
    """Name everybody outside of these people whose serve runs, once each, by name."""
    here = frozenset(people)
    found: dict[str, Unmapped] = {}
    for process in sorted(running, key=lambda process: (process.person, process.pid)):
        if process.serves and process.person not in here:
            build = process.build.text if process.build is not None else ""
            found.setdefault(process.person, Unmapped(process.person, process.pid, build))
    return tuple(found.values())
