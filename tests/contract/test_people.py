"""The user map on a real file system, against the users that the host has."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from attrs import define, evolve

from t3safe.adapters.people import CallerAlone, UserMapPeople, caller_name, on_this_host
from t3safe.contracts.people import PeopleContract, names_of
from t3safe.domain.errors import PeopleError
from t3safe.domain.people import MapProblem, Person

HOST = frozenset({"alice", "bob", "carol", "wizard"})


@define
class PeopleWorld:
    port: UserMapPeople

    def have(self, *names: str) -> None:
        """Write a map that names them."""
        self.write("".join(f"{name}.login={name}\n" for name in names))

    def skip(self, line: int, reason: str) -> None:
        """Put a malformed line there."""
        lines = self.port.path.read_text().splitlines()
        lines.insert(line - 1, "malformed")
        self.write("\n".join(lines))

    def lose(self) -> None:
        """Remove the map."""
        self.port.path.unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """Write the map."""
        self.port.path.write_text(text)


@pytest.fixture
def people(tmp_path: Path) -> PeopleWorld:
    """Give a map that is not there yet."""
    return PeopleWorld(UserMapPeople(tmp_path / "map", exists=HOST.__contains__))


class TestUserMapPeople(PeopleContract):
    """The contract, on a file."""


def test_admin_is_moved_last(people: PeopleWorld) -> None:
    """Smallest risk first: whoever fixes the others is moved when they are."""
    people.have("wizard", "bob", "alice")
    assert names_of(people.port) == ["bob", "alice", "wizard"]
    people.port = evolve(people.port, admin="bob")
    assert names_of(people.port) == ["wizard", "alice", "bob"]


def test_whole_map_is_read(people: PeopleWorld) -> None:
    """Comments and blanks, several logins of a person, and everything that must be skipped."""
    people.write(
        "# who has a serve here\n"
        "\n"
        "al@example.org = alice\n"
        "robert=bob\n"
        "dave=dave\n"
        "al=carol\n"
        "eve=../eve\n"
        "bob=bob # the same\n"
        "two words=alice\n"
        "bobby=bob\n"
        "su=root\n"
        "M\u00e9l=carol\n"
        "carol@x=carol\r\n"
    )
    loaded = people.port.load()
    assert loaded.people == (
        Person("alice", ("al",)),
        Person("bob", ("robert", "bobby")),
        Person("carol", ("carol",)),
    )
    assert [problem.line for problem in loaded.problems] == [5, 6, 7, 8, 9, 11, 12]
    assert loaded.problems[0] == MapProblem(5, "'dave' is no ordinary user of this host")


def test_first_login_is_the_one_that_is_asked_with(people: PeopleWorld) -> None:
    """The dispatch knows a person by each of theirs; one is enough."""
    people.write("al@example.org=alice\nali=alice\nbob=bob\n")
    assert people.port.login("alice") == "al"
    assert people.port.login("carol") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it names nobody; write lines"),
        ("# only words\n\n", "it names nobody; write lines"),
        ("alice\n", r"it names nobody \(line 1: no '='"),
        ("eve=eve\n", r"it names nobody \(line 1: 'eve' is no ordinary user of this host\)"),
    ],
)
def test_map_of_nobody_is_an_error(people: PeopleWorld, text: str, words: str) -> None:
    """A host whose people all disappeared is broken, not empty: nothing may be pruned for it."""
    people.write(text)
    with pytest.raises(PeopleError, match=words):
        people.port.load()
    assert people.port.path.read_text() == text


def test_missing_map_tells_what_to_do(people: PeopleWorld) -> None:
    """The message names the file and the setting."""
    with pytest.raises(PeopleError, match=r"does not exist; write lines .* `user_map`"):
        people.port.load()


def test_map_that_cannot_be_read_is_told(people: PeopleWorld) -> None:
    """A folder in its place, for one."""
    people.port.path.mkdir()
    with pytest.raises(PeopleError, match="cannot be read: Is a directory"):
        people.port.load()


def test_line_that_is_no_text_skips_itself_only(people: PeopleWorld) -> None:
    """A comment in an old encoding does not lock everybody out of the next build."""
    people.port.path.write_bytes(b"# M\xe9l\nm\xe9l=carol\nalice=alice\n")
    loaded = people.port.load()
    assert names_of(people.port) == ["alice"]
    assert [problem.line for problem in loaded.problems] == [2]


def test_users_of_this_host_are_those_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root under another name is no person."""
    assert on_this_host("nobody")
    assert not on_this_host("nobody-of-that-name")
    root = pwd.getpwuid(0)
    monkeypatch.setattr(pwd, "getpwnam", lambda _: root)
    assert not on_this_host("toor")


def test_caller_alone_is_everybody_of_their_own_scope() -> None:
    """Their login is their name, and nobody else has one."""
    people = CallerAlone(lambda: "ann")
    assert people.load().people == (Person("ann", ("ann",)),)
    assert people.login("ann") == "ann"
    assert people.login("bob") is None


@pytest.mark.parametrize("name", ["root", "", "../ann"])
def test_caller_who_is_no_ordinary_user_is_told(name: str) -> None:
    """Root among them: what a build does is never done as root."""
    with pytest.raises(PeopleError, match="cannot tell who has a serve here: you are"):
        CallerAlone(lambda: name).load()


def test_caller_has_the_name_that_the_host_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without a name, as in some containers, has none."""
    assert caller_name() == pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert caller_name() == ""
