from __future__ import annotations

from datetime import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from fakes.t3.app.auth import drawn
from t3safe.domain.redaction import redact
from t3safe.t3.sign_in import PLAIN_COOKIE
from tests.strategies import secrets

_PIECES = st.one_of(
    st.text(max_size=12),
    secrets,
    st.sampled_from(
        [
            "Token:",
            "token=",
            "Bearer ",
            "Set-Cookie:",
            f"{PLAIN_COOKIE}=",
            '"credential":',
            '"',
            "\\",
            "http://host",
            "?",
            "#",
            "@",
            ":",
            " ",
            "\n",
            "31_AuthAuthorizationScopes",
            "0.0.28-nightly.20260629.685",
            "20260609T040012345678Z-",
            "Token\n",
            "--token ",
            "pairing code ",
            "'",
            "|",
            "  ",
            "token  ",
            "/pair/",
            "█ ▀",
            "\x1b[1m",
        ]
    ),
)
_TEXTS = st.lists(_PIECES, max_size=10).map("".join)

_LABELS = st.sampled_from(
    [
        "Token: {}",
        "Pairing URL: {}",
        "Pairing URL: http://host:3773/pair#{}",
        "Connection string: {}",
        f"Set-Cookie: {PLAIN_COOKIE}={{}}; Path=/; HttpOnly",
        f"Cookie: {PLAIN_COOKIE}={{}}",
        f"{PLAIN_COOKIE}_3773_0a1b2c3d4e5f={{}}; Path=/",
        '{{"credential":"{}","scopes":[]}}',
        '{{"token" : "{}"}}',
        "Authorization: Bearer {}",
        "bearer {}",
        "GET http://host/pair?token={} 200",
        "GET /pair?token={} 200",
        "Token:\n{}",
        "Token:\r\n  {}\r\n",
        "--token {}",
        "--token={}",
        "credential '{}'",
        'credential "{}" is spent',
        "\n| token | {} |",
        "\n| id | credential |\n|---|---|\n| p1 | {} |",
        "\nID    CREDENTIAL\np1    {}",
        "{{ credential: '{}', id: 'p1' }}",
        "T3_TOKEN='{}'",
    ]
)
_BEFORE = st.text(" ab\n", max_size=5).map(lambda text: f"{text} " if text[-1:].strip() else text)
"""What may stand before a label, which begins a word."""
_CODES = st.text("23456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=12, max_size=12)
"""t3's pairing codes."""
_BARE = st.sampled_from(
    [
        "Pairing code {}",
        "pairing code is {}.",
        "GET /pair/{} 200",
        "use {} now",
        "[{}]",
        "\x1b[1m{}\x1b[0m",
    ]
)


@example(secret="A" * 24, label="bearer {}", before="a ")
@example(secret="A" * 24, label="Token:\n{}", before="a ")
@given(secret=secrets | _CODES, label=_LABELS, before=_BEFORE)
def test_a_labelled_secret_never_survives(secret: str, label: str, before: str) -> None:
    """Secrets never reach logs, argv or evidence: what follows a label is replaced."""
    assert secret not in redact(before + label.format(secret))


@given(code=_CODES, around=_BARE)
def test_a_pairing_code_never_survives_anywhere(code: str, around: str) -> None:
    """The form of t3's own codes is known without a label."""
    assert code not in redact(around.format(code))


@given(code=_CODES, before=st.sampled_from(["", "ready\n"]), after=st.sampled_from(["", "\nbye"]))
def test_a_drawn_code_never_survives(code: str, before: str, after: str) -> None:
    """No block of a QR code is left, and what stands around it is."""
    left = redact(before + drawn(code) + after)
    assert not set("█▀▄") & set(left)
    assert left == f"{before}  [redacted]{after}"


@given(
    secret=secrets.filter(lambda text: any(map(str.isdigit, text)) and any(map(str.isalpha, text))),
    before=st.sampled_from(["", " ", "id ", "(", "'", "[", "=", "/", ":"]),
    after=st.sampled_from(["", " ", ")", "'", "]", ",", ";", "\n", "/"]),
)
def test_a_random_word_never_survives_even_without_a_label(
    secret: str, before: str, after: str
) -> None:
    """Any long random-looking word is replaced, whole."""
    left = redact(before + secret + after)
    assert secret not in left
    assert left == f"{before}[redacted]{after}"


_STAMPED = st.builds(
    "{:%Y%m%dT%H%M%S}{}Z{}".format,
    st.datetimes(min_value=datetime(2020, 1, 1)),  # noqa: DTZ001 - hypothesis wants it naive
    st.integers(0, 999_999).map("{:06d}".format) | st.just(""),
    st.from_regex(r"\A(?:-[0-9a-f]{4})?\Z"),
)


@given(
    name=_STAMPED,
    before=st.sampled_from(["", "run ", "/var/lib/t3safe/evidence/", "("]),
    after=st.sampled_from(["", " ended", ".0010", ")", "/log"]),
)
def test_a_name_that_is_stamped_with_a_time_stays(name: str, before: str, after: str) -> None:
    """Evidence folders and runs are named by UTC times: whoever reads the log must find them."""
    text = f"{before}{name}{after}"
    assert redact(text) == text


@example(text="TOKEN  TOKEN:")
@given(text=_TEXTS)
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """Redaction is idempotent, so a text may pass several hands."""
    once = redact(text)
    assert redact(once) == once


@given(lines=st.lists(st.text("ab :/.\n", max_size=10), max_size=5))
def test_a_text_without_letters_that_label_is_left_as_it_is(lines: list[str]) -> None:
    """What holds neither a label nor a long word stays, byte for byte."""
    text = "\n".join(lines)
    assert redact(text) == text
