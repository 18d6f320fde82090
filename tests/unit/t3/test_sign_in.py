"""What t3's answers to a sign-in say."""

from __future__ import annotations

import re

import pytest

from t3safe.t3.sign_in import (
    CookieNames,
    Cookies,
    Descriptor,
    Session,
    cookie_name,
    cookie_pattern,
    credential_of,
    descriptor_of,
    is_unknown_credential,
    link_of,
    protocol_refused,
    refusal_of,
    refuses_protocol,
    session_of,
    socket_path,
)


def test_later_cookies_join_the_earlier_ones() -> None:
    """As a browser keeps them; none are lost where an answer sets none."""
    first = Cookies.set_by(["theme=dark; Path=/", "t3_session=a; HttpOnly"])
    assert first.joined(Cookies()) == first
    assert first.joined(Cookies({"t3_session": "b"})).values == {"theme": "dark", "t3_session": "b"}


@pytest.mark.parametrize(
    ("cookies", "published", "name"),
    [
        ({"a": "1", "t3_session": "2"}, "t3_session", "t3_session"),
        ({"a": "1"}, "t3_session", "a"),
        ({"a": "1", "b": "2"}, "t3_session", ""),
        ({}, "t3_session", ""),
    ],
)
def test_the_sessions_cookie_is_the_published_or_the_only_one(
    cookies: dict[str, str], published: str, name: str
) -> None:
    """Two cookies without a published name are one too many to choose from."""
    assert Cookies(cookies).of_session(published) == name


@pytest.mark.parametrize(
    ("seen", "later", "fits"),
    [
        ("t3_session", "t3_session", True),
        ("t3_session", "t3_session_0a1b2c3d4e5f", False),
        ("t3_session_0a1b2c3d4e5f", "t3_session_ffffffffffff", True),
        ("t3_session_3773_0a1b2c3d4e5f", "t3_session_80_ffffffffffff", True),
        ("t3_session_3773_0a1b2c3d4e5f", "t3_session_ffffffffffff", False),
        ("a.b", "axb", False),
    ],
)
def test_a_cookie_of_another_person_has_the_same_pattern(seen: str, later: str, fits: bool) -> None:
    """Port and environment differ from person to person, the form does not."""
    assert bool(re.fullmatch(cookie_pattern(seen), later)) is fits


@pytest.mark.parametrize(
    ("printed", "credential"),
    [
        ('{"id": "5", "credential": "ABC"}\n\n', "ABC"),
        ('warning: old\n{"credential": "ABC"}\nbye', "ABC"),
        ('{"credential": 5}', ""),
        ("[1]", ""),
        ("{", ""),
        ("", ""),
        ("{" * 100_000, ""),
    ],
)
def test_a_credential_is_found_between_other_lines(printed: str, credential: str) -> None:
    """Anything that is not one counts as none."""
    assert credential_of(printed) == credential


@pytest.mark.parametrize(
    ("printed", "link"),
    [
        ('warning: old\n{"id": "0e2c7f3e-1b7c", "credential": "ABC"}\n', "0e2c7f3e-1b7c"),
        ('{"credential": "ABC"}', ""),
        ('{"id": 12345678, "credential": "ABC"}', ""),
        ('{"id": "two words", "credential": "ABC"}', ""),
        ("", ""),
    ],
)
def test_the_id_of_a_link_is_found_beside_its_credential(printed: str, link: str) -> None:
    """What is no id of t3's form counts as none."""
    assert link_of(printed) == link


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            200,
            b'{"authenticated": true, "auth": {"sessionCookieName": "t3_session"}}',
            Session(True, "t3_session"),
        ),
        (200, b'{"authenticated": true}', Session(True, "")),
        (200, b'{"authenticated": "true"}', Session(False, "")),
        (200, b'{"authenticated": 1, "auth": {"sessionCookieName": 5}}', Session(False, "")),
        (200, b'{"authenticated": true, "auth": []}', Session(True, "")),
        (200, b"[true]", Session(False, "")),
        (200, b"<html>", Session(False, "")),
        (200, b"[" * 100_000, Session(False, "")),
        (200, b"\xff", Session(False, "")),
        (404, b"", 404),
    ],
)
def test_a_session_is_authenticated_only_where_it_says_so(
    status: int, body: bytes, expected: Session | int
) -> None:
    """`true` and nothing like it; one of another status is that status."""
    assert session_of(status, body) == expected


