"""What was told, kept for each end."""

from __future__ import annotations

from pathlib import Path

import pytest

from t3safe.adapters.notify import ToldFile
from t3safe.domain.errors import NotifyError
from t3safe.domain.notices import Cause, Key

KEYS = frozenset({Key(Cause.FROZEN, "", "by hand"), Key(Cause.REFUSED, "1.0.0", "why")})


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    """Nothing where there is no file; only its owner may read it."""
    told = ToldFile(tmp_path / "state" / "told.json")
    assert told.read() == {}
    told.write({"1 json": KEYS, "2 mailto": frozenset()})
    assert told.read() == {"1 json": KEYS, "2 mailto": frozenset()}
    assert told.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[1]", '{"1 json": [{"cause": "no"}]}', '{"a": 1}', "\0"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    """It says what follows from it."""
    told = ToldFile(tmp_path / "told.json")
    told.path.write_text(content)
    with pytest.raises(NotifyError, match=r"told\.json.*may be told again"):
        told.read()
    assert told.path.read_text() == content


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    """A folder in its place."""
    told = ToldFile(tmp_path)
    with pytest.raises(NotifyError, match="cannot read"):
        told.read()
    with pytest.raises(NotifyError, match="cannot write"):
        told.write({})
