"""Who waits, since when, for which build; and what is said loudly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.world import (
    NEW,
    NEWER,
    OLD,
    Defect,
    FakePerson,
    drive,
    host,
    small_world,
    version,
)
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.engine import fold
from t3safe.usecases.host import deferrals
from t3safe.usecases.rollback import arrivals
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import (
    DAY,
    night,
    publish,
    running,
    statuses,
)


def test_a_deferral_is_remembered_since_its_first_night() -> None:
    """Two nights deferred: since the first, for the build of the last."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    first = world.journal.runs()
    since = min(record.opened for record in first)
    publish(world, NEWER, 33)
    world.advance(DAY)
    night(world)

    (deferral,) = deferrals(host(world))

    assert (deferral.person, deferral.build, deferral.since) == ("bob", NEWER, since)
    assert "in flight" in deferral.reason


def test_a_deferral_ends_with_a_move() -> None:
    """Drained: nobody waits any more."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.rest("bob")
    night(world, drain)

    assert deferrals(host(world)) == ()
    assert night(world, drain).stayed is SkipReason.NOTHING


def test_a_deferral_ends_where_the_person_is_kept_on_the_new_build() -> None:
    """Drained while the dispatch went down: they are on the new build and wait no more."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.rest("bob")
    world.on("start", "bob", lambda at: setattr(at, "dispatch_up", False))
    assert night(world, drain).outcome is ev.Outcome.LATER

    assert running(world)["bob"] == NEW
    assert deferrals(host(world)) == ()


def test_a_refused_night_does_not_forget_who_waits() -> None:
    """Between two deferrals a build is refused: the person waits since the first."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    (first,) = deferrals(host(world))
    publish(world, NEWER, 33, Defect.PAIRLESS)
    world.advance(DAY)
    assert night(world).outcome is ev.Outcome.REFUSED

    assert deferrals(host(world)) == (first,)
    world.rest("bob")
    drained = night(world, drain)

    assert running(world)["bob"] == NEW
    assert drained.outcome is ev.Outcome.PROMOTED


def test_a_run_by_other_rules_tells_who_waits_all_the_same() -> None:
    """An earlier t3safe ended its runs without pruning: that they are over is enough."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    waiting, arrived = deferrals(host(world)), list(arrivals(host(world)))
    assert [item.person for item in waiting] == ["bob"]
    assert [item.person for item in arrived] == ["ann"]

    (name,) = world.journal.written
    older = without_prune(world.journal.written[name])
    world.journal.written[name] = older
    world.journal.closed.clear()
    with pytest.raises(DamagedJournalError):
        fold(older)

    assert deferrals(host(world)) == waiting
    assert list(arrivals(host(world))) == arrived
    world.rest("bob")
    assert night(world, drain).outcome is ev.Outcome.PROMOTED
    assert running(world)["bob"] == NEW


def test_an_unfinished_run_by_other_rules_is_no_run_to_go_on_with() -> None:
    """Who is in between is not guessed at: such a journal counts as damaged."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    (name,) = world.journal.written
    older = without_prune(world.journal.written[name])[:-1]
    older.insert(2, older[1])
    world.journal.written[name] = older
    world.journal.closed.clear()
    for ask in (deferrals, run):
        with pytest.raises(DamagedJournalError):
            ask(host(world))
    assert world.journal.written[name] == older


def without_prune(events: list[ev.Event]) -> list[ev.Event]:
    """Leave out that snapshots were pruned, as rules without that step would have it."""
    numbers = {
        event.seq
        for event in events
        if isinstance(event, ev.Started) and isinstance(event.effect, fx.Prune)
    }
    assert numbers
    return [
        event
        for event in events
        if not (isinstance(event, ev.Started | ev.Finished) and event.seq in numbers)
    ]


def test_a_deferral_older_than_its_limit_is_loud() -> None:
    """Every run and drain says DEFERRED TOO LONG, with the person and the date."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    assert not any("DEFERRED TOO LONG" in line for line in night(world).warnings)
    world.advance(8 * DAY)

    for operation in (run, drain):
        (line,) = [text for text in night(world, operation).warnings if "DEFERRED" in text]
        assert line.startswith("DEFERRED TOO LONG: bob")


