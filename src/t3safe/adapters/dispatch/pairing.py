"""Whether a person can sign in through the host's dispatch, at the unit's own serve.

Rules, beside those of `served`:

1. Paired means: the dispatch answers 302 with a cookie, the serve behind it calls the session of
   that cookie authenticated, and the unit's own process (of the build that is selected) takes the
   same cookie at the port it listens on.
2. Where the dispatch gives no answer at all the serve is asked itself: if that pairs, the
   environment is at fault, else the build.  Where it answers and does not pair, the build is at
   fault as the dispatch meets it, whatever the serve says alone: the person cannot sign in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from attrs import define, field

from t3safe.adapters._support.http_client import Address
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
    carries the login.
    """

    via: ClassVar[str] = "dispatch"
    dispatch: Address = field(converter=_address)
    logins: Callable[[str], str | None]
    header: str = "X-authentik-username"

    def _whom(self, person: str, build: Version, pid: int) -> Who:
        login = self._asked(person, self.logins)
        if login is None:
            message = f"cannot try to pair {person}: the user map gives them no login"
            raise DispatchError(message, fault=Fault.ENVIRONMENT)
        return Who(person, login, build, pid)

    def _pair(self, who: Who) -> Cookies | Refusal:
        return self._doorstep().through(who)

    def _holds(self, who: Who, cookies: Cookies) -> Refusal | None:
        return self._doorstep().holds(who, cookies)

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        """Tell whose fault a failure is (rule 2)."""
        if refusal.final or not refusal.serving or refusal.fault is not Fault.BUILD:
            return ev.NotPaired(refusal.fault, refusal.reason)
        alone = self._doorstep().alone(who)
        if isinstance(alone, Cookies) and not refusal.answered:
            why = f"{refusal.reason}; {who.person} pairs at the serve itself: look at the dispatch"
            return ev.NotPaired(Fault.ENVIRONMENT, why)
        if isinstance(alone, Cookies):
            why = f"{refusal.reason}; the serve itself pairs: does the dispatch know this build?"
            return ev.NotPaired(Fault.BUILD, why)
        why = f"{refusal.reason}; at the serve itself: {alone.reason}"
        return ev.NotPaired(Fault.BUILD if refusal.answered else alone.fault, why)

    def _doorstep(self) -> Handshake:
        return Handshake(
            dispatch=self.dispatch,
            store=self.store,
            mint=lambda person: self._asked(person, self.mint),
            header=self.header,
            paths=self.paths,
            patience=self.patience,
            adopted=self.adopted,
        )
