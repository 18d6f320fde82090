"""What t3's answers to a sign-in say."""

from __future__ import annotations

import base64
import json
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
    exchange_body,
    is_absent,
    is_loopback,
    is_unknown_credential,
    link_of,
    protocol_refused,
    refusal_of,
    refuses_protocol,
    session_ids,
    session_of,
    socket_path,
)


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("t3_session=a.b; Path=/; HttpOnly; SameSite=Lax", {"t3_session": "a.b"}),
        ("t3_session=YQ==; Path=/", {"t3_session": "YQ=="}),
        (" t3_session = a ", {"t3_session": "a"}),
        ("t3_session=a", {"t3_session": "a"}),
        ("t3_session=", {}),
        ("=a", {}),
        ("t3_session", {}),
        ("", {}),
        ("two words=a", {}),
        ("t3_session=two words", {}),
        ("t3_session=a\r\nX-Header: b", {}),
        ("t3_session=a,b", {}),
        (f"{'n' * 128}=a", {"n" * 128: "a"}),
        (f"{'n' * 129}=a", {}),
        (f"t3_session={'v' * 4096}", {"t3_session": "v" * 4096}),
        (f"t3_session={'v' * 4097}", {}),
    ],
)
def test_a_cookie_is_what_stands_before_its_attributes(
    header: str, cookies: dict[str, str]
) -> None:
    """Its value may have an equals sign; what cannot be sent back unchanged is none."""
    assert Cookies.set_by([header]).values == cookies


def test_cookies_are_sent_back_in_one_header() -> None:
    """Values are shown in that header alone, and names are cut short."""
    cookies = Cookies.set_by(["b=2; Path=/", "a=1=1; Path=/", f"{'n' * 65}=3"])
    assert cookies.header == f"b=2; a=1=1; {'n' * 65}=3"
    assert cookies.names == ("a", "b", "n" * 64)
    assert repr(cookies) == "Cookies()"


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
        ('{"credential": "ABC", "label": {"credential": "DEF"}}', "ABC"),
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
        ('{"id": "1234567"}', ""),
        ('{"id": "12345678"}', "12345678"),
        (f'{{"id": "{"a" * 64}"}}', "a" * 64),
        (f'{{"id": "{"a" * 65}"}}', ""),
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


def test_a_cookie_is_named_after_the_folder_on_a_loopback_bind_and_the_environment_elsewhere() -> (
    None
):
    """With the first twelve digits of the SHA-256 of either."""
    names = CookieNames.ENVIRONMENT
    assert cookie_name(names, "", 1, "an environment", "/s") == "t3_session_1_8e295f312d7e"
    assert cookie_name(names, "::", 1, "an environment", "/s") == "t3_session_189e113df591"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.127.0.1", False),
        ("t3.example.org", False),
    ],
)
def test_a_bind_that_only_this_machine_reaches(host: str, loopback: bool) -> None:
    """No host is one, and every address of 127.0.0.0/8."""
    assert is_loopback(host) is loopback


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
        (200, b'{"environmentId": "e", "orchestrationProtocolVersion": 2.0}', Descriptor("", "e")),
        (
            200,
            b'{"serverVersion": "%s", "environmentId": "%s"}' % (b"v" * 128, b"e" * 129),
            Descriptor("v" * 128, "e" * 128),
        ),
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
        (426, b'{"orchestrationProtocolVersion": 0}', 0, False),
        (426, b'{"orchestrationProtocolVersion": 1}', 1, False),
        (426, b'{"orchestrationProtocolVersion": 1000}', 1000, False),
        (426, b'{"orchestrationProtocolVersion": 1001}', 0, False),
        (426, b'{"orchestrationProtocolVersion": "2"}', 0, False),
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
        (500, b'{"reason": "%s"}' % (b"a" * 64), "a" * 64),
        (500, b'{"reason": "%s"}' % (b"a" * 65), ""),
        (500, b"<html>", ""),
        (200, b'{"reason": "invalid_credential"}', ""),
    ],
)
def test_why_an_exchange_was_refused(status: int, body: bytes, reason: str) -> None:
    """In t3's own word, of either generation; a stranger's words are not repeated."""
    assert refusal_of(status, body) == reason
    assert is_unknown_credential(status, reason) is (status == 401)


def test_only_a_refusal_with_both_signs_is_of_an_unknown_credential() -> None:
    """Another status has another cause, and so has another reason."""
    assert is_unknown_credential(401, "invalid_credential")
    assert not is_unknown_credential(401, "")
    assert not is_unknown_credential(500, "invalid_credential")


def test_a_path_is_absent_by_two_statuses() -> None:
    """Any other one is the answer of a path that is there."""
    assert [status for status in range(200, 600) if is_absent(status)] == [404, 405]


def test_a_credential_is_sent_as_an_object() -> None:
    """In the form that every release takes."""
    assert json.loads(exchange_body('A"B')) == {"credential": 'A"B'}


SIGNATURE = "jYB2a-M_8kpFyP9kQmB4Z1hVb0G2y3iVdM0b0oD8u7U"


def token(content: object) -> str:
    """Make a token of t3: its content and a signature, both in base64url without padding."""
    body = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    return f"{body}.{SIGNATURE}"


ID = "0e2c7f3e-1b7c-4d55-9d0a-5c2f1f0f9a11"


@pytest.mark.parametrize("more", ["", "a", "ab", "abc", "???>>>~~~"])
def test_a_session_has_the_id_that_its_token_says(more: str) -> None:
    """Whatever the length of the content is, which sets how much padding is left out."""
    made = token({"sid": ID, "v": more})
    assert session_ids(Cookies({"t3_session": made})) == (ID,)
    # The content ends at the first dot.
    assert session_ids(Cookies({"t3_session": f"{made}.{SIGNATURE}"})) == (ID,)


def test_every_cookie_may_be_a_session() -> None:
    """A serve may set one by its old name and by its new one."""
    cookies = {
        "t3_session": token({"sid": ID}),
        "theme": "dark",
        "t3_session_0": token({"sid": 8 * "b"}),
    }
    assert session_ids(Cookies(cookies)) == (ID, 8 * "b")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "dark",
        # No length of base64.
        "abcde",
        "é",
        token([]),
        token({}),
        token({"sid": None}),
        token({"sid": 12345678}),
        token({"sid": "two words"}),
        token({"sid": "a" * 7}),
        token({"sid": "a" * 65}),
        token({"SID": ID}),
    ],
)
def test_what_is_no_token_has_no_id(value: str) -> None:
    """A serve belongs to a person: an id goes into the query that removes a session."""
    assert session_ids(Cookies({"t3_session": value})) == ()


@pytest.mark.parametrize("length", [8, 64])
def test_an_id_may_be_as_short_and_as_long_as_this(length: int) -> None:
    """The limits themselves are within."""
    assert session_ids(Cookies({"t3_session": token({"sid": "a" * length})})) == ("a" * length,)
