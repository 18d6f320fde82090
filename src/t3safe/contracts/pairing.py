"""What every implementation of the port Pairing promises."""

from __future__ import annotations

from typing import Protocol

import pytest

from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError, Fault
from t3safe.domain.ports import Pairing
from t3safe.domain.versions import Version

WATCHED = 0.5
"""Seconds; a real watch really takes them."""


class PairingBench(Protocol):
    """Pairing under test: alice and bob have serves of `build` that pair."""

    port: Pairing
    build: Version
    other: Version
    """Another build of the store."""

    def run(self, person: str, build: Version) -> None:
        """Let the person's unit run this build from now on, started anew."""

    def end(self, person: str) -> None:
        """Let the person's serve end, and nobody start it again."""

    def spoil(self, person: str) -> None:
        """Let the person's serve, of the same build, pair nobody from now on."""

    def dispatch_down(self) -> None:
        """Let the dispatch refuse every connection from now on."""


def not_stopped() -> bool:
    """Say that nobody asked to stop."""
    return False


class ServePairingContract:
    """Whatever the way in; a subclass provides the fixture `pairing`."""

    via = "dispatch"

    def test_serve_of_the_build_pairs(self, pairing: PairingBench) -> None:
        """A healthy serve of the build that is asked for pairs, and by which way is told."""
        answer = pairing.port.verify("alice", pairing.build)
        assert isinstance(answer, ev.Paired)
        assert answer.via == self.via

    def test_serve_that_pairs_nobody_is_the_builds_fault(self, pairing: PairingBench) -> None:
        """It is held against the build, for the person it happens to alone."""
        pairing.spoil("alice")
        answer = pairing.port.verify("alice", pairing.build)
        assert isinstance(answer, ev.NotPaired)
        assert answer.fault is Fault.BUILD

    def test_serve_that_ended_does_not_pair(self, pairing: PairingBench) -> None:
        """A serve that is down is never the environment's fault."""
        pairing.end("alice")
        answer = pairing.port.verify("alice", pairing.build)
        assert isinstance(answer, ev.NotPaired)
        assert answer.fault is Fault.BUILD

    def test_serve_of_another_build_does_not_count(self, pairing: PairingBench) -> None:
        """A serve that pairs well, and is of another build, proves nothing about this one."""
        pairing.run("alice", pairing.other)
        answer = pairing.port.verify("alice", pairing.build)
        assert isinstance(answer, ev.NotPaired)
        assert answer.fault is Fault.HOST
        assert pairing.other.text in answer.reason
        assert pairing.build.text in answer.reason

    def test_watch_of_good_serves_ends_well(self, pairing: PairingBench) -> None:
        """Everybody paired until the end."""
        people = ("alice", "bob")
        assert pairing.port.watch(people, pairing.build, WATCHED, not_stopped) == ev.Done()

    def test_watch_names_who_does_not_pair(self, pairing: PairingBench) -> None:
        """A break is one person's, with whose fault it is."""
        pairing.spoil("bob")
        answer = pairing.port.watch(("alice", "bob"), pairing.build, WATCHED, not_stopped)
        assert isinstance(answer, ev.BakeBroken)
        assert (answer.person, answer.fault) == ("bob", Fault.BUILD)
        assert answer.reason

    def test_watch_ends_when_it_is_asked_to(self, pairing: PairingBench) -> None:
        """Nothing is proven by a watch that was cut short, and nobody is blamed."""
        with pytest.raises(DispatchError, match="asked to stop") as caught:
            pairing.port.watch(("alice",), pairing.build, 600.0, lambda: True)
        assert caught.value.fault is Fault.LATER


class PairingContract(ServePairingContract):
    """Through a dispatch; runs on any bench that has one."""

    def test_silent_dispatch_before_a_good_serve_is_the_environment(
        self, pairing: PairingBench
    ) -> None:
        """A dispatch that is down is not held against a build that pairs at the serve itself."""
        pairing.dispatch_down()
        answer = pairing.port.verify("alice", pairing.build)
        assert isinstance(answer, ev.NotPaired)
        assert answer.fault is Fault.ENVIRONMENT
        assert "dispatch" in answer.reason

    def test_silent_dispatch_does_not_excuse_the_serve(self, pairing: PairingBench) -> None:
        """A serve that pairs nobody is found out behind a dispatch that is down."""
        pairing.dispatch_down()
        pairing.spoil("alice")
        answer = pairing.port.verify("alice", pairing.build)
        assert isinstance(answer, ev.NotPaired)
        assert answer.fault is Fault.BUILD
