"""Everybody of a host at work, without a pause, whatever happens to their serves.

Every row that a serve acknowledged is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

from attrs import define

from fakes.t3 import Acknowledged, PersonClient, Worker

PAUSE: Final = 0.4
"""Seconds between two posts."""
NEWCOMER: Final = 5
"""Every how many rounds somebody pairs anew."""
PATIENCE: Final = 1.0
"""Seconds for one request: a serve never answers what reaches it while it starts."""


@define
class Crew:
    """Everybody at work for as long as the block lasts, or until `rest`."""

    busy: dict[str, Worker]

    @classmethod
    def of(cls, people: tuple[str, ...], client: Callable[[str], PersonClient]) -> Self:
        """Give everybody a browser."""
        made = cls({name: Worker(client(name), PAUSE, NEWCOMER) for name in people})
        for worker in made.busy.values():
            worker.client.timeout = PATIENCE
        return made

    def __enter__(self) -> Self:
        for worker in self.busy.values():
            worker.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        """Let everybody end the request in hand."""
        for worker in self.busy.values():
            worker.tell_to_stop()
        for worker in self.busy.values():
            worker.__exit__()

    def acknowledged(self) -> dict[str, list[Acknowledged]]:
        """Everything that was acknowledged until now."""
        return {name: list(worker.acknowledged) for name, worker in self.busy.items()}
