from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import t3safe
from fakes.t3.app.state import SIGNING_KEY
from t3safe.domain.redaction import HIDDEN, redact
from t3safe.t3 import serve_log
from t3safe.t3.commands import NO_TELEMETRY
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.package import FOLDER, NODE_PROGRAM
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION, PLAIN_COOKIE

PACKAGE = Path(t3safe.__file__).parent

SHORT = "ABCD2345EFGH"
"""A pairing credential as t3 makes them."""
TINY = "kd9fQ2"
"""Too short to be known by its looks: a label must give it away."""
LONG = "eyJzaWQiOiI3ZjNhIn0xMjM0NTY3.Zm9vYmFyLTEyMzQ1_x"

KEPT = [
    serve_log.MIGRATING,
    serve_log.MIGRATED,
    "migrations: [ '31_AuthAuthorizationScopes', '32_AuthPairingProofKeyThumbprint' ]",
    "14_ProjectionThreadProposedPlanImplementation",
    "ProjectionThreadProposedPlanImplementation",
    f"{serve_log.LISTENING} http://0.0.0.0:3773",
    serve_log.READY,
    "t3 v0.0.28-nightly.20260629.685",
    "[2026-06-09T04:00:12.345Z] INFO (#12): ready in 1.204 s",
    serve_log.NO_ROLE,
    f"POST {BROWSER_SESSION} 404",
    f"cookie {PLAIN_COOKIE}_3773_0a1b2c3d4e5f, then {PLAIN_COOKIE}_0a1b2c3d4e5f",
    "evidence: /var/lib/t3safe/evidence/20260609T040012345678Z-0.0.28-nightly.20260629.685-alice",
    "taking over run 20260609T040000Z-a1b2, snapshot 20260609T040000Z-a1b2.0010",
    "20260609T040012345678Z-a1b2",
    "kept as /var/lib/t3safe/journal.sqlite.broken-20260609T040012Z, a new one is begun",
    "orchestration_command_receipts: 1204 -> 1198 rows",
    f"{V1_DATABASE}: database disk image is malformed",
    f"the token expired; no path takes the credential (tried {BOOTSTRAP})",
    "POST /api/auth/pairing-token 404",
    SIGNING_KEY,
    f"at file:///opt/t3safe/builds/0.0.29-nightly.20260721.864/{FOLDER}/{NODE_PROGRAM}:12:5",
    *(f"{name}={value}" for name, value in NO_TELEMETRY.items()),
    "ann   deferred   busy since 2026-06-09T04:00:12Z",
    "| ann | 0.0.28 | moved |",
    "[████░░░░] 4 of 8",
    "fetching  ████      50 %",
    "",
]


