"""What every implementation of the PersonalData port must do, real or fake.

A suite derives from `PersonalDataContract` and gives it a `world` fixture.  `alice` has nothing
until the test gives her a database.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

import pytest

from t3safe.domain.errors import Fault, PersonalDataError
from t3safe.domain.idle import TurnMark
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.ports import PersonalData
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import BEFORE_SCOPES, EVENT_LOG
from t3safe.t3.ledger import SCOPES

OLD: Final = ((1, BEFORE_SCOPES.marked_by), (30, "ProjectionThreadShellArchiveIndexes"))
NEW: Final = (*OLD, (31, SCOPES))
"""Ledgers before and after the migration that locked people out."""
BUILD = Version.parse("0.0.24")
ONLINE, REST, QUARANTINE = SnapshotKind.ONLINE, SnapshotKind.REST, SnapshotKind.QUARANTINE


class PersonalDataWorld(Protocol):
    """The people behind the port, and what their serves do to their data."""

    @property
    def states(self) -> PersonalData:
        """The implementation under test."""

    def found(
        self,
        person: str,
        ledger: Iterable[tuple[int, str]] = OLD,
        events: int = 3,
        database: str = V1_DATABASE,
    ) -> None:
        """Give a person a database and the small files that a serve needs."""

    def serve(self, person: str) -> None:
        """Let a serve run on the person's data."""

    def commit(self, person: str, events: int) -> None:
        """Let the person's serve commit so many more events."""

    def migrate(self, person: str, number: int, name: str) -> None:
        """Let the person's serve run a migration."""

    def run_turn(self, person: str, thread: str, since: str) -> None:
        """Let a turn be in flight in a thread."""

    def serve_pid(self, person: str) -> int:
        """The process of the person's serve."""

    def hold(self, person: str) -> int:
        """Let a process beside the serve have the person's data open; its pid."""

    def let_go(self, person: str) -> None:
        """End that process."""

    def set_clock_ahead(self, days: int) -> None:
        """Let the host's clock be ahead by so many days, 0 for right again."""

    def end(self, person: str, *, killed: bool = False) -> None:
        """End the person's serve, in order or by SIGKILL."""

    def damage(self, person: str) -> None:
        """Make the person's database something that SQLite cannot read."""

    def damage_snapshot(self, person: str, snapshot: str) -> None:
        """Change a byte of a sealed snapshot."""

    def events(self, person: str) -> tuple[str, ...]:
        """The events that the person's database holds."""

    def secret(self, person: str) -> bytes:
        """The person's signing key, empty where there is none."""

    def lose_secret(self, person: str) -> None:
        """Take the person's signing key away."""

    def databases(self, person: str) -> tuple[str, ...]:
        """The names of the person's databases."""


def of(entries: Iterable[tuple[int, str]]) -> SetLedger:
    """The ledger of a set with one database."""
    return SetLedger.of({V1_DATABASE: Ledger.of(entries)})


