"""Pairing on real parts: real processes, real HTTP, the fake t3 and the fake dispatch."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from fakes.dispatch import DispatchFault
from fakes.packages import FakeRelease
from fakes.service import Service, ServiceHandler
from fakes.t3.client import PersonClient
from t3safe.adapters._support.seen_dispatch import SeenDispatch
from t3safe.adapters.pairing import DispatchPairing
from t3safe.adapters.personaldata.worker.signout import sign_out
from t3safe.contracts.pairing import PairingContract, not_stopped
from t3safe.domain import events as ev
from t3safe.domain.checks import DispatchKnowledge
from t3safe.domain.errors import DispatchError, Fault, PeopleError, PersonalDataError, ServiceError
from t3safe.domain.redaction import redact
from t3safe.t3.commands import BASE_OPTION
from t3safe.t3.files import USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.sign_in import (
    BOOTSTRAP,
    BROWSER_SESSION,
    LINKS,
    PLAIN_COOKIE,
    SESSION_PATH,
    SESSIONS,
)
from tests.support.pairing import (
    BUILD,
    GENERATIONS,
    OTHER,
    RealPairing,
    VirtualTime,
    real_pairing,
)


@pytest.fixture
def pairing(tmp_path: Path) -> Iterator[RealPairing]:
    """Give alice's and bob's serves behind a dispatch."""
    with real_pairing(tmp_path) as bench:
        yield bench


class TestDispatchPairing(PairingContract):
    """The contract, on real parts."""


def test_native_program_is_verified_as_the_units_own_process(pairing: RealPairing) -> None:
    """Mint, serve and main process are the native program of the build that is selected."""
    pairing.run("alice", BUILD, layout="platform")
    answer = pairing.port.verify("alice", BUILD)
    assert isinstance(answer, ev.Paired)
    pid = pairing.main_pid("alice")
    program = Path(f"/proc/{pid}/exe").readlink()
    assert program.is_relative_to(pairing.store / "builds" / BUILD.text)
    assert program.read_bytes()[:4] == b"\x7fELF"


def refused(pairing: RealPairing, person: str = "alice") -> ev.NotPaired:
    """Verify a person who does not pair; nothing that is told holds a secret."""
    answer = pairing.port.verify(person, BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert redact(answer.reason) == answer.reason
    return answer


def served(answer: int, *headers: tuple[str, str]) -> Service:
    """Give a dispatch that answers everything in one way."""

    def handle(handler: ServiceHandler) -> None:
        handler.reply(answer, b"<html>", *headers)

    return Service(handle, "127.0.0.1", 0)


def address(service: Service) -> str:
    """Tell a service's host:port."""
    return service.url.removeprefix("http://")


def test_asks_as_a_browser_of_the_person_does(pairing: RealPairing) -> None:
    """One page without a cookie, then the session; no redirect is followed."""
    pairing.tune(stay=0.0)
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)
    asked = [(entry.login, entry.path, entry.status) for entry in pairing.dispatch.log]
    assert asked == [("alice.login", "/", 302), ("alice.login", SESSION_PATH, 200)]


def test_waits_for_a_serve_that_still_starts(pairing: RealPairing) -> None:
    """A serve that is not up yet gets the time to come up."""
    pairing.run("alice", BUILD, listen_window=0.8)
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)


def test_waits_for_a_dispatch_that_comes_back(pairing: RealPairing) -> None:
    """A restart of the dispatch in the middle is nobody's fault."""
    clock = VirtualTime()
    pairing.tune(sleep=clock.sleep, monotonic=clock.monotonic, grace=10.0)
    pairing.dispatch_down()
    clock.at(3.0, pairing.dispatch.up)
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (("session-never-authenticated",), "the cookie t3_session does not authenticate"),
        (
            ("cookie-missing",),
            "POST /api/auth/browser-session answers 200 without a session cookie",
        ),
        (("pairing-moved",), "no path takes the credential"),
        (("mint-fails",), "ended with status 1: Error: Failed to create pairing credential."),
        (("mint-prints-nothing",), "the mint prints nothing"),
        (("breaks-with-attachments",), "POST /api/auth/browser-session answers 500"),
    ],
)
def test_serve_that_does_not_pair_is_told_with_what_it_does(
    pairing: RealPairing, faults: tuple[str, ...], words: str
) -> None:
    """The reason says what the dispatch met, and what the serve does when asked alone."""
    pairing.run("alice", BUILD, *faults)
    attachments = pairing.root / "alice" / USERDATA / "attachments"
    attachments.mkdir(parents=True, exist_ok=True)
    (attachments / "note.txt").write_text("of alice")
    answer = refused(pairing)
    assert answer.fault is Fault.BUILD
    assert words in answer.reason


