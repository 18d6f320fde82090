"""Send messages within a time limit, in a child process.

Rules:

1. URLs reach the child through its standard input: no argument, no environment, no file holds them.
2. What Apprise says is thrown away, as it might hold a URL: the child says one plain line an end.
3. After the limit the child is killed; whoever has not answered by then was not reached.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Final

from attrs import field, frozen

from t3safe.adapters._support import child
from t3safe.adapters.notify.ends import End
from t3safe.domain.errors import NotifyError
from t3safe.domain.text import duration

INSTALL: Final = "pip install 't3safe[notify]'"
_WORKER: Final = (sys.executable, "-P", "-m", "t3safe.adapters.notify.worker")


@frozen
class Letter:
    """What one end is to be told; an empty body only has its URL looked at."""

    end: End
    title: str = ""
    body: str = field(default="", repr=False)
    urgent: bool = False


@frozen
class Sent:
    """What became of the letter to one end; `error` is empty where it went out."""

    end: str
    error: str = ""


def installed() -> bool:
    """Whether the extra that sends is installed."""
    return find_spec("apprise") is not None


def require() -> None:
    """Raise NotifyError, which names what installs it, where the extra is not installed."""
    if not installed():
        message = f"notifications need Apprise, which is not installed: {INSTALL}"
        raise NotifyError(message)


def send(letters: Iterable[Letter], timeout: float) -> tuple[Sent, ...]:
    """Send every letter at once, within `timeout` seconds; one outcome a letter.

    Raises NotifyError where nothing can be sent at all.
    """
    posted = tuple(letters)
    if not posted:
        return ()
    require()
    heard = dict(_answers(_talk(_question(posted), timeout)))
    silent = f"no answer within {duration(timeout)}"
    return tuple(
        Sent(letter.end.name, heard.get(number, silent)) for number, letter in enumerate(posted)
    )


def _question(letters: tuple[Letter, ...]) -> bytes:
    jobs = [
        {
            "url": letter.end.url,
            "title": letter.title,
            "body": letter.body,
            "urgent": letter.urgent,
        }
        for letter in letters
    ]
    return json.dumps(jobs).encode()


def _talk(question: bytes, timeout: float) -> bytes:
    try:
        return child.run(_WORKER, timeout, os.environ, stdin=question).out
    except OSError as error:
        message = f"notifications cannot be sent: {sys.executable} {error.strerror}"
        raise NotifyError(message) from error


def _answers(said: bytes) -> Iterator[tuple[int, str]]:
    """Read one answer a line; a line that was cut off is none."""
    for line in said.splitlines():
        with suppress(ValueError, TypeError):
            number, error = json.loads(line)
            if isinstance(number, int) and isinstance(error, str):
                yield number, error
