"""What the host's dispatch was seen to do: by which path and cookie people signed in through it.

It is one small file of names, written where a sign-in through the dispatch was verified, so each
night and by `t3safe adopt`.  Nothing in it is a secret.  Losing it costs nothing but its knowledge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import durable
from t3safe.domain.gate import DispatchKnowledge
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import cookie_pattern

_MOST: Final = 20
"""Builds that are remembered, the latest ones."""


@frozen
class SeenDispatch:
    """The builds of people who signed in through the dispatch, each with path and cookie."""

    file: Path

    def knowledge(self) -> DispatchKnowledge | None:
        """Give what the dispatch certainly knows, None where nobody was seen to sign in."""
        ways = self._ways()
        if not ways:
            return None
        paths = dict.fromkeys(path for _, path, _ in ways)
        return DispatchKnowledge(
            tuple(paths), tuple(dict.fromkeys(cookie for _, _, cookie in ways))
        )

    def has(self, build: Version) -> bool:
        """Whether somebody was seen to sign in on this build."""
        return any(each == build.text for each, _, _ in self._ways())

    def add(self, build: Version, path: str, cookie: str) -> None:
        """Remember that a sign-in worked.  Raises OSError."""
        ways = [*self._ways(), (build.text, path, cookie_pattern(cookie))]
        durable.make_folders(self.file.parent)
        durable.write_file(self.file, json.dumps({"ways": ways[-_MOST:]}).encode() + b"\n")

    def _ways(self) -> list[tuple[str, str, str]]:
        try:
            ways = json.loads(self.file.read_bytes())["ways"]
            return [(str(build), str(path), str(cookie)) for build, path, cookie in ways]
        except (OSError, ValueError, KeyError, TypeError):
            return []
