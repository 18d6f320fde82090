"""The explorer can fail: a core from which one rule was taken away is found out."""

from __future__ import annotations

import pytest

from fakes.explorer.scenes import ExploredScene
from fakes.explorer.search import Search
from tests.faults.wrong import WRONG, Wrong


@pytest.mark.parametrize("core", WRONG, ids=lambda core: core.name)
def test_a_wrong_core_is_found_out(core: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere in the scene a promise is broken, and the same history shows it once more."""
    core.patch(monkeypatch)

    found = Search(core.scene, core.faults, first_only=True).run()

    assert found.violations != []


def test_there_are_wrong_cores_enough() -> None:
    """At least twenty rules are taken away, each in its own way."""
    assert len({core.name for core in WRONG}) >= 20


SCENES = dict.fromkeys((core.scene, min(core.faults, 1)) for core in WRONG)


@pytest.mark.parametrize(("scene", "faults"), SCENES, ids=str)
def test_the_right_core_keeps_every_promise_there(scene: ExploredScene, faults: int) -> None:
    """Where a wrong core is found out, it is the core's doing and not the scene's."""
    assert Search(scene, faults).run().violations == []
