"""Who has a serve on this host: the user map with the users of this host, or the caller alone."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

from t3safe.domain.errors import PeopleError
from t3safe.domain.people import MapProblem, Person, UserMap, parse_user_map, valid_person


def on_this_host(name: str) -> bool:
    """Whether the host has this user, and it is not root under another name."""
    try:
        return pwd.getpwnam(name).pw_uid != 0
    except KeyError:
        return False


@frozen
class UserMapPeople:
    """Implements the port People on the map at `path`; raises PeopleError alone.

    People come in the order of their first line, `admin` last.  `exists` tells whether a name is
    an ordinary user of this host; a line that names another is a problem and skipped.
    """

    path: Path
    admin: str = "wizard"
    exists: Callable[[str], bool] = on_this_host

    def load(self) -> UserMap:
        """The people who exist on this host, in the order in which they are moved."""
        text = self._text()
        parsed = parse_user_map(text)
        known = [person for person in parsed.people if self.exists(person.name)]
        missing = {person.name for person in parsed.people} - {person.name for person in known}
        lines = {problem.line for problem in parsed.problems}
        strangers = (found for found in _unknown(text, missing) if found.line not in lines)
        problems = (*parsed.problems, *strangers)
        if not known:
            raise self._nobody(problems)
        ordered = sorted(known, key=lambda person: person.name == self.admin)
        return UserMap(tuple(ordered), tuple(sorted(problems, key=lambda problem: problem.line)))

    def login(self, person: str) -> str | None:
        """The first login of a person, as the dispatch knows them; None where there is none."""
        return next((found.logins[0] for found in self.load().people if found.name == person), None)

    def _text(self) -> str:
        try:
            # What is no UTF-8 makes its own line malformed and no other.
            return self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError as error:
            how = "write lines `login=os_user` into it, or set `user_map` to another file"
            raise self._failure(f"it does not exist; {how}") from error
        except OSError as error:
            raise self._failure(f"it cannot be read: {error.strerror}") from error

    def _nobody(self, problems: Iterable[MapProblem]) -> PeopleError:
        first = next(iter(problems), None)
        why = f" ({first})" if first else ""
        return self._failure(f"it names nobody{why}; write lines `login=os_user` into it")

    def _failure(self, what: str) -> PeopleError:
        return PeopleError(
            f"cannot tell who has a serve here from the user map {self.path}: {what}"
        )


def _unknown(text: str, missing: set[str]) -> Iterable[MapProblem]:
    """Name each line that names a user whom this host does not have."""
    for number, line in enumerate(text.split("\n"), start=1):
        for person in parse_user_map(line).people:
            if person.name in missing:
                yield MapProblem(number, f"{person.name!r} is no ordinary user of this host")


def caller_name() -> str:
    """The user name of who calls; empty where the host has none for them."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


@frozen
class CallerAlone:
    """Implements the port People where a person keeps their own serve; raises PeopleError alone.

    Their login is their name.
    """

    name: Callable[[], str] = caller_name

    def load(self) -> UserMap:
        """The caller, and nobody else."""
        name = self.name()
        if not valid_person(name):
            told = repr(name) if name else "user id without a name"
            why = f"you are {told}, which is no ordinary user's name"
            raise PeopleError(f"cannot tell who has a serve here: {why}; run it as that person")
        return UserMap((Person(name, (name,)),), ())

    def login(self, person: str) -> str | None:
        """The login of a person, as a dispatch knows them; None of anybody but the caller."""
        return person if person == self.load().people[0].name else None
