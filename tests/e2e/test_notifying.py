"""Notifications from the shell: real nights, the real Apprise, an end on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from fakes.embedded import CommandResult, EmbeddedHost
from t3safe.adapters.journal import Notes
from t3safe.adapters.journal.file import JournalFile
from t3safe.adapters.notify import letters
from t3safe.domain.errors import JournalError
from t3safe.domain.messages import LogLine
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.run import reported
from tests.e2e.hosts import NEW, adopted, state
from tests.support.documents import body_of
from tests.support.inbox import SECRET, Inbox

REFUSED = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("cookie-renamed",))
BROKEN = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("breaks-with-attachments",))


def _notes(host: EmbeddedHost) -> Notes:
    return Notes(JournalFile(host.root / "state" / "journal.sqlite"))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Give an end that answers."""
    with Inbox() as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, inbox: Inbox) -> Iterator[EmbeddedHost]:
    """Give a host of two people that tells one end, from a file of URLs."""
    urls = tmp_path / "urls"
    urls.write_text(f"# on call\n{inbox.url}\n")
    urls.chmod(0o600)
    with adopted(tmp_path, notify__urls_file=str(urls), notify__timeout=60.0) as made:
        yield made


def quiet(said: CommandResult) -> bool:
    """Whether nothing secret was said."""
    return SECRET not in said.out + said.err


def told(inbox: Inbox) -> list[str]:
    """Give the headings that came, without the host's name."""
    return [message["title"].partition(": ")[2] for message in inbox.take()]


def test_a_refusal_is_told_once_and_again_after_it_was_allowed(
    host: EmbeddedHost, inbox: Inbox
) -> None:
    """The next night is silent; allowed and refused again is news; no secret is kept or said."""
    host.offer(REFUSED)
    first = host.t3safe("run")
    assert first.status == Exit.REFUSED, first
    (message,) = inbox.take()
    assert message["title"].endswith(": refused")
    assert message["type"] == "warning"
    assert f"t3safe allow {REFUSED.version}" in message["message"]
    second = host.t3safe("run")
    assert second.status == Exit.REFUSED
    assert host.t3safe("drain").status == Exit.OK
    assert told(inbox) == []
    shown = body_of(host.t3safe("notify", "show", "--json").out, "notify")
    assert [item["end"] for item in shown] == ["1 json"]
    assert [notice["cause"] for notice in shown[0]["told"]] == ["refused"]
    assert shown[0]["due"] == []
    assert host.t3safe("allow", REFUSED.version).status == Exit.OK
    third = host.t3safe("run")
    assert third.status == Exit.REFUSED
    assert told(inbox) == ["refused"]
    assert all(quiet(said) for said in (first, second, third))
    kept = (path for path in (host.root / "state").rglob("*") if path.is_file())
    assert [path.name for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_a_rollback_and_its_freeze_come_in_one_message(host: EmbeddedHost, inbox: Inbox) -> None:
    """The frozen nights after it are silent; thawed, only what is new is told."""
    host.offer(BROKEN)
    assert host.t3safe("run").status == Exit.ROLLED_BACK
    (message,) = inbox.take()
    assert message["title"].endswith(": rolled back, frozen")
    assert message["type"] == "failure"
    assert len(message["message"].splitlines()) == 2
    assert host.t3safe("run").status == Exit.FROZEN
    assert host.t3safe("drain").status == Exit.FROZEN
    assert told(inbox) == []
    host.t3safe("thaw")
    host.t3safe("run")
    assert told(inbox) == []
    host.t3safe("freeze", "looking")
    assert host.t3safe("run").status == Exit.FROZEN
    assert told(inbox) == ["frozen"]


def test_an_end_that_fails_changes_nothing_and_is_told_later(
    host: EmbeddedHost, inbox: Inbox
) -> None:
    """The run ends as it would without, says so in one line, and the next one tells."""
    inbox.status = 500
    host.t3safe("freeze", "looking")
    before = state(host)
    said = host.t3safe("run")
    assert said.status == Exit.FROZEN
    lines = [line for line in said.out.splitlines() if "notification" in line]
    assert len(lines) == 1, said
    assert lines[0].endswith("notification to 1 json did not go out: it answered 500")
    assert quiet(said)
    assert state(host) == before
    inbox.status = 200
    assert host.t3safe("run").status == Exit.FROZEN
    assert told(inbox) == ["frozen"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (JournalError("cannot write the journal: disk full"), "it broke off: cannot write the"),
        (RuntimeError(f"at {SECRET}"), "it broke off by a defect of t3safe itself (RuntimeError)"),
    ],
)
def test_a_command_that_breaks_off_is_told(
    host: EmbeddedHost, inbox: Inbox, error: Exception, words: str
) -> None:
    """Once, not every night, and again after it was well; the error goes on as it was."""

    def night(error: Exception | None) -> None:
        with host.wired() as wired, reported(wired, "run"):
            if error is not None:
                raise error

    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            night(error)
        assert caught.value is error
    (message,) = inbox.take()
    assert message["title"].endswith(": needs human")
    assert f"`t3safe run`: {words}" in message["message"]
    assert SECRET not in message["message"]
    night(None)
    assert told(inbox) == []
    with pytest.raises(type(error)):
        night(error)
    assert told(inbox) == ["needs human"]