def test_session_that_holds_once_only_does_not_pair(pairing: RealPairing) -> None:
    """Somebody who is signed out by the next click cannot work."""
    pairing.run("alice", BUILD, "session-once")
    assert isinstance(refused(pairing), ev.NotPaired)


def test_serve_that_never_answers_is_given_up_at_the_deadline(pairing: RealPairing) -> None:
    """A port that accepts and never answers is no serve, and no reason to wait for ever."""
    pairing.dispatch.down()
    pairing.tune(deadline=1.0, patience=0.2)
    pairing.run("alice", BUILD, "listens-never-answers")
    began = time.monotonic()
    answer = refused(pairing)
    assert answer.fault is Fault.BUILD
    assert "does not answer on its port" in answer.reason
    assert time.monotonic() - began < 4


def test_serve_that_dies_before_it_pairs_is_decisive(pairing: RealPairing) -> None:
    """An end of the process ends the wait."""
    pairing.run("alice", BUILD, "works-once")
    pairing.serves["alice"].wait_until_up().kill()
    pairing.begin("alice", BUILD)
    began = time.monotonic()
    answer = refused(pairing)
    assert answer.fault is Fault.BUILD
    assert answer.reason.startswith("the serve of alice ended")
    assert time.monotonic() - began < 3


def test_serve_that_dies_after_it_paired_is_found_out(pairing: RealPairing) -> None:
    """Answering once is not enough: the process must stay."""
    pairing.tune(stay=8.0)
    pairing.run("alice", BUILD, "dies-after:4")
    answer = refused(pairing)
    assert answer.fault is Fault.BUILD
    assert answer.reason == "the serve of alice ended right after it had paired"


def test_serve_that_is_started_anew_is_found_out(pairing: RealPairing) -> None:
    """A crash that the service manager fixes at once is a crash."""
    clock = VirtualTime()
    pairing.tune(sleep=clock.sleep, monotonic=clock.monotonic, stay=3.0)

    def restart() -> None:
        pairing.end("alice")
        pairing.begin("alice", BUILD)

    clock.at(1.0, restart)
    answer = refused(pairing)
    assert answer.fault is Fault.BUILD
    assert "the serve of alice was started anew" in answer.reason


def test_answer_of_another_process_does_not_count(pairing: RealPairing) -> None:
    """The unit's own process must take the cookie, whoever else answers for the person."""
    for person in ("alice", "bob"):
        assert pairing.main_pid(person)
    pairing.dispatch.knowledge.backends = dict(
        sorted(pairing.dispatch.knowledge.backends.items(), reverse=True)
    )
    pairing.dispatch.knowledge.fault = DispatchFault.WRONG_PERSON
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert "takes alice to another process than their unit's" in answer.reason


def test_foreign_process_in_the_unit_does_not_count(pairing: RealPairing) -> None:
    """A unit that runs something else than the build is not the build."""
    pairing.tune(deadline=0.3)
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        try:
            pairing.pids["alice"] = sleeper.pid
            answer = refused(pairing)
        finally:
            sleeper.kill()
    assert answer.fault is Fault.HOST
    assert f"(process {sleeper.pid}) runs sleep, not {BUILD}" in answer.reason


def test_build_below_another_process_counts(pairing: RealPairing) -> None:
    """A unit's main process may be a launcher that waits for its child."""
    pairing.end("alice")
    code = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    with subprocess.Popen(
        [
            *(sys.executable, "-ISc", code, str(pairing.launcher("alice")), "serve"),
            *("--port", str(pairing.ports["alice"]), BASE_OPTION, str(pairing.root / "alice")),
        ],
        start_new_session=True,
    ) as parent:
        try:
            pairing.pids["alice"] = parent.pid
            assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)
        finally:
            os.killpg(parent.pid, 15)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (DispatchFault.ALL_502, "the dispatch answers 502 for alice; alice pairs at the serve"),
        (DispatchFault.NO_COOKIE, "the dispatch answers 302 without a cookie for alice"),
        (
            DispatchFault.UNKNOWN_COOKIE,
            "the cookie that is set is dispatch_session, the serve looks for 't3_session'",
        ),
    ],
)
def test_dispatch_that_answers_and_does_not_pair(
    pairing: RealPairing, fault: DispatchFault, words: str
) -> None:
    """The person cannot sign in, and the serve itself pairs: no build is to blame."""
    pairing.dispatch.knowledge.fault = fault
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert words in answer.reason