@pytest.mark.parametrize("line", KEPT)
def test_what_a_person_needs_to_read_stays(line: str) -> None:
    """Messages, migrations, versions, addresses and times are no secrets."""
    assert redact(line) == line


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"Token: {SHORT}", f"Token: {HIDDEN}"),
        (f"  token : {SHORT} and more", f"  token : {HIDDEN}"),
        (f"Pairing URL: http://host:3773/pair#{SHORT}", f"Pairing URL: {HIDDEN}"),
        (f"Connection string: http://host/?t={SHORT}", f"Connection string: {HIDDEN}"),
        (f"bootstrap credential: {SHORT}", f"bootstrap credential: {HIDDEN}"),
        (f"secrets: {SHORT}, {SHORT}", f"secrets: {HIDDEN}"),
        (f"sessionToken: '{SHORT}'", f"sessionToken: {HIDDEN}"),
        (f"\x1b[1mToken\x1b[0m: {SHORT}", f"\x1b[1mToken\x1b[0m: {HIDDEN}"),
        (f"Authorization: Basic {SHORT}", f"Authorization: {HIDDEN}"),
        (f"Set-Cookie: {PLAIN_COOKIE}={SHORT}; Path=/; HttpOnly", f"Set-Cookie: {HIDDEN}"),
        (f"cookie: theme=dark; {PLAIN_COOKIE}={SHORT}", f"cookie: {HIDDEN}"),
        (f"sent {PLAIN_COOKIE}={SHORT}; Path=/", f"sent {PLAIN_COOKIE}={HIDDEN}; Path=/"),
        (f"{PLAIN_COOKIE}_3773_0a1b2c3d4e5f={SHORT}", f"{PLAIN_COOKIE}_3773_0a1b2c3d4e5f={HIDDEN}"),
        (f"authorised by Bearer {SHORT}", f"authorised by Bearer {HIDDEN}"),
        (f"GET /pair?token={SHORT} 200", f"GET /pair?token={HIDDEN} 200"),
        (f"T3_SECRET={SHORT}", f"T3_SECRET={HIDDEN}"),
        (f"see http://host:3773/pair#{SHORT} now", f"see http://host:3773/pair?{HIDDEN} now"),
        (f"see https://host/pair?k={SHORT}", f"see https://host/pair?{HIDDEN}"),
        (f"GET http://bob:{SHORT}@host/t3", f"GET http://{HIDDEN}@host/t3"),
        (f"got {LONG}.", f"got {HIDDEN}."),
    ],
)
def test_a_secret_goes_and_what_surrounds_it_stays(line: str, left: str) -> None:
    """Each form in which t3, npm or a proxy writes a secret is known by its label."""
    assert redact(line) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"got {SHORT}.", f"got {HIDDEN}."),
        ("got \x1b[1mKXWNMBVCZRTP\x1b[0m", f"got \x1b[1m{HIDDEN}\x1b[0m"),
        ("got aB3dE6gH9jK.", "got aB3dE6gH9jK."),
        ("got aB3dE6gH9jKl.", f"got {HIDDEN}."),
        (f"Token:\n{TINY}\nbye", f"Token: {HIDDEN}\n{HIDDEN}\nbye"),
        (f"Pairing code\n\n  {TINY}\nbye", f"Pairing code\n\n{HIDDEN}\nbye"),
        (f"Pairing code {TINY} now", f"Pairing code {HIDDEN} now"),
        (f"Pairing code: {TINY}", f"Pairing code: {HIDDEN}"),
        (f"the token is {TINY}", f"the token is {HIDDEN}"),
        (f"token \x1b[32m{TINY}\x1b[0m", f"token \x1b[32m{HIDDEN}\x1b[0m"),
        (f"t3 pair --token {TINY} --port 1", f"t3 pair --token {HIDDEN} --port 1"),
        ("t3 pair --token 'a b' --port 1", f"t3 pair --token {HIDDEN} --port 1"),
        (f"spent credential '{TINY}' twice", f"spent credential {HIDDEN} twice"),
        (f"T3_TOKEN='{TINY}' t3", f"T3_TOKEN={HIDDEN} t3"),
        (f"//registry/:_authToken={TINY}", f"//registry/:_authToken={HIDDEN}"),
        (f"GET /pair/{TINY} 200", f"GET /pair/{HIDDEN} 200"),
        (f"| token | {TINY} |", f"| token | {HIDDEN} |"),
        (
            f"| id | token | role |\n|----|----|----|\n| p1 | {TINY} | owner |\n\n| p1 | b | c |",
            f"| id | token | role |\n|----|----|----|\n| p1 | {HIDDEN} | owner |\n\n| p1 | b | c |",
        ),
        (
            f"ID   TOKEN   ROLE\np1   {TINY}   owner\np2",
            f"ID   TOKEN   ROLE\np1   {HIDDEN}   owner\np2",
        ),
        ("ID   TOKEN   ROLE\np1", "ID   TOKEN   ROLE\np1"),
        ("  █▀▀█ ▄▀ █▀▀█\n  █▄▄█ ▀▄ █▄▄█\n\nready", f"  {HIDDEN}\n\nready"),
        ("got ████  ████.", f"got {HIDDEN}."),
        ("got ████   ███.", "got ████   ███."),
        ("  \x1b[47m  \x1b[40m  " * 4 + "\x1b[0m\nready", f"{HIDDEN}\nready"),
    ],
)
def test_a_secret_goes_in_every_form_that_t3_has_printed(line: str, left: str) -> None:
    """Beside its label, below it, in a table, in a path, by its own form, as a picture."""
    assert redact(line) == left


@pytest.mark.parametrize(
    "name", ["credential", "token", "secret", "cookie", "access_token", "accessToken", "set-cookie"]
)
def test_a_secret_in_json_goes_and_the_json_stays(name: str) -> None:
    """The value of a secret's key is replaced, its neighbours are not."""
    line = f'{{"id":"p1","{name}" : "{SHORT}","role":"owner"}}'
    assert redact(line) == f'{{"id":"p1","{name}" : "{HIDDEN}","role":"owner"}}'


def test_json_that_was_cut_off_keeps_no_half_secret() -> None:
    """The tail of a log may begin or end anywhere."""
    assert redact(f'{{"credential": "{SHORT}') == f'{{"credential": "{HIDDEN}"'


def test_json_inside_json_keeps_no_secret() -> None:
    """A body that is logged as a text has its quotes escaped."""
    assert SHORT not in redact(f'body="{{\\"credential\\":\\"{SHORT}\\",\\"id\\":1}}"')


