"""The explorer itself: what it covers, that it merges only what is the same, and how it tells."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fakes.explorer.__main__ import main
from fakes.explorer.bounds import Exhaustiveness, tasks
from fakes.explorer.report import command, replay, shrink
from fakes.explorer.scenes import NAMES, ExploredScene, SceneCommand, Sort, sort_of
from fakes.explorer.search import Exploration, Search, Violation
from fakes.explorer.turns import Phase, Player, single_faults
from fakes.world.faults import FaultKind, FaultPlace, Schedule, WorldFault, effect, journal
from fakes.world.model import OpenQuestion
from tests.faults.wrong import only_the_build_goes_back

CANARY = ExploredScene((Sort.CANARY,))


@pytest.mark.parametrize(
    "scene",
    [
        ExploredScene((Sort.OPEN,)),
        ExploredScene((Sort.OPEN,), attempts=3),
        ExploredScene((Sort.IDLE, Sort.CANARY)),
        ExploredScene((Sort.IDLE,), SceneCommand.BACK),
        ExploredScene((Sort.IDLE, Sort.IDLE), SceneCommand.BAKE),
    ],
    ids=str,
)
def test_no_single_fault_breaks_a_promise_on_the_night_or_the_night_after(
    scene: ExploredScene,
) -> None:
    """I1 to I7 after every step, whatever goes wrong wherever; and nobody is stuck afterwards."""
    forward = scene.asked is SceneCommand.RUN

    found = Search(scene, 1, next_night=forward).run()

    assert found.violations == []
    assert found.schedules[1] >= found.points


def test_with_retries_no_single_fault_of_a_good_build_needs_a_person() -> None:
    """One fault is what the retry budget is for."""
    found = Search(ExploredScene((Sort.IDLE, Sort.IDLE), attempts=3), 1).run()

    assert found.outcomes["needs-human"] == 0
    assert found.outcomes["promoted"] > 0


@pytest.mark.parametrize(
    "scene", [ExploredScene((Sort.OPEN,)), ExploredScene((Sort.IDLE, Sort.CANARY))], ids=str
)
def test_what_is_merged_is_the_same(scene: ExploredScene) -> None:
    """Every schedule is covered, and every kind of end is found, as when no two states are one."""
    merged, unmerged = Search(scene, 1).run(), Search(scene, 1, merge=False).run()

    assert merged.schedules == unmerged.schedules
    assert set(merged.outcomes) == set(unmerged.outcomes)
    assert merged.states < unmerged.states


def test_a_defect_that_is_found_unmerged_is_found_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find the same histories to be wrong."""
    only_the_build_goes_back(monkeypatch)

    found = [Search(CANARY, 1, first_only=True, merge=merge).run() for merge in (True, False)]

    assert [len(one.violations) for one in found] == [1, 1]
    assert found[0].violations[0].text == found[1].violations[0].text


def _walk(scene: ExploredScene, every: int) -> list[tuple[Schedule, str]]:
    """The end of every so-many-th history with one fault, as the explorer plays it."""
    player = Player(scene)
    ends: list[tuple[Schedule, str]] = []
    node, count = player.first(), 0
    while node.phase is not Phase.ENDED:
        following, seen = player.play(node)
        for fault in single_faults(node, seen):
            count += 1
            if count % every:
                continue
            struck, _ = player.play(node, (fault,))
            while struck.phase is not Phase.ENDED:
                struck, _ = player.play(struck)
            ends.append((struck.trail, struck.outcome))
        node = following
    return ends


@pytest.mark.parametrize(
    "scene", [CANARY, ExploredScene((Sort.IDLE, Sort.BUSY), attempts=2)], ids=str
)
def test_a_history_ends_alike_turn_by_turn_and_process_by_process(scene: ExploredScene) -> None:
    """Real processes start with an empty memory and fold the journal; the explorer does not."""
    for schedule, outcome in _walk(scene, every=7):
        _, driven = replay(scene, schedule)
        assert (driven.outcome, driven.violations) == (outcome, ()), schedule


