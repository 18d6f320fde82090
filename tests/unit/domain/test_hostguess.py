"""What a first look at a host concludes, and the file that comes of it."""

from __future__ import annotations

import tomllib

import pytest
from attrs import evolve

from t3safe.domain.hostguess import (
    OWN_UNIT,
    UNIT,
    USER_MAP,
    HostFacts,
    OwnerQuestion,
    Setting,
    UnitSeen,
    answered,
    guess,
    render,
)
from t3safe.domain.scope import Caller, Scope
from t3safe.t3.commands import BASE_OPTION
from t3safe.t3.files import HOME_BASE

WORDS = ("/usr/bin/t3", "serve", "--port", "4001")
HOST = HostFacts(
    caller=Caller(0, "/root"),
    units=(UnitSeen("t3-serve@ann.service", WORDS), UnitSeen("cron.service", ("/usr/sbin/cron",))),
    manager=True,
    user_map=True,
    dispatch=True,
    t3="/usr/bin/t3",
    version="0.0.28",
    npm="/usr/bin/npm",
    node="/usr/bin/node",
    registry="",
    standard=("/usr/bin", "/bin"),
)
OWN_WORDS = ("/home/ann/.local/bin/t3", "serve")
ANN = evolve(
    HOST,
    caller=Caller(1000, "/home/ann"),
    units=(UnitSeen(OWN_UNIT, OWN_WORDS),),
    user_map=False,
    dispatch=False,
    t3="/home/ann/.local/bin/t3",
)


def told(seen: HostFacts) -> dict[str, object]:
    """The settings that are written, by key."""
    return {setting.key: setting.value for setting in guess(seen).settings}


def asked(seen: HostFacts) -> dict[str, str]:
    """The questions, with what is proposed."""
    return {question.key: question.proposed for question in guess(seen).questions}


def test_a_host_as_expected_needs_no_setting_and_no_question() -> None:
    """Rule 3: what is as the defaults say is not written."""
    found = guess(HOST)
    assert found.scope is Scope.SYSTEM
    assert (found.settings, found.questions, found.problems) == ((), (), ())
    assert found.following == (
        "t3safe units install",
        "t3safe adopt 0.0.28",
        "systemctl start t3-autoupdate.timer t3-migrate-idle.timer",
        "t3safe doctor",
    )


def test_a_person_as_expected_needs_no_setting_and_no_question() -> None:
    """Whoever is not root keeps their own serve."""
    found = guess(ANN)
    assert found.scope is Scope.USER
    assert (found.settings, found.questions, found.problems) == ((), (), ())
    assert "systemctl --user start t3-autoupdate.timer t3-migrate-idle.timer" in found.following
    assert "loginctl enable-linger" in found.following


def test_units_of_another_name_are_found_by_what_they_run() -> None:
    """The template of their instances is written; two templates are a question."""
    other = UnitSeen("code@ann.service", WORDS)
    assert told(evolve(HOST, units=(other,))) == {"services.unit": "code@{person}.service"}
    seen = evolve(HOST, units=(other, *HOST.units))
    assert told(seen) == {}
    assert asked(seen) == {"services.unit": UNIT}
    assert "code@{person}.service" in guess(seen).questions[0].text


def test_a_unit_without_instances_serves_nobody_of_a_host() -> None:
    """One serve for all is no host of people: the unit is asked."""
    assert asked(evolve(HOST, units=(UnitSeen(OWN_UNIT, WORDS),))) == {"services.unit": UNIT}


def test_what_a_host_lacks_is_asked() -> None:
    """Rule 4: the map and the dispatch, with their usual places proposed."""
    seen = evolve(HOST, user_map=False, dispatch=False)
    assert asked(seen) == {"user_map": USER_MAP, "dispatch": "127.0.0.1:3780"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("/home/ann/bin/t3", "serve"), {"launcher": "/home/ann/bin/t3", "t3": "/home/ann/bin/t3"}),
        ((*OWN_WORDS, BASE_OPTION, "/data/t3"), {"base_dir": "/data/t3"}),
        ((*OWN_WORDS, f"{BASE_OPTION}=/data/t3"), {"base_dir": "/data/t3"}),
        ((*OWN_WORDS, BASE_OPTION, f"/home/ann/{HOME_BASE}"), {}),
        ((*OWN_WORDS, "--port", "4001"), {}),
    ],
)
def test_a_persons_unit_says_where_launcher_and_state_are(
    words: tuple[str, ...], expected: dict[str, object]
) -> None:
    """The launcher takes the place of what the unit starts, so that the unit stays as it is."""
    assert told(evolve(ANN, units=(UnitSeen(OWN_UNIT, words),))) == expected


