"""The PersonalData contract, held against each implementation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from t3safe.contracts.personaldata import PersonalDataContract, PersonalDataWorld
from tests.support.personaldata import DiskWorld


class TestLocalPersonalData(PersonalDataContract):
    """The real adapter on a real disk with real SQLite."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[PersonalDataWorld]:
        """A fresh disk."""
        disk = DiskWorld(tmp_path)
        yield disk
        disk.close()
