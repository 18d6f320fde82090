"""Files of the simulation: what they hold, and one clear line for each that cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from t3safe.domain.versions import Version
from t3safe.simulation import files
from t3safe.simulation.builds import builds
from t3safe.simulation.history import HistoryError, told_by_registry
from t3safe.simulation.scenario import ReplayScenario
from tests.simulation.hosts import replayed, until

NEWEST = "0.0.29-nightly.20260721.864"


def raw() -> dict[str, Any]:
    """The package's own history, as its file has it."""
    path = Path(files.__file__).parent / "data" / "releases.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_own_history_and_incidents_are_whole() -> None:
    """267 releases, 223 of them nightlies, and 50 failures, each with its source."""
    history, incidents = files.history(), files.incidents()
    assert len(history.releases) == 267
    count = Counter(release.channel.value for release in history.releases)
    assert count == {"nightly": 223, "latest": 43, "preview": 1}
    assert "public repository" in history.about
    assert len(incidents.incidents) == 50
    assert all(incident.source for incident in incidents.incidents)


def test_what_no_source_says_is_unknown_in_the_own_history_too() -> None:
    """No commit time after July, few schemas; each such row says what it rests on."""
    named = [release for release in files.history().releases if release.committed is None]
    assert len(named) == 64
    assert all(release.how for release in named)
    assert sum(release.schema is None for release in named) == 48
    assert {release.version.text for release in named if release.published} == {
        "0.0.45",
        "0.0.46-nightly.20261003.2610",
    }


def test_a_written_history_reads_as_the_same(tmp_path: Path) -> None:
    """What `history-fetch` writes is what `--history` takes."""
    history = files.history()
    gap = attrs.evolve(history.releases[-1], schema=None, pairing=None, node=None, how="")
    history = attrs.evolve(history, releases=(*history.releases[:-1], gap))
    file = tmp_path / "history.json"
    file.write_text(files.dump_history(history), encoding="utf-8")
    assert files.history(file) == history


Rows = list[dict[str, Any]]


def _swap(rows: Rows) -> None:
    rows[40], rows[60] = rows[60], rows[40]


def _timeless(rows: Rows) -> None:
    next(row for row in rows if row["version"] == "0.0.28")["committed"] = "unknown"


def _set(key: str, value: object) -> Callable[[Rows], None]:
    return lambda rows: rows[5].update({key: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_swap, "order the history by time"),
        (
            lambda rows: rows.append(rows[-1]),
            "0.0.46-nightly.20261010.2922: is in the history twice",
        ),
        (_timeless, "0.0.28: has no time: give `committed`, `published` or `day`"),
        (Rows.clear, "holds no release"),
        (lambda rows: rows[5].pop("schema"), "releases.5.schema: missing"),
        (_set("color", "red"), "releases.5.color: unknown key"),
        (_set("schema", "31"), "releases.5.schema: '31' is not a whole number or 'unknown'"),
        (_set("schema", 77), "schema 77 is none of the migrations"),
        (_set("version", "8"), "releases.5.version: '8' is not a SemVer"),
        (_set("channel", "beta"), "releases.5.channel: 'beta'"),
        (_set("channel", "nightly"), "is said to be of nightly, its text says latest"),
        (_set("committed", "yesterday"), "releases.5.committed"),
        (_set("committed", "2026-03-08T23:30:25"), "names no zone"),
        (_set("loopback_cookie", "odd"), "releases.5.loopback_cookie: 'odd'"),
        (_set("loopback_cookie", "environment"), "cookie: 'environment' is not plain or scoped"),
        (_set("remote_cookie", "scoped"), "remote_cookie: 'scoped' is not plain"),
        (_set("layout", "v3"), "releases.5.layout: 'v3'"),
        (_set("package", "deb"), "releases.5.package: 'deb'"),
        (_set("day", "2026-13-01"), "releases.5.day"),
        (_set("how", 7), "releases.5.how: 7 is not text"),
    ],
)
def test_a_history_that_cannot_be_used_is_one_line(
    tmp_path: Path, change: Callable[[Rows], None], words: str
) -> None:
    """The file, the release, and what is wrong with it."""
    body = raw()
    change(body["releases"])
    file = tmp_path / "history.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(HistoryError) as caught:
        files.history(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"about": 1}', "\x00"])
