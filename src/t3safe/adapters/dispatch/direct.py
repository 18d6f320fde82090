"""Whether a person can sign in at their serve itself, where no dispatch stands before it.

Rules, beside those of `served`:

1. Paired means: the person's launcher mints, the unit's own process (of the build that is selected)
   takes the credential at the port it listens on, and calls the session of the cookie
   authenticated, twice.  The port is that of the process: nobody has to be told of it.
2. There is nobody else to blame: what fails is the build's fault, except where the mint or the
   process says that it is the host's.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import define

from t3safe.adapters.dispatch.handshake import Refusal, Who
from t3safe.adapters.dispatch.served import ServePairing
from t3safe.domain import events as ev
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import Cookies


@define(kw_only=True)
class DirectPairing(ServePairing):
    """Implements the port Pairing; raises DispatchError alone."""

    via: ClassVar[str] = "serve"

    def _whom(self, person: str, build: Version, pid: int) -> Who:
        return Who(person, person, build, pid)

    def _pair(self, who: Who) -> Cookies | Refusal:
        doorstep = self._doorstep()
        cookies = doorstep.alone(who)
        if isinstance(cookies, Refusal):
            return cookies
        return doorstep.keeps(who, cookies)

    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        return self._doorstep().keeps(who, cookies)

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        return ev.NotPaired(refusal.fault, f"at the serve of {who.person}: {refusal.reason}")
