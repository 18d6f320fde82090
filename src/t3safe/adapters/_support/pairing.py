"""A credential exchanged at a serve and the session used twice, as facts.

The gate's check and the verification of a move both walk this way, so they judge alike.  No cookie
goes with a credential: a serve would end the session of that cookie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, field, frozen

from t3safe.adapters._support.http_client import Address, HttpAnswer, NoAnswerError, ask, session
from t3safe.domain.checks import PairingFacts, SocketFacts
from t3safe.t3.sign_in import (
    DESCRIPTOR_PATH,
    EXCHANGE_PATHS,
    FIRST_PROTOCOL,
    JSON_BODY,
    OK,
    SESSION_PATH,
    UPGRADE,
    Cookies,
    Descriptor,
    Session,
    descriptor_of,
    exchange_body,
    is_absent,
    protocol_refused,
    refusal_of,
    refuses_protocol,
    socket_path,
)

_SOCKET_SECONDS: Final = 3.0
"""For a socket without a session, which some release may leave without an answer."""


@frozen
class Exchanged:
    """What came of a credential, and the cookies that a browser would have now.

    `unanswered` is the path of the last request that nothing answered, empty where none was left.
    """

    facts: PairingFacts
    unanswered: str = ""
    cookies: Cookies = field(factory=Cookies)


def exchange(
    address: Address, credential: str, paths: tuple[str, ...], seconds: float
) -> Exchanged:
    """Exchange a credential at the first path that is there, and ask twice with the cookies.

    `paths` come before those that t3 has had; `seconds` are for each request.
    """
    tried: list[str] = []
    unanswered = ""
    for path in dict.fromkeys((*paths, *EXCHANGE_PATHS)):
        try:
            answer = ask(address, path, JSON_BODY, seconds, exchange_body(credential))
        except NoAnswerError:
            tried.append(f"{path} without an answer")
            unanswered = path
            continue
        if is_absent(answer.status):
            tried.append(path)
            continue
        facts = PairingFacts(minted=True, path=path, status=answer.status)
        if answer.status != OK or not answer.cookies.values:
            return Exchanged(evolve(facts, refusal=refusal_of(answer.status, answer.body)))
        return reuse(address, Exchanged(facts, cookies=answer.cookies), seconds)
    return Exchanged(PairingFacts(minted=True, tried=tuple(tried)), unanswered)


def reuse(address: Address, before: Exchanged, seconds: float) -> Exchanged:
    """Ask twice whose session the cookies of an exchange are, as a browser does."""
    cookies = before.cookies
    found: list[Session | None] = []
    for _ in range(2):
        try:
            one, cookies = whose(address, cookies, seconds)
        except NoAnswerError:
            found.append(None)
        else:
            found.append(one if isinstance(one, Session) else Session(False, ""))
    first, again = found
    facts = evolve(
        before.facts,
        cookie=cookies.of_session(first.cookie if first else ""),
        authenticated=first is not None and first.authenticated,
        authenticated_again=again is not None and again.authenticated,
    )
    return Exchanged(facts, SESSION_PATH if None in found else "", cookies)


def takes(address: Address, path: str, seconds: float) -> bool:
    """Whether a serve has this path: it is offered a credential that does not exist.

    Raises NoAnswerError.
    """
    return not is_absent(ask(address, path, JSON_BODY, seconds, exchange_body("")).status)


def whose(
    address: Address, cookies: Cookies, seconds: float, headers: Mapping[str, str] | None = None
) -> tuple[Session | int, Cookies]:
    """Ask whose session these cookies are; gives the cookies that a browser has then, too.

    Raises NoAnswerError.
    """
    found, later = session(address, {**(headers or {}), "Cookie": cookies.header}, seconds)
    return found, cookies.joined(later)


def described(address: Address, seconds: float) -> Descriptor | None:
    """Ask what a serve says of itself in public; None where it says nothing, or does not answer."""
    try:
        answer = ask(address, DESCRIPTOR_PATH, {}, seconds)
    except NoAnswerError:
        return None
    return descriptor_of(answer.status, answer.body)


def sockets(address: Address, seconds: float) -> SocketFacts:
    """Ask for sockets as a client does that has no session."""
    found = described(address, seconds)
    facts = SocketFacts(FIRST_PROTOCOL if found is None else found.protocol)
    plain = _socket(address, FIRST_PROTOCOL, min(seconds, _SOCKET_SECONDS))
    if plain is not None:
        facts = evolve(facts, wants=protocol_refused(plain.status, plain.body))
    if facts.needed <= FIRST_PROTOCOL:
        return facts
    named = _socket(address, facts.needed, seconds)
    if named is None:
        return evolve(facts, answered=False)
    return evolve(facts, refused=protocol_refused(named.status, named.body) is not None)


def passes_on(address: Address, protocol: int, seconds: float, headers: Mapping[str, str]) -> bool:
    """Whether a socket of this protocol reaches t3 through whatever stands at the address.

    Only t3's own word is a no.
    """
    answer = _socket(address, protocol, seconds, headers)
    return answer is None or not refuses_protocol(answer.status, answer.body)


def _socket(
    address: Address, protocol: int, seconds: float, headers: Mapping[str, str] | None = None
) -> HttpAnswer | None:
    try:
        return ask(address, socket_path(protocol), {**(headers or {}), **UPGRADE}, seconds)
    except NoAnswerError:
        return None
