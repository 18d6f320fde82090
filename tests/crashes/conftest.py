"""Hosts to go on with, made once for all workers of a test run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes.kills.striking import Prepared


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Give the folders of prepared hosts; whoever needs one first makes it."""
    base = tmp_path_factory.getbasetemp()
    shared: Path = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Prepared(shared / "prepared")
