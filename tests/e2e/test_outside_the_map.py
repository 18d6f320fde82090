"""People outside of tonight's map, on a whole host: they keep their build, and it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost, HostPerson
from fakes.packages import FakeRelease, release_like
from t3safe.entrypoints.exits import Exit
from tests.support.documents import body_of

OLD = release_like("0.0.25-nightly.20260602.440", schema=30, native=False)
NEW = release_like("0.0.25-nightly.20260608.497", native=False)
CONFIG = {
    "gate.soak": 0.1,
    "rollout.bake": 0.2,
    "rollout.bake_interval": 0.1,
    "retention.builds": 0,
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host of ann and ben on an old build, and a newer one on offer."""
    with EmbeddedHost(
        tmp_path, (HostPerson("ann"), HostPerson("ben")), config=dict(CONFIG)
    ) as made:
        made.adopt(OLD)
        made.publish(NEW, tag="nightly")
        yield made


def build_of(host: EmbeddedHost, person: str) -> str:
    """The build that a person's link leads to."""
    return (host.store / "users" / person).readlink().name


def leave_out(host: EmbeddedHost, person: str) -> str:
    """Let the map's line of this person be wrong; what the map said before."""
    before = host.user_map.read_text()
    host.user_map.write_text(before.replace(f"={person}\n", f"={person} smith\n"))
    return before


def night(host: EmbeddedHost, release: FakeRelease | None = None) -> str:
    """Let a night pass that promotes; what was said."""
    if release is not None:
        host.publish(release, tag="nightly")
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    return said.out + said.err


def test_who_is_missing_from_the_map_stays_where_they_are(host: EmbeddedHost) -> None:
    """Without a link, on the default: the promotion gives ben a link to what he runs."""
    (host.store / "users" / "ben").unlink()
    before = leave_out(host, "ben")

    said = night(host)

    assert "NOT IN THE USER MAP: ben runs t3" in said
    assert (host.store / "default").readlink().name == NEW.version
    assert (build_of(host, "ann"), build_of(host, "ben")) == (NEW.version, OLD.version)
    (stranger,) = body_of(host.t3safe("status", "--json").out, "status")["unmapped"]
    assert (stranger["person"], stranger["build"]) == ("ben", OLD.version)
    assert "ben runs t3" in host.t3safe("doctor").out

    host.user_map.write_text(before)
    night(host)
    assert build_of(host, "ben") == NEW.version
