"""Who has a serve on this host, by the user map.

Rules (the file is `/etc/ttyd-user-map` by default):

1. A line is `login=os_user`; blanks around both are allowed; `#` starts a comment line.
2. The part of a login before an `@` counts.
3. Several logins may name one person; one login names one person, and the first line wins.
4. A malformed line is reported with its number and skips that line only.
5. `root` is never a person, and a name that could be a path or an option is malformed.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

_OS_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
"""Debian's NAME_REGEX of adduser with the 32 characters that useradd allows."""
_LOGIN: Final = re.compile(r"[A-Za-z0-9._+-]{1,128}", re.ASCII)


@frozen
class Person:
    """One OS user with a serve, and the logins under which the dispatch knows them."""

    name: str
    logins: tuple[str, ...]


@frozen
class MapProblem:
    """A line of the user map that was skipped."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@frozen
class UserMap:
    """The people in the order of their first line, and the lines that were skipped."""

    people: tuple[Person, ...]
    problems: tuple[MapProblem, ...]


def valid_person(name: str) -> bool:
    """Whether a name can be a person's: no path, no option, not root (rule 5)."""
    return name != "root" and _OS_USER.fullmatch(name) is not None


def parse_user_map(text: str) -> UserMap:
    """Read a user map; never raises, skipped lines are in `problems`."""
    logins: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    problems: list[MapProblem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        entry = _entry(stripped)
        if isinstance(entry, str):
            problems.append(MapProblem(number, entry))
            continue
        login, name = entry
        if owner.get(login) == name:
            continue
        if login in owner:
            problems.append(MapProblem(number, f"login {login!r} already names {owner[login]!r}"))
            continue
        owner[login] = name
        logins.setdefault(name, []).append(login)
    people = tuple(Person(name, tuple(found)) for name, found in logins.items())
    return UserMap(people, tuple(problems))


def _entry(line: str) -> tuple[str, str] | str:
    """Split one line into (login, person), or say why it cannot be."""
    login_text, equals, name_text = line.partition("=")
    if not equals:
        return "no '=' between login and user"
    login = login_text.strip().partition("@")[0]
    name = name_text.strip()
    if _LOGIN.fullmatch(login) is None:
        return f"{login_text.strip()!r} is not a login"
    if not valid_person(name):
        return f"{name!r} is not a person's user name"
    return login, name
