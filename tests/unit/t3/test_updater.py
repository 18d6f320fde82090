"""Traces of t3's own updater: what they are called, and what they mean."""

from __future__ import annotations

import json

import pytest

from t3safe.t3 import updater
from t3safe.t3.updater import NO_STATE, NO_TRACES, ServiceState, Traces

NEW = "0.0.46-nightly.20261010.2922"
OLD = "0.0.45"


def test_a_program_below_the_base_directory_tells_its_version() -> None:
    """The folder is named after it; another place tells none."""
    assert updater.version_of(f"/home/ann/.t3/runtime/versions/{NEW}/t3") == NEW
    assert updater.version_of(f"/home/ann/.t3/runtime/{NEW}/t3") == ""
    assert updater.version_of(f"/home/ann/.t3/runtime/versions/{NEW}/node") == ""
    assert updater.version_of("") == ""


def test_versions_are_ascending_and_none_is_what_no_version_is() -> None:
    """A folder that a person named as they like is left out."""
    folder = "/x/runtime/versions"
    paths = (f"{folder}/{NEW}/t3", f"{folder}/$(reboot)/t3", f"{folder}/{OLD}/t3")
    assert updater.versions_of(paths) == (OLD, NEW)


def test_a_service_state_is_read_of_either_protocol() -> None:
    """The version that runs, and how the last update went."""
    last = {"id": "a", "fromVersion": OLD, "targetVersion": NEW, "status": "committed"}
    said = {"protocol": 3, "activeVersion": NEW, "update": last}
    assert updater.state_of(json.dumps(said).encode()) == (NEW, "committed", OLD, NEW)
    assert updater.state_of(b'{"protocol": 2, "activeVersion": "0.0.42"}').active == "0.0.42"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"activeVersion": 5, "update": []}',
        b'{"activeVersion": "$(reboot)", "update": {"status": "well", "targetVersion": "x y"}}',
    ],
)
def test_what_is_no_state_says_nothing(body: bytes) -> None:
    """A person's file is a stranger's word."""
    assert updater.state_of(body) == NO_STATE


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"versions": "0.0.1", "state": "x", "linked": 1, "unit": "yes", "pending": 1},
        {"versions": [None, "$(reboot)"], "state": [[], {}, "", None, 1]},
        {"state": [[], {}, None, 1]},
        {"state": [OLD, "committed", OLD]},
        {"state": [OLD, "committed", OLD, NEW, NEW]},
        {"state": "abcd"},
    ],
)
def test_what_a_worker_says_that_lies_is_no_trace(told: object) -> None:
    """Whatever is not of the form is absent."""
    assert updater.traces_of(told) == NO_TRACES
    assert not updater.traces_of(told)


def test_what_a_worker_says_is_read() -> None:
    """As it goes through JSON."""
    traces = Traces((OLD, NEW), ServiceState(NEW, "failed", OLD, NEW), NEW, unit=True, pending=True)
    said = {
        "versions": [NEW, OLD],
        "state": list(traces.state),
        "linked": NEW,
        "unit": True,
        "pending": True,
    }
    assert updater.traces_of(json.loads(json.dumps(said))) == traces
    assert traces


@pytest.mark.parametrize(
    ("traces", "named"),
    [
        (NO_TRACES, ""),
        (
            Traces(state=ServiceState(NEW, "committed", OLD, NEW)),
            f"t3's own updater took it to {NEW} (runtime/service-state.json)",
        ),
        (
            Traces(state=ServiceState(OLD, "rolled-back", OLD, NEW)),
            f"t3's own updater tried {NEW} on it: rolled-back (runtime/service-state.json)",
        ),
        (
            Traces(state=ServiceState(NEW)),
            f"the service of t3's own updater runs {NEW} (runtime/service-state.json)",
        ),
        (Traces((OLD, NEW)), f"t3's own updater installed {OLD}, {NEW} (runtime/versions)"),
        (Traces(linked=NEW), f".local/bin/t3 leads to {NEW} of t3's own updater"),
        (Traces(unit=True), "t3code.service of t3's own updater keeps a serve there"),
    ],
)
def test_the_trace_that_explains_best_is_named(traces: Traces, named: str) -> None:
    """An update that was committed explains more than a version that lies there."""
    assert traces.named == named


def test_every_trace_says_what_it_means_and_what_to_do() -> None:
    """The unit comes first: it opens the data by itself."""
    whole = Traces((NEW,), ServiceState(NEW, "pending", OLD, NEW), NEW, unit=True, pending=True)
    found = whole.found()
    assert [trace.what.partition(",")[0].partition(" names")[0] for trace in found] == [
        "the unit t3code.service",
        "runtime/.restart-pending",
        "runtime/service-state.json",
        ".local/bin/t3",
        f"{NEW} in runtime/versions",
    ]
    assert all(trace.means and trace.fix for trace in found)


@pytest.mark.parametrize(
    ("traces", "what"),
    [
        (Traces(state=ServiceState(OLD)), f"runtime/service-state.json names {OLD}"),
        (
            Traces(state=ServiceState(NEW, "pending", OLD, NEW)),
            f"runtime/service-state.json names {NEW}, its update from {OLD} to {NEW} is pending",
        ),
        (
            Traces(state=ServiceState("", "failed", OLD, NEW)),
            f"{updater.STATE} names no version, its update from {OLD} to {NEW} is failed",
        ),
        (Traces(("0.0.41", "0.0.42")), "0.0.41, 0.0.42 in runtime/versions"),
        (
            Traces(("0.0.41", "0.0.42", "0.0.43", "0.0.44")),
            "0.0.42, 0.0.43, 0.0.44 in runtime/versions",
        ),
        (Traces(linked=NEW), f".local/bin/t3, which leads to {NEW} in runtime/versions"),
    ],
)
def test_a_trace_says_what_is_there(traces: Traces, what: str) -> None:
    """The last update only where there was one, of many versions the last three."""
    (trace,) = traces.found()
    assert trace.what == what


def test_a_bounded_number_of_versions_is_shown() -> None:
    """The last hundred, whoever lists them."""
    versions = [f"0.0.{number}" for number in range(100, 201)]
    assert updater.versions_of(f"/x/runtime/versions/{each}/t3" for each in versions) == tuple(
        versions[1:]
    )
    assert updater.traces_of({"versions": versions}).versions == tuple(versions[1:])


@pytest.mark.parametrize(
    ("state", "means"),
    [
        (
            ServiceState(NEW, "pending", OLD, NEW),
            "it is under way, or was interrupted: the next start goes on",
        ),
        (ServiceState("", "failed", OLD, NEW), "it was started on the data, ungated"),
        (ServiceState(NEW, "committed", OLD, NEW), f"{NEW} migrated the data, ungated"),
        (ServiceState(OLD, "rolled-back", OLD, NEW), "stays, and is an old copy"),
        (ServiceState(OLD, "failed", OLD, NEW), f"{OLD} was started on the data, ungated"),
        (ServiceState(OLD), f"{OLD} was started on the data, ungated"),
    ],
)
def test_the_end_of_an_update_says_what_it_left(state: ServiceState, means: str) -> None:
    """A trial that was rolled back put one database back, and not the other one."""
    (trace,) = Traces(state=state).found()
    assert trace.means.endswith(means)
