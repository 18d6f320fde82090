"""What is decided about builds and the host, in memory: ports over any simulated host.

A host says with `begin` what a decision costs there, and may log it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import attrs
from attrs import frozen

from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.ports import Chosen
from t3safe.domain.refusals import Lookup, Refusals, nothing_installed, still_counts
from t3safe.domain.versions import Version


class Deciding(Protocol):
    """A host that remembers decisions; `frozen` is empty while it is not."""

    verdicts: dict[Version, tuple[Verdict, str]]
    chosen: Chosen
    frozen: str

    def begin(self, operation: str, who: str = "", detail: str = "") -> None:
        """A port is called: time passes."""


@frozen
class MemoryVerdicts:
    """What is remembered of builds."""

    world: Deciding

    def record(self, verdict: Verdict, fingerprint: str, at: datetime) -> None:  # noqa: ARG002
        """Remember a verdict; one from production stays until it is allowed."""
        self.world.begin("verdict", verdict.build.text, verdict.ruling)
        known = self.world.verdicts.get(verdict.build)
        if known is None or verdict.in_production or not known[0].in_production:
            self.world.verdicts[verdict.build] = (verdict, fingerprint)

    def refused(self, gate: str, staged: Lookup = nothing_installed) -> Refusals:
        return tuple(
            (build, "; ".join(verdict.reasons))
            for build, (verdict, under) in sorted(self.world.verdicts.items())
            if verdict.ruling is Ruling.REFUSED
            and (verdict.in_production or still_counts(under, gate, staged(build)))
        )

    def allow(self, build: Version) -> bool:
        known = self.world.verdicts.pop(build, None)
        return known is not None and known[0].ruling is Ruling.REFUSED


@frozen
class MemorySwitch:
    """The freeze switch."""

    world: Deciding

    def frozen(self) -> str:
        return self.world.frozen

    def freeze(self, reason: str) -> None:
        """Freeze; an earlier reason stays."""
        self.world.frozen = self.world.frozen or reason

    def thaw(self) -> bool:
        was, self.world.frozen = self.world.frozen, ""
        return bool(was)


@frozen
class MemoryChoices:
    """What a person decided by hand."""

    world: Deciding

    def chosen(self) -> Chosen:
        return self.world.chosen

    def pin(self, build: Version, note: str) -> None:
        self.world.chosen = attrs.evolve(self.world.chosen, pin=build, pin_note=note)

    def unpin(self) -> bool:
        was = self.world.chosen.pin is not None
        self.world.chosen = attrs.evolve(self.world.chosen, pin=None, pin_note="")
        return was

    def hold(self, build: Version, note: str) -> None:
        others = tuple(item for item in self.world.chosen.held if item[0] != build)
        self.world.chosen = attrs.evolve(self.world.chosen, held=(*others, (build, note)))

    def release(self, build: Version) -> bool:
        others = tuple(item for item in self.world.chosen.held if item[0] != build)
        was = len(others) < len(self.world.chosen.held)
        self.world.chosen = attrs.evolve(self.world.chosen, held=others)
        return was
