"""The dispatch mints, exchanges and proxies; a person works through it and loses nothing."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from fakes.dispatch import (
    Backend,
    Dispatch,
    Knowledge,
    mint_command,
)
from fakes.packages import FakeRelease, release_like
from fakes.t3 import PersonClient, Worker, missing_rows
from fakes.t3.process import RunningServe
from tests.fakes.conftest import Start

GOOD = FakeRelease("0.0.30", schema=34, native=False, start_time=0.0, listen_window=0.05)
OLD = evolve(GOOD, version="0.0.24", schema=30, pairing="/api/auth/bootstrap")


def knowledge_of(serve: RunningServe) -> Knowledge:
    """What a dispatch must know to take ann to this serve."""
    backend = Backend(mint_command([str(serve.program)], serve.base_dir), serve.origin)
    return Knowledge(backends={"ann": backend}, logins={"ann.login": "ann"})


@pytest.fixture
def open_dispatch() -> Iterator[Callable[[RunningServe], Dispatch]]:
    """A function that opens a dispatch in front of one serve, ann's."""
    opened: list[Dispatch] = []

    def begin(serve: RunningServe) -> Dispatch:
        dispatch = Dispatch(knowledge_of(serve))
        dispatch.up()
        opened.append(dispatch)
        return dispatch

    yield begin
    for dispatch in opened:
        dispatch.down()


Open = Callable[[RunningServe], Dispatch]


@pytest.mark.parametrize(("protocols", "opens"), [((1, 2), True), ((1,), False)])
def test_a_page_opens_where_its_protocol_is_passed_on(
    start: Start, open_dispatch: Open, protocols: tuple[int, ...], opens: bool
) -> None:
    """The person is signed in either way, and sees nothing without it."""
    second = release_like("0.0.46-nightly.20261010.2922", native=False, start_time=0.0)
    dispatch = open_dispatch(start(second, host="0.0.0.0"))
    dispatch.knowledge.protocols = protocols
    ann = PersonClient(dispatch.url, "ann.login")
    assert ann.sign_in().startswith("t3_session_")
    assert ann.authenticated()
    assert ann.opens() is opens


@pytest.mark.parametrize("release", [GOOD, OLD])
def test_sign_in(start: Start, open_dispatch: Open, release: FakeRelease) -> None:
    """302 with the serve's cookie, which authenticates through the dispatch."""
    dispatch = open_dispatch(start(release))
    ann = PersonClient(dispatch.url, "ann.login@example.org")
    assert not ann.authenticated()
    assert ann.sign_in() == "t3_session"
    assert ann.authenticated()
    assert ann.opens()
    assert {row.table for row in ann.work()} == {
        "orchestration_events",
        "orchestration_command_receipts",
        "projection_thread_messages",
        "projection_thread_activities",
    }


def test_valid_session_is_not_paired_again(start: Start, open_dispatch: Open) -> None:
    """A page with a valid session is proxied; one with a dead session is paired anew."""
    serve = start(GOOD)
    dispatch = open_dispatch(serve)
    ann = PersonClient(dispatch.url, "ann.login")
    ann.sign_in()

    def page(cookie: str) -> int:
        connection = http.client.HTTPConnection(dispatch.address, timeout=5)
        headers = {"X-authentik-username": ann.login, "Sec-Fetch-Dest": "document"}
        connection.request("GET", "/", headers=headers | {"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status

    assert page(ann.cookie) == 200
    assert page("t3_session=dead.one") == 302


def test_nothing_acknowledged_is_lost(start: Start, open_dispatch: Open) -> None:
    """A worker through kill and restart: every acknowledged row is there afterwards."""
    serve = start(GOOD)
    with Worker(PersonClient(open_dispatch(serve).url, "ann.login"), pause=0.005) as worker:
        assert worker.wait_for(40)
        serve.stop(signal.SIGKILL)
        again = start(GOOD, port=serve.port)
        assert worker.wait_for(40)
    again.stop()
    assert {row.version for row in worker.acknowledged} == {"0.0.30"}
    assert missing_rows(worker.acknowledged, serve.base_dir) == []
    lost = evolve(worker.acknowledged[0], key="never")
    assert missing_rows([lost], serve.base_dir) == [lost]


def test_as_a_process(start: Start, tmp_path: Path, spawn: Callable[..., str]) -> None:
    """`python -m fakes.dispatch` reads its files again for every request."""
    serve = start(GOOD)
    (tmp_path / "map").write_text("ann.login=ann\n", encoding="utf-8")
    mint = list(mint_command([str(serve.program)], serve.base_dir))
    config = {
        "user_map": str(tmp_path / "map"),
        "backends": {"ann": {"mint": mint, "origin": serve.origin}},
    }
    path = tmp_path / "dispatch.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    ann = PersonClient(spawn("fakes.dispatch", "--config", str(path)), "ann.login")
    ann.sign_in()
    path.write_text(json.dumps(config | {"fault": "502"}), encoding="utf-8")
    assert ann.request("GET", "/")[0] == 502