def test_dispatch_that_does_not_know_the_builds_sign_in(pairing: RealPairing) -> None:
    """One path or one cookie only: the dispatch is at fault, not a build that pairs by itself."""
    pairing.dispatch.knowledge.paths = (BOOTSTRAP,)
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert "look at the dispatch: does it know this build's sign-in?" in answer.reason
    pairing.dispatch.knowledge.paths = (BROWSER_SESSION,)
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)
    pairing.run("alice", BUILD, "cookie-renamed")
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert "look at the dispatch" in answer.reason


def test_what_works_through_the_dispatch_is_remembered(
    pairing: RealPairing, tmp_path: Path
) -> None:
    """Path and cookie of a build that paired, once; nothing of one that did not."""
    seen = SeenDispatch(tmp_path / "state" / "dispatch.json")
    pairing.tune(seen=seen)
    assert seen.knowledge() is None
    pairing.dispatch.knowledge.fault = DispatchFault.ALL_502
    refused(pairing)
    assert seen.knowledge() is None
    pairing.dispatch.knowledge.fault = DispatchFault.NONE
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)
    known = DispatchKnowledge((BROWSER_SESSION,), (PLAIN_COOKIE,))
    assert seen.knowledge() == known
    written = seen.file.read_bytes()
    assert isinstance(pairing.port.verify("bob", BUILD), ev.Paired)
    assert seen.file.read_bytes() == written
    assert b"eyJ" not in written


WAYS = {
    "before": DispatchKnowledge((BOOTSTRAP,), (PLAIN_COOKIE,), (1,)),
    "v1": DispatchKnowledge((BROWSER_SESSION,), (f"{PLAIN_COOKIE}_[0-9a-f]{{12}}",), (1,)),
    "v2": DispatchKnowledge((BROWSER_SESSION,), (f"{PLAIN_COOKIE}_[0-9a-f]{{12}}",), (2,)),
}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_pairs_and_is_remembered(
    pairing: RealPairing, tmp_path: Path, generation: str
) -> None:
    """By its own path and cookie, and with the protocol of its socket; directly as well."""
    seen = SeenDispatch(tmp_path / "state" / "dispatch.json")
    pairing.tune(seen=seen)
    pairing.host = "0.0.0.0"
    pairing.run("alice", BUILD, **GENERATIONS[generation])
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)
    assert seen.knowledge() == WAYS[generation]
    assert isinstance(pairing.direct().verify("alice", BUILD), ev.Paired)


def test_notes_of_before_there_were_protocols_are_read(tmp_path: Path) -> None:
    """They were of the first one."""
    seen = SeenDispatch(tmp_path / "dispatch.json")
    seen.file.write_text(f'{{"ways": [["0.0.28", "{BROWSER_SESSION}", "{PLAIN_COOKIE}"]]}}')
    known = DispatchKnowledge((BROWSER_SESSION,), (PLAIN_COOKIE,), (1,))
    assert seen.knowledge() == known


def test_dispatch_that_does_not_pass_on_the_protocol(pairing: RealPairing) -> None:
    """Everybody is signed in before an empty page: the dispatch is at fault, and no build."""
    pairing.host = "0.0.0.0"
    pairing.dispatch.knowledge.protocols = (1,)
    pairing.run("alice", BUILD, **GENERATIONS["v2"])
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert "the dispatch does not pass on protocol 2 of the web socket" in answer.reason
    pairing.run("alice", BUILD, **GENERATIONS["v1"])
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)


