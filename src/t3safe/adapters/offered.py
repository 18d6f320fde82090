"""What the registry offered last.

It is kept in a file, so that metrics need not ask and `status` has something to say while the
registry is down; and for a while in memory, for whoever looks again and again.

It is a convenience: where it cannot be kept or read, nobody knows, and nothing else fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from attrs import define, field, frozen

from t3safe.adapters._support.durable import write_file
from t3safe.domain.errors import RegistryError
from t3safe.domain.forecast import Known
from t3safe.domain.policy import Offer, Track
from t3safe.domain.ports import Registry
from t3safe.domain.versions import InvalidVersion, Version


@frozen
class RememberingRegistry:
    """Implements the port Registry by another one, and keeps in `path` where the tag pointed."""

    registry: Registry
    path: Path

    def offer(self, track: Track, *, history: bool) -> Offer:
        """As the port promises."""
        offer = self.registry.offer(track, history=history)
        with suppress(OSError):
            write_file(self.path, f"{offer.tag}\n".encode())
        return offer

    def newest(self) -> Version | None:
        """Where the tag pointed when somebody asked last; None where nobody knows."""
        known = self.known()
        return known.newest if known is not None else None

    def known(self) -> Known | None:
        """The same, with when the registry last said so."""
        try:
            newest = Version.parse(self.path.read_text(encoding="utf-8").strip())
            return Known(newest, datetime.fromtimestamp(self.path.stat().st_mtime, UTC))
        except (OSError, UnicodeDecodeError, InvalidVersion):
            return None


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
