"""Messages through the real Apprise to ends on the loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from t3safe.adapters.notify import End, Letter, Sent, letters, send
from t3safe.domain.errors import NotifyError
from tests.support.inbox import SECRET, Inbox

PATIENCE = 60.0


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Give an end that answers."""
    with Inbox() as made:
        yield made


def letter(url: str, place: int = 1, *, urgent: bool = False) -> Letter:
    """Give a letter to this end."""
    return Letter(End(place, url), "heading", "first\nsecond", urgent)


def test_a_message_arrives_as_it_was_written(inbox: Inbox) -> None:
    """Heading, lines, and how urgent it is."""
    sent = send([letter(inbox.url), letter(inbox.url, 2, urgent=True)], PATIENCE)
    assert sent == (Sent("1 json"), Sent("2 json"))
    taken = sorted(inbox.take(), key=lambda message: message["type"])
    assert [message["type"] for message in taken] == ["failure", "warning"]
    assert {(message["title"], message["message"]) for message in taken} == {
        ("heading", "first\nsecond")
    }


def test_each_end_has_its_own_trouble_and_none_tells_a_secret(inbox: Inbox) -> None:
    """One refuses, one is not there, one is no URL that Apprise knows; the last is told."""
    with Inbox() as other, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        other.status = 401
        gone = f"json://user:{SECRET}@127.0.0.1:{closed.getsockname()[1]}/{SECRET}"
        urls = (other.url, gone, f"nothing://{SECRET}", inbox.url)
        sent = send([letter(url, at) for at, url in enumerate(urls, 1)], PATIENCE)
    assert [item.error for item in sent] == [
        "it answered 401",
        "it was not reached, or took nothing",
        "the URL is not one that Apprise understands",
        "",
    ]
    assert SECRET not in repr(sent)
    assert len(inbox.take()) == 1


def test_a_dead_end_costs_no_more_than_the_limit_and_hides_no_other(inbox: Inbox) -> None:
    """It never answers; whoever does is told all the same."""
    with Inbox(silent=True) as dead:
        # Apprise gives an end 4 s of its own: this one is told to be more patient than we are.
        began = time.monotonic()
        sent = send([letter(f"{dead.url}?rto=50"), letter(inbox.url, 2)], 8.0)
        took = time.monotonic() - began
    assert sent == (Sent("1 json", "no answer within 8 s"), Sent("2 json"))
    assert took < 13.0
    assert len(inbox.take()) == 1


def test_a_letter_without_a_body_is_not_sent(inbox: Inbox) -> None:
    """Its URL is looked at."""
    sent = send([Letter(End(1, inbox.url)), Letter(End(2, "nonsense"))], PATIENCE)
    assert [bool(item.error) for item in sent] == [False, True]
    assert inbox.take() == []


def test_without_the_extra_the_line_names_what_installs_it(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent; and where there is nothing to send nothing is needed."""
    monkeypatch.setattr(letters, "find_spec", lambda _: None)
    with pytest.raises(NotifyError, match=r"pip install 't3safe\[notify\]'"):
        send([letter(inbox.url)], PATIENCE)
    assert send([], PATIENCE) == ()
    assert inbox.take() == []


def test_an_interpreter_that_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one line."""
    monkeypatch.setattr(letters, "_WORKER", ("/nowhere/python",))
    with pytest.raises(NotifyError, match="cannot be sent"):
        send([letter("json://host")], PATIENCE)


def test_a_worker_that_babbles_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not an answer is left out; nothing counts as sent."""
    monkeypatch.setattr(letters, "_WORKER", ("/bin/sh", "-c", 'echo; echo "[0"; echo "[0,1]"; cat'))
    (sent,) = send([letter("json://host")], PATIENCE)
    assert sent.error == "no answer within 60 s"
