"""Which files below a base directory are whose."""

from __future__ import annotations

import pytest

from t3safe.t3 import files


@pytest.mark.parametrize(
    ("sizes", "copied"),
    [
        ({}, 0),
        ({"state.sqlite": 4096}, 4096),
        ({"state.sqlite": 4096, "statev2.sqlite": 512}, 0),
        ({"statev2.sqlite": 512}, 0),
        ({"state.sqlite": 4096, "other.sqlite": 512}, 4096),
        ({"other.sqlite": 512}, 0),
    ],
)
def test_the_first_start_of_v2_copies_the_database_of_v1(
    sizes: dict[str, int], copied: int
) -> None:
    """Once and for all: where V2's is there nothing is copied."""
    assert files.copied_by_a_start(sizes) == copied


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("state.sqlite", True),
        ("statev2.sqlite", True),
        ("statev12.sqlite", True),
        ("state-backup.sqlite", False),
        ("mystate.sqlite", False),
        ("state.sqlite-wal", False),
        ("state.sqlite.bak", False),
        ("statevé.sqlite", False),
        ("other.sqlite", False),
    ],
)
def test_a_database_of_t3_is_known_by_its_name(name: str, own: bool) -> None:
    """By those that it has had, and those that a later t3 may give."""
    assert files.is_of_t3(name) is own


@pytest.mark.parametrize(
    ("name", "left"),
    [
        (".v2-import-a1B2c3", True),
        (".v2-import-", True),
        (".v2-import", False),
        ("my.v2-import-a1B2c3", False),
        ("statev2.sqlite", False),
    ],
)
def test_the_folder_of_a_broken_import_is_known_by_its_name(name: str, left: bool) -> None:
    """Where V2 copies before it links the copy to its name."""
    assert files.is_broken_import(name) is left
