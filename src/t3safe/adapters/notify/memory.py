"""What each end was told, in one small JSON file of whoever runs t3safe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict, frozen
from cattrs.errors import BaseValidationError

from t3safe.adapters._support.durable import make_folders, write_file
from t3safe.adapters._support.strict import strict_converter
from t3safe.domain.errors import NotifyError
from t3safe.domain.notices import Key


@frozen
class ToldFile:
    """Keeps what was told by the name of the end; raises NotifyError alone.

    The caller holds the lock.
    """

    path: Path

    def read(self) -> dict[str, frozenset[Key]]:
        """What each end was told; nothing where the file is missing."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise self._trouble("read", error) from error
        try:
            body = strict_converter().structure(json.loads(text), dict[str, list[Key]])
        except (ValueError, AttributeError, BaseValidationError) as error:
            raise self._trouble("understand", error) from error
        return {end: frozenset(keys) for end, keys in body.items()}

    def write(self, told: Mapping[str, frozenset[Key]]) -> None:
        """Keep what each end was told; it survives a power cut once this returns."""
        body = {end: [asdict(key) for key in sorted(keys)] for end, keys in told.items()}
        try:
            make_folders(self.path.parent)
            write_file(self.path, json.dumps(body, indent=1).encode(), mode=0o600)
        except OSError as error:
            raise self._trouble("write", error) from error

    def _trouble(self, what: str, error: Exception) -> NotifyError:
        message = f"cannot {what} what was told, in {self.path}: {type(error).__name__}"
        return NotifyError(f"{message}; the same may be told again")
