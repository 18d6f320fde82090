"""Places as text, and that there is none of a run's records where nothing strikes."""

from __future__ import annotations

import pytest

from fakes.kills.everywhere import everywhere
from fakes.kills.places import SCENARIOS, KillPlace, steps_of

TRACE = """\
cli open /host/state/journal.sqlite None
record Opened
record Started.Stage
cli os.mkdir /host/store/builds/.stage 448
cli os.rename a b
record Finished.Stage
record Started.SnapshotAtRest.ben
worker fsync /host/backups
record Finished.SnapshotAtRest.ben
record Closed
"""


@pytest.mark.parametrize(
    "text",
    [
        "good:kill:after:Started.Select.ben",
        "canary:full-home:worker:Started.Restore.ben:7",
        "good:term-all:delay:Started.Stage:0.250",
        "canary:kill:after:Started.Fence.ben~2+kill:before:Closed",
    ],
)
def test_a_place_is_its_text(text: str) -> None:
    """What a failure prints names exactly the same place again."""
    assert str(KillPlace.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "nowhere:kill:after:Closed",
        "good:kill:during:Closed",
        "good:kill:after:Closed:1",
        "good:kill:cli:Closed",
        "good:full-moon:after:Closed",
        "good:full:after:Closed",
        "good:bless:after:Closed",
    ],
)
def test_no_place_is_refused(text: str) -> None:
    """A typing mistake must not strike somewhere else."""
    with pytest.raises(ValueError, match=r".+"):
        KillPlace.parse(text)


def test_a_trace_names_what_changes_after_each_record() -> None:
    """The command's calls and the workers' are kept apart."""
    steps = {step.label: step for step in steps_of(TRACE)}
    assert len(steps["Started.Stage"].cli) == 2
    assert len(steps["Started.SnapshotAtRest.ben"].worker) == 1
    assert steps["start"].cli
    assert not steps["Closed"].cli


def test_every_record_is_struck_and_a_seed_names_the_same_places() -> None:
    """After each record, and before each that tells of something done."""
    steps = tuple(steps_of(TRACE))
    traces = dict.fromkeys(SCENARIOS, steps)
    places = [str(place) for place in everywhere(traces, 1, disks=True)]
    for name in ("good", "canary", "back"):
        for step in steps[1:]:
            assert f"{name}:kill:after:{step.label}" in places
    assert "good:kill:before:Finished.Stage" in places
    assert len(set(places)) == len(places)
    assert places == [str(place) for place in everywhere(traces, 1, disks=True)]
    assert places != [str(place) for place in everywhere(traces, 2, disks=True)]
    without = [str(place) for place in everywhere(traces, 1, disks=False)]
    assert not [text for text in without if "full-" in text]
