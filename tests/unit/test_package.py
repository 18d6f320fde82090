from __future__ import annotations

from importlib import metadata

import t3safe


def test_version_is_the_distributions() -> None:
    """The version that the package states is the one that is installed."""
    assert metadata.version("t3safe") == t3safe.__version__
