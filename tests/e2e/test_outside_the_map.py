"""People outside of tonight's map, on a whole host: they keep their build, and it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost
from fakes.packages import FakeRelease
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, OLD, adopted, selected
from tests.support.documents import body_of


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host of ann and ben on an old build, and a newer one on offer."""
    with adopted(tmp_path, retention__builds=0) as made:
        made.publish(NEW, tag="nightly")
        yield made


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
    assert (selected(host, "ann"), selected(host, "ben")) == (NEW.version, OLD.version)
    (stranger,) = body_of(host.t3safe("status", "--json").out, "status")["unmapped"]
    assert (stranger["person"], stranger["build"]) == ("ben", OLD.version)
    assert "ben runs t3" in host.t3safe("doctor").out

    host.user_map.write_text(before)
    night(host)
    assert selected(host, "ben") == NEW.version
