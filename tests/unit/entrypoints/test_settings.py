"""The configuration: defaults, file, environment, and one clear line for every mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import time
from pathlib import Path

import attrs
import pytest

from t3safe.configuration import Manager, Settings, Verify
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.policy import Track
from t3safe.entrypoints.settings import ENVIRONMENT, SettingsError, load
from t3safe.t3.sign_in import PLAIN_COOKIE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place of a configuration file."""
    return tmp_path / "config.toml"


def test_an_empty_file_gives_the_defaults(file: Path) -> None:
    """The defaults are those of the host that t3safe was made for."""
    file.write_text("")
    settings = load(file, {})
    assert settings == Settings()
    assert settings.freeze_file == Path("/etc/t3-autoupdate.freeze")
    assert settings.state_dir == Path("/var/lib/t3-autoupdate")
    assert settings.backup_dest == Path("/var/backups/t3-state")
    assert settings.user_map == Path("/etc/ttyd-user-map")
    assert settings.tmpdir == Path("/var/tmp")
    assert settings.dispatch == "127.0.0.1:3780"
    assert (settings.smoke_port, settings.backup_timeout) == (3799, 900.0)
    assert (settings.track, settings.pin, settings.dry_run) == (Track.NIGHTLY, "", False)


def test_the_file_sets_nested_values(file: Path) -> None:
    """Numbers, texts, times and lists arrive typed."""
    file.write_text(
        'track = "latest"\nlauncher = ""\n'
        "[gate]\nsoak = 3\n"
        '[policy]\non_person_failure = "hold-back"\n'
        "window = { opens = 01:00:00, closes = 05:30:00 }\n"
        f'[dispatch_knows]\ncookies = ["{PLAIN_COOKIE}", "{PLAIN_COOKIE}_[0-9a-f]{{12}}"]\n'
        "[services.ports]\nalice = 4001\n"
    )
    settings = load(file, {})
    assert settings.track is Track.LATEST
    assert settings.launcher is None
    assert settings.gate.soak == 3.0
    assert settings.policy.on_person_failure is OnPersonFailure.HOLD_BACK
    assert settings.policy.window is not None
    assert settings.policy.window.closes == time(5, 30)
    assert settings.dispatch_knows.cookies == (PLAIN_COOKIE, f"{PLAIN_COOKIE}_[0-9a-f]{{12}}")
    assert settings.services.ports == {"alice": 4001}


