"""Whether a person can sign in, as a command of the host's owner says it.

Rules, beside those of `served`:

1. Paired means: the unit's own process runs the build that is selected, the command ended with 0
   within its time, that process is still the same some seconds later, and the command says 0 again.
2. A command that ends with 75 (EX_TEMPFAIL) could not try: that speaks against the environment.  So
   does one that cannot be run, or is killed because its time is over.  Every other status speaks
   against the build.
3. Where the serve listens is not looked at: it may be in a network of its own.  So nobody knows
   when it answers, and the command is tried until the deadline, without a time of grace.
"""

from __future__ import annotations

import os
from typing import ClassVar

from attrs import define

from t3safe.adapters._support import child
from t3safe.adapters._support.child import named
from t3safe.adapters.dispatch.handshake import Refusal, Who
from t3safe.adapters.dispatch.served import ServePairing
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import Cookies


@define(kw_only=True)
class CommandPairing(ServePairing):
    """Implements the port Pairing; raises DispatchError alone.

    `command` may hold `{person}` and `{build}`; `seconds` is how long it may take.
    """

    via: ClassVar[str] = "command"
    beats: ClassVar[tuple[float, float, float]] = (0.5, 1.0, 0.5)
    one_by_one: ClassVar[bool] = True  # the owner's command may not bear another beside it
    command: tuple[str, ...]
    seconds: float = 30.0

    def _whom(self, person: str, build: Version, pid: int) -> Who:
        return Who(person, person, build, pid)

    def _attempt(  # rule 3: nobody is asked at a port
        self,
        who: Who,
        *,
        serving: bool,  # noqa: ARG002
        glance: float = 0.0,  # noqa: ARG002
    ) -> Cookies | Refusal:
        return self._doorstep().unlike(who) or self._pair(who)

    def _pair(self, who: Who) -> Cookies | Refusal:
        values = {"{person}": who.person, "{build}": str(who.build)}
        words = [_filled(word, values) for word in self.command]
        try:
            ran = child.run(words, self.seconds, os.environ, leave=True)
        except OSError as error:
            why = f"{named(words)} cannot be run: {error.strerror}"
            return Refusal(why, Fault.ENVIRONMENT, final=True)
        if ran.status == 0:
            return Cookies()
        fault = Fault.ENVIRONMENT if ran.status in {None, os.EX_TEMPFAIL} else Fault.BUILD
        return Refusal(f"{named(words)} {ran.told}", fault, serving=False)

    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:  # noqa: ARG002 - there are none
        return self._attempt(who, serving=True)

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:  # noqa: ARG002 - it is told
        return ev.NotPaired(refusal.fault, refusal.reason)


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word