@pytest.mark.parametrize(
    ("names", "host", "form"),
    [
        (CookieNames.PLAIN, "127.0.0.1", "t3_session"),
        (CookieNames.LOOPBACK, "0.0.0.0", "t3_session"),
        (CookieNames.LOOPBACK, "127.0.0.1", "t3_session_3773_[0-9a-f]{12}"),
        (CookieNames.ENVIRONMENT, "", "t3_session_3773_[0-9a-f]{12}"),
        (CookieNames.ENVIRONMENT, "::1", "t3_session_3773_[0-9a-f]{12}"),
        (CookieNames.ENVIRONMENT, "::", "t3_session_[0-9a-f]{12}"),
        (CookieNames.ENVIRONMENT, "10.0.0.5", "t3_session_[0-9a-f]{12}"),
    ],
)
def test_a_cookie_is_named_by_release_and_bind(names: CookieNames, host: str, form: str) -> None:
    """And every such name fits the pattern of another person's."""
    name = cookie_name(names, host, 3773, "an environment", "/home/ann/.t3/userdata")
    assert re.fullmatch(form, name)
    other = cookie_name(names, host, 80, "another", "/home/ben/.t3/userdata")
    assert re.fullmatch(cookie_pattern(name), other)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            200,
            b'{"serverVersion": "1.2.3", "environmentId": "e", "orchestrationProtocolVersion": 2}',
            Descriptor("1.2.3", "e", 2),
        ),
        (200, b'{"serverVersion": "1.2.3"}', Descriptor("1.2.3", "", 1)),
        (200, b'{"environmentId": "e", "orchestrationProtocolVersion": true}', Descriptor("", "e")),
        (200, b'{"environmentId": "e", "orchestrationProtocolVersion": -1}', Descriptor("", "e")),
        (404, b'{"serverVersion": "1.2.3"}', None),
        (200, b"<html>", None),
        (200, b'{"label": 1}', None),
    ],
)
def test_what_a_serve_says_of_itself(status: int, body: bytes, told: Descriptor | None) -> None:
    """A protocol that is not named is the first; what is no descriptor is none."""
    assert descriptor_of(status, body) == told


REFUSED = b'{"code": "orchestration_protocol_incompatible", "orchestrationProtocolVersion": 2}'


@pytest.mark.parametrize(
    ("status", "body", "protocol", "own"),
    [
        (426, REFUSED, 2, True),
        (426, b"", 0, False),
        (401, REFUSED, None, False),
    ],
)
def test_a_socket_that_is_refused_for_its_protocol(
    status: int, body: bytes, protocol: int | None, own: bool
) -> None:
    """It may say which protocol it takes, and only t3 says it in these words."""
    assert protocol_refused(status, body) == protocol
    assert refuses_protocol(status, body) is own


def test_the_first_protocol_is_not_named() -> None:
    """A serve before V2 knows no such parameter."""
    assert socket_path(1) == "/ws"
    assert socket_path(2) == "/ws?orchestrationProtocol=2"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, b'{"code": "auth_invalid", "reason": "invalid_credential"}', "invalid_credential"),
        (401, b'{"error": "Invalid bootstrap credential."}', "invalid_credential"),
        (500, b'{"reason": "browser_session_cookie_failed"}', "browser_session_cookie_failed"),
        (500, b'{"reason": "two words"}', ""),
        (500, b"<html>", ""),
        (200, b'{"reason": "invalid_credential"}', ""),
    ],
)
def test_why_an_exchange_was_refused(status: int, body: bytes, reason: str) -> None:
    """In t3's own word, of either generation; a stranger's words are not repeated."""
    assert refusal_of(status, body) == reason
    assert is_unknown_credential(status, reason) is (status == 401)