def test_every_variable_of_the_host_wins_over_the_file(file: Path) -> None:
    """The units set these variables already; an empty one does not count."""
    file.write_text('track = "latest"\nsmoke_port = 1\npin = "0.0.28"\n')
    environment = {
        "T3_TRACK": "nightly",
        "T3_PIN": "0.0.27",
        "T3_FREEZE_FILE": "/f",
        "T3_STATE_DIR": "/s",
        "T3_BACKUP_DEST": "/b",
        "T3_SMOKE_PORT": "3801",
        "T3_DISPATCH": "127.0.0.1:1",
        "T3_USER_MAP": "/m",
        "T3_DRY_RUN": "1",
        "T3_TMPDIR": "/t",
        "T3_BACKUP_TIMEOUT": "30",
    }
    assert set(environment) == set(ENVIRONMENT)
    settings = load(file, environment)
    assert settings.track is Track.NIGHTLY
    assert settings.pin == "0.0.27"
    assert settings.freeze_file == Path("/f")
    assert settings.dry_run
    assert (settings.smoke_port, settings.backup_timeout) == (3801, 30.0)
    assert load(file, {"T3_TRACK": ""}).track is Track.LATEST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "x: unknown key"),
        ("[gate]\nnope = 1", "gate.nope: unknown key"),
        ('[gate]\nsoak = "a"', "gate.soak: 'a' is not a number"),
        ("smoke_port = true", "smoke_port: True is not a whole number"),
        ("dry_run = 1", "dry_run: 1 is not true or false"),
        ('track = "beta"', "track: 'beta' is not a valid Track"),
        ('[dispatch_knows]\ncookies = "abc"', "dispatch_knows.cookies: 'abc' is not a list"),
        ('[services]\ncommand = ["a", 3]', "services.command.1: 3 is not text"),
        ("[policy]\nwindow = { opens = 1 }", "policy.window.opens: 1 is not a time"),
        ("gate = 3", "gate:"),
        ("= =", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_file_and_key(
    file: Path, text: str, message: str
) -> None:
    """Nothing is guessed and nothing is ignored."""
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert str(file) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("T3_DRY_RUN", "yes", "is not true or false"),
        ("T3_SMOKE_PORT", "x", "is not a whole number"),
        ("T3_TRACK", "beta", "is not a valid Track"),
        ("T3_BACKUP_TIMEOUT", "soon", "is not a number"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    file: Path, variable: str, text: str, message: str
) -> None:
    """The line says which variable to fix."""
    file.write_text("")
    with pytest.raises(SettingsError) as caught:
        load(file, {variable: text})
    assert f"environment {variable}={text!r}" in str(caught.value)
    assert message in str(caught.value)


def test_a_named_file_must_be_there(file: Path) -> None:
    """Only the default file may be missing."""
    with pytest.raises(SettingsError, match="no such configuration file"):
        load(file, {})


def test_an_unreadable_file_is_one_clear_line(tmp_path: Path) -> None:
    """A folder in the file's place stands for everything that cannot be read."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path, {})


def settings_below(kind: type, above: str = "") -> Iterator[tuple[str, attrs.Attribute[object]]]:
    """Every key that can be set, dotted, with its field; a table counts as a key too."""
    for item in attrs.fields(attrs.resolve_types(kind)):
        yield f"{above}{item.name}", item
        if attrs.has(item.type):
            yield from settings_below(item.type, f"{above}{item.name}.")


KEYS = dict(settings_below(Settings))
NUMBERS = [key for key, item in KEYS.items() if item.type in {int, float}]


def write(file: Path, key: str, value: str) -> None:
    """Write a file that sets one key."""
    table, _, name = key.rpartition(".")
    file.write_text((f"[{table}]\n" if table else "") + f"{name} = {value}\n")


@pytest.mark.parametrize("key", KEYS)
def test_a_wrong_type_is_named_for_every_key(file: Path, key: str) -> None:
    """No key of the configuration takes what it does not mean, and each is named with the file."""
    write(file, key, "[[1]]")
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert str(caught.value).startswith(f"{file}: {key}")
    assert "\n" not in str(caught.value)


ABOVE_ZERO = {
    "": ("verify_timeout", "backup_timeout"),
    "gate": ("deadline", "stop_limit", "jobs", "memory_max", "evidence_keep"),
    "rollout": ("bake_interval", "attempts_max", "verify_deadline", "stop_timeout"),
    "pressure": ("cpu_max", "io_max", "load_max", "sign_ins"),
    "retention": ("snapshots", "journal_days"),
    "services": ("timeout",),
    "hooks": ("timeout",),
    "notify": ("timeout",),
}


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_out_of_range_is_named_with_its_file(file: Path, key: str) -> None:
    """Each has a least and a most; what would never wait, try or keep anything is out of range."""
    kind, bounds = KEYS[key].type, KEYS[key].metadata
    least, most = bounds["least"], bounds["most"]
    table, _, name = key.rpartition(".")
    assert least > 0 if name in ABOVE_ZERO.get(table, ()) else least == 0
    for value in (least - (0.5 if kind is float else 1), most + 1):
        write(file, key, json.dumps(value))
        with pytest.raises(SettingsError) as caught:
            load(file, {})
        assert str(caught.value).startswith(f"{file}: {key}: ")
        assert f"is not between {least} and {most}" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gate.node", ""),
        ("npm", ""),
        ("npm_node_headers", "include"),
        ("registry", "registry.example"),
        ("registry", "ftp://registry.example"),
        ("registry", "https://ann:secret@registry.example/"),
        ("t3", " "),
        ("dispatch", "nowhere"),
        ("dispatch_knows.header", "a b"),
        ("dispatch_knows.paths", ["api"]),
        ("dispatch_knows.cookies", ["("]),
        ("services.unit", "t3.service"),
        ("services.ports.ann", 0),
        ("services.manager", "processes"),
        ("services.run_dir", "run"),
        ("hooks.folder", "hooks"),
        ("freeze_file", "x"),
        ("state_dir", "x"),
        ("backup_dest", "x"),
        ("user_map", "x"),
        ("tmpdir", "x"),
        ("store", "x"),
        ("launcher", "t3"),
        ("base_dir", "/x"),
        ("pin", "v1"),
    ],
)
def test_a_value_that_cannot_work_is_named_with_its_file(
    file: Path, key: str, value: object
) -> None:
    """One line says which file and which key; the host is never wired with it."""
    write(file, key, json.dumps(value))
    named = "services.command" if key == "services.manager" else key
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert str(caught.value).startswith(f"{file}: {named}: ")
    assert "\n" not in str(caught.value)


OWNED = {
    "services.start": ["docker", "start", "t3-{person}"],
    "services.stop": ["docker", "stop", "t3-{person}"],
    "services.status": ["/etc/t3safe/status", "{person}"],
    "verify_command": ["/etc/t3safe/check", "{person}", "{build}"],
}


def owned(changes: dict[str, list[str] | None]) -> str:
    """Write a configuration that needs every command of one's own."""
    values = {**OWNED, **changes}
    top = [f"verify_command = {json.dumps(values['verify_command'])}"]
    below = [
        f"{key.removeprefix('services.')} = {json.dumps(words)}"
        for key, words in values.items()
        if key.startswith("services.") and words is not None
    ]
    head = 'verify = "command"\n' + "".join(top if values["verify_command"] is not None else ())
    return head + '\n[services]\nmanager = "commands"\n' + "\n".join(below)


def test_commands_of_ones_own_are_taken_as_they_are(file: Path) -> None:
    """Words stay words; nothing is split."""
    file.write_text(owned({}))
    settings = load(file, {})
    assert settings.services.manager is Manager.COMMANDS
    assert settings.services.start == ("docker", "start", "t3-{person}")
    assert settings.verify is Verify.COMMAND
    assert settings.verify_command == ("/etc/t3safe/check", "{person}", "{build}")


@pytest.mark.parametrize("key", OWNED)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (None, "it is empty; name a program and its words"),
        ([], "it is empty; name a program and its words"),
        ([" ", "{person}"], "it is empty; name a program and its words"),
        (["docker", "start", "t3"], "no word holds {person}"),
        (["docker", "{person}\0"], "a word holds a zero byte"),
    ],
)
def test_a_missing_or_blind_command_is_named_with_its_file(
    file: Path, key: str, words: list[str] | None, message: str
) -> None:
    """Start, stop, status and the check are all there, and know whom they are for."""
    file.write_text(owned({key: words}))
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert str(caught.value).startswith(f"{file}: {key}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("T3_PIN", "v1"),
        ("T3_STATE_DIR", "here"),
        ("T3_BACKUP_DEST", "here"),
        ("T3_FREEZE_FILE", "here"),
        ("T3_USER_MAP", "here"),
        ("T3_TMPDIR", "here"),
        ("T3_SMOKE_PORT", "70000"),
        ("T3_BACKUP_TIMEOUT", "0"),
        ("T3_DISPATCH", "nowhere"),
    ],
)
def test_a_variable_out_of_range_is_named_and_not_the_file(
    file: Path, variable: str, text: str
) -> None:
    """The variable wins over the file, so it is what must be fixed."""
    file.write_text("")
    with pytest.raises(SettingsError) as caught:
        load(file, {variable: text})
    assert str(caught.value).startswith(f"environment {variable}={text!r}: {ENVIRONMENT[variable]}")


