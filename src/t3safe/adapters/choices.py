"""What a person decided by hand (pins and holds), in one small JSON file of root's."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import asdict, evolve, frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError

from t3safe.adapters._support.durable import make_folders, write_file
from t3safe.domain.errors import SwitchError
from t3safe.domain.ports import Chosen
from t3safe.domain.versions import Version


@frozen
class ChoicesFile:
    """Implements the port Choices on `path`; raises SwitchError alone."""

    path: Path

    def chosen(self) -> Chosen:
        """The pin and the held versions; nothing where the file is missing."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return Chosen()
        except OSError as error:
            raise self._failure("read", error) from error
        try:
            return _read(content.decode())
        except (ValueError, AttributeError, BaseValidationError) as error:
            raise self._failure("understand", error) from error

    def pin(self, build: Version, note: str) -> None:
        """Make this version the target of every run."""
        self._write(evolve(self.chosen(), pin=build, pin_note=note))

    def unpin(self) -> bool:
        """Follow the track again; whether there was a pin."""
        before = self.chosen()
        self._write(evolve(before, pin=None, pin_note=""))
        return before.pin is not None

    def hold(self, build: Version, note: str) -> None:
        """Never take this version."""
        before = self.chosen()
        held = {**dict(before.held), build: note}
        self._write(evolve(before, held=tuple(held.items())))

    def release(self, build: Version) -> bool:
        """Let a held version be taken again; whether it was held."""
        before = self.chosen()
        self._write(evolve(before, held=tuple(item for item in before.held if item[0] != build)))
        return build in dict(before.held)

    def _write(self, chosen: Chosen) -> None:
        held = {version.text: note for version, note in chosen.held}
        body = _Body(chosen.pin.text if chosen.pin else None, chosen.pin_note, held)
        try:
            make_folders(self.path.parent, mode=0o755)
            write_file(self.path, json.dumps(asdict(body), indent=1).encode())
        except OSError as error:
            raise self._failure("write", error) from error

    def _failure(self, what: str, error: Exception) -> SwitchError:
        fix = "fix it, or move it away and pin and hold again"
        return SwitchError(f"cannot {what} the pins and holds in {self.path}: {error}; {fix}")


@frozen
class _Body:
    """What the file holds."""

    pin: str | None
    pin_note: str
    held: dict[str, str]


_CONVERTER = Converter(forbid_extra_keys=True)


def _read(text: str) -> Chosen:
    body = _CONVERTER.structure(json.loads(text), _Body)
    held = tuple((Version.parse(version), note) for version, note in body.held.items())
    return Chosen(Version.parse(body.pin) if body.pin else None, body.pin_note, held)
