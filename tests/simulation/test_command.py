"""`t3safe simulate` and `t3safe history-fetch`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fakes.packages import release_like
from fakes.registry import RegistryServer
from t3safe.entrypoints.cli import cli
from t3safe.simulation import files
from t3safe.simulation.history import HistoryError
from t3safe.simulation.scores import SHOWN
from t3safe.t3.sign_in import BROWSER_SESSION

BRIEF = ("--since", "2026-06-02", "--until", "2026-06-05")


def typed(*words: str) -> Result:
    """Type a command."""
    return CliRunner().invoke(cli, words)


def test_a_table_has_every_score_of_every_policy() -> None:
    """Policies side by side, one score a line, and what it counts."""
    done = typed("simulate", *BRIEF)
    assert done.exit_code == 0, done.output
    assert [word for word in ("blind", "seed", "t3safe") if word not in done.stdout] == []
    for _, name, meaning in SHOWN:
        assert any(name in line and meaning in line for line in done.stdout.splitlines()), name


def test_the_table_is_followed_by_the_generations() -> None:
    """What there is of each, and when each policy took whom from one to another."""
    nights = ("--since", "2026-10-02", "--until", "2026-10-04", "--track", "nightly")
    done = typed("simulate", *nights, "--policy", "t3safe")
    lines = done.stdout.splitlines()
    told = [line.strip() for line in lines[lines.index("generations of t3") :]]
    assert (
        "V2 (statev2.sqlite): 8 releases from 2026-10-02 on, 2 of them on offer in a night" in told
    )
    assert any(line.startswith("t3safe: 2026-10-0") and "V1 to V2" in line for line in told)
    calm = typed("simulate", *BRIEF, "--policy", "seed", "--until", "2026-06-02").stdout
    assert "seed: nobody changed generation" in calm


def test_json_is_a_document_with_its_own_schema() -> None:
    """Everything that the page shows, and nothing beside it on standard output."""
    done = typed("simulate", *BRIEF, "--policy", "t3safe", "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "t3safe/simulation/1"
    (run,) = document["simulation"]["runs"]
    assert run["name"] == "t3safe"
    assert [night["day"] for night in run["nights"]] == document["simulation"]["nights"]
    assert run["nights"][1]["outcome"] == "refused"


def test_the_same_twice_is_the_same() -> None:
    """One fleet, one seed, one outcome; another seed, another."""
    one, two = (typed("simulate", *BRIEF, "--json").stdout for _ in range(2))
    assert one == two
    words = ("simulate", "--policy", "blind", "--json")
    first, other = (json.loads(typed(*words, "--seed", seed).stdout) for seed in ("1", "7"))
    assert first["simulation"]["runs"] != other["simulation"]["runs"]


def test_jobs_change_nothing_but_the_time() -> None:
    """Policies in processes of their own come out as they do one after another."""
    words = ("simulate", *BRIEF, "--people", "60", "--json")
    assert typed(*words, "--jobs", "2").stdout == typed(*words, "--jobs", "1").stdout


def test_people_scale_the_host() -> None:
    """Each is like one of the fleet's, with days of their own."""
    done = typed("simulate", *BRIEF, "--people", "7", "--json")
    people = json.loads(done.stdout)["simulation"]["people"]
    assert people == ["emo", "sam", "wizard", "emo-0001", "sam-0001", "wizard-0001", "emo-0002"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "2027-01-01"), "no night lies between"),
        (("--until", "2026-01-01"), "no night lies between"),
        (("--since", "2026-03-07", "--track", "nightly"), "is out before the night of 2026-03-07"),
        (("--start", "9.9.9"), "start: 9.9.9 is not in the history"),
        (("--start", "nine"), "start: 'nine' is not a SemVer"),
        (("--policy", "luck"), "--policy luck: no such policy; these are: blind, seed, t3safe"),
        (("--people", "0"), "--people 0 is not between"),
        (("--people", "100001"), "--people 100001 is not between"),
        (("--fleet", "/nowhere.toml"), "/nowhere.toml: cannot be read"),
        (("--history", "/nowhere.json"), "/nowhere.json: cannot be read"),
        (("--incidents", "/nowhere.json"), "/nowhere.json: cannot be read"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], said: str) -> None:
    """`main` turns it into one line on standard error and status 2."""
    done = typed("simulate", *words)
    assert isinstance(done.exception, HistoryError)
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


def test_bad_input_ends_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As the program itself ends."""
    from t3safe.entrypoints.cli import main  # noqa: PLC0415 - for this alone

    monkeypatch.setattr("sys.argv", ["t3safe", "simulate", "--policy", "luck"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("t3safe: --policy luck")


def test_a_page_that_cannot_be_written_is_usage(tmp_path: Path) -> None:
    """The path is named."""
    done = typed("simulate", *BRIEF, "--html", str(tmp_path / "no" / "page.html"))
    assert done.exit_code == click.UsageError.exit_code
    assert "cannot be written" in done.output


def test_history_fetch_asks_the_registry_that_npm_is_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions, times and engines from there; the rest from what is known, or unknown."""
    file = tmp_path / "history.json"
    with RegistryServer() as server:
        for version in ("0.0.24", "0.0.25-nightly.20260608.497", "0.0.30-nightly.20260801.901"):
            server.publish(release_like(version))
        monkeypatch.setenv("npm_config_registry", server.url)
        done = typed("history-fetch", str(file))
    assert done.exit_code == 0, done.output
    assert "3 releases, 1 of them with unknown facts" in done.stdout
    found = {release.version.text: release for release in files.history(file).releases}
    assert found["0.0.24"].schema == 30
    assert found["0.0.25-nightly.20260608.497"].pairing == BROWSER_SESSION
    assert found["0.0.30-nightly.20260801.901"].schema is None
    assert found["0.0.30-nightly.20260801.901"].published is not None
