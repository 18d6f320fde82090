"""What every implementation of the port Selection promises."""

from __future__ import annotations

from typing import Protocol

import pytest

from t3safe.domain.errors import SelectionError
from t3safe.domain.ports import Selected, Selection
from t3safe.domain.versions import Version

OLD = Version.parse("0.0.28-nightly.20260615.567")
NEW = Version.parse("0.0.28-nightly.20260615.571")
NEWEST = Version.parse("0.0.29-nightly.20260721.864")


class SelectionBench(Protocol):
    """A selection under test, over a store of builds."""

    port: Selection

    def hold(self, *builds: Version) -> None:
        """Let the store hold these builds."""


class SelectionContract:
    """Runs on any bench; a subclass provides the fixture `bench`."""

    def test_person_without_own_selection_runs_the_default(self, bench: SelectionBench) -> None:
        """Whoever was never moved runs what was promoted last."""
        bench.hold(OLD, NEW)
        bench.port.promote(OLD)
        assert bench.port.selected("alice") == Selected(OLD)

        bench.port.promote(NEW)
        assert bench.port.selected("alice") == Selected(NEW)

    def test_selection_is_one_persons(self, bench: SelectionBench) -> None:
        """Selecting a build for a person changes nobody else and no default."""
        bench.hold(OLD, NEW)
        bench.port.promote(OLD)

        bench.port.select("alice", NEW)
        bench.port.select("alice", NEW)

        assert bench.port.selected("alice") == Selected(NEW)
        assert bench.port.selected("bob") == Selected(OLD)
        assert (bench.port.default(), bench.port.last_good()) == (OLD, OLD)

    def test_own_selection_and_the_default_are_told_apart(self, bench: SelectionBench) -> None:
        """Whoever follows the default has no selection of their own; a fence is one."""
        bench.hold(OLD)
        bench.port.promote(OLD)
        assert not bench.port.has_own("alice")
        assert bench.port.linked() == ()

        bench.port.select("alice", OLD)
        bench.port.fence("bob")

        assert bench.port.linked() == ("alice", "bob")
        assert bench.port.has_own("alice")
        assert bench.port.has_own("bob")

    def test_promotion_moves_nobody_with_a_selection(self, bench: SelectionBench) -> None:
        """A promotion is for everybody else: who has a selection of their own keeps it."""
        bench.hold(OLD, NEW)
        bench.port.select("alice", OLD)

        bench.port.promote(NEW)

        assert bench.port.selected("alice") == Selected(OLD)

    def test_fence_holds_until_a_selection(self, bench: SelectionBench) -> None:
        """A fenced person has no build, twice fenced too, and the next selection ends it."""
        bench.hold(OLD, NEW)
        bench.port.promote(OLD)
        bench.port.select("alice", OLD)

        bench.port.fence("alice")
        bench.port.fence("alice")
        assert bench.port.selected("alice").fenced
        assert bench.port.selected("bob") == Selected(OLD)

        bench.port.select("alice", NEW)
        assert bench.port.selected("alice") == Selected(NEW)

    def test_selects_only_what_the_store_holds(self, bench: SelectionBench) -> None:
        """A build that the store does not hold is refused, and the old selection stays."""
        bench.hold(OLD)
        bench.port.promote(OLD)
        bench.port.select("alice", OLD)

        with pytest.raises(SelectionError, match=f"cannot select {NEW} for alice"):
            bench.port.select("alice", NEW)
        with pytest.raises(SelectionError, match=f"cannot promote {NEW}"):
            bench.port.promote(NEW)

        assert bench.port.selected("alice") == Selected(OLD)
        assert (bench.port.default(), bench.port.last_good()) == (OLD, OLD)
        assert bench.port.previous_good() is None

    def test_nothing_is_selected_before_the_first_promotion(self, bench: SelectionBench) -> None:
        """A host that was never adopted has no default, and says how to adopt it."""
        assert bench.port.default() is None
        assert bench.port.last_good() is None
        assert bench.port.previous_good() is None
        with pytest.raises(SelectionError, match="t3safe adopt"):
            bench.port.selected("alice")

    def test_promotion_remembers_the_one_before(self, bench: SelectionBench) -> None:
        """Last-good and the one before it follow each promotion; a repeated one changes nothing."""
        bench.hold(OLD, NEW, NEWEST)
        bench.port.promote(OLD)
        assert (bench.port.last_good(), bench.port.previous_good()) == (OLD, None)

        bench.port.promote(NEW)
        bench.port.promote(NEW)
        assert (bench.port.last_good(), bench.port.previous_good()) == (NEW, OLD)

        bench.port.promote(NEWEST)
        assert (bench.port.last_good(), bench.port.previous_good()) == (NEWEST, NEW)
        assert bench.port.default() == NEWEST

    @pytest.mark.parametrize("name", ["root", "../alice", "", "a b", "-rf"])
    def test_strange_names_are_nobody(self, bench: SelectionBench, name: str) -> None:
        """A name that could be a path, an option or root's is refused everywhere."""
        bench.hold(OLD)
        bench.port.promote(OLD)

        with pytest.raises(SelectionError, match="not a person's name"):
            bench.port.select(name, OLD)
        with pytest.raises(SelectionError, match="not a person's name"):
            bench.port.fence(name)
        with pytest.raises(SelectionError, match="not a person's name"):
            bench.port.selected(name)

        assert bench.port.selected("alice") == Selected(OLD)