def test_a_violation_is_shrunk_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault without which something is wrong all the same is left out."""
    only_the_build_goes_back(monkeypatch)
    schedule = (effect(1, FaultKind.HANG), journal(9, FaultKind.CRASH_AFTER))

    small = shrink(Violation(CANARY, (effect(1, FaultKind.HANG),), "wrong"))

    assert small.schedule == ()
    assert command(Violation(CANARY, schedule, "wrong")) == (
        "python -m fakes.explorer replay run:canary:1:hold-back effect:1:hang journal:9:crash-after"
    )


def test_the_command_that_is_told_shows_the_history_again() -> None:
    """It ends with status 0 where every promise is kept, and tells every step."""
    shown = CliRunner().invoke(
        main, ["replay", str(CANARY), "inside:9:power:1:1", "journal:25:crash-after"]
    )

    assert shown.exit_code == 0, shown.output
    assert "power-cut" in shown.output
    assert "ended: interrupted, after 3 processes" in shown.output


def test_the_command_fails_where_a_promise_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says which."""
    only_the_build_goes_back(monkeypatch)

    shown = CliRunner().invoke(main, ["replay", str(CANARY)])

    assert shown.exit_code == 1
    assert "WRONG: I1 ann" in shown.output


@pytest.mark.parametrize("words", [["nonsense"], [str(CANARY), "effect:x:hang"]])
def test_what_cannot_be_replayed_is_a_mistake_in_the_asking(words: list[str]) -> None:
    """Status 2, and what is wrong with it."""
    shown = CliRunner().invoke(main, ["replay", *words])

    assert shown.exit_code == 2
    assert "cannot replay" in shown.output


@pytest.mark.parametrize(
    "fault",
    [
        WorldFault(FaultPlace.EFFECT, 12, FaultKind.FAIL_AFTER),
        WorldFault(FaultPlace.INSIDE, 3, FaultKind.POWER, 2, (1, 2)),
        WorldFault(FaultPlace.INSIDE, 3, FaultKind.KILL, 4),
        WorldFault(FaultPlace.PAUSE, 7, FaultKind.WORKS),
    ],
    ids=str,
)
def test_a_fault_is_read_as_it_is_written(fault: WorldFault) -> None:
    """So that a line of a report can be pasted."""
    assert WorldFault.parse(str(fault)) == fault


def test_every_scene_is_read_as_it_is_written() -> None:
    """The same of scenes, all of those that are explored."""
    for task in tasks(Exhaustiveness.WHOLE):
        assert ExploredScene.parse(str(task.scene)) == task.scene


def test_the_whole_is_every_mix_of_one_to_four_people_with_two_faults() -> None:
    """The bound is not lowered by and by."""
    whole = {(task.scene, task.faults) for task in tasks(Exhaustiveness.WHOLE)}
    short = {(task.scene, task.faults) for task in tasks(Exhaustiveness.SHORT)}

    assert whole >= {
        (ExploredScene((Sort.OPEN,) * people), 2) for people in range(1, len(NAMES) + 1)
    }
    assert short >= {(ExploredScene((Sort.OPEN,)), 2), (ExploredScene((Sort.OPEN,) * 4), 1)}


def test_whoever_is_left_open_turns_out_to_be_of_every_sort() -> None:
    """Nothing but `loses` is missing from what an open person can be."""
    player = Player(ExploredScene((Sort.OPEN,)))
    sorts = {
        sort
        for sort in Sort
        if sort not in {Sort.OPEN, Sort.LOSES, Sort.HELD, Sort.JOB, Sort.AHEAD, Sort.OUTSIDE}
        and sort is not Sort.STALE
    }
    answers: list[dict[str, bool]] = [
        {question: question in so for question in OpenQuestion}
        for so in (
            set(),
            {OpenQuestion.BUSY},
            {OpenQuestion.BROKEN},
            {OpenQuestion.REHEARSAL},
            {OpenQuestion.CANARY},
            {OpenQuestion.CANARY, OpenQuestion.UNRESTORABLE},
            {OpenQuestion.FADES},
            {OpenQuestion.FADES, OpenQuestion.UNRESTORABLE},
        )
    ]

    assert {sort_of(said) for said in answers} == sorts
    assert player.first().world.people["ann"].answers == {}


def test_findings_add_up() -> None:
    """The figures of the whole are the sums of its parts."""
    parts = [Search(ExploredScene((sort,)), 1).run() for sort in (Sort.IDLE, Sort.BUSY)]
    whole = Exploration()
    for part in parts:
        whole.add(part)

    assert whole.scenes == 2
    assert whole.played == sum(part.played for part in parts)
    assert whole.schedules[1] == sum(part.schedules[1] for part in parts)
