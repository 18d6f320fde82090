"""Recovery respects new work: whoever has worked on the new build since a crash is kept there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from fakes.embedded import EmbeddedHost
from fakes.kills import judge
from fakes.kills.people import Crew
from fakes.kills.places import SCENARIOS, Blow
from fakes.kills.striking import KILLED, Prepared, furnished, launch, scene_of
from t3safe.entrypoints.exits import Exit
from t3safe.t3.generations import EVENT_LOG

pytestmark = pytest.mark.timeout(600)


@frozen
class Crashed:
    """A host whose run was killed right after somebody's new build was started."""

    host: EmbeddedHost
    crew: Crew
    scene: judge.JudgedHost
    before: judge.HostBefore

    def work_of(self, person: str, version: str) -> set[judge.Row]:
        """The rows that a build acknowledged to a person."""
        rows = self.crew.acknowledged()[person]
        return {(row.table, row.key) for row in rows if row.version == version}

    def wait_for_work(self, person: str, version: str) -> set[judge.Row]:
        """Wait until a build has acknowledged rows to a person."""
        deadline = time.monotonic() + 20
        while not (rows := self.work_of(person, version)):
            assert time.monotonic() < deadline, f"{person} cannot work on {version}"
            time.sleep(0.02)
        return rows


@contextmanager
def crashed(name: str, person: str, prepared: Prepared, root: Path) -> Iterator[Crashed]:
    """Give a host whose run died when a person's serve of the new build had just been started."""
    scenario = SCENARIOS[name]
    root.mkdir()
    with (
        furnished(scenario, root, prepared) as host,
        Crew.of(host.people, host.client) as crew,
    ):
        scene = scene_of(host, scenario)
        found = Crashed(host, crew, scene, judge.remember(scene))
        ended = launch(host, Blow.parse(f"kill:before:Finished.Start.{person}"), "run")
        assert ended.status == KILLED, ended
        yield found


def test_whoever_works_on_the_new_build_since_the_crash_is_kept_there(
    prepared: Prepared, tmp_path: Path
) -> None:
    """They paired and wrote on it, and it verifies: same process, their rows in the live set."""
    new = SCENARIOS["good"].offer.version
    with crashed("good", "ann", prepared, tmp_path / "host") as found:
        rows = found.wait_for_work("ann", new)
        serves = judge.look(found.scene)["ann"].serves
        said = found.host.t3safe("recover")
        assert said.status == Exit.LATER, said
        assert "moved ann" in said.out
        now = judge.look(found.scene)
        assert (now["ann"].build, now["ann"].serves) == (new, serves)
        assert rows <= judge.live_rows(found.scene, "ann")
        assert now["ben"] == found.before.people["ben"]
        acknowledged = found.crew.acknowledged()
        assert judge.at_once(found.scene, found.before, acknowledged) == []


def test_whoever_cannot_sign_in_on_the_new_build_is_taken_back(
    prepared: Prepared, tmp_path: Path
) -> None:
    """Rows that a session of before wrote on it are kept aside, counted; the old set is live."""
    canary = SCENARIOS["canary"]
    with crashed("canary", "ben", prepared, tmp_path / "host") as found:
        found.wait_for_work("ben", canary.offer.version)
        said = found.host.t3safe("recover")
        assert said.status == Exit.ROLLED_BACK, said
        assert "quarantined ben's data written after the stop" in said.out
        assert EVENT_LOG in said.out
        now = judge.look(found.scene)
        assert now["ben"].build == canary.old.version
        assert now["ben"].ledger == found.before.people["ben"].ledger
        given_up = found.work_of("ben", canary.offer.version)
        assert not given_up & judge.live_rows(found.scene, "ben")
        assert given_up <= judge.kept_rows(found.scene, "ben")
        assert now["ann"].build == canary.offer.version
        acknowledged = found.crew.acknowledged()
        assert judge.at_once(found.scene, found.before, acknowledged) == []
