"""A credential exchanged at a serve and the session used twice, as facts.

The gate's check and the verification of a move both walk this way, so they judge alike.
"""

from __future__ import annotations

from attrs import evolve, field, frozen

from t3safe.adapters._support.http_client import Address, Answer, NoAnswerError, ask, session
from t3safe.domain.gate import PairingFacts
from t3safe.t3.sign_in import (
    EXCHANGE_PATHS,
    JSON_BODY,
    OK,
    SESSION_PATH,
    Cookies,
    Session,
    exchange_body,
    is_absent,
)


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
        if not is_absent(answer.status):
            return _used(address, path, answer, seconds)
        tried.append(path)
    return Exchanged(PairingFacts(minted=True, tried=tuple(tried)), unanswered)


def reuse(address: Address, before: Exchanged, seconds: float) -> Exchanged:
    """Ask twice again with the cookies of an exchange."""
    return _twice(address, before.facts, before.cookies, seconds)


def takes(address: Address, path: str, seconds: float) -> bool:
    """Whether a serve has this path: it is offered a credential that nobody has.

    Raises NoAnswerError.
    """
    return not is_absent(ask(address, path, JSON_BODY, seconds, exchange_body("")).status)


def _used(address: Address, path: str, answer: Answer, seconds: float) -> Exchanged:
    if answer.status != OK or not answer.cookies.values:
        return Exchanged(PairingFacts(minted=True, path=path, status=answer.status))
    paired = PairingFacts(minted=True, path=path, status=answer.status)
    return _twice(address, paired, answer.cookies, seconds)


def _twice(address: Address, facts: PairingFacts, cookies: Cookies, seconds: float) -> Exchanged:
    first, cookies = _asked(address, cookies, seconds)
    again, cookies = _asked(address, cookies, seconds)
    facts = evolve(
        facts,
        cookie=cookies.of_session(first.cookie if first else ""),
        authenticated=first is not None and first.authenticated,
        authenticated_again=again is not None and again.authenticated,
    )
    return Exchanged(facts, SESSION_PATH if None in (first, again) else "", cookies)


def _asked(address: Address, cookies: Cookies, seconds: float) -> tuple[Session | None, Cookies]:
    """Ask whose session it is; None where nothing answers.  Gives the cookies after it, too."""
    try:
        found, later = session(address, {"Cookie": cookies.header}, seconds)
    except NoAnswerError:
        return None, cookies
    told = found if isinstance(found, Session) else Session(False, "")
    return told, cookies.joined(later)
