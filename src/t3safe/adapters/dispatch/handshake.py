"""One attempt to pair: through the dispatch, or at the serve itself.

No cookie and no credential reaches a reason; of what a serve says only statuses and the names of
cookies do.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from attrs import frozen

from t3safe.adapters._support.adopted import Adopted
from t3safe.adapters._support.http_client import Address, NoAnswerError, ask, session
from t3safe.adapters._support.pairing import exchange, takes
from t3safe.adapters.dispatch.serving import Serve, look
from t3safe.domain.errors import DispatchError, Fault
from t3safe.domain.gate import judge_paired
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import EXCHANGE_PATHS, Cookies, Session


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
    Nothing can mend a `final` one; a `strange` session is one that the serve does not know.
    """

    reason: str
    fault: Fault = Fault.BUILD
    serving: bool = True
    answered: bool = True
    final: bool = False
    strange: bool = False


def _nothing() -> None:
    """Say that nothing was adopted."""


@frozen(kw_only=True)
class Doorstep:
    """The ways to meet a serve itself.  Raises DispatchError where a process may not be looked at.

    `paths` are where a serve may take a credential, `patience` is how many seconds one request may
    take.  `adopted` tells what ran here before t3safe did.
    """

    store: Path
    mint: Callable[[str], str]
    paths: tuple[str, ...]
    patience: float
    adopted: Callable[[], Adopted | None] = _nothing

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

    def keeps(self, who: Who, cookies: Cookies) -> Refusal | None:
        """See that the unit's own process, of the build, takes these cookies itself."""
        serve = look(self.store, who.pid, who.build, self.adopted())
        foreign = _foreign(who, serve)
        if serve is None or foreign is not None:
            return foreign
        if any(self._takes(address, cookies) for address in serve.listens):
            return None
        why = f"the serve of {who.person} (process {who.pid}) does not know the session"
        return Refusal(why, strange=True)

    def way_in(self, who: Who, cookies: Cookies) -> tuple[str, str] | None:
        """Give the path and the cookie of the serve's sign-in, None where they are not clear."""
        serve = look(self.store, who.pid, who.build, self.adopted())
        paths = tuple(dict.fromkeys((*self.paths, *EXCHANGE_PATHS)))
        try:
            for address in serve.listens if serve is not None else ():
                found, _ = session(address, {"Cookie": cookies.header}, self.patience)
                name = cookies.of_session(found.cookie) if isinstance(found, Session) else ""
                there = [path for path in paths if takes(address, path, self.patience)]
                if name and len(there) == 1:
                    return there[0], name
        except (NoAnswerError, DispatchError):
            return None
        return None

    def _takes(self, address: Address, cookies: Cookies) -> bool:
        try:
            found, _ = session(address, {"Cookie": cookies.header}, self.patience)
        except NoAnswerError:
            return False
        return not _unauthenticated(found, cookies)

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
        return exchanged.cookies if paired.passed else Refusal(paired.reason)


@frozen(kw_only=True)
class Handshake(Doorstep):
    """The ways to pair where there is a dispatch; `header` carries the login."""

    dispatch: Address
    header: str

    def through(self, who: Who) -> Cookies | Refusal:
        """Pair through the dispatch, and see that the unit's own process of the build answers."""
        cookies = self._signed_in(who)
        if isinstance(cookies, Refusal):
            return cookies
        return self.holds(who, cookies) or self._own(who, cookies) or cookies

    def holds(self, who: Who, cookies: Cookies) -> Refusal | None:
        """See that the session of these cookies is authenticated through the dispatch."""
        headers = {self.header: who.login, "Cookie": cookies.header}
        try:
            found, _ = session(self.dispatch, headers, self.patience)
        except NoAnswerError as error:
            return self._silent(error)
        why = _unauthenticated(found, cookies)
        if not why:
            return None
        return Refusal(f"{who.person} is not signed in through the dispatch: {why}")

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

    def _own(self, who: Who, cookies: Cookies) -> Refusal | None:
        """See that the unit's own process is of the build, and takes the cookie itself."""
        kept = self.keeps(who, cookies)
        if kept is None or not kept.strange:
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