@pytest.mark.parametrize("read", [files.history, files.incidents, files.fleet])
def test_what_is_no_such_file_is_one_line(
    tmp_path: Path, read: Callable[[Path], object], text: str
) -> None:
    """Whatever is in it, the error names the file."""
    file = tmp_path / "x"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(HistoryError, match=str(file)):
        read(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("people = []", "a host has somebody"),
        ("[[people]]\nname = 'root'", "'root' is not a person's user name"),
        ("[[people]]\nname = 'a'\n[[people]]\nname = 'a'", "'a' is there twice"),
        ("[[people]]\nname = 'a'\nbusy = 1.5", "people.a.busy: 1.5 is not between 0 and 1"),
        ("[[people]]\nname = 'a'\nsise = 1", "people.0.sise: unknown key"),
        ("[[people]]\nname = 'a'\nopens = 9", "people.0.opens: 9 is not a time"),
        ("start = 'v1'\n[[people]]\nname = 'a'", "start: 'v1' is not a SemVer"),
        ("track = 'beta'\n[[people]]\nname = 'a'", "track: 'beta'"),
        (
            "[[people]]\nname = 'a'\n[[events]]\nkind = 'flood'\nat = 2026-06-01T00:00:00Z",
            "events.0.kind: 'flood'",
        ),
        (
            "[[people]]\nname='a'\n[[events]]\nkind='wedged'\nat=2026-06-01T00:00:00Z\nperson='b'",
            "events.0.person: 'b' is not a person",
        ),
        (
            "[[people]]\nname='a'\n[[events]]\nkind='tag-back'\nat=2026-06-01T00:00:00Z",
            "events.0.to: '' is not a SemVer",
        ),
        ("[[people]]\nname='a'\n[policies.x]\nkind='magic'", "policies.x.kind: 'magic'"),
        ("[[people]]\nname='a'\n[operator]\nhours = 30.0", "operator.hours: 30.0"),
    ],
)
def test_a_fleet_that_cannot_be_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    """The file, the key, and what is wrong with it."""
    file = tmp_path / "fleet.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(HistoryError) as caught:
        files.fleet(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_policies_of_ones_own_come_from_the_fleet(tmp_path: Path) -> None:
    """A file names them, with the settings of t3safe where they are t3safe's."""
    file = tmp_path / "fleet.toml"
    file.write_text(
        "[[people]]\nname = 'ann'\n"
        "[policies.patient]\nkind = 't3safe'\n[policies.patient.policy]\nage_min_days = 3.0\n"
        "[policies.plain]\nkind = 't3safe'\n",
        encoding="utf-8",
    )
    host = files.fleet(file)
    patient, plain = (replayed(host, name) for name in ("patient", "plain"))
    assert patient.scores.stale > plain.scores.stale


def test_an_incident_of_ones_own_may_say_how_it_is_enacted(tmp_path: Path) -> None:
    """A newer list works without a newer t3safe, as far as the behaviour is known."""
    version = "0.0.25-nightly.20260608.497"
    row = {
        "id": "mine",
        "date": "2026-06-08",
        "first": version,
        "last": version,
        "scope": "build",
        "observable": "no cookie",
        "liveness_misses": True,
        "recovery": "refuse",
        "source": "me",
        "behaviour": "no-cookie",
    }
    file = tmp_path / "incidents.json"
    file.write_text(json.dumps({"about": "mine", "incidents": [row]}), encoding="utf-8")
    found = builds(files.history(), files.incidents(file))
    assert [build.version.text for build in found if build.faults] == [version]
    del row["behaviour"]
    file.write_text(json.dumps({"about": "mine", "incidents": [row]}), encoding="utf-8")
    assert files.incidents(file).incidents[0].behaviour is None


def test_what_a_registry_cannot_tell_is_unknown_and_assumed_aloud() -> None:
    """Known versions keep their facts; a new one takes those of the release before it."""
    known = until(NEWEST)
    at = datetime(2026, 7, 25, 1, 0, tzinfo=UTC)
    told = [(release.version, release.available, "") for release in known.releases]
    fresh = "0.0.30-nightly.20260725.900"
    told.append((Version.parse(fresh), at, "^24"))
    history = told_by_registry("told", told, known)
    found = {release.version.text: release for release in history.releases}
    assert found[NEWEST].schema == 32
    assert (found[fresh].schema, found[fresh].pairing) == (None, None)
    assumed = {item.version.text: item for item in builds(history, files.incidents())}
    assert assumed[fresh].schema == 32
    assert assumed[fresh].assumed == (
        f"schema 32 as of {NEWEST}",
        f"pairing /api/auth/browser-session as of {NEWEST}",
        f"loopback_cookie plain as of {NEWEST}",
        f"layout v1 as of {NEWEST}",
        f"remote_cookie plain as of {NEWEST}",
        f"package node as of {NEWEST}",
    )


def test_a_history_with_unknown_facts_is_replayed_and_says_so(tmp_path: Path) -> None:
    """Unknown is no reason to stop; what was assumed is in the result."""
    body = raw()
    (row,) = (row for row in body["releases"] if row["version"] == "0.0.33")
    row.update(schema="unknown", pairing="unknown", loopback_cookie="unknown")
    file = tmp_path / "history.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    made = ReplayScenario.of(files.fleet(), files.history(file), files.incidents())
    result = made.result(())
    told = "0.0.33: schema 38 as of 0.0.33-nightly.20260808.1033"
    assert any(line.startswith(told) for line in result.assumptions)


def test_a_fact_that_is_assumed_names_the_release_that_has_it() -> None:
    """Also where many releases in a row do not say it: not the one before, which assumes it too."""
    found = builds(files.history(), files.incidents())
    assumed = {item.version.text: item.assumed for item in found}
    assert assumed["0.0.37"] == (
        "schema 40 as of 0.0.33",
        "remote_cookie plain as of 0.0.33",
        "out at 2026-08-31 12:00: only its day is known",
    )


def test_a_release_of_which_only_the_day_is_known_came_out_at_noon() -> None:
    """A nightly has its day in its text, a stable release and a preview have to be given one."""
    found = {release.version.text: release for release in files.history().releases}
    noon = datetime(2026, 10, 2, 12, tzinfo=UTC)
    assert found["0.0.45-nightly.20261002.2595"].available == noon
    assert found["0.0.46-preview.20261002.2598"].available == noon
    assert found["0.0.45"].available == datetime(2026, 10, 2, 18, 17, tzinfo=UTC)


def test_a_file_from_before_databases_were_told_apart_is_read_as_it_was(tmp_path: Path) -> None:
    """Layout, package and remote cookie may be missing: they are unknown, and assumed aloud."""
    body = raw()
    for row in body["releases"]:
        for key in ("layout", "remote_cookie", "package"):
            del row[key]
    file = tmp_path / "history.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    found = builds(files.history(file), files.incidents())[0]
    assert found.assumed == (
        "layout v1 as of nothing",
        "remote_cookie plain as of nothing",
        "package node as of nothing",
    )
