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
    assert found.following == (
        "t3safe units install",
        "t3safe adopt 0.0.28",
        "systemctl --user start t3-autoupdate.timer t3-migrate-idle.timer",
        "loginctl enable-linger",
        "t3safe doctor",
    )


def test_units_of_another_name_are_found_by_what_they_run() -> None:
    """The template of their instances is written; two templates are a question."""
    other = UnitSeen("code@ann.service", WORDS)
    assert told(evolve(HOST, units=(other,))) == {"services.unit": "code@{person}.service"}
    seen = evolve(HOST, units=(other, *HOST.units))
    assert told(seen) == {}
    text = "the unit of a person's serve (code@{person}.service, t3-serve@{person}.service)"
    assert guess(seen).questions == (OwnerQuestion("services.unit", text, UNIT),)


def test_a_unit_without_instances_serves_nobody_of_a_host() -> None:
    """One serve for all is no host of people: the unit is asked."""
    found = guess(evolve(HOST, units=(UnitSeen(OWN_UNIT, WORDS),)))
    assert found.questions == (
        OwnerQuestion("services.unit", "the unit of a person's serve", UNIT),
    )


def test_what_a_host_lacks_is_asked() -> None:
    """Rule 4: the map and the dispatch, with their usual places proposed."""
    seen = evolve(HOST, user_map=False, dispatch=False)
    assert guess(seen).questions == (
        OwnerQuestion("user_map", "the file that says `login=os_user` a line", USER_MAP),
        OwnerQuestion(
            "dispatch",
            "host:port of the dispatch; nothing listens at 127.0.0.1:3780 (`-` for none)",
            "127.0.0.1:3780",
        ),
    )


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
    assert problem == (
        "t3-serve.service starts /usr/bin/t3, not yours: "
        "let its ExecStart be /home/ann/.local/bin/t3"
    )


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
    text = "the unit of your serve"
    assert guess(seen).questions == (OwnerQuestion("services.unit", text, OWN_UNIT),)
    assert told(seen) == {"launcher": "/home/ann/bin/t3", "t3": "/home/ann/bin/t3"}
    two = (*ANN.units, UnitSeen("code.service", OWN_WORDS))
    both = f"{text} (t3-serve.service, code.service)"
    assert guess(evolve(ANN, units=two)).questions == (
        OwnerQuestion("services.unit", both, OWN_UNIT),
    )
    assert told(evolve(ANN, units=(), t3="/usr/bin/t3")) == {}


def test_a_person_without_systemd_has_a_plain_process_whose_port_is_asked() -> None:
    """No port can be proposed, and no unit be installed."""
    seen = evolve(ANN, units=(), manager=False, version="")
    assert guess(seen).questions == (OwnerQuestion("services.ports", "the port of your serve"),)
    assert guess(seen).following == (
        "t3safe adopt VERSION",
        "t3safe serves start",
        "t3safe doctor",
    )


def test_programs_off_the_path_of_units_are_named() -> None:
    """A timer would not find the npm of a version manager; one that is nowhere is told."""
    seen = evolve(ANN, npm="/home/ann/n/bin/npm", node="")
    assert told(seen) == {"npm": "/home/ann/n/bin/npm"}
    assert told(evolve(ANN, node="/opt/node")) == {"gate.node": "/opt/node"}
    assert guess(evolve(seen, npm="")).problems == (
        "there is no npm on your PATH: install it, then `t3safe init` again",
        "there is no node on your PATH: install it, then `t3safe init` again",
    )


ANSWERED = "as you answered"


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (
            OwnerQuestion("dispatch", "", "a:1"),
            "-",
            (Setting("verify", "direct", "there is no dispatch before the serves"),),
        ),
        (OwnerQuestion("dispatch", "", "a:1"), "a:1", ()),
        (OwnerQuestion("dispatch", "", "a:1"), "b:2", (Setting("dispatch", "b:2", ANSWERED),)),
        (
            OwnerQuestion("services.ports", ""),
            "4001",
            (Setting("services.ports.ann", 4001, ANSWERED),),
        ),
        (
            OwnerQuestion("services.ports", ""),
            "many",
            (Setting("services.ports.ann", "many", ANSWERED),),
        ),
    ],
)
def test_answers_become_settings_unless_they_are_the_default(
    question: OwnerQuestion, answer: str, expected: tuple[Setting, ...]
) -> None:
    """What is no port stays as it was typed, to be refused with its key."""
    assert answered(question, answer, "ann") == expected


