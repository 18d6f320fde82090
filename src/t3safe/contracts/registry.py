"""What every implementation of the port Registry promises."""

from __future__ import annotations

from datetime import UTC, date
from typing import Protocol

import pytest

from t3safe.domain.errors import Fault, RegistryError
from t3safe.domain.policy import Track
from t3safe.domain.ports import Registry
from t3safe.domain.versions import Version

OLD = "0.0.28-nightly.20260615.567"
NEW = "0.0.29-nightly.20260721.864"
STABLE = "0.0.28"


class RegistryBench(Protocol):
    """A registry under test, and a hand on what it offers."""

    port: Registry

    def publish(self, version: str, *, tag: str | None = None, complete: bool = True) -> None:
        """Publish a version on its own day, without its tarball unless `complete`."""

    def tag(self, name: str, version: str | None) -> None:
        """Point a tag at a version, or take it away."""

    def down(self) -> None:
        """Let nothing answer any more."""


class RegistryContract:
    """Runs on any bench; a subclass provides the fixture `bench`."""

    def test_tells_the_tag_without_the_releases(self, bench: RegistryBench) -> None:
        """The fast question names where the track's tag points and nothing else."""
        bench.publish(NEW, tag="nightly")
        bench.publish(STABLE, tag="latest")

        offer = bench.port.offer(Track.NIGHTLY, history=False)

        assert (offer.tag, offer.releases) == (Version.parse(NEW), ())
        assert bench.port.offer(Track.LATEST, history=False).tag == Version.parse(STABLE)

    def test_tells_releases_with_their_publish_times(self, bench: RegistryBench) -> None:
        """The long question names every release with an aware publish time."""
        bench.publish(NEW, tag="nightly")
        bench.publish(OLD)

        offer = bench.port.offer(Track.NIGHTLY, history=True)

        assert {release.version.text for release in offer.releases} == {OLD, NEW}
        published = {release.version.text: release.published for release in offer.releases}[OLD]
        assert published is not None
        assert published.astimezone(UTC).date() == date(2026, 6, 15)

    def test_tells_a_tag_that_moved_backward(self, bench: RegistryBench) -> None:
        """A tag that points at an older version is told as it is: refusing is the policy's."""
        bench.publish(OLD)
        bench.publish(NEW, tag="nightly")
        bench.tag("nightly", OLD)

        assert bench.port.offer(Track.NIGHTLY, history=False).tag == Version.parse(OLD)
        assert bench.port.offer(Track.NIGHTLY, history=True).tag == Version.parse(OLD)

    @pytest.mark.parametrize("history", [False, True])
    def test_missing_tag_is_later(self, bench: RegistryBench, *, history: bool) -> None:
        """A track without a tag is nobody's fault and is asked for again."""
        bench.publish(STABLE, tag="latest")

        with pytest.raises(RegistryError, match="nightly") as caught:
            bench.port.offer(Track.NIGHTLY, history=history)

        assert caught.value.fault is Fault.LATER

    @pytest.mark.parametrize("history", [False, True])
    def test_tag_that_is_no_version_is_later(self, bench: RegistryBench, *, history: bool) -> None:
        """A tag with a path in it is refused by name and reaches nobody as a version."""
        bench.publish(NEW)
        bench.tag("nightly", "../../x")

        with pytest.raises(RegistryError, match=r"'\.\./\.\./x' as nightly") as caught:
            bench.port.offer(Track.NIGHTLY, history=history)

        assert caught.value.fault is Fault.LATER

    def test_version_without_tarball_is_later(self, bench: RegistryBench) -> None:
        """A tag whose version cannot be fetched yet is published in parts: later, not bad."""
        bench.publish(OLD)
        bench.tag("nightly", NEW)

        with pytest.raises(RegistryError, match=NEW) as caught:
            bench.port.offer(Track.NIGHTLY, history=True)

        assert caught.value.fault is Fault.LATER

    @pytest.mark.parametrize("history", [False, True])
    def test_unreachable_registry_is_later(self, bench: RegistryBench, *, history: bool) -> None:
        """A registry that does not answer is a passing error, which says what to do."""
        bench.publish(NEW, tag="nightly")
        bench.down()

        with pytest.raises(RegistryError, match="the next run asks again") as caught:
            bench.port.offer(Track.NIGHTLY, history=history)

        assert caught.value.fault is Fault.LATER
