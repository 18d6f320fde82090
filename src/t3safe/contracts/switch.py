"""What every implementation of the port Switch promises."""

from __future__ import annotations

from typing import Protocol

from t3safe.domain.ports import Switch


class SwitchBench(Protocol):
    """A switch under test, of a host that is not frozen."""

    port: Switch


class SwitchContract:
    """Runs on any bench; a subclass provides the fixture `switch`."""

    def test_host_is_not_frozen_at_first(self, switch: SwitchBench) -> None:
        """Nothing is frozen that nobody froze."""
        assert switch.port.frozen() == ""

    def test_frozen_host_says_why(self, switch: SwitchBench) -> None:
        """The reason that was given is the reason that is told."""
        switch.port.freeze("rolled alice back to 0.0.24")
        assert "rolled alice back to 0.0.24" in switch.port.frozen()

    def test_earlier_reason_stays(self, switch: SwitchBench) -> None:
        """What froze the host first is what somebody must look at."""
        switch.port.freeze("the first")
        before = switch.port.frozen()
        switch.port.freeze("the second")
        assert switch.port.frozen() == before

    def test_thaw_ends_it_and_tells_whether_there_was_anything(self, switch: SwitchBench) -> None:
        """A thaw is for good, and a second one finds nothing."""
        switch.port.freeze("why")
        assert switch.port.thaw()
        assert switch.port.frozen() == ""
        assert not switch.port.thaw()

    def test_frozen_again_has_its_new_reason(self, switch: SwitchBench) -> None:
        """A reason does not outlive its thaw."""
        switch.port.freeze("the first")
        switch.port.thaw()
        switch.port.freeze("the second")
        assert "the second" in switch.port.frozen()
        assert "the first" not in switch.port.frozen()