@pytest.mark.parametrize("person", ["ann", "a-b_9", "john.doe", "john@corp.example", "build$"])
def test_a_port_is_written_under_the_name_of_its_person(person: str) -> None:
    """Also where that has a dot, which would otherwise begin another table."""
    question = OwnerQuestion("services.ports", "")
    answers = {setting.key: setting for setting in answered(question, "4001", person)}
    read = tomllib.loads(render(guess(evolve(ANN, units=(), manager=False)), answers))
    assert read["services"]["ports"] == {person: 4001}


def written(seen: HostFacts, **told: str) -> str:
    """The file that is written after these answers, else those that are proposed."""
    found = guess(seen)
    answers = {
        setting.key: setting
        for question in found.questions
        for setting in answered(
            question, told.get(question.key.replace(".", "_"), question.proposed), "ann"
        )
    }
    return render(found, answers)


HEAD = """\
# Written by `t3safe init`.  What is not here has its default; all of it is in
# docs/configuration.md.

# whose serves t3safe manages: all on the host, or your own
"""


def test_the_file_of_a_host_gives_the_reason_of_each_line() -> None:
    """Top level first, then each table; what is as the defaults say is left out."""
    seen = evolve(
        HOST,
        units=(UnitSeen("code@ann.service", WORDS),),
        user_map=False,
        dispatch=False,
        npm="/opt/n/npm",
        node="/opt/n/node",
        registry="https://registry.example/npm/",
    )
    assert written(seen, user_map="/etc/people", dispatch="-") == (
        HEAD
        + """\
scope = "system"
# what your npm asks; timers cannot see your npmrc
registry = "https://registry.example/npm/"
# not on the PATH of units
npm = "/opt/n/npm"
# as you answered
user_map = "/etc/people"
# there is no dispatch before the serves
verify = "direct"

[gate]
# not on the PATH of units
node = "/opt/n/node"

[services]
# the units here that run `t3 serve`
unit = "code@{person}.service"
"""
    )
    assert written(evolve(HOST, user_map=False, dispatch=False)) == f'{HEAD}scope = "system"\n'


def test_the_file_of_a_person_with_a_unit_follows_that_unit() -> None:
    """Its name, its base directory, and what it starts."""
    words = ("/home/ann/bin/t3", "serve", BASE_OPTION, "/data/t3")
    seen = evolve(ANN, units=(UnitSeen("code.service", words),))
    assert written(seen) == (
        HEAD
        + """\
scope = "user"
# as code.service says
base_dir = "/data/t3"
# what code.service starts
launcher = "/home/ann/bin/t3"
# the same
t3 = "/home/ann/bin/t3"

[services]
# your unit that runs `t3 serve`
unit = "code.service"
"""
    )


def test_the_file_of_a_person_without_systemd_has_the_command_of_the_serve() -> None:
    """With the places that t3safe fills in, and the port that was asked."""
    seen = evolve(ANN, units=(), manager=False, t3="/home/ann/n/bin/t3")
    assert written(seen, services_ports="4001") == (
        HEAD
        + """\
scope = "user"
# the `t3` on your PATH
launcher = "/home/ann/n/bin/t3"
# the same
t3 = "/home/ann/n/bin/t3"

[services]
# you have no systemd of your own here
manager = "processes"
# by which t3safe starts your serve
command = ["{t3}", "serve", "--host", "127.0.0.1", "--port", "{port}", "--base-dir", "{base}"]

[services.ports]
# as you answered
ann = 4001
"""
    )


@pytest.mark.parametrize("seen", [HOST, ANN])
def test_the_registry_that_npm_asks_is_written(seen: HostFacts) -> None:
    """What was confirmed by hand is what timers ask, which do not see the same npmrc."""
    asked = "https://registry.example/npm/"
    text = render(guess(evolve(seen, registry=asked)), {})
    assert tomllib.loads(text)["registry"] == asked
