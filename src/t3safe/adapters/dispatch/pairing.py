"""Whether a person can sign in through the host's dispatch, at the unit's own serve.

Rules, beside those of `served`:

1. Paired means: the dispatch answers 302 with a cookie, the serve behind it calls the session of
   that cookie authenticated, and the unit's own process (of the build that is selected) takes the
   same cookie at the port it listens on.
2. Where the dispatch does not pair a person, the serve is asked itself.  If that does not pair
   either, the build is at fault.  If it pairs, no build is: a dispatch that gives no answer at all
   is the environment's fault, whatever the build; one that answers and does not take this build's
   sign-in is the host's, which the previous build may mend.
3. How a build paired through the dispatch is remembered, once a build: by which path and cookie,
   and which protocol of its web socket was passed on.  The gate holds the next one against it.
4. A serve that does not know a credential of another t3 is at fault for nothing: what is minted by
   V1 lies in another database than what V2 reads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from attrs import define, field

from t3safe.adapters._support.http_client import Address
from t3safe.adapters._support.seen_dispatch import SeenDispatch
from t3safe.adapters.dispatch.handshake import Handshake, Refusal, Who
from t3safe.adapters.dispatch.served import ServePairing
from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError, Fault
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import Cookies


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        message = f"cannot reach the dispatch: {error}; mend `dispatch` (T3_DISPATCH)"
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
        login = self._asked(person, self.logins)
        if login is None:
            message = f"cannot try to pair {person}: the user map gives them no login"
            raise DispatchError(message, fault=Fault.ENVIRONMENT)
        return Who(person, login, build, pid)

    def _pair(self, who: Who) -> Cookies | Refusal:
        doorstep = self._doorstep()
        cookies = doorstep.through(who)
        if isinstance(cookies, Cookies) and self.seen is not None and not self.seen.has(who.build):
            # What cannot be kept tonight is seen again tomorrow.
            with suppress(OSError):
                self._remember(self.seen, doorstep, who, cookies)
        return cookies

    @staticmethod
    def _remember(seen: SeenDispatch, doorstep: Handshake, who: Who, cookies: Cookies) -> None:
        way = doorstep.way_in(who, cookies)
        if way is not None:
            seen.add(who.build, *way)

    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        return self._doorstep().holds(who, cookies)

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        """Tell whose fault a failure is (rule 2)."""
        if refusal.final or not refusal.serving or refusal.fault is not Fault.BUILD:
            return ev.NotPaired(refusal.fault, refusal.reason)
        alone = self._doorstep().alone(who)
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

    def _doorstep(self) -> Handshake:
        return Handshake(
            dispatch=self.dispatch,
            store=self.store,
            mint=lambda person: self._asked(person, self.mint),
            header=self.header,
            paths=self.paths,
            patience=self.patience,
            adopted=self.adopted,
            minter=self.minter,
        )
