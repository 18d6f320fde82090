"""What the fake t3 answers over HTTP, by generation."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from attrs import evolve

from fakes.packages import FakeRelease, release_like
from fakes.t3.process import RunningServe
from tests.fakes.conftest import Start

FAST = {"native": False, "start_time": 0.0, "listen_window": 0.05}
BEFORE = release_like("0.0.24", **FAST)
V1 = release_like("0.0.45", **FAST)
V2 = release_like("0.0.46-nightly.20261010.2922", **FAST)
GENERATIONS = (BEFORE, V1, V2)
REMOTE = "0.0.0.0"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


def pair(serve: RunningServe, release: FakeRelease, cookie: str = "") -> str:
    """Mint and exchange; the cookie as `name=value`."""
    given = {"credential": serve.mint()}
    answer = serve.request("POST", release.pairing, given, cookie=cookie)
    assert answer.status == 200
    return answer.cookie


def session(serve: RunningServe, cookie: str) -> tuple[bool, str]:
    """Whether a cookie counts, and which one the answer sets."""
    answer = serve.request("GET", "/api/auth/session", cookie=cookie)
    assert answer.status == 200
    return answer.json()["authenticated"], answer.cookie


def socket(serve: RunningServe, query: str = "", cookie: str = "") -> tuple[int, Any]:
    """Ask for a web socket; the status and what stands in the body."""
    connection = http.client.HTTPConnection("127.0.0.1", serve.port, timeout=5)
    try:
        connection.request("GET", f"/ws{query}", headers={**UPGRADE, "Cookie": cookie})
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None
    finally:
        connection.close()


@pytest.mark.parametrize("release", GENERATIONS, ids=lambda release: release.version)
def test_a_sign_in_of_every_generation_counts_again(start: Start, release: FakeRelease) -> None:
    """Its own path, its own cookie, and the one that the session publishes."""
    serve = start(release, host=REMOTE)
    cookie = pair(serve, release)
    assert session(serve, cookie) == (True, "")
    published = serve.request("GET", "/api/auth/session").json()["auth"]["sessionCookieName"]
    assert cookie.startswith(f"{published}=")


@pytest.mark.parametrize("release", [V1, V2], ids=lambda release: release.version)
def test_an_old_plain_cookie_is_made_over(start: Start, release: FakeRelease) -> None:
    """On a remote bind it still counts, and the session's answer sets it under its new name."""
    serve = start(release, host=REMOTE)
    cookie = pair(serve, release)
    old = f"t3_session={cookie.partition('=')[2]}"
    assert session(serve, old) == (True, cookie)
    assert session(serve, cookie) == (True, "")


def test_a_plain_cookie_means_nothing_on_a_loopback(start: Start) -> None:
    """There the name was scoped from the first day."""
    serve = start(V2)
    cookie = pair(serve, V2)
    assert session(serve, f"t3_session={cookie.partition('=')[2]}") == (False, "")


@pytest.mark.parametrize(
    ("release", "counts"), [(BEFORE, True), (V1, True), (V2, False)], ids=["before", "v1", "v2"]
)
def test_a_sign_in_with_a_session_replaces_it(
    start: Start, release: FakeRelease, counts: bool
) -> None:
    """V2 ends the session of the cookie that comes with a credential."""
    serve = start(release)
    first = pair(serve, release)
    second = pair(serve, release, cookie=first)
    assert session(serve, first)[0] is counts
    assert session(serve, second)[0]


def test_a_descriptor_names_the_protocol_from_v2_on(start: Start) -> None:
    """Before that it names the version alone; at first there is none."""
    path = "/.well-known/t3/environment"
    assert start(BEFORE).request("GET", path).status == 404
    told = start(V1).request("GET", path).json()
    assert (told["serverVersion"], told.get("orchestrationProtocolVersion")) == (V1.version, None)
    told = start(V2).request("GET", path).json()
    assert (told["serverVersion"], told["orchestrationProtocolVersion"]) == (V2.version, 2)
    liar = evolve(V2, faults=("says-another-version:9.9.9",))
    assert start(liar).request("GET", path).json()["serverVersion"] == "9.9.9"


def test_v2_asks_for_the_protocol_before_the_session(start: Start) -> None:
    """426 without it, whoever asks; then 401 without a session."""
    serve = start(V2)
    cookie = pair(serve, V2)
    for query in ("", "?orchestrationProtocol=1"):
        for sent in ("", cookie):
            status, body = socket(serve, query, sent)
            assert status == 426
            assert body["code"] == "orchestration_protocol_incompatible"
            assert body["orchestrationProtocolVersion"] == 2
    assert socket(serve, "?orchestrationProtocol=2")[0] == 401
    assert socket(serve, "?orchestrationProtocol=2", cookie)[0] == 101


def test_v1_knows_no_protocol(start: Start) -> None:
    """It opens a socket for everybody with a session."""
    serve = start(V1)
    assert socket(serve)[0] == 401
    assert socket(serve, "", pair(serve, V1))[0] == 101
