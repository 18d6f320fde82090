"""Everybody of a host at work, without a pause, whatever happens to their serves.

Each writes rows with the session that their browser has, and keeps it for as long as it is taken;
now and then a newcomer pairs anew, which mints.  Every row that a serve acknowledged is remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from attrs import define, field

from fakes.t3 import Acknowledged, PersonClient, SignInError
from fakes.t3.client import WorkRefusedError

PAUSE: Final = 0.4
"""Seconds between two posts."""
NEWCOMER: Final = 5
"""Every how many rounds somebody pairs anew."""
PATIENCE: Final = 1.0
"""Seconds for one request: a serve never answers what reaches it while it starts."""
TROUBLE: Final = (OSError, ValueError, SignInError, WorkRefusedError)


@define
class BusyPerson:
    """One person at work in a thread of its own."""

    client: PersonClient
    acknowledged: list[Acknowledged] = field(factory=list)
    _stop: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work."""
        self.client.timeout = PATIENCE
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def tell_to_stop(self) -> None:
        """Let it end after the request in hand."""
        self._stop.set()

    def wait(self) -> None:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(PAUSE):
            rounds += 1
            if rounds % NEWCOMER == 0:
                with suppress(*TROUBLE):
                    self._newcomer().sign_in()
            try:
                self.acknowledged += self.client.work()
            except TROUBLE:
                self._sign_in_again()

    def _sign_in_again(self) -> None:
        """Take a new session where there is one to be had; the old one may yet be good."""
        newcomer = self._newcomer()
        with suppress(*TROUBLE):
            newcomer.sign_in()
            self.client.cookie = newcomer.cookie

    def _newcomer(self) -> PersonClient:
        return PersonClient(self.client.url, self.client.login, PATIENCE)


@define
class Crew:
    """Everybody at work for as long as the block lasts, or until `rest`."""

    busy: dict[str, BusyPerson]

    @classmethod
    def of(cls, people: tuple[str, ...], client: Callable[[str], PersonClient]) -> Self:
        """Give everybody a browser."""
        return cls({name: BusyPerson(client(name)) for name in people})

    def __enter__(self) -> Self:
        for person in self.busy.values():
            person.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        """Let everybody end the request in hand."""
        for person in self.busy.values():
            person.tell_to_stop()
        for person in self.busy.values():
            person.wait()

    def acknowledged(self) -> dict[str, list[Acknowledged]]:
        """Everything that was acknowledged until now."""
        return {name: list(person.acknowledged) for name, person in self.busy.items()}
