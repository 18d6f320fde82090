"""t3's command lines as values."""

from __future__ import annotations

import pytest

from t3safe.t3 import commands


def test_serve_and_mint_name_their_base_directory() -> None:
    """Neither ever works on the default one."""
    for words in (commands.serve("/s/t3", "0.0.0.0", 1, "/b"), commands.mint("/s/t3", "/b")):
        assert words[0] == "/s/t3"
        assert commands.base_of(words) == "/b"
        assert commands.opens_database(words[1:])


def test_the_command_that_starts_a_serve() -> None:
    """Word for word: t3 takes an unknown word for a folder, and starts a serve in it."""
    assert commands.serve("/s/t3", "127.0.0.1", 3773, "/b") == [
        *("/s/t3", "serve", "--host", "127.0.0.1", "--port", "3773", "--base-dir", "/b")
    ]
    assert commands.serve("t3", "::", "{port}", "/b")[5] == "{port}"


def test_the_command_that_mints() -> None:
    """Word for word: a credential for five minutes, printed as JSON."""
    assert commands.mint("/s/t3", "/b") == [
        *("/s/t3", "auth", "pairing", "create", "--base-dir", "/b", "--ttl", "5m", "--json")
    ]


@pytest.mark.parametrize(
    ("words", "base"),
    [
        (["t3", "serve", "--base-dir", "/b"], "/b"),
        (["t3", "serve", "--base-dir=/b"], "/b"),
        (["t3", "serve", "--base-dir=/a=b"], "/a=b"),
        (["t3", "serve", "--base-dir=", "/b"], ""),
        (["t3", "serve", "--base-directory", "/b"], ""),
        (["t3", "serve", "--base-dir"], ""),
        (["t3", "serve"], ""),
        ([], ""),
    ],
)
def test_the_base_directory_of_a_command_line(words: list[str], base: str) -> None:
    """In both ways in which an option may be written."""
    assert commands.base_of(words) == base


@pytest.mark.parametrize(
    ("words", "opens"),
    [
        (["--version"], False),
        (["serve", "--help"], False),
        (["update"], False),
        (["service", "status"], False),
        (["uninstall"], False),
        # Only the first word is a command.
        (["project", "update"], True),
        (["pair"], True),
        (["version"], True),
        ([], True),
    ],
)
def test_what_opens_the_database(words: list[str], opens: bool) -> None:
    """Everything that is not known to leave it alone."""
    assert commands.opens_database(words) is opens


@pytest.mark.parametrize(
    ("words", "serves"),
    [
        (["/opt/x/t3", "serve", "--port", "1"], True),
        (["t3", "auth"], False),
        (["t3"], False),
        (["t3", "auth", "serve"], False),
        (["/t3/other", "serve"], False),
        (["node", "serve"], False),
        ([], False),
    ],
)
def test_a_serve_is_known_by_its_words(words: list[str], serves: bool) -> None:
    """By whatever path its program is called."""
    assert commands.is_serve(words) is serves


def test_a_version_is_read_off_what_is_printed() -> None:
    """Anything else is none."""
    assert commands.version("t3") == ["t3", "--version"]
    assert commands.version_of("warning: x\nt3 v0.0.28\n") == "0.0.28"
    assert commands.version_of("0.0.28\n") == ""
    assert commands.version_of("T3 Code (nightly) v0.0.46\n") == "0.0.46"
    assert commands.version_of("verbose\nv\nserver v\n") == ""
