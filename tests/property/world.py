"""One world behind all effects, as nasty as the facts: for properties of the whole rollout.

A running serve commits a row at every step.  A serve or a mint that runs migrates the database to
its build's schema, sooner or later.  A restore done by half leaves neither rows nor a ledger to
read.  A reboot ends every serve and starts whatever is selected.
"""

from __future__ import annotations

from enum import Enum

from attrs import define, field

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.versions import Version


class Luck(Enum):
    """What becomes of one effect."""

    DONE = "done and told"
    REFUSED = "not done, told as failed"
    HALF = "done by half, told as failed"
    SILENT = "done, told as failed"
    DIES_BEFORE = "t3safe dies before it is done"
    DIES_HALF = "t3safe dies while it is half done"
    DIES_AFTER = "t3safe dies before the answer is journaled"
    POWER_BEFORE = "the power fails before it is done"
    POWER_HALF = "the power fails while it is half done"
    POWER_AFTER = "the power fails before the answer is journaled"

    @property
    def fatal(self) -> bool:
        """Whether the process is gone afterwards."""
        return self.name.startswith(("DIES", "POWER"))


@define
class Set:
    """One person's state set, serve and selection."""

    selected: Version | None
    running: Version | None
    ledger: SetLedger
    rows: frozenset[int] = frozenset()
    torn: bool = False
    snapshots: dict[str, tuple[SetLedger, frozenset[int]]] = field(factory=dict)

    def kept(self) -> frozenset[int]:
        """Every row that can still be had from the set or from a snapshot."""
        return self.rows.union(*(rows for _, rows in self.snapshots.values()))


@define
class World:
    """The people, what each build knows, and which build pairs nobody.

    `down` is true while the dispatch cannot be asked.
    """

    people: dict[str, Set]
    schemas: dict[Version, SetLedger]
    broken: frozenset[Version] = frozenset()
    down: bool = False
    committed: dict[str, set[int]] = field(factory=dict)
    defects: list[str] = field(factory=list)
    _rows: int = 0

    def live(self, *, minting: bool) -> None:
        """Let a moment pass: serves commit, serves and mints may migrate; check the promise."""
        for person, state in self.people.items():
            if state.selected is not None:
                self._open(person, state, state.selected, minting=minting)
            if state.running is not None:
                self._open(person, state, state.running, minting=minting)
            if state.running is not None:
                self._rows += 1
                state.rows |= {self._rows}
                self.committed.setdefault(person, set()).add(self._rows)
            if lost := self.committed.get(person, set()) - state.kept():
                self.defects.append(f"I2: {person} lost rows {sorted(lost)}")

    def reboot(self) -> None:
        """Lose every process; units whose selection is a build start again."""
        for state in self.people.values():
            state.running = state.selected

    def _open(self, person: str, state: Set, build: Version, *, minting: bool) -> None:
        """Let a build open the set, or see at least that it may (I1)."""
        if state.torn:
            self.defects.append(f"I1: {build} may run on the half restored set of {person}")
        elif not state.ledger.known_to(self.schemas[build]):
            self.defects.append(f"I1: {build} may run on the newer set of {person}")
        elif minting:
            state.ledger = self.schemas[build]

    def perform(self, effect: fx.Effect, luck: Luck) -> ev.Answer | None:
        """Do what the effect asks, with this luck; None where t3safe died."""
        name = luck.name
        answer: ev.Answer = ev.Failed(Fault.HOST, luck.value)
        if name.endswith("HALF"):
            self._halfway(effect)
        elif name.endswith(("AFTER", "SILENT", "DONE")):
            told = self._do(effect)
            answer = told if luck is Luck.DONE else answer
        if name.startswith("POWER"):
            self.reboot()
        return None if luck.fatal else answer

    def _halfway(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Restore) and self.people[effect.person].running is None:
            state = self.people[effect.person]
            state.torn, state.rows = True, frozenset()

    def _do(self, effect: fx.Effect) -> ev.Answer:
        person = getattr(effect, "person", "")
        return self._do_to(self.people[person], effect) if person else ev.Done()

    def _do_to(self, state: Set, effect: fx.Effect) -> ev.Answer:
        match effect:
            case fx.Fence():
                state.selected = None
            case fx.Select(build=build):
                state.selected = build
            case fx.Stop():
                state.running = None
            case fx.Start():
                return self._start(state)
            case fx.SnapshotAtRest() | fx.Quarantine():
                return self._copy(effect, state, effect.snapshot)
            case fx.Restore(snapshot=name):
                return self._restore(state, name)
            case fx.Verify(build=build):
                return self._verify(state, build)
            case _:
                pass
        return self._inspect(state) if isinstance(effect, fx.Inspect) else ev.Done()

    def _inspect(self, state: Set) -> ev.Answer:
        ledger = None if state.torn else state.ledger
        return ev.Inspected(state.selected, state.running is not None, ledger, state.torn)

    def _start(self, state: Set) -> ev.Answer:
        if state.selected is None:
            return ev.Failed(Fault.HOST, "fenced")
        state.running = state.running or state.selected
        return ev.Done()

    def _copy(self, effect: fx.SnapshotAtRest | fx.Quarantine, state: Set, name: str) -> ev.Answer:
        if state.running is not None:
            return ev.Failed(Fault.HOST, "a process holds the set")
        state.snapshots[name] = (state.ledger, state.rows)
        if isinstance(effect, fx.Quarantine):
            since = state.snapshots[effect.since][1]
            return ev.Quarantined(name, (ev.RowsKept("state:rows", len(state.rows - since)),))
        if state.torn:
            return ev.Failed(Fault.HOST, "quick_check")
        return ev.Snapshotted(name, state.ledger, len(state.rows))

    def _restore(self, state: Set, name: str) -> ev.Answer:
        if state.running is not None:
            return ev.Failed(Fault.HOST, "a process holds the set")
        state.ledger, state.rows = state.snapshots[name]
        state.torn = False
        return ev.Done()

    def _verify(self, state: Set, build: Version) -> ev.Answer:
        if state.running != build or build in self.broken:
            return ev.NotPaired(Fault.BUILD, f"{build} does not pair")
        if self.down:
            return ev.NotPaired(Fault.ENVIRONMENT, "no answer from the dispatch")
        return ev.Paired()
