"""What every implementation of the port Builds promises."""

from __future__ import annotations

from typing import Protocol

import pytest

from t3safe.domain.errors import BuildError, Fault
from t3safe.domain.lockfile import LockFile, SharedLock
from t3safe.domain.ports import Builds
from t3safe.domain.versions import Version

OLD = Version.parse("0.0.28-nightly.20260615.567")
NEW = Version.parse("0.0.29-nightly.20260721.864")


class BuildsBench(Protocol):
    """A store under test, and a hand on what can be installed into it."""

    port: Builds

    def publish(self, version: Version, *, foreign: bool = False, complete: bool = True) -> None:
        """Let a version be installable: the real package, a foreign one, or one in parts."""

    def withdraw(self, version: Version) -> None:
        """Let a version not be installable any more."""

    def drift(self) -> None:
        """Let what versions depend on have a newer release, which a new installation takes."""

    def traces(self) -> object:
        """Give everything that the store holds, to be compared."""


class BuildsContract:
    """Runs on any bench; a subclass provides the fixture `bench`."""

    def test_stages_lists_and_removes(self, bench: BuildsBench) -> None:
        """What was staged is present, ascending, until it is removed; twice is once."""
        bench.publish(NEW)
        bench.publish(OLD)
        assert bench.port.present() == ()

        bench.port.stage(NEW)
        bench.port.stage(OLD)
        assert bench.port.present() == (OLD, NEW)

        bench.port.remove(NEW)
        bench.port.remove(NEW)
        assert bench.port.present() == (OLD,)

    def test_stages_a_build_once(self, bench: BuildsBench) -> None:
        """A build that is in the store needs no registry any more."""
        bench.publish(OLD)
        bench.port.stage(OLD)
        before = bench.traces()
        bench.withdraw(OLD)

        bench.port.stage(OLD)

        assert bench.traces() == before

    def test_unknown_version_is_later(self, bench: BuildsBench) -> None:
        """A version that nobody offers proves nothing and leaves no trace."""
        bench.publish(OLD)
        before = bench.traces()

        with pytest.raises(BuildError) as caught:
            bench.port.stage(NEW)

        assert caught.value.fault is Fault.LATER
        assert bench.traces() == before

    def test_version_in_parts_is_later(self, bench: BuildsBench) -> None:
        """A version without its tarball is later, not bad, and leaves no trace."""
        bench.publish(NEW, complete=False)
        before = bench.traces()

        with pytest.raises(BuildError, match="published in parts") as caught:
            bench.port.stage(NEW)

        assert caught.value.fault is Fault.LATER
        assert bench.traces() == before

    def test_foreign_package_is_the_builds_fault(self, bench: BuildsBench) -> None:
        """A package from another repository is refused and leaves no trace."""
        bench.publish(NEW, foreign=True)
        before = bench.traces()

        with pytest.raises(BuildError, match="foreign") as caught:
            bench.port.stage(NEW)

        assert caught.value.fault is Fault.BUILD
        assert bench.traces() == before

    def test_tells_what_is_installed(self, bench: BuildsBench) -> None:
        """The same that staging answered, without installing; of a build that is not there none."""
        bench.publish(NEW)
        assert bench.port.staged(NEW) is None

        answer = bench.port.stage(NEW)

        assert bench.port.staged(NEW) == answer
        assert answer.lock == LockFile(bench.port.lock_file(NEW)).digest
        assert bench.port.stage(NEW) == answer

    def test_installs_what_another_host_published(self, bench: BuildsBench) -> None:
        """Also when a new installation would be another one."""
        bench.publish(NEW)
        first = bench.port.stage(NEW)
        published = SharedLock("a", LockFile(bench.port.lock_file(NEW)))
        bench.port.remove(NEW)
        bench.drift()
        alone = bench.port.stage(NEW)
        bench.port.remove(NEW)

        assert bench.port.stage(NEW, published) == first
        assert alone.lock != first.lock
        assert bench.port.lock_file(NEW) == published.file.text

    def test_sealed_build_stays_whatever_was_published(self, bench: BuildsBench) -> None:
        """The answer says what is there."""
        bench.publish(NEW)
        bench.port.stage(NEW)
        published = SharedLock("a", LockFile(bench.port.lock_file(NEW)))
        bench.port.remove(NEW)
        bench.drift()
        alone = bench.port.stage(NEW)
        before = bench.traces()

        assert bench.port.stage(NEW, published) == alone
        assert bench.traces() == before

    def test_published_lock_that_does_not_fit_is_later(self, bench: BuildsBench) -> None:
        """Be it of another build or no lock at all: it names the host and leaves no trace."""
        bench.publish(NEW)
        bench.publish(OLD)
        bench.port.stage(OLD)
        other = bench.port.lock_file(OLD)
        bench.port.remove(OLD)
        before = bench.traces()

        for text in (other, "no lock"):
            with pytest.raises(BuildError, match="host a does not fit") as caught:
                bench.port.stage(NEW, SharedLock("a", LockFile(text)))
            assert caught.value.fault is Fault.LATER
            assert bench.traces() == before