def test_cookie_that_the_session_sets_is_kept_as_a_browser_keeps_it(pairing: RealPairing) -> None:
    """A further one counts beside the first, whether the dispatch forwards it or not."""
    pairing.run("alice", BUILD, "signs-in-oddly:session-sets-cookie")
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)
    pairing.dispatch.knowledge.cookies = (PLAIN_COOKIE, f"{PLAIN_COOKIE}_again")
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_no_sign_in_of_ours_ends_another_one(pairing: RealPairing, generation: str) -> None:
    """No cookie goes with a credential, by which V2 would end its session."""
    pairing.host = "0.0.0.0"
    pairing.run("alice", BUILD, **GENERATIONS[generation])
    pairing.serves["alice"].wait_until_up()
    ann = PersonClient(pairing.dispatch.url, "alice.login")
    ann.sign_in()
    for port in (pairing.port, pairing.direct()):
        assert isinstance(port.verify("alice", BUILD), ev.Paired)
        assert ann.authenticated()
    name = V2_DATABASE if generation == "v2" else V1_DATABASE
    database = pairing.root / "alice" / USERDATA / name
    with closing(sqlite3.connect(database)) as opened:
        ended = f"SELECT count(*) FROM {SESSIONS} WHERE revoked_at IS NOT NULL"
        assert opened.execute(ended).fetchone() == (0,)


@pytest.mark.parametrize(("serves", "mints"), [("v2", "v1"), ("v1", "v2")])
def test_credential_of_the_other_generation_is_no_builds_fault(
    pairing: RealPairing, serves: str, mints: str
) -> None:
    """In between one build serves and another mints: the message names both."""
    pairing.host = "0.0.0.0"
    pairing.run("alice", BUILD, **GENERATIONS[serves])
    assert pairing.main_pid("alice")
    pairing.serves["alice"].wait_until_up()
    pairing.lay_out(FakeRelease(OTHER.text, **GENERATIONS[mints]))
    pairing.select("alice", f"builds/{OTHER.text}")
    for port in (pairing.port, pairing.direct()):
        answer = port.verify("alice", BUILD)
        assert isinstance(answer, ev.NotPaired)
        assert answer.fault is Fault.HOST
        assert f"the serve of alice (of {BUILD}) does not know the credential" in answer.reason
        assert f"t3 {OTHER} minted it: serve and mint must be of one build" in answer.reason


def test_credential_of_an_unknown_t3_is_no_builds_fault(pairing: RealPairing) -> None:
    """A build is blamed for its own credentials alone."""
    pairing.host = "0.0.0.0"
    pairing.run("alice", BUILD, **GENERATIONS["v2"])
    pairing.tune(mint=lambda _: "NOBODYHASIT2", minter=lambda _: "")
    answer = pairing.direct().verify("alice", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert answer.fault is Fault.HOST
    assert "it could not be told which t3 minted it" in answer.reason
    pairing.tune(minter=lambda _: BUILD.text)
    answer = pairing.direct().verify("alice", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert answer.fault is Fault.BUILD
    assert "answers 401 (invalid_credential)" in answer.reason


def test_dispatch_that_takes_connections_and_never_answers(pairing: RealPairing) -> None:
    """It is as good as down: the serve itself is asked."""
    pairing.tune(deadline=1.0, patience=0.3)
    pairing.dispatch.knowledge.fault = DispatchFault.SILENT
    answer = refused(pairing)
    assert answer.fault is Fault.ENVIRONMENT
    assert "did not answer within 0.3 s; alice pairs at the serve itself" in answer.reason


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, ()),
        (200, (("Set-Cookie", f"{PLAIN_COOKIE}=x"),)),
        (302, (("Location", "/"),)),
        (302, (("Set-Cookie", f"{PLAIN_COOKIE}=; Path=/"),)),
        (302, (("Set-Cookie", "no cookie at all"),)),
        (302, (("Set-Cookie", f"{PLAIN_COOKIE}=a\r\n X-authentik-username: bob.login"),)),
        (403, ()),
    ],
)
def test_answer_that_is_no_sign_in(
    pairing: RealPairing, status: int, headers: tuple[tuple[str, str], ...]
) -> None:
    """Only 302 with a cookie that can be sent back is one, whatever else looks healthy."""
    with served(status, *headers) as service:
        pairing.tune(dispatch=address(service))
        answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert f"the dispatch answers {status}" in answer.reason


def test_fenced_person_is_not_the_builds_fault(pairing: RealPairing) -> None:
    """A mint while fenced says that a fence is there, and blames no build."""
    assert pairing.main_pid("alice")
    pairing.dispatch_down()
    pairing.fence("alice")
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert "they are fenced" in answer.reason