def test_a_persons_unit_of_another_name_is_written() -> None:
    """It is found by what it runs."""
    assert told(evolve(ANN, units=(UnitSeen("code.service", OWN_WORDS),))) == {
        "services.unit": "code.service"
    }


def test_a_unit_that_starts_the_hosts_t3_is_told() -> None:
    """A person cannot put a launcher there; their unit must name theirs."""
    (problem,) = guess(evolve(ANN, units=(UnitSeen(OWN_UNIT, WORDS),))).problems
    assert "let its ExecStart be /home/ann/.local/bin/t3" in problem


def test_a_person_without_a_unit_is_told_to_write_one() -> None:
    """Nothing would run at night without it."""
    (problem,) = guess(evolve(ANN, units=())).problems
    assert "write /home/ann/.config/systemd/user/t3-serve.service" in problem


def test_a_person_whose_file_does_not_count_is_told() -> None:
    """Where the host has a file, theirs counts only where that is said."""
    (problem,) = guess(evolve(ANN, overruled="/etc/t3safe/config.toml")).problems
    assert problem.startswith("/etc/t3safe/config.toml is there")
    assert "T3SAFE_SCOPE=user" in problem


def test_a_person_without_a_unit_or_with_several_is_asked() -> None:
    """Which of them is the serve is not guessed; a `t3` in the home becomes the launcher."""
    seen = evolve(ANN, units=(), t3="/home/ann/bin/t3")
    assert asked(seen) == {"services.unit": OWN_UNIT}
    assert told(seen) == {"launcher": "/home/ann/bin/t3", "t3": "/home/ann/bin/t3"}
    two = (*ANN.units, UnitSeen("code.service", OWN_WORDS))
    assert asked(evolve(ANN, units=two)) == {"services.unit": OWN_UNIT}
    assert told(evolve(ANN, units=(), t3="/usr/bin/t3")) == {}


def test_a_person_without_systemd_has_a_plain_process_whose_port_is_asked() -> None:
    """No port can be proposed, and no unit be installed."""
    seen = evolve(ANN, units=(), manager=False, version="")
    assert told(seen)["services.manager"] == "processes"
    assert asked(seen) == {"services.ports": ""}
    assert guess(seen).following == (
        "t3safe adopt VERSION",
        "t3safe serves start",
        "t3safe doctor",
    )


def test_programs_off_the_path_of_units_are_named() -> None:
    """A timer would not find the npm of a version manager; one that is nowhere is told."""
    seen = evolve(ANN, npm="/home/ann/n/bin/npm", node="")
    assert told(seen) == {"npm": "/home/ann/n/bin/npm"}
    assert guess(seen).problems == (
        "there is no node on your PATH: install it, then `t3safe init` again",
    )


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (OwnerQuestion("dispatch", "", "a:1"), "-", [("verify", "direct")]),
        (OwnerQuestion("dispatch", "", "a:1"), "a:1", []),
        (OwnerQuestion("dispatch", "", "a:1"), "b:2", [("dispatch", "b:2")]),
        (OwnerQuestion("services.ports", ""), "4001", [("services.ports.ann", 4001)]),
        (OwnerQuestion("services.ports", ""), "many", [("services.ports.ann", "many")]),
    ],
)
def test_answers_become_settings_unless_they_are_the_default(
    question: OwnerQuestion, answer: str, expected: list[tuple[str, object]]
) -> None:
    """What is no port stays as it was typed, to be refused with its key."""
    found = answered(question, answer, "ann")
    assert [(setting.key, setting.value) for setting in found] == expected


def test_the_file_is_toml_with_a_reason_before_each_line() -> None:
    """Top level first, then the tables, values of any kind."""
    seen = evolve(ANN, units=(), manager=False, npm="/home/ann/n/bin/npm")
    answers = {"port": Setting("services.ports.ann", 4001, "as you answered")}
    text = render(guess(seen), answers)
    read = tomllib.loads(text)
    assert (read["scope"], read["npm"]) == ("user", "/home/ann/n/bin/npm")
    assert read["services"]["ports"] == {"ann": 4001}
    assert read["services"]["command"][:2] == ["{t3}", "serve"]
    lines = text.splitlines()
    keys = [number for number, line in enumerate(lines) if " = " in line and line[0] != "#"]
    assert all(lines[number - 1].startswith("# ") for number in keys)
    assert "registry" not in read


@pytest.mark.parametrize("seen", [HOST, ANN])
def test_the_registry_that_npm_asks_is_written(seen: HostFacts) -> None:
    """What was confirmed by hand is what timers ask, which do not see the same npmrc."""
    asked = "https://registry.example/npm/"
    text = render(guess(evolve(seen, registry=asked)), {})
    assert tomllib.loads(text)["registry"] == asked
