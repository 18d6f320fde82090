"""One attempt to pair: through the dispatch, or at the serve itself.

No cookie and no credential reaches a reason; of what a serve says only statuses and the names of
cookies do.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from attrs import frozen

from t3safe.adapters._support.adopted import Adopted
from t3safe.adapters._support.http_client import Address, NoAnswerError, ask, session
from t3safe.adapters._support.pairing import described, exchange, passes_on, takes, whose
from t3safe.adapters.dispatch.serving import Serve, look
from t3safe.domain.errors import DispatchError, Fault
from t3safe.domain.gate import PairingFacts, judge_paired
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import (
    EXCHANGE_PATHS,
    FIRST_PROTOCOL,
    Cookies,
    Session,
    is_unknown_credential,
)


@frozen
class Who:
    """Whom to pair: `pid` is the unit's main process when the pairing began."""

    person: str
    login: str
    build: Version
    pid: int


@frozen
class Refusal:
    """Why a person does not pair.

    `serving` is false where the serve itself did not answer, `answered` where the dispatch did not.
    Nothing can mend a `final` one; a `strange` session is one that the serve does not know.  Where
    `two_builds` are at work, one served and another minted.
    """

    reason: str
    fault: Fault = Fault.BUILD
    serving: bool = True
    answered: bool = True
    final: bool = False
    strange: bool = False
    two_builds: bool = False


class WayIn(NamedTuple):
    """How a serve takes sign-ins and sockets."""

    path: str
    cookie: str
    protocol: int


def _nothing() -> None:
    """Say that nothing was adopted."""


def _unasked(_: str) -> None:
    """Say that nobody can ask which build mints."""


