"""What every implementation of the port FleetStore promises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import attrs
import pytest

from t3safe.domain.errors import Fault, FleetError, FleetErrorKind
from t3safe.domain.fleet.orders import freeze, halt, join, leave, lift, set_policy, thaw
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.publications import publish_lock, publish_report, publish_verdict
from t3safe.domain.fleet.records import (
    Artifact,
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    FleetVerdict,
    Halt,
    Holder,
    HostReport,
    Ring,
)
from t3safe.domain.fleet.slots import (
    Held,
    Lost,
    NoSlot,
    after_lost_take,
    fence,
    held,
    release,
    take,
)
from t3safe.domain.fleet.view import (
    FREEZE,
    POLICY,
    Change,
    Commit,
    Expected,
    Transaction,
    halt_key,
    host_key,
    slots_key,
)
from t3safe.domain.lockfile import LOCK_FILE_MAX, LockFile
from t3safe.domain.versions import Version

BUILD = Version.parse("0.0.29-nightly.20260721.864")
OTHER = Version.parse("0.0.29-nightly.20260722.871")
LOCK = "a" * 64
AT = datetime(2026, 7, 21, 4, 0, tzinfo=UTC)
POLICY_OF_TWO = FleetPolicy(
    (Ring("canary", 1, 50, 60.0, 2.5), Ring("main", 2)), 3, 7_200.0, release_silent=True
)


class FleetStoreBench(Protocol):
    """A store under test that holds nothing, as two hosts of one fleet reach it."""

    port: FleetStore
    other: FleetStore

    def lose(self, *, done: bool) -> None:
        """Let the answer to the next transaction of `port` get lost, whether it is done or not."""

    def cut_off(self) -> None:
        """Let nothing answer `port` any more."""

    def spoil(self, key: str) -> None:
        """Write what no t3safe can read."""


def a_holder(host: str, run: str = "20260721T040000Z-ab") -> Holder:
    """Make a holder."""
    return Holder(host, run, BUILD, LOCK, AT)


def a_report(host: str) -> HostReport:
    """Make a report with something in each field."""
    return HostReport(
        host,
        f"install-{host}",
        "main",
        "1.0",
        "linux-x64",
        AT,
        2,
        BUILD,
        "20260721T040000Z-ab",
        "promoted",
        12,
        1,
        "ring canary: ein Host übrig",
    )


def a_verdict(ruling: FleetRuling, build: Version = BUILD) -> FleetVerdict:
    """Make a verdict."""
    return FleetVerdict(Artifact(build, LOCK, "linux-x64"), "web1", "run-1", ruling, AT, "why", 3)


def done(port: FleetStore, transaction: Transaction | Held | NoSlot | None) -> Commit:
    """Do a transaction that there must be."""
    assert isinstance(transaction, Transaction)
    return port.transact(transaction).commit


class FleetStoreContract:
    """Runs on any bench; a subclass provides the fixture `bench`."""

    def test_new_fleet_has_nothing_but_a_cluster(self, bench: FleetStoreBench) -> None:
        """What was never written is absent, and its revision is 0."""
        view = bench.port.view(BUILD)

        assert view.cluster
        assert view.revision >= 1
        assert (view.policy, view.frozen, view.lock, view.verdicts) == (None, "", None, ())
        assert (dict(view.halts), dict(view.slots), dict(view.hosts)) == ({}, {}, {})
        assert view.revision_of(POLICY) == 0
        assert (dict(view.damaged), view.problems) == ({}, ())

    def test_each_record_is_read_as_it_was_written(self, bench: FleetStoreBench) -> None:
        """By the other host, at once, and with the revision at which it was written."""
        port = bench.port
        assert done(port, set_policy(port.view(), POLICY_OF_TWO)) is Commit.DONE
        assert done(port, join(port.view(), a_report("web1"))) is Commit.DONE
        assert done(port, take(port.view(), "main", a_holder("web1"))) is Commit.DONE
        assert done(port, publish_verdict(a_verdict(FleetRuling.PROMOTED))) is Commit.DONE
        assert done(port, publish_lock(BUILD, "web1", LockFile('{"ü": 1}'))) is Commit.DONE
        assert done(port, halt(Halt(OTHER, "web1", "run-2", "it failed", AT))) is Commit.DONE
        done_freeze = port.transact(freeze(FleetFreeze("web1", "wait", AT)))

        view = bench.other.view(BUILD)

        assert (view.policy, view.hosts) == (POLICY_OF_TWO, {"web1": a_report("web1")})
        assert view.holders("main").holders == (a_holder("web1"),)
        assert view.verdicts == (a_verdict(FleetRuling.PROMOTED),)
        assert view.lock is not None
        assert (view.lock.digest, view.lock.host) == (LockFile('{"ü": 1}').digest, "web1")
        assert view.halts == {OTHER: "it failed (host web1, run run-2)"}
        assert view.frozen == "wait (host web1, 2026-07-21 04:00 UTC)"
        assert view.revision_of(FREEZE) == view.revision == done_freeze.revision
        assert view.cluster == done_freeze.cluster
        assert view.problems == ()

    def test_transaction_that_is_not_met_writes_nothing(self, bench: FleetStoreBench) -> None:
        """One condition that does not hold is enough, and nothing of it is seen."""
        port = bench.port
        port.transact(freeze(FleetFreeze("web1", "wait", AT)))
        before = port.view()
        change = (Change(host_key("web1"), a_report("web1")),)
        holds, fails = Expected(host_key("web1"), 0), Expected(FREEZE, 0)

        assert port.transact(Transaction((holds, fails), change)).commit is Commit.NOT_MET
        assert port.transact(Transaction((fails, holds), change)).commit is Commit.NOT_MET

        assert port.view() == before
        assert port.transact(Transaction((holds,), change)).commit is Commit.DONE

    def test_key_that_was_made_again_is_another_one(self, bench: FleetStoreBench) -> None:
        """A condition on what was deleted never holds again."""
        port = bench.port
        done(port, join(port.view(), a_report("web1")))
        old = port.view()
        assert done(port, leave(old, "web1")) is Commit.DONE
        assert done(port, join(port.view(), a_report("web1"))) is Commit.DONE

        assert done(port, leave(old, "web1")) is Commit.NOT_MET
        assert port.view().revision_of(host_key("web1")) > old.revision

    def test_orders_are_taken_back(self, bench: FleetStoreBench) -> None:
        """A thaw and a lift delete; deleting what is not there is done, too."""
        port = bench.port
        port.transact(freeze(FleetFreeze("web1", "wait", AT)))
        port.transact(halt(Halt(BUILD, "web1", "run-2", "it failed", AT)))
        port.transact(publish_verdict(a_verdict(FleetRuling.FAILED)))

        assert done(port, thaw(port.view())) is Commit.DONE
        assert done(port, lift(port.view(BUILD), BUILD)) is Commit.DONE
        assert port.transact(Transaction((), (Change(FREEZE, None),))).commit is Commit.DONE

        view = bench.other.view(BUILD)
        assert (view.frozen, view.halts, view.verdicts) == ("", {}, ())

    def test_verdicts_are_those_of_the_build_that_was_asked_for(
        self, bench: FleetStoreBench
    ) -> None:
        """Of one host there may be one of each ruling; publishing again is not met."""
        port = bench.port
        for ruling in FleetRuling:
            assert done(port, publish_verdict(a_verdict(ruling))) is Commit.DONE
        assert done(port, publish_verdict(a_verdict(ruling))) is Commit.NOT_MET
        done(port, publish_verdict(a_verdict(FleetRuling.REFUSED, OTHER)))

        assert {one.ruling for one in port.view(BUILD).verdicts} == set(FleetRuling)
        assert [one.artifact.build for one in port.view(OTHER).verdicts] == [OTHER]
        assert port.view().verdicts == ()

    def test_first_lock_file_stays(self, bench: FleetStoreBench) -> None:
        """Of two hosts that publish one the first wins; a whole one comes back, byte for byte."""
        file = LockFile('{"packages": "é\\"\n"}'.ljust(LOCK_FILE_MAX // 2))
        assert done(bench.port, publish_lock(BUILD, "web1", file)) is Commit.DONE
        late = LockFile("{}")
        assert done(bench.other, publish_lock(BUILD, "web2", late)) is Commit.NOT_MET

        assert bench.other.lock_file(file.digest) == file
        assert bench.other.lock_file(late.digest) is None

    def test_two_hosts_cannot_take_the_last_slot(self, bench: FleetStoreBench) -> None:
        """Both read the same slots; one writes them, and the other reads again."""
        port, other = bench.port, bench.other
        done(port, set_policy(port.view(), POLICY_OF_TWO))
        mine = take(port.view(), "canary", a_holder("web1"))
        theirs = take(other.view(), "canary", a_holder("web2"))

        assert done(port, mine) is Commit.DONE
        assert done(other, theirs) is Commit.NOT_MET
        assert isinstance(take(other.view(), "canary", a_holder("web2")), NoSlot)
        given_back = release(port.view(), "canary", "web1", a_holder("web1").run)
        assert done(port, given_back) is Commit.DONE
        assert done(other, take(other.view(), "canary", a_holder("web2"))) is Commit.DONE

    @pytest.mark.parametrize("was_done", [True, False])
    def test_lost_answer_is_unknown(self, bench: FleetStoreBench, *, was_done: bool) -> None:
        """It says why, and the next view says what became of it."""
        port = bench.port
        done(port, set_policy(port.view(), POLICY_OF_TWO))
        asked = take(port.view(), "canary", a_holder("web1"))
        assert isinstance(asked, Transaction)
        bench.lose(done=was_done)

        lost = port.transact(asked)

        assert lost.commit is Commit.UNKNOWN
        assert lost.reason
        found = after_lost_take(asked, port.view(), "canary", a_holder("web1"))
        assert found is (Lost.TAKEN if was_done else Lost.OPEN)
        if not was_done:
            assert done(port, fence(port.view(), "canary")) is Commit.DONE
            assert done(port, asked) is Commit.NOT_MET
        holds = held(bench.other.view(), "canary", "web1", a_holder("web1").run)
        assert (holds is not None) is was_done

    def test_host_that_is_cut_off_is_told_in_one_line(self, bench: FleetStoreBench) -> None:
        """A read and a write that was never sent are errors, and blame no build."""
        order = set_policy(bench.port.view(), POLICY_OF_TWO)
        bench.cut_off()

        for ask in (
            bench.port.view,
            lambda: bench.port.transact(order),
            lambda: bench.port.lock_file(LOCK),
            lambda: bench.port.alive("web1", 60),
        ):
            with pytest.raises(FleetError) as caught:
                ask()
            assert (caught.value.kind, caught.value.fault) == (
                FleetErrorKind.UNREACHABLE,
                Fault.LATER,
            )
            assert str(caught.value).isprintable()
        assert bench.other.view().policy is None

    def test_what_cannot_be_read_is_never_taken_for_missing(self, bench: FleetStoreBench) -> None:
        """What stops a start still stops it; the rest is named and left out."""
        done(bench.port, join(bench.port.view(), a_report("web2")))
        for key in (POLICY, FREEZE, halt_key(BUILD), slots_key("main"), host_key("web1")):
            bench.spoil(key)

        view = bench.port.view()

        assert view.frozen
        assert set(view.halts) == {BUILD}
        assert set(view.damaged) == {POLICY, slots_key("main")}
        assert len(view.problems) == 1
        assert view.problems[0].startswith(f"{host_key('web1')}: ")
        assert view.hosts == {"web2": a_report("web2")}

    def test_host_says_that_it_is_alive(self, bench: FleetStoreBench) -> None:
        """The other hosts see it; its report is another thing."""
        bench.port.alive("web1", 60)
        bench.port.alive("web1", 60)

        view = bench.other.view()
        assert (view.alive, dict(view.hosts)) == (frozenset({"web1"}), {})

    def test_report_replaces_the_one_before(self, bench: FleetStoreBench) -> None:
        """Each has a higher revision: that is how others see that a host is not silent."""
        port = bench.port
        done(port, join(port.view(), a_report("web1")))
        first = port.view()
        newer = attrs.evolve(a_report("web1"), outcome="deferred")
        assert done(port, publish_report(first, newer)) is Commit.DONE

        view = bench.other.view()
        assert view.hosts["web1"] == newer
        assert view.revision_of(host_key("web1")) > first.revision_of(host_key("web1"))