class PersonalDataContract:
    """The promises of `ports.PersonalData`, one test each."""

    def test_snapshot_tells_what_it_holds(self, world: PersonalDataWorld) -> None:
        """A snapshot answers with its id and ledger, and is listed with build, kind and counts."""
        world.found("alice", events=5)
        taken = world.states.snapshot("alice", "s1", REST, BUILD)
        (info,) = world.states.snapshots("alice")
        assert (taken.snapshot, taken.ledger) == ("s1", of(OLD))
        assert (info.stored.id, info.stored.kind, info.stored.size) == ("s1", REST, taken.size)
        assert (info.person, info.build, info.ledger) == ("alice", BUILD, of(OLD))
        assert dict(info.rows)[f"{V1_DATABASE}:{EVENT_LOG}"] == 5
        world.states.verify("alice", "s1")

    def test_snapshots_are_listed_by_person_in_the_order_of_sealing(
        self, world: PersonalDataWorld
    ) -> None:
        """A clock that is a year ahead for one night does not make that night's the newest."""
        world.found("alice")
        world.found("bob")
        for snapshot, days in (("s2", 0), ("ahead", 365), ("after", 0)):
            world.set_clock_ahead(days)
            world.states.snapshot("alice", snapshot, ONLINE, None)
        world.states.snapshot("bob", "b1", ONLINE, None)
        assert [info.stored.id for info in world.states.snapshots("bob")] == ["b1"]
        listed = [info.stored for info in world.states.snapshots("alice")]
        assert [stored.id for stored in listed] == ["s2", "ahead", "after"]
        assert listed[1].taken > listed[2].taken
        assert sorted({stored.sequence for stored in listed}) == [1, 2, 3]

    def test_holder_beside_the_serve_is_named_and_fails_that_person_alone(
        self, world: PersonalDataWorld
    ) -> None:
        """It is seen while the serve runs; a copy at rest is refused for it with fault LATER."""
        world.found("alice")
        world.serve("alice")
        own = (world.serve_pid("alice"),)
        assert world.states.holder("alice", own) == ""
        pid = world.hold("alice")
        assert f"process {pid} " in world.states.holder("alice", own)
        assert V1_DATABASE in world.states.holder("alice", own)
        world.end("alice")
        with pytest.raises(PersonalDataError, match=str(pid)) as caught:
            world.states.snapshot("alice", "s1", REST, BUILD)
        assert caught.value.fault is Fault.LATER
        world.let_go("alice")
        assert world.states.holder("alice", ()) == ""
        world.states.snapshot("alice", "s1", REST, BUILD)

    def test_person_without_a_set_has_an_empty_one(self, world: PersonalDataWorld) -> None:
        """Somebody who never had a serve has an empty ledger, no work and an empty snapshot."""
        assert world.states.ledger("alice") == SetLedger()
        assert world.states.holder("alice", ()) == ""
        assert not world.states.activity("alice").tracked
        assert not world.states.activity("alice").unreadable
        assert not world.states.restoring("alice")
        assert world.states.snapshots("alice") == ()
        assert world.states.snapshot("alice", "s1", REST, None).ledger == SetLedger()
        world.states.restore("alice", "s1")
        assert world.states.ledger("alice") == SetLedger()

    def test_online_snapshot_holds_what_a_running_serve_committed(
        self, world: PersonalDataWorld
    ) -> None:
        """Everything committed before is in the copy, and the serve goes on committing."""
        world.found("alice", events=0)
        world.serve("alice")
        world.commit("alice", 4)
        world.states.snapshot("alice", "s1", ONLINE, BUILD)
        world.commit("alice", 2)
        world.end("alice")
        (info,) = world.states.snapshots("alice")
        assert dict(info.rows)[f"{V1_DATABASE}:{EVENT_LOG}"] == 4
        assert len(world.events("alice")) == 6

    @pytest.mark.parametrize("kind", [REST, QUARANTINE])
    def test_at_rest_is_refused_while_a_process_holds_the_set(
        self, world: PersonalDataWorld, kind: SnapshotKind
    ) -> None:
        """A set that a process has open is not at rest; nothing is sealed and nothing changes."""
        world.found("alice")
        world.serve("alice")
        with pytest.raises(PersonalDataError, match="cannot take snapshot s1 of alice"):
            world.states.snapshot("alice", "s1", kind, BUILD)
        assert world.states.snapshots("alice") == ()
        world.end("alice")
        assert len(world.events("alice")) == 3

    def test_at_rest_holds_what_a_killed_serve_committed(self, world: PersonalDataWorld) -> None:
        """What only the log of a killed serve holds is in the snapshot."""
        world.found("alice", events=1)
        world.serve("alice")
        world.commit("alice", 6)
        world.end("alice", killed=True)
        world.states.snapshot("alice", "s1", REST, BUILD)
        (info,) = world.states.snapshots("alice")
        assert dict(info.rows)[f"{V1_DATABASE}:{EVENT_LOG}"] == 7

    def test_same_id_again_gives_the_sealed_one(self, world: PersonalDataWorld) -> None:
        """A snapshot that is sealed is never written again, and never given as another kind."""
        world.found("alice")
        first = world.states.snapshot("alice", "s1", REST, BUILD)
        world.serve("alice")
        world.commit("alice", 1)
        world.end("alice")
        assert world.states.snapshot("alice", "s1", REST, BUILD) == first
        (info,) = world.states.snapshots("alice")
        assert dict(info.rows)[f"{V1_DATABASE}:{EVENT_LOG}"] == 3
        with pytest.raises(PersonalDataError, match="s1"):
            world.states.snapshot("alice", "s1", ONLINE, BUILD)

    @pytest.mark.parametrize("kind", [ONLINE, REST])
    def test_what_is_not_a_database_is_refused(
        self, world: PersonalDataWorld, kind: SnapshotKind
    ) -> None:
        """A set that SQLite cannot read has no ledger and gives no snapshot; it stays as it is."""
        world.found("alice")
        world.damage("alice")
        with pytest.raises(PersonalDataError, match=r"state\.sqlite is not a database") as caught:
            world.states.snapshot("alice", "s1", kind, BUILD)
        assert caught.value.fault is Fault.HOST
        with pytest.raises(PersonalDataError, match=r"state\.sqlite is not a database"):
            world.states.ledger("alice")
        assert "not a database" in world.states.activity("alice").unreadable
        assert world.states.snapshots("alice") == ()

    def test_quarantine_keeps_what_cannot_be_read_and_counts_nothing(
        self, world: PersonalDataWorld
    ) -> None:
        """Unreadable bytes are kept, never restored, and their rows are not told as none."""
        world.found("alice")
        world.states.snapshot("alice", "s1", REST, BUILD)
        world.damage("alice")
        world.states.snapshot("alice", "q1", QUARANTINE, BUILD)
        world.states.verify("alice", "q1")
        with pytest.raises(PersonalDataError, match="SQLite cannot read"):
            world.states.rows_since("alice", "q1", "s1")
        with pytest.raises(PersonalDataError, match="SQLite cannot read"):
            world.states.restore("alice", "q1")
        assert not world.states.restoring("alice")
        world.states.restore("alice", "s1")
        assert len(world.events("alice")) == 3

    def test_restore_brings_the_set_back(self, world: PersonalDataWorld) -> None:
        """After a restore, also a second one, ledger, rows and small files are the snapshot's."""
        world.found("alice")
        world.states.snapshot("alice", "s1", REST, BUILD)
        world.serve("alice")
        world.commit("alice", 2)
        world.migrate("alice", 31, SCOPES)
        world.end("alice", killed=True)
        world.lose_secret("alice")
        assert world.states.ledger("alice") == of(NEW)
        for _ in range(2):
            world.states.restore("alice", "s1")
            assert world.states.ledger("alice") == of(OLD)
            assert len(world.events("alice")) == 3
            assert world.secret("alice") == b"k" * 32
            assert not world.states.restoring("alice")

    def test_restore_takes_a_newer_builds_database_away(self, world: PersonalDataWorld) -> None:
        """A database that the snapshot does not have is gone; the quarantine has it.

        What it was begun with is in the snapshot, so that the rest alone is counted.
        """
        world.found("alice", events=3)
        world.states.snapshot("alice", "s1", REST, BUILD)
        world.found("alice", database=V2_DATABASE, events=5)
        world.states.snapshot("alice", "q1", QUARANTINE, BUILD)
        world.states.restore("alice", "s1")
        assert world.databases("alice") == (V1_DATABASE,)
        kept = {row.table: row.rows for row in world.states.rows_since("alice", "q1", "s1")}
        assert kept[f"{V2_DATABASE}:{EVENT_LOG}"] == 2
        world.states.restore("alice", "q1")
        assert world.databases("alice") == (V1_DATABASE, V2_DATABASE)

    def test_restore_is_refused_while_a_process_holds_the_set(
        self, world: PersonalDataWorld
    ) -> None:
        """Nothing is replaced under a process."""
        world.found("alice")
        world.states.snapshot("alice", "s1", REST, BUILD)
        world.serve("alice")
        world.commit("alice", 1)
        with pytest.raises(PersonalDataError, match="cannot restore alice"):
            world.states.restore("alice", "s1")
        assert not world.states.restoring("alice")
        world.end("alice")
        assert len(world.events("alice")) == 4

    def test_damaged_snapshot_is_not_restored(self, world: PersonalDataWorld) -> None:
        """A snapshot that is not what was sealed fails its check and replaces nothing."""
        world.found("alice")
        world.states.snapshot("alice", "s1", REST, BUILD)
        world.damage_snapshot("alice", "s1")
        world.serve("alice")
        world.commit("alice", 1)
        world.end("alice")
        with pytest.raises(PersonalDataError, match="s1"):
            world.states.verify("alice", "s1")
        with pytest.raises(PersonalDataError, match="cannot restore alice"):
            world.states.restore("alice", "s1")
        assert not world.states.restoring("alice")
        assert len(world.events("alice")) == 4

    def test_rows_since_counts_what_came_after(self, world: PersonalDataWorld) -> None:
        """Rows are counted per table where there are any, and only those."""
        world.found("alice")
        world.states.snapshot("alice", "s1", REST, BUILD)
        world.serve("alice")
        world.commit("alice", 2)
        world.migrate("alice", 31, SCOPES)
        world.end("alice")
        world.states.snapshot("alice", "q1", QUARANTINE, BUILD)
        kept = {row.table: row.rows for row in world.states.rows_since("alice", "q1", "s1")}
        assert kept == {f"{V1_DATABASE}:{EVENT_LOG}": 2}
        assert world.states.rows_since("alice", "s1", "s1") == ()

    def test_rows_written_counts_what_a_running_serve_committed(
        self, world: PersonalDataWorld
    ) -> None:
        """Rows since a snapshot are counted beside the serve, and nothing is changed by it."""
        world.found("alice")
        world.states.snapshot("alice", "s1", REST, BUILD)
        assert world.states.rows_written("alice", "s1") == ()
        world.serve("alice")
        world.commit("alice", 2)
        world.migrate("alice", 31, SCOPES)
        written = {row.table: row.rows for row in world.states.rows_written("alice", "s1")}
        assert written == {f"{V1_DATABASE}:{EVENT_LOG}": 2}
        assert len(world.events("alice")) == 5
        with pytest.raises(PersonalDataError, match="alice"):
            world.states.rows_written("alice", "none")

    def test_activity_tells_turns_and_the_last_activity(self, world: PersonalDataWorld) -> None:
        """A turn in flight is told with its thread and since when, beside the last activity."""
        world.found("alice")
        world.serve("alice")
        world.run_turn("alice", "thread-1", "2026-06-09T05:00:00.000Z")
        activity = world.states.activity("alice")
        since = datetime(2026, 6, 9, 5, tzinfo=UTC)
        assert activity.tracked
        assert activity.turns == (TurnMark("thread-1", since),)
        assert activity.last_activity == since

    def test_a_snapshot_that_is_not_there_is_an_error(self, world: PersonalDataWorld) -> None:
        """Removed or never taken: not listed, checked, restored or compared, but removed again."""
        world.found("alice")
        for snapshot in ("s1", "s2"):
            world.states.snapshot("alice", snapshot, REST, BUILD)
        world.states.remove("alice", "s1")
        world.states.remove("alice", "s1")
        assert [info.stored.id for info in world.states.snapshots("alice")] == ["s2"]
        for snapshot in ("s1", "none"):
            for ask in (
                lambda gone=snapshot: world.states.verify("alice", gone),
                lambda gone=snapshot: world.states.restore("alice", gone),
                lambda gone=snapshot: world.states.rows_since("alice", "s2", gone),
            ):
                with pytest.raises(PersonalDataError, match="alice"):
                    ask()
        assert len(world.events("alice")) == 3
