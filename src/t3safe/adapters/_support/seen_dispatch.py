"""What the host's dispatch was seen to do: how people signed in through it.

By which path and cookie, and whether it passed on the protocol of their serve's web socket.

It is one small file of names, written where a sign-in through the dispatch was verified, so each
night and by `t3safe adopt`.  Nothing in it is a secret.  Losing it costs nothing but its knowledge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from attrs import frozen

from t3safe.adapters._support import durable
from t3safe.domain.checks import DispatchKnowledge
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import FIRST_PROTOCOL, cookie_pattern

_MOST: Final = 20
"""Builds that are remembered, the latest ones."""


class Way(NamedTuple):
    """How a person on this build signed in; `cookie` is a regular expression."""

    build: str
    path: str
    cookie: str
    protocol: int
    """The first one where a file does not say: it was written when only that was known."""


@frozen
class SeenDispatch:
    """The builds of people who signed in through the dispatch, each with what was used."""

    file: Path

    def knowledge(self) -> DispatchKnowledge | None:
        """Give what the dispatch certainly knows, None where no sign-in was seen."""
        ways = self._ways()
        if not ways:
            return None
        return DispatchKnowledge(
            tuple(dict.fromkeys(way.path for way in ways)),
            tuple(dict.fromkeys(way.cookie for way in ways)),
            tuple(dict.fromkeys(way.protocol for way in ways)),
        )

    def has(self, build: Version) -> bool:
        """Whether a sign-in on this build was seen."""
        return any(way.build == build.text for way in self._ways())

    def add(self, build: Version, path: str, cookie: str, protocol: int) -> None:
        """Remember that a sign-in worked.  Raises OSError."""
        ways = [*self._ways(), Way(build.text, path, cookie_pattern(cookie), protocol)]
        durable.make_folders(self.file.parent)
        durable.write_file(self.file, json.dumps({"ways": ways[-_MOST:]}).encode() + b"\n")

    def _ways(self) -> list[Way]:
        try:
            ways = json.loads(self.file.read_bytes())["ways"]
            return [
                Way(str(build), str(path), str(cookie), int(protocol))
                for build, path, cookie, protocol in ((*way, FIRST_PROTOCOL)[:4] for way in ways)
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return []
