"""What the registry offered last: remembered for good, or kept for a while.

Metrics then need not ask, and `status` has something to say while the registry is down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from attrs import define, field, frozen

from t3safe.domain.errors import RegistryError
from t3safe.domain.policy import Offer, Track
from t3safe.domain.ports import Clock, Registry
from t3safe.domain.versions import Version


@frozen
class RememberingRegistry:
    """Implements the port Registry by another one; `keep` hears where the tag points, and when."""

    registry: Registry
    keep: Callable[[Version, datetime], None]
    clock: Clock

    def offer(self, track: Track, *, history: bool) -> Offer:
        """As the port promises."""
        offer = self.registry.offer(track, history=history)
        self.keep(offer.tag, self.clock.now())
        return offer


@define
class KeptRegistry:
    """Implements the port Registry by another one, and keeps each answer for so many seconds.

    An answer may be a refusal: a registry that is down is not asked again and again either.  `now`
    gives seconds that only grow.
    """

    registry: Registry
    seconds: float
    now: Callable[[], float] = time.monotonic
    _kept: dict[tuple[Track, bool], tuple[float, Offer | RegistryError]] = field(
        factory=dict, init=False
    )

    def offer(self, track: Track, *, history: bool) -> Offer:
        """As the port promises, or what was answered not long ago."""
        asked = (track, history)
        at, answer = self._kept.get(asked, (0.0, None))
        if answer is None or self.now() - at >= self.seconds:
            answer = self._ask(track, history=history)
            self._kept[asked] = (self.now(), answer)
        if isinstance(answer, RegistryError):
            raise answer
        return answer

    def _ask(self, track: Track, *, history: bool) -> Offer | RegistryError:
        try:
            return self.registry.offer(track, history=history)
        except RegistryError as error:
            return error
