"""What the registry offered is remembered, or kept for a while."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import define, field

from t3safe.adapters.offered import KeptRegistry, RememberingRegistry
from t3safe.domain.errors import RegistryError
from t3safe.domain.policy import Offer, Track
from t3safe.domain.versions import Version
from tests.contract.test_switch import StoppedClock

NIGHT = datetime(2026, 6, 16, 4, tzinfo=UTC)
NEW = Version.parse("0.0.25-nightly.20260608.497")


@define
class Counted:
    """A registry that counts how often it is asked, and can be down."""

    down: bool = False
    asked: list[tuple[Track, bool]] = field(factory=list)

    def offer(self, track: Track, *, history: bool) -> Offer:
        """Answer, or be down."""
        self.asked.append((track, history))
        if self.down:
            raise RegistryError("down")
        return Offer(NEW)


def test_only_an_answer_is_remembered() -> None:
    """With the time at which it was given; a registry that is down changes nothing."""
    inner, kept = Counted(), list[tuple[Version, datetime]]()
    registry = RememberingRegistry(inner, lambda *known: kept.append(known), StoppedClock(NIGHT))
    registry.offer(Track.NIGHTLY, history=False)
    assert kept == [(NEW, NIGHT)]
    inner.down = True
    with pytest.raises(RegistryError):
        registry.offer(Track.NIGHTLY, history=False)
    assert kept == [(NEW, NIGHT)]


def test_an_answer_stands_for_a_while() -> None:
    """Within its time it is given again, later the registry is asked again; each question apart."""
    now = [100.0]
    inner = Counted()
    registry = KeptRegistry(inner, 300.0, lambda: now[0])
    assert registry.offer(Track.NIGHTLY, history=False) == Offer(NEW)
    now[0] += 299.0
    registry.offer(Track.NIGHTLY, history=False)
    assert len(inner.asked) == 1
    registry.offer(Track.LATEST, history=False)
    registry.offer(Track.NIGHTLY, history=True)
    assert len(inner.asked) == 3
    now[0] += 1.0
    registry.offer(Track.NIGHTLY, history=False)
    assert len(inner.asked) == 4


def test_a_registry_that_is_down_is_not_asked_again_and_again() -> None:
    """That it was down stands as long as an answer would."""
    now = [0.0]
    inner = Counted(down=True)
    registry = KeptRegistry(inner, 300.0, lambda: now[0])
    for _ in range(3):
        with pytest.raises(RegistryError, match="down"):
            registry.offer(Track.NIGHTLY, history=False)
    assert len(inner.asked) == 1
    inner.down, now[0] = False, 300.0
    assert registry.offer(Track.NIGHTLY, history=False) == Offer(NEW)