@pytest.mark.parametrize(
    "urls", ['"json://s3cret"', '[["json://s3cret"]]', '["json://s3cret", ""]']
)
def test_urls_that_cannot_be_used_are_named_and_never_shown(file: Path, urls: str) -> None:
    """They are secrets; one text is no list."""
    file.write_text(f"[notify]\nurls = {urls}\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert str(caught.value).startswith(f"{file}: notify.urls: ")
    assert "s3cret" not in str(caught.value)


def test_urls_come_from_one_place_and_show_in_no_settings(file: Path) -> None:
    """Two places are a mistake; what prints the settings prints no URL."""
    file.write_text('[notify]\nurls = ["json://s3cret"]\n')
    settings = load(file, {})
    assert settings.notify.wanted
    assert "s3cret" not in repr(settings)
    file.write_text('[notify]\nurls = ["json://s3cret"]\nurls_file = "/etc/t3safe/urls"\n')
    with pytest.raises(SettingsError, match=r"notify\.urls_file: .*keep one of the two"):
        load(file, {})
    file.write_text('[notify]\nurls_file = "urls"\n')
    with pytest.raises(SettingsError, match=r"notify\.urls_file: 'urls' is not an absolute path"):
        load(file, {})


FLEET = '[fleet]\nendpoints = ["https://etcd1:2379"]\nname = "lab"\nring = "main"\n'


def test_a_host_is_in_a_fleet_only_where_the_file_says_so(file: Path) -> None:
    """All but endpoints, name and ring has a default."""
    file.write_text("")
    assert load(file, {}).fleet is None
    file.write_text(FLEET)
    fleet = load(file, {}).fleet
    assert fleet is not None
    assert (fleet.endpoints, fleet.name, fleet.ring) == (("https://etcd1:2379",), "lab", "main")
    assert (fleet.host, fleet.credentials, fleet.ca) == ("", None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fleet]\n", "fleet.endpoints: missing"),
        (FLEET.replace("main", "Main"), "fleet.ring: name 'Main': use at most 63"),
        (FLEET.replace('"lab"', '""'), "fleet.name: name '': use at most 63"),
        (f'{FLEET}host = "a b"\n', "fleet.host: name 'a b': use at most 63"),
        (FLEET.replace("https", "ldap"), "fleet.endpoints: 'ldap://etcd1:2379' is not an endpoint"),
        (FLEET.replace(":2379", ""), "fleet.endpoints: 'https://etcd1' is not an endpoint"),
        (FLEET.replace('["https://etcd1:2379"]', "[]"), "fleet.endpoints: it is empty"),
        (f"{FLEET}total = 0.0\n", "fleet.total: 0.0 is not between 0.1 and 600"),
        (f'{FLEET}ca = "ca.pem"\n', "fleet.ca: 'ca.pem' is not an absolute path"),
    ],
)
def test_a_fleet_that_cannot_be_used_is_named_with_its_file(
    file: Path, text: str, said: str
) -> None:
    """One line, before anything is asked."""
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        load(file, {})
    assert str(error.value).startswith(f"{file}: {said}")


def test_an_endpoint_with_a_password_is_not_shown(file: Path) -> None:
    """Other users may read what is printed."""
    file.write_text(FLEET.replace("etcd1", "web1:s3cret@etcd1"))
    with pytest.raises(SettingsError, match="redacted") as error:
        load(file, {})
    assert "s3cret" not in str(error.value)