def test_every_line_is_looked_at() -> None:
    """A label hides the rest of its own line, not that of the next."""
    text = f"ready\nToken: {SHORT}\nListening\nPairing URL: {SHORT}\nbye"
    assert redact(text) == f"ready\nToken: {HIDDEN}\nListening\nPairing URL: {HIDDEN}\nbye"


def test_a_random_word_is_hidden_from_24_characters_on() -> None:
    """Shorter words are left: run numbers, ids and hashes of commits in short form."""
    assert redact("a1" * 12) == HIDDEN
    assert redact("a1" * 11 + "a") == "a1" * 11 + "a"


@pytest.mark.parametrize("word", ["a" * 40, "1" * 40, "_" * 40, "-" * 40, "a-b" * 20])
def test_a_long_word_needs_both_a_letter_and_a_digit(word: str) -> None:
    """Words alone are names, digits alone are numbers, dashes are lines."""
    assert redact(word) == word


def test_a_hyphen_at_either_end_is_part_of_the_secret() -> None:
    """In base64url one character in 64 is a hyphen, the first and the last too."""
    assert redact("-" + "a1" * 11 + "b") == HIDDEN
    assert redact("a1" * 11 + "b-") == HIDDEN


def test_a_secret_does_not_pass_as_a_migration() -> None:
    """Only a whole word of that form is a migration's name."""
    assert redact("31_Abc-" + "a1" * 12) == HIDDEN
    assert redact("31_Abcdefghijklmnopqrstuvwxyz0") == HIDDEN
    assert redact("1234_Abcdefghijklmnopqrstuvw") == HIDDEN
    assert redact("55_OrchestrationV2") == "55_OrchestrationV2"
    assert redact("55_OrchestrationV2x9") == HIDDEN


@pytest.mark.parametrize(
    "text", ['TOKEN="credential":', '--token "credential":', "Token\n:", "TOKEN  TOKEN:"]
)
def test_a_hidden_value_stays_as_it_was_hidden(text: str) -> None:
    """What stands behind it is no part of it the second time either."""
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    "word",
    [
        "20260609T040012345678Z-a1b2c",
        "20260609T040012345678Z-a1b2-c3d4e5f6",
        "20260609T040012345678ZAbcd",
        "20260609T0400123456789Z-a1b2",
        "a20260609T040012345678Z-a1b2",
        "2026060T040012345678Z-a1b2c3d4",
    ],
)
def test_a_secret_does_not_pass_as_a_time(word: str) -> None:
    """Only a whole stamp stays, with no more behind it than the four characters of a run."""
    assert redact(word) == HIDDEN


def test_what_t3safe_says_itself_is_not_redacted() -> None:
    """A message of ours that looks like a secret is shown in one place and hidden in another."""
    sources = [path for path in PACKAGE.rglob("*.py") if path.name not in {"redaction.py"}]
    said = [text for path in sources for text in _literals(path)]
    assert len(said) > 1000
    lines = [text for text in said if "\n" not in text]
    left = redact("\n.\n".join(lines)).split("\n.\n")
    assert [pair for pair in zip(lines, left, strict=True) if pair[0] != pair[1]] == []


def _literals(path: Path) -> Iterator[str]:
    """Every message in a module; what is filled in is the word `why`."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    filled = [node.values for node in nodes if isinstance(node, ast.JoinedStr)]
    skipped = {id(each) for values in filled for each in values}
    skipped |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    whole = [node for node in nodes if isinstance(node, ast.Constant)]
    yield from ("".join(map(_filled, values)) for values in filled)
    texts = (node.value for node in whole if id(node) not in skipped)
    yield from (text for text in texts if isinstance(text, str) and " " in text.strip("\n"))


def _filled(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "why"


@pytest.mark.parametrize(
    "unit",
    [
        "a-",
        "http://",
        "token ",
        '"token":',
        "bearer ",
        "1_A",
        "token\n",
        "█ ",
        "a  ",
        "| ",
        "--token ",
        "token/",
        "aB1",
        "\x1b[1m",
    ],
)
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """A quarter of a megabyte made to be walked again and again is done within the time limit."""
    assert redact(unit * (250_000 // len(unit)))


@pytest.mark.parametrize("user", ["u", "u" * 256])
def test_a_user_in_a_url_is_hidden_up_to_the_length_that_is_looked_at(user: str) -> None:
    """The limit keeps the time linear; no real one is longer."""
    assert redact(f"http://{user}@host/path") == "http://[redacted]@host/path"
