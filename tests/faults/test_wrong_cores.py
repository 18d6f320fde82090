"""The explorer can fail: a core from which one rule was taken away is found out."""

from __future__ import annotations

import pytest

from fakes.explorer.scenes import ExploredScene, Sort
from fakes.explorer.search import Search
from t3safe.engine import Engine
from tests.faults.wrong import WRONG, Wrong


@pytest.mark.parametrize("core", WRONG, ids=lambda core: core.name)
def test_a_wrong_core_is_found_out(core: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere in the scene a promise is broken, and the same history shows it once more."""
    core.patch(monkeypatch)

    found = Search(core.scene, core.faults, first_only=True).run()

    assert found.violations != []


def test_a_core_that_an_observer_can_end_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the explorer nobody ever listens: what is said reaches a reader that has gone."""
    scene = ExploredScene((Sort.OPEN,))
    assert Search(scene, 0).run().violations == []
    monkeypatch.setattr(
        Engine, "_inform", lambda each, *what: [one.saw(*what) for one in each.observers]
    )
    with pytest.raises(BrokenPipeError):
        Search(scene, 0).run()


def test_there_are_wrong_cores_enough() -> None:
    """At least twenty rules are taken away, each in its own way."""
    assert len({core.name for core in WRONG}) >= 20


@pytest.mark.parametrize("core", WRONG, ids=lambda core: core.name)
def test_the_right_core_keeps_every_promise_there(core: Wrong) -> None:
    """Where a wrong core is found out, it is the core's doing and not the scene's."""
    assert Search(core.scene, min(core.faults, 1)).run().violations == []
