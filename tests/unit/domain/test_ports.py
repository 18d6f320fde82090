from __future__ import annotations

from t3safe.domain.ports import Selected
from tests.unit.domain.plans import OLD


def test_whoever_has_no_build_selected_is_fenced() -> None:
    """There is no third way to stand."""
    assert Selected(None).fenced
    assert not Selected(OLD).fenced
