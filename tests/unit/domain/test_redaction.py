from __future__ import annotations

import pytest

from t3safe.domain.redaction import HIDDEN, redact

SHORT = "ABCD2345EFGH"
"""A pairing credential is too short to be known by its looks; its label must give it away."""
LONG = "eyJzaWQiOiI3ZjNhIn0xMjM0NTY3.Zm9vYmFyLTEyMzQ1_x"

KEPT = [
    "Running all migrations...",
    "Migrations ran successfully",
    "migrations: [ '31_AuthAuthorizationScopes', '32_AuthPairingProofKeyThumbprint' ]",
    "14_ProjectionThreadProposedPlanImplementation",
    "ProjectionThreadProposedPlanImplementation",
    "Listening on http://0.0.0.0:3773",
    "T3 Code server is ready.",
    "t3 v0.0.28-nightly.20260629.685",
    "[2026-06-09T04:00:12.345Z] INFO (#12): ready in 1.204 s",
    "table auth_pairing_links has no column named role",
    "POST /api/auth/browser-session 404",
    "cookie t3_session_3773_0a1b2c3d4e5f, then t3_session_0a1b2c3d4e5f",
    "evidence: /var/lib/t3safe/evidence/20260609T040012345678Z-0.0.28-nightly.20260629.685-alice",
    "taking over run 20260609T040000Z-a1b2, snapshot 20260609T040000Z-a1b2.0010",
    "20260609T040012345678Z-a1b2",
    "orchestration_command_receipts: 1204 -> 1198 rows",
    "state.sqlite: database disk image is malformed",
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
        (f"Set-Cookie: t3_session={SHORT}; Path=/; HttpOnly", f"Set-Cookie: {HIDDEN}"),
        (f"cookie: theme=dark; t3_session={SHORT}", f"cookie: {HIDDEN}"),
        (f"sent t3_session={SHORT}; Path=/", f"sent t3_session={HIDDEN}; Path=/"),
        (f"t3_session_3773_0a1b2c3d4e5f={SHORT}", f"t3_session_3773_0a1b2c3d4e5f={HIDDEN}"),
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


@pytest.mark.parametrize("unit", ["a-", "http://", "token ", '"token":', "bearer ", "1_A"])
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """A quarter of a megabyte made to be walked again and again is done within the time limit."""
    assert redact(unit * (250_000 // len(unit)))


@pytest.mark.parametrize("user", ["u", "u" * 256])
def test_a_user_in_a_url_is_hidden_up_to_the_length_that_is_looked_at(user: str) -> None:
    """The limit keeps the time linear; no real one is longer."""
    assert redact(f"http://{user}@host/path") == "http://[redacted]@host/path"