@frozen(kw_only=True)
class Doorstep:
    """The ways to meet a serve itself.  Raises DispatchError where a process may not be looked at.

    `paths` are where a serve may take a credential, `patience` is how many seconds one request may
    take.  `adopted` tells what ran here before t3safe did.  `minter` gives the version by which is
    minted for a person: empty where it could not be told, None where nobody asks.
    """

    store: Path
    mint: Callable[[str], str]
    paths: tuple[str, ...]
    patience: float
    adopted: Callable[[], Adopted | None] = _nothing
    minter: Callable[[str], str | None] = _unasked

    def unready(self, who: Who, glance: float) -> Refusal | None:
        """Say why the unit's own process does not serve (yet), None once it answers anything.

        It is given `glance` seconds to answer.

        Nobody else asks it before that: what reaches a serve between its listening and its handling
        is never answered, so a dispatch would hang for as long as its own limit.
        """
        serve = look(self.store, who.pid, who.build, self.adopted())
        foreign = _foreign(who, serve)
        if foreign is not None or self._home(serve, min(self.patience, glance)) is not None:
            return foreign
        return _mute(who)

    def unlike(self, who: Who) -> Refusal | None:
        """Say why the unit's own process does not run the build (yet); nobody is asked."""
        return _unlike(who, look(self.store, who.pid, who.build, self.adopted()))

    def alone(self, who: Who) -> Cookies | Refusal:
        """Pair at the serve itself, without the dispatch."""
        try:
            return self._alone(who)
        except DispatchError as error:
            return Refusal(str(error), error.fault)

    def keeps(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        """See that the unit's own process, of the build, takes these cookies itself.

        Gives the cookies that a browser has then.
        """
        serve = look(self.store, who.pid, who.build, self.adopted())
        foreign = _foreign(who, serve)
        if foreign is not None:
            return foreign
        for address in serve.listens if serve is not None else ():
            kept = self._takes(address, cookies)
            if kept is not None:
                return kept
        why = f"the serve of {who.person} (process {who.pid}) does not know the session"
        return Refusal(why, strange=True)

    def way_in(self, who: Who, cookies: Cookies) -> WayIn | None:
        """Give how the serve takes a sign-in, None where it is not clear."""
        serve = look(self.store, who.pid, who.build, self.adopted())
        paths = tuple(dict.fromkeys((*self.paths, *EXCHANGE_PATHS)))
        try:
            for address in serve.listens if serve is not None else ():
                found, kept = whose(address, cookies, self.patience)
                name = kept.of_session(found.cookie) if isinstance(found, Session) else ""
                there = [path for path in paths if takes(address, path, self.patience)]
                if name and len(there) == 1:
                    return WayIn(there[0], name, self._protocol(address))
        except (NoAnswerError, DispatchError):
            return None
        return None

    def protocol(self, who: Who) -> int:
        """Give the protocol of the sockets that the serve names, the first where it names none."""
        serve = look(self.store, who.pid, who.build, self.adopted())
        listens = serve.listens if serve is not None else ()
        return max((self._protocol(address) for address in listens), default=FIRST_PROTOCOL)

    def _protocol(self, address: Address) -> int:
        told = described(address, self.patience)
        return FIRST_PROTOCOL if told is None else told.protocol

    def _takes(self, address: Address, cookies: Cookies) -> Cookies | None:
        try:
            found, kept = whose(address, cookies, self.patience)
        except NoAnswerError:
            return None
        return None if _unauthenticated(found, kept) else kept

    def _home(self, serve: Serve | None, seconds: float) -> Address | None:
        """Where the serve answers, None where it does not (yet)."""
        for address in serve.listens if serve is not None else ():
            try:
                session(address, {}, seconds)
            except NoAnswerError:
                continue
            return address
        return None

    def _alone(self, who: Who) -> Cookies | Refusal:
        serve = look(self.store, who.pid, who.build, self.adopted())
        foreign = _foreign(who, serve)
        if foreign is not None:
            return foreign
        home = self._home(serve, self.patience)
        if home is None:
            return _mute(who)
        exchanged = exchange(home, self.mint(who.person), self.paths, self.patience)
        paired = judge_paired(exchanged.facts)
        if paired.passed:
            return exchanged.cookies
        return self._of_two_builds(who, exchanged.facts) or Refusal(paired.reason)

    def _of_two_builds(self, who: Who, facts: PairingFacts) -> Refusal | None:
        """Say that serve and mint were of two builds, where the serve does not know a credential.

        One that the other generation minted lies in the other database: no build is to blame.
        """
        if not is_unknown_credential(facts.status, facts.refusal):
            return None
        minter = self.minter(who.person)
        if minter is None or minter == who.build.text:
            return None
        by = f"t3 {minter} minted it" if minter else "it could not be told which t3 minted it"
        why = (
            f"the serve of {who.person} (of {who.build}) does not know the credential, and {by}: "
            "serve and mint must be of one build; look with `t3safe status`"
        )
        return Refusal(why, Fault.HOST, two_builds=True)


@frozen(kw_only=True)
class Handshake(Doorstep):
    """The ways to pair where there is a dispatch; `header` carries the login."""

    dispatch: Address
    header: str

    def through(self, who: Who) -> Cookies | Refusal:
        """Pair through the dispatch, and see that the unit's own process of the build answers.

        And that the dispatch passes on the protocol of its sockets: the page is empty without.
        """
        found = self._signed_in(who)
        if isinstance(found, Cookies):
            found = self.holds(who, found)
        if isinstance(found, Cookies):
            found = self._own(who, found)
        if isinstance(found, Cookies):
            return self._stuck(who) or found
        return found

    def holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        """See that the session of these cookies is authenticated through the dispatch.

        Gives the cookies that a browser has then; further ones that were set must count as well.
        """
        headers = {self.header: who.login}
        try:
            found, kept = whose(self.dispatch, cookies, self.patience, headers)
            if kept != cookies and not _unauthenticated(found, kept):
                found, kept = whose(self.dispatch, kept, self.patience, headers)
        except NoAnswerError as error:
            return self._silent(error)
        why = _unauthenticated(found, kept)
        if not why:
            return kept
        return Refusal(f"{who.person} is not signed in through the dispatch: {why}")

    def _stuck(self, who: Who) -> Refusal | None:
        """Say that the dispatch does not pass on the protocol that the serve names."""
        protocol = self.protocol(who)
        if protocol == FIRST_PROTOCOL or passes_on(
            self.dispatch, protocol, self.patience, {self.header: who.login}
        ):
            return None
        what = f"the dispatch does not pass on protocol {protocol} of the web socket"
        return Refusal(f"{what}, so the page of {who.person} stays empty: update it", Fault.HOST)

    def _signed_in(self, who: Who) -> Cookies | Refusal:
        """Open the page as a browser does that has no session."""
        headers = {self.header: who.login, "Sec-Fetch-Dest": "document"}
        try:
            answer = ask(self.dispatch, "/", headers, self.patience)
        except NoAnswerError as error:
            return self._silent(error)
        if answer.status != HTTPStatus.FOUND:
            return Refusal(f"the dispatch answers {answer.status} for {who.person}")
        if not answer.cookies.values:
            return Refusal(f"the dispatch answers 302 without a cookie for {who.person}")
        return answer.cookies

    def _silent(self, error: NoAnswerError) -> Refusal:
        return Refusal(f"the dispatch at {self.dispatch} {error}", answered=False)

    def _own(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        """See that the unit's own process is of the build, and takes the cookie itself."""
        kept = self.keeps(who, cookies)
        if isinstance(kept, Cookies) or not kept.strange:
            return kept
        why = f"the dispatch takes {who.person} to another process than their unit's ({who.pid})"
        return Refusal(why, Fault.HOST)


def _foreign(who: Who, serve: Serve | None) -> Refusal | None:
    """Say why the unit's process is not one of the build that listens."""
    unlike = _unlike(who, serve)
    if unlike is not None or serve is None:
        return unlike
    return None if serve.listens else _mute(who)


def _unlike(who: Who, serve: Serve | None) -> Refusal | None:
    """Say why the unit's process is not one of the build."""
    if serve is None:
        return Refusal(f"the serve of {who.person} ended", final=True)
    if not serve.runs_build:
        why = f"the serve of {who.person} (process {who.pid}) runs {serve.shown}, not {who.build}"
        return Refusal(why, Fault.HOST, serving=False, final=serve.runs_another)
    return None


def _mute(who: Who) -> Refusal:
    why = f"the serve of {who.person} (process {who.pid}) does not answer on its port"
    return Refusal(why, serving=False)


def _unauthenticated(found: Session | int, cookies: Cookies) -> str:
    """Say why a session is none of these cookies, empty when it is."""
    if isinstance(found, int):
        return f"the session answers {found}"
    names = ", ".join(cookies.names)
    if found.cookie and found.cookie not in cookies.values:
        return f"the cookie that is set is {names}, the serve looks for {found.cookie[:64]!a}"
    return "" if found.authenticated else f"the cookie {names} does not authenticate"
