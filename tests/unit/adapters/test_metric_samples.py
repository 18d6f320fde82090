"""What the samples say of how the last runs ended."""

from __future__ import annotations

from datetime import timedelta

from t3safe.adapters.metrics import render
from t3safe.domain import events as ev
from t3safe.domain.metrics import HostMetrics, PersonMetrics
from tests.unit.domain.plans import NEW, NOW, OLD, ran


def lines(*newest_first: tuple[ev.Kind, ev.Outcome]) -> list[str]:
    """Render a host whose runs ended so."""
    runs = tuple(ran(outcome, kind) for kind, outcome in newest_first)
    return render(HostMetrics(NOW, runs=runs)).decode().splitlines()


def test_a_check_does_not_make_a_rollback_forgotten() -> None:
    """Somebody was taken back, then a build was checked: the alert stays until a run ends well."""
    back = (ev.Kind.RUN, ev.Outcome.ROLLED_BACK)
    assert "t3safe_rolled_back 1.0" in lines((ev.Kind.CHECK, ev.Outcome.PASSED), back)
    assert "t3safe_rolled_back 0.0" in lines((ev.Kind.RUN, ev.Outcome.PROMOTED), back)


def test_a_refusal_lasts_until_a_build_passes() -> None:
    """A night that was put off says nothing of it."""
    refused = (ev.Kind.RUN, ev.Outcome.REFUSED)
    assert "t3safe_refused 1.0" in lines((ev.Kind.RUN, ev.Outcome.LATER), refused)
    assert "t3safe_refused 0.0" in lines((ev.Kind.RUN, ev.Outcome.PROMOTED), refused)


def test_each_command_has_its_own_end_and_each_role_its_build() -> None:
    """A nightly run that is silent shows while drains go on; what is not known has no sample."""
    ended = (("run", NOW - timedelta(days=3)), ("drain", NOW))
    text = render(HostMetrics(NOW, default=OLD, newest=NEW, ended=ended)).decode()
    found = [line for line in text.splitlines() if line.startswith("t3safe_last_ended")]
    assert [line.partition(" ")[0] for line in found] == [
        't3safe_last_ended_timestamp_seconds{command="run"}',
        't3safe_last_ended_timestamp_seconds{command="drain"}',
    ]
    times = [float(line.partition(" ")[2]) for line in found]
    assert times[1] - times[0] == 3 * 86400
    assert f't3safe_build_info{{build="{OLD}",role="default"}} 1.0' in text
    assert f't3safe_build_info{{build="{NEW}",role="newest"}} 1.0' in text
    assert "last-good" not in [line for line in text.splitlines() if "build_info{" in line]


def test_what_a_person_runs_has_no_sample_where_it_cannot_be_read() -> None:
    """Nobody is told to be without a fence by a link that nobody could look at."""
    people = (
        PersonMetrics("ann", OLD),
        PersonMetrics("ben", None, fenced=True),
        PersonMetrics("cat", None, fenced=None),
    )
    text = render(HostMetrics(NOW, people=people, problems=("the link of cat",))).decode()
    found = [line for line in text.splitlines() if line.startswith("t3safe_person_build_info")]
    assert found == [
        f't3safe_person_build_info{{build="{OLD}",fenced="0",person="ann"}} 1.0',
        't3safe_person_build_info{build="",fenced="1",person="ben"} 1.0',
    ]
    assert "t3safe_unreadable 1.0" in text