def test_a_host_that_lags_too_far_behind_is_loud() -> None:
    """The tag is weeks ahead of last-good, and the run stays: STALE."""
    world = small_world("ann")
    publish(world, version("0.0.28-nightly.20260710.700"), 40, Defect.PAIRLESS)

    result = night(world)
    again = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert any(line.startswith("STALE") for line in result.warnings)
    assert any(line.startswith("STALE") for line in again.warnings)


def test_what_tonight_mended_is_not_loud_any_more() -> None:
    """Loud lines tell how the host stands after the run: nobody is sent to look at what is well."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.advance(8 * DAY)
    publish(world, version("0.0.28-nightly.20260710.700"), 40)
    world.rest("bob")

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert result.warnings == ()


def test_a_held_build_is_not_drained_to() -> None:
    """Held after somebody was deferred for it: the drain takes nobody there."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.rest("bob")
    host(world).ports.choices.hold(NEW, "bad")

    night(world, drain)

    assert running(world)["bob"] == OLD


def test_a_person_who_left_the_user_map_waits_no_more() -> None:
    """A deferred person is removed from the host: nothing is said or drained for them."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    del world.people["bob"]
    world.advance(8 * DAY)

    result = night(world)

    assert not any("bob" in line for line in result.warnings)


def test_a_person_who_came_after_the_start_is_moved_with_the_next_build() -> None:
    """Somebody new follows the default until the next build moves them like everybody."""
    world = small_world("ann")
    night(world)
    world.people["eve"] = FakePerson("eve", None)
    world.launch("eve")
    assert running(world)["eve"] == NEW
    publish(world, NEWER, 33)

    result = night(world)

    assert statuses(result) == {"ann": Status.MOVED, "eve": Status.MOVED}


def test_many_nights_keep_every_promise() -> None:
    """Ten nights of healthy, refused and failing builds, with a thaw after each freeze."""
    world = small_world("ann", "bob", "cid")
    kinds = [(), (Defect.PAIRLESS,), (), (Defect.MUTE,), (Defect.FADES,), (), (Defect.DIES,)]
    for number in range(10):
        defects = kinds[number % len(kinds)]
        build = version(f"0.0.28-nightly.20260620.{600 + number}")
        publish(world, build, 33 + number, *defects, victims="bob")
        world.people["cid"].inputs = number % 2
        driven = drive(world)
        assert driven.violations == ()
        host(world).ports.switch.thaw()
        drained = drive(world, drain)
        assert drained.violations == ()
        host(world).ports.switch.thaw()


@given(
    nights=st.lists(
        st.tuples(st.sets(st.sampled_from(["ann", "bob", "cat"])), st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_a_process_that_lives_on_knows_who_waits_as_a_new_one_does(
    nights: list[tuple[set[str], bool, bool]],
) -> None:
    """What is remembered of runs that are over never differs from what the journal tells."""
    world = small_world("ann", "bob", "cat")
    people = tuple(world.people)
    staying = host(world)
    for number, (at_work, published, drains) in enumerate(nights):
        for name in people:
            (world.work if name in at_work else world.rest)(name)
        if published:
            publish(world, version(f"0.0.40-nightly.20260801.{number + 1}"), 33)
        world.advance(DAY)
        (drain if drains else run)(staying)
        told = {item.person: item for item in deferrals(staying, people)}
        fresh = {item.person: item for item in deferrals(host(world))}
        assert told == fresh


def test_a_drain_takes_whoever_waits_to_what_was_promoted_since() -> None:
    """Deferred for a build that a newer one has followed: the host is not led backward."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    publish(world, NEWER, 33)
    away = world.people.pop("bob")
    assert night(world).outcome is ev.Outcome.PROMOTED
    world.people["bob"] = away
    world.rest("bob")

    drained = night(world, drain)

    assert drained.outcome is ev.Outcome.PROMOTED
    assert running(world)["bob"] == NEWER
    assert world.last_good == NEWER