# What cannot be tried at all.


def test_person_without_a_login_cannot_be_tried(pairing: RealPairing) -> None:
    """It says nothing about the build."""
    with pytest.raises(DispatchError, match="the user map gives them no login") as caught:
        pairing.tune(logins=lambda _: None).verify("alice", BUILD)
    assert caught.value.fault is Fault.ENVIRONMENT
    assert pairing.dispatch.log == []


@pytest.mark.parametrize("error", [ServiceError("systemd is gone"), PeopleError("no map")])
def test_trouble_of_others_is_told_as_our_own(
    pairing: RealPairing, error: ServiceError | PeopleError
) -> None:
    """One family of errors leaves the adapter."""

    def fail(_: str) -> None:
        raise error

    for changed in ({"main_pid": fail}, {"logins": fail}):
        with pytest.raises(DispatchError, match=f"cannot try to pair alice: {error}"):
            pairing.tune(**changed).verify("alice", BUILD)


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "h:99999", "http://h:1", "h:1/x"])
def test_dispatch_without_an_address_is_told(pairing: RealPairing, text: str) -> None:
    """A setting that names no host and port is refused with the setting's name."""
    port = pairing.port
    with pytest.raises(DispatchError, match="T3_DISPATCH"):
        DispatchPairing(
            dispatch=text,
            store=port.store,
            logins=port.logins,
            main_pid=port.main_pid,
            mint=port.mint,
        )


# Watching, in virtual time.


def watched(pairing: RealPairing, clock: VirtualTime, seconds: float) -> ev.Done | ev.BakeBroken:
    """Watch both for so long, looking at each every 30 s."""
    port = pairing.tune(sleep=clock.sleep, monotonic=clock.monotonic, interval=30.0)
    return port.watch(("alice", "bob"), BUILD, seconds, not_stopped)


def sign_ins(pairing: RealPairing) -> int:
    """How often the dispatch signed somebody in, each time with a mint."""
    return sum(each.status == 302 for each in pairing.dispatch.log)


def test_watch_asks_sessions_again_and_mints_once_at_the_end(pairing: RealPairing) -> None:
    """Everybody is looked at, at least every interval; a mint takes a second of a processor."""
    clock = VirtualTime()
    moments: list[float] = []
    asked = pairing.port.logins

    def login(person: str) -> str | None:
        moments.append(clock.now)
        return asked(person)

    port = pairing.tune(
        logins=login, sleep=clock.sleep, monotonic=clock.monotonic, interval=30.0, stay=0.0
    )
    for person in ("alice", "bob"):
        assert isinstance(port.verify(person, BUILD), ev.Paired)
    assert sign_ins(pairing) == 2
    moments.clear()
    begun = clock.now
    assert port.watch(("alice", "bob"), BUILD, 70.0, not_stopped) == ev.Done()
    assert [moment - begun for moment in moments] == [0, 0, 30, 30, 60, 60, 70, 70]
    assert sign_ins(pairing) == 4


def test_watch_pairs_whoever_has_no_session(pairing: RealPairing) -> None:
    """After a death of ours at the begin, and where the person signed all their browsers out."""
    clock = VirtualTime()
    assert watched(pairing, clock, 20.0) == ev.Done()
    assert sign_ins(pairing) == 4
    with closing(sqlite3.connect(state_of(pairing, "alice"))) as database, database:
        database.execute(f"UPDATE {SESSIONS} SET revoked_at = issued_at")
    assert pairing.port.watch(("alice", "bob"), BUILD, 20.0, not_stopped) == ev.Done()
    assert sign_ins(pairing) == 7


def state_of(pairing: RealPairing, person: str) -> Path:
    """Where the person's database is."""
    return pairing.root / person / USERDATA / V1_DATABASE


def test_no_session_outlasts_its_use(pairing: RealPairing) -> None:
    """Night after night: what was made is signed out, and a browser's own session stays."""
    assert pairing.main_pid("alice")
    browser = PersonClient(pairing.dispatch.url, "alice.login")
    browser.sign_in()

    def leave(person: str, sessions: tuple[str, ...]) -> None:
        assert sign_out(str(state_of(pairing, person).parent), list(sessions)) == len(sessions)

    left: list[int] = []
    for _ in range(4):
        port = pairing.tune(leave=leave, stay=0.0)
        assert isinstance(port.verify("alice", BUILD), ev.Paired)
        assert port.watch(("alice",), BUILD, 0.0, not_stopped) == ev.Done()
        port.sign_out()
        with closing(sqlite3.connect(state_of(pairing, "alice"))) as database:
            left += database.execute(f"SELECT count(*) FROM {SESSIONS}").fetchone()
    assert left == [1, 1, 1, 1]
    assert browser.authenticated()


