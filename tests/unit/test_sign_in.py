"""What t3's answers to a sign-in say."""

from __future__ import annotations

import re

import pytest

from t3safe.t3.sign_in import Cookies, Session, cookie_pattern, credential_of, link_of, session_of


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


def test_a_session_of_another_status_is_that_status() -> None:
    """And one that says nothing is not authenticated."""
    assert session_of(404, b"") == 404
    assert session_of(200, b"<html>") == Session(False, "")
