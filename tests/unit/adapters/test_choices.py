"""Pins and holds in their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from t3safe.adapters.choices import ChoicesFile
from t3safe.domain.errors import SwitchError
from t3safe.domain.ports import Chosen
from t3safe.domain.versions import Version

BUILD = Version.parse("0.0.28-nightly.20260615.567")
OTHER = Version.parse("0.0.28-nightly.20260615.571")


@pytest.fixture
def choices(tmp_path: Path) -> ChoicesFile:
    """Give a file that is not there yet, in a folder that is not either."""
    return ChoicesFile(tmp_path / "state" / "choices.json")


def test_nothing_is_chosen_where_the_file_is_missing(choices: ChoicesFile) -> None:
    """A fresh host follows the track."""
    assert choices.chosen() == Chosen()
    assert not choices.path.exists()


def test_a_pin_is_kept_with_who_and_why(choices: ChoicesFile) -> None:
    """Whoever looks next can tell."""
    choices.pin(BUILD, "demo week (by root)")
    assert choices.chosen() == Chosen(BUILD, "demo week (by root)")
    assert choices.unpin()
    assert not choices.unpin()
    assert choices.chosen() == Chosen()


def test_holds_and_the_pin_do_not_disturb_one_another(choices: ChoicesFile) -> None:
    """Each choice is kept until it is taken back."""
    choices.hold(BUILD, "a")
    choices.pin(OTHER, "b")
    choices.hold(OTHER, "c")
    assert choices.release(BUILD)
    assert not choices.release(BUILD)
    assert choices.chosen() == Chosen(OTHER, "b", ((OTHER, "c"),))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"pin": "v1", "pin_note": "", "held": {}}',
        '{"pin": null, "pin_note": "", "held": {}, "more": 1}',
        '{"pin": null, "pin_note": "", "held": []}',
    ],
)
def test_a_file_that_is_not_understood_is_an_error_and_stays(
    choices: ChoicesFile, text: str
) -> None:
    """A pin is never dropped because somebody edited the file badly."""
    choices.path.parent.mkdir()
    choices.path.write_text(text)
    with pytest.raises(SwitchError, match="cannot understand"):
        choices.chosen()
    with pytest.raises(SwitchError):
        choices.hold(BUILD, "x")
    assert choices.path.read_text() == text