def test_without_the_extra_every_run_says_what_installs_it(
    host: EmbeddedHost, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, also where nothing is due; nothing counts as told."""
    monkeypatch.setattr(letters, "find_spec", lambda _: None)
    said: list[LogLine] = []
    with host.wired() as wired:
        wired.event_log.sinks = (said.append,)
        for _ in range(2):
            with reported(wired, "run"):
                pass
    assert ["pip install 't3safe[notify]'" in line.text for line in said] == [True, True]
    assert _notes(host).notified() == {}


def test_a_test_goes_to_each_end(host: EmbeddedHost, inbox: Inbox) -> None:
    """By place and scheme alone; it is no notice, so that nothing counts as told."""
    said = host.t3safe("notify", "test")
    assert (said.status, said.out) == (Exit.OK, "1 json: went out\n")
    assert told(inbox) == ["test"]
    inbox.status = 403
    said = host.t3safe("notify", "test", "--json")
    assert said.status == Exit.LATER
    assert body_of(said.out, "notify-test") == [
        {"end": "1 json", "sent": False, "why": "it answered 403"}
    ]
    assert _notes(host).notified() == {}


def test_what_cannot_be_used_is_one_line_and_fails_no_run(host: EmbeddedHost, inbox: Inbox) -> None:
    """A file that others may read: the run ends as it would without, doctor says what fixes it."""
    urls = host.root / "urls"
    urls.chmod(0o644)
    said = host.t3safe("run")
    assert said.status == Exit.OK
    assert [line for line in said.out.splitlines() if "may be used by others (mode 0644)" in line]
    doctor = host.t3safe("doctor", "--json")
    (found,) = (item for item in body_of(doctor.out, "doctor") if item["check"] == "notifications")
    assert found["level"] == "problem"
    assert host.t3safe("notify", "test").status == Exit.LATER
    urls.chmod(0o600)
    doctor = host.t3safe("doctor")
    assert "ok  notifications: " in doctor.out
    assert told(inbox) == []


def test_urls_in_the_configuration_are_never_shown(host: EmbeddedHost, inbox: Inbox) -> None:
    """Not where they are of a wrong type, not where others may read the file."""
    host.write_config(notify__urls=[inbox.url])
    said = host.t3safe("run")
    assert (said.status, "keep one of the two" in said.err) == (Exit.USAGE, True)
    del host.config["notify.urls_file"]
    host.write_config(notify__urls=inbox.url)
    said = host.t3safe("run")
    assert said.status == Exit.USAGE
    assert "config.toml: notify.urls: it is not a list of texts" in said.err
    assert quiet(said)
    host.write_config(notify__urls=[inbox.url, f"nothing://{SECRET}"])
    host.config_file.chmod(0o644)
    said = host.t3safe("doctor")
    assert "problem  notifications: 2 nothing: the URL is not one" in said.out
    assert "warning  notifications: " in said.out
    assert str(host.config_file) in said.out
    assert quiet(said)
    assert host.t3safe("notify", "show").status == Exit.OK
    assert told(inbox) == []


def test_without_ends_the_commands_say_so(host: EmbeddedHost) -> None:
    """A usage, and no run reports anything."""
    del host.config["notify.urls_file"]
    host.write_config()
    for command in ("test", "show"):
        said = host.t3safe("notify", command)
        assert said.status == Exit.USAGE
        assert "`notify.urls`" in said.err
    host.t3safe("freeze", "looking")
    said = host.t3safe("run")
    assert (said.status, "notif" in said.out + said.err) == (Exit.FROZEN, False)