def test_no_link_of_ours_outlasts_its_use(pairing: RealPairing) -> None:
    """Asked at the serve itself we mint: our links go, spent or not, and a browser's stays."""
    assert pairing.main_pid("alice")
    PersonClient(pairing.dispatch.url, "alice.login").sign_in()
    userdata = str(state_of(pairing, "alice").parent)

    def links() -> int:
        with closing(sqlite3.connect(state_of(pairing, "alice"))) as database:
            (count,) = database.execute(f"SELECT count(*) FROM {LINKS}").fetchone()
            return int(count)

    before, gone = links(), list[int]()

    def leave(_: str, ids: tuple[str, ...]) -> None:
        gone.append(sign_out(userdata, list(ids)))

    port = attrs.evolve(pairing.direct(), leave=leave, stay=0.0)
    assert isinstance(port.verify("alice", BUILD), ev.Paired)
    port.mint("alice")
    assert links() == before + 2
    port.sign_out()
    assert (links(), gone) == (before, [3])


def test_nobody_is_signed_out_of_a_serve_that_does_not_run(pairing: RealPairing) -> None:
    """The set of a person who is stopped is not written; a failure to sign out is no verdict."""
    asked: list[str] = []

    def leave(person: str, sessions: tuple[str, ...]) -> None:
        asked.extend((person, *sessions))
        raise PersonalDataError("cannot sign out: database is locked")

    port = pairing.tune(leave=leave)
    assert isinstance(port.verify("alice", BUILD), ev.Paired)
    port.sign_out()
    assert asked[0] == "alice"
    asked.clear()
    pairing.end("alice")
    port.sign_out()
    assert asked == []


def test_watch_notices_an_end_between_two_sign_ins(pairing: RealPairing) -> None:
    """A serve that ran out of memory is noticed within seconds, not at the next sign-in."""
    clock = VirtualTime()
    clock.at(33.0, lambda: pairing.end("bob"))
    answer = watched(pairing, clock, 300.0)
    assert answer == ev.BakeBroken("bob", Fault.BUILD, "the serve of bob ended")
    assert clock.now < 40


def test_watch_notices_a_restart(pairing: RealPairing) -> None:
    """A crash that was fixed by the service manager breaks the bake all the same."""
    clock = VirtualTime()

    def restart() -> None:
        pairing.end("bob")
        pairing.begin("bob", BUILD)

    clock.at(33.0, restart)
    answer = watched(pairing, clock, 300.0)
    assert isinstance(answer, ev.BakeBroken)
    assert (answer.person, answer.fault) == ("bob", Fault.BUILD)
    assert "was started anew" in answer.reason


def test_watch_does_not_blame_a_build_for_a_dispatch_that_goes_down(
    pairing: RealPairing,
) -> None:
    """It ends the watch, as the environment's fault."""
    clock = VirtualTime()
    clock.at(33.0, pairing.dispatch_down)
    answer = watched(pairing, clock, 300.0)
    assert isinstance(answer, ev.BakeBroken)
    assert answer.fault is Fault.ENVIRONMENT


def test_watch_hears_a_wish_to_stop_within_seconds(pairing: RealPairing) -> None:
    """A host that shuts down does not wait for the interval."""
    clock = VirtualTime()
    port = pairing.tune(sleep=clock.sleep, monotonic=clock.monotonic, interval=30.0)
    with pytest.raises(DispatchError, match="nothing was promoted"):
        port.watch(("alice",), BUILD, 300.0, lambda: clock.now >= 11.0)
    assert clock.now < 14


def test_watch_of_another_build_is_broken_at_once(pairing: RealPairing) -> None:
    """Somebody who was moved by hand meanwhile is not what is being watched."""
    answer = pairing.port.watch(("alice",), OTHER, 300.0, not_stopped)
    assert isinstance(answer, ev.BakeBroken)
    assert answer.fault is Fault.HOST
