r"""Who has a serve on this host: the user map, and the one grammar of people's names.

Rules of the user map (the file is `/etc/ttyd-user-map` by default):

1. A line is `login=os_user`; blanks around both are allowed; `#` starts a comment line.
2. The part of a login before an `@` counts.
3. Several logins may name one person; one login names one person, and the first line wins.
4. A malformed line is reported with its number and skips that line only.
5. `root` is never a person, and a name that could be a path or an option is malformed.

Rules of a name (map, launcher, units, journal, selection and snapshot folders all use these):

6. It is a letter, digit or `_`, then letters, digits, `.`, `_`, `@`, `-`, and at most one `$`, at
   its end.  So it is never a path, an option or a hidden file, and holds no blank.
7. It is not `root`, and not digits alone, which systemd and chown take for a user's number.
8. In a unit's name it is written plainly (`t3-serve@john@corp.service`, for `User=%i`) or as
   `systemd-escape` writes it (`t3-serve@john\x40corp.service`, for `User=%I`).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

NAME_FIRST: Final = "A-Za-z0-9_"
"""The characters that a name may begin with, as ranges of a bracket expression."""
NAME_REST: Final = "A-Za-z0-9_.@-"
"""The characters that may follow; a `$` may come last."""
NAME_MAX: Final = 64
"""useradd allows 32 characters; a directory's `name@realm` needs more."""
_OS_USER: Final = re.compile(rf"(?!\d+\Z)[{NAME_FIRST}][{NAME_REST}]*\$?", re.ASCII)
_IN_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@\\-]+", re.ASCII)
"""What systemd takes in an instance's name."""
_TO_ESCAPE: Final = re.compile(r"[^A-Za-z0-9_.]", re.ASCII)
_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})", re.ASCII)
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
    """Whether a name is valid for a person: not a path, an option or root (rules 6 and 7)."""
    return name != "root" and len(name) <= NAME_MAX and _OS_USER.fullmatch(name) is not None


def instances_of(person: str) -> tuple[str, ...]:
    """Name the instances of a template that may be this person's, the likelier first (rule 8)."""
    escaped = _TO_ESCAPE.sub(lambda found: f"\\x{ord(found[0]):02x}", person)
    plain = (person,) if _IN_UNIT.fullmatch(person) else ()
    return tuple(dict.fromkeys((*plain, escaped)))


def units_of(template: str, person: str) -> tuple[str, ...]:
    """Name the units that may be this person's; `template` holds `{person}` (rule 8)."""
    return tuple(dict.fromkeys(template.replace("{person}", name) for name in instances_of(person)))


def person_of(instance: str) -> str:
    """Return the person of this instance, empty when it is not a valid person (rule 8)."""
    name = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), instance)
    return name if valid_person(name) else ""


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
