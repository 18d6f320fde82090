"""Any number of faults at once, drawn at random: every promise is kept at every step."""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from fakes.explorer.nights import next_night, night_after
from fakes.explorer.report import COMMAND, replay
from fakes.explorer.scenes import ExploredScene, SceneCommand, Sort
from fakes.explorer.turns import Node, Phase, Player, single_faults
from fakes.world.faults import Schedule, WorldFault

EXAMPLES = int(os.environ.get("T3SAFE_SCHEDULES", "25"))
"""How many schedules a scene is tried with; `make faults` asks for more."""
TURNS_MAX = 2_000

CLOSED = [sort for sort in Sort if sort is not Sort.OPEN]
MAPPED = [sort for sort in CLOSED if sort is not Sort.OUTSIDE]


def _somebody_is_mapped(sorts: tuple[Sort, ...]) -> bool:
    # Nothing is planned where the map names nobody, so there is nothing to strike.
    return any(sort in MAPPED for sort in sorts)


scenes = st.one_of(
    st.builds(
        ExploredScene,
        st.lists(st.sampled_from(CLOSED), min_size=1, max_size=4)
        .map(tuple)
        .filter(_somebody_is_mapped),
        attempts=st.integers(1, 3),
        refuse=st.booleans(),
    ),
    st.builds(
        ExploredScene,
        st.just((Sort.IDLE, Sort.IDLE)),
        st.sampled_from([SceneCommand.BACK, SceneCommand.BAKE]),
        st.integers(1, 3),
    ),
)


def _strike(player: Player, node: Node, data: st.DataObject) -> Schedule:
    """Draw the faults of the next turn; mostly none."""
    _, seen = player.play(node)
    singles = list(single_faults(node, seen))
    if not singles or not data.draw(st.booleans(), label="something goes wrong"):
        return ()
    return (data.draw(st.sampled_from(singles), label="fault"),)


@settings(max_examples=EXAMPLES)
@given(scene=scenes, data=st.data())
def test_any_faults_settle_with_every_promise_kept(
    scene: ExploredScene, data: st.DataObject
) -> None:
    """I1 to I7 under a schedule of any length; the run ends, and so does the night after."""
    player = Player(scene)
    node, left = player.first(), data.draw(st.integers(0, 40), label="most faults")
    for _ in range(TURNS_MAX):
        struck = _strike(player, node, data) if left else ()
        node, left = player.play(node, struck)[0], left - len(struck)
        if node.violations or node.phase is Phase.ENDED:
            break
    note(f"{COMMAND} {scene} {' '.join(map(str, node.trail))}")

    assert node.violations == ()
    assert node.phase is Phase.ENDED
    if scene.asked is SceneCommand.RUN:
        assert next_night(node, scene) == ()


FOUND: Final[dict[str, str]] = {
    "a bake that cannot be begun leaves nobody unseen": "run:bake:1:hold-back effect:13:fail-after",
    "work begun during a bake is not cut off": "run:bake:1:hold-back event:13:works",
    "work begun while no process ran is not cut off": (
        "run:canary:1:hold-back journal:28:crash-after pause:29:works"
    ),
    "two deaths in a row restore nothing that was never changed": (
        "run:canary:1:hold-back journal:21:crash-after journal:24:crash-after"
    ),
    "a refusal that could not be kept is a refusal all the same": (
        "run:rehearsal:1:hold-back effect:4:fail-after"
    ),
    "who was rolled back does not hide who cannot be looked at": (
        "run:bake,bake:1:hold-back effect:32:fail-before"
    ),
}
"""What the explorer found in the core, each as it told it."""


@pytest.mark.parametrize("told", FOUND.values(), ids=FOUND)
def test_what_was_found_once_is_kept(told: str) -> None:
    """Each history that broke a promise once, process by process."""
    scene, *faults = told.split()

    _, driven = replay(
        ExploredScene.parse(scene), tuple(WorldFault.parse(fault) for fault in faults)
    )

    assert driven.violations == ()


@pytest.mark.parametrize(
    "told",
    [
        "run:idle,busy:1:hold-back journal:30:crash-before",
        "run:rehearsal,bake:1:hold-back effect:15:fail-before",
    ],
)
def test_a_bake_that_was_cut_off_is_made_up_for_whoever_else_waits(told: str) -> None:
    """Somebody who is always at work keeps nobody's build from being baked and promoted."""
    scene, *faults = told.split()
    asked = ExploredScene.parse(scene)

    world, driven = replay(asked, tuple(WorldFault.parse(fault) for fault in faults))

    assert driven.violations == ()
    assert night_after(world, asked) == ()
