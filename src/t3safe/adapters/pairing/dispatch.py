"""Whether a person can sign in through the host's dispatch, at the unit's own serve.

Rules, beside those of `verification`:

1. Paired means: the dispatch answers 302 with a cookie, the serve behind it calls the session of
   that cookie authenticated, and the unit's own process (of the build that is selected) takes the
   same cookie at the port it listens on.
2. Where the dispatch does not pair a person, the serve is asked itself.  If that does not pair
   either, the build is at fault.  If it pairs, no build is: a dispatch that gives no answer at all
   is the environment's fault, whatever the build; one that answers and does not take this build's
   sign-in is the host's, which the previous build may fix.
3. How a build paired through the dispatch is remembered, once a build: by which path and cookie,
   and which protocol of its web socket was passed on.  The gate holds the next one against it.
4. A serve that does not know a credential of another t3 is at fault for nothing: what is minted by
   V1 lies in another database than what V2 reads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import ClassVar

from attrs import define, field

from t3safe.adapters._support.http_client import Address, NoAnswerError, ask
from t3safe.adapters._support.pairing import passes_on, whose
from t3safe.adapters._support.seen_dispatch import SeenDispatch
from t3safe.adapters.pairing.check import Refusal, Who, asked, unauthenticated
from t3safe.adapters.pairing.verification import ServePairing
from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError, Fault
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import FIRST_PROTOCOL, Cookies


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        message = f"cannot reach the dispatch: {error}; fix `dispatch` (T3_DISPATCH)"
        raise DispatchError(message) from error


@define(kw_only=True)
class DispatchPairing(ServePairing):
    """Implements the port Pairing; raises DispatchError alone.

    `dispatch` is host:port.  `logins` gives a person's login and may raise a PortError.  `header`
    carries the login.  `seen` keeps what worked (rule 3).
    """

    via: ClassVar[str] = "dispatch"
    dispatch: Address = field(converter=_address)
    logins: Callable[[str], str | None]
    header: str = "X-authentik-username"
    seen: SeenDispatch | None = None

    def _whom(self, person: str, build: Version, pid: int) -> Who:
        login = asked(person, self.logins)
        if login is None:
            message = f"cannot try to pair {person}: the user map gives them no login"
            raise DispatchError(message, fault=Fault.ENVIRONMENT)
        return Who(person, login, build, pid)

    def _pair(self, who: Who) -> Cookies | Refusal:
        cookies = self._through(who)
        if isinstance(cookies, Cookies) and self.seen is not None and not self.seen.has(who.build):
            # What cannot be kept tonight is seen again tomorrow.
            with suppress(OSError):
                way = self.way_in(who, cookies)
                if way is not None:
                    self.seen.add(who.build, *way)
        return cookies

    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        """See that the session of these cookies is authenticated through the dispatch.

        Gives the cookies that a browser has then; further ones that were set must count as well.
        """
        headers = {self.header: who.login}
        try:
            found, kept = whose(self.dispatch, cookies, self.patience, headers)
            if kept != cookies and not unauthenticated(found, kept):
                found, kept = whose(self.dispatch, kept, self.patience, headers)
        except NoAnswerError as error:
            return self._silent(error)
        why = unauthenticated(found, kept)
        if not why:
            return kept
        return Refusal(f"{who.person} is not signed in through the dispatch: {why}")

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        """Tell whose fault a failure is (rule 2)."""
        if refusal.final or not refusal.serving or refusal.fault is not Fault.BUILD:
            return ev.NotPaired(refusal.fault, refusal.reason)
        alone = self.alone(who)
        if isinstance(alone, Cookies):
            self._keep(who, alone)
            fault = Fault.HOST if refusal.answered else Fault.ENVIRONMENT
            ask = "does it know this build's sign-in?" if refusal.answered else "does it run?"
            ask += " Does it mint with another t3?" if refusal.answered else ""
            how = f"{who.person} pairs at the serve itself: look at the dispatch: {ask}"
            return ev.NotPaired(fault, f"{refusal.reason}; {how}")
        why = f"{refusal.reason}; at the serve itself: {alone.reason}"
        blamed = alone.fault is Fault.BUILD or (refusal.answered and not alone.two_builds)
        return ev.NotPaired(Fault.BUILD if blamed else alone.fault, why)

    def _through(self, who: Who) -> Cookies | Refusal:
        """Pair through the dispatch, and see that the unit's own process of the build answers.

        And that the dispatch passes on the protocol of its sockets: the page is empty without.
        """
        found = self._signed_in(who)
        if isinstance(found, Cookies):
            found = self._holds(who, found)
        if isinstance(found, Cookies):
            found = self._own(who, found)
        if isinstance(found, Cookies):
            return self._stuck(who) or found
        return found

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
