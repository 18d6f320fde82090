"""What every implementation of the port People promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import pytest

from t3safe.domain.errors import PeopleError
from t3safe.domain.people import MapProblem
from t3safe.domain.ports import People


class PeopleBench(Protocol):
    """The people of a host under test."""

    port: People

    def have(self, *names: str) -> None:
        """Let these be the people of the host, in this order."""

    def skip(self, line: int, reason: str) -> None:
        """Let this line be skipped."""

    def lose(self) -> None:
        """Let nobody be able to tell who is there."""


def names_of(port: People) -> Iterable[str]:
    """The names, in order."""
    return [person.name for person in port.load().people]


class PeopleContract:
    """Runs on any bench; a subclass provides the fixture `people`."""

    def test_people_come_in_their_order(self, people: PeopleBench) -> None:
        """Whoever comes first is moved first."""
        people.have("carol", "alice", "bob")
        assert names_of(people.port) == ["carol", "alice", "bob"]

    def test_everybody_has_a_login(self, people: PeopleBench) -> None:
        """Nobody without one can be verified."""
        people.have("alice", "bob")
        assert all(person.logins for person in people.port.load().people)

    def test_skipped_lines_are_told(self, people: PeopleBench) -> None:
        """A line that is skipped skips nobody else."""
        people.have("alice", "bob")
        people.skip(3, "no '=' between login and user")
        assert people.port.load().problems == (MapProblem(3, "no '=' between login and user"),)
        assert names_of(people.port) == ["alice", "bob"]

    def test_people_who_cannot_be_told_are_an_error(self, people: PeopleBench) -> None:
        """Unknown people are not nobody."""
        people.lose()
        with pytest.raises(PeopleError, match="cannot tell who"):
            people.port.load()
