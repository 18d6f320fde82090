"""What every way to prove a serve shares: whose process it is, that it stays, and the watch.

Rules:

1. The unit's own process is waited for first, at its own port, until the deadline.  Once it
   answers, the person is paired, and tried again for the grace time.  An end of the process, or a
   serve of another build in its place, is decisive at once.
2. Paired counts only if it is still that process some seconds later, and the session still holds.
3. A watch mints once for each person, at its end, some side by side: a mint takes a second.  Before
   that the session of the verification is asked again, and their processes must stay the same;
   somebody without a session, or whose session is gone, is paired.
4. A serve that does not answer in time on an overloaded host is not the build's fault.
5. No sign-in outlasts its use: the sessions that were made and the links that we minted are taken
   out together at the end (`sign_out`), where the person's serve runs.  Failing to is no verdict.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ClassVar, Final

from attrs import define, field, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.child import named
from t3safe.adapters.pairing.check import Refusal, SignInCheck, Who, asked
from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError, Fault, PortError
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import Cookies, session_ids

_BEAT: Final = 0.25
"""Seconds between two looks whether a process is still the same."""
_WATCH_BEAT: Final = 2.0
"""The same while watching, and how soon a wish to stop is heard."""
_START_BEATS: Final = (0.02, 1 / 40, 0.1)
"""Between two looks whether a serve answers yet: a share of the time that it has had, at least and
at most so many seconds.  A start takes about one; who waits longer need not know it as exactly."""
_GLANCES: Final = (0.05, 1 / 10, 0.5)
"""The same for one look.  What reaches a serve between its listening and its handling is never
answered, so a look that waits long finds out late; a session takes a serve milliseconds."""


@frozen
class _MadeSession:
    """A session as it was made, and by which process of the person's unit."""

    pid: int
    cookies: Cookies = field(repr=False)


@define(kw_only=True)
class ServePairing(SignInCheck, ABC):
    """The port Pairing but for the way in; raises DispatchError alone.

    `main_pid` gives the main process of a person's unit; it may raise a PortError.  `deadline` and
    `grace` are those of rule 1, `stay` how long the process must stay the same, `pause` the wait
    between two tries, `interval` the longest time between two looks at a person while watching; in
    seconds.  `at_a_time` is how many people a watch pairs side by side now, `strained` why a serve
    that does not answer in time is the host's fault, empty where it is not.  `leave` takes sessions
    and links out of a person's data by their ids; `links` has the ids of what `mint` minted, by
    person.
    """

    via: ClassVar[str]
    """What is told of the way in."""
    beats: ClassVar[tuple[float, float, float]] = _START_BEATS
    """How soon it is looked again whether a serve answers yet."""
    one_by_one: ClassVar[bool] = False
    """Whether a watch pairs nobody beside another, whatever the host could bear."""
    main_pid: Callable[[str], int | None]
    deadline: float = 45.0
    grace: float = 10.0
    stay: float = 2.0
    pause: float = 0.5
    interval: float = 30.0
    leave: Callable[[str, tuple[str, ...]], None] = lambda _person, _ids: None
    links: Mapping[str, Sequence[str]] = field(factory=dict)
    _made: dict[str, list[_MadeSession]] = field(factory=dict, init=False)
    at_a_time: Callable[[], int] = lambda: 4
    strained: Callable[[], str] = str
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    # What differs from one way in to another.

    @abstractmethod
    def _whom(self, person: str, build: Version, pid: int) -> Who:
        """Say whom to pair; `pid` is the main process of their unit."""

    @abstractmethod
    def _pair(self, who: Who) -> Cookies | Refusal:
        """Try once; the serve answers already."""

    @abstractmethod
    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        """See that what was gained by pairing still counts; gives what a browser has then."""

    @abstractmethod
    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        """Tell whose fault a failure is."""

    def verify(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        """Pair, and look that the unit's own process of this build answers and stays."""
        return self._verify(person, build, self.stay)

    def watch(
        self, people: tuple[str, ...], build: Version, seconds: float, stop: Callable[[], bool]
    ) -> ev.Done | ev.BakeBroken:
        """Watch pairing for so many seconds; ends early and with an error once `stop` says so.

        Everybody's session is asked again at the begin and at least every `interval`, and they are
        paired at the end; their processes must stay the same all the while.
        """
        end = self.monotonic() + seconds
        pids = {person: self._pid(person) for person in people}
        while True:
            last = self.monotonic() >= end
            broken = self._pair_all(pids, build, stop, anew=last)
            if broken is not None or last:
                return broken or ev.Done()
            broken = self._rest(pids, min(end, self.monotonic() + self.interval), stop)
            if broken is not None:
                return broken

    # Watching.

    def _pair_all(
        self,
        pids: Mapping[str, int | None],
        build: Version,
        stop: Callable[[], bool],
        *,
        anew: bool,
    ) -> ev.BakeBroken | None:
        def pair(person: str) -> ev.Paired | ev.NotPaired:
            _unless_stopped(stop)
            if not anew and self._still_holds(person, build):
                return ev.Paired(self.via)
            return self._verify(person, build, 0.0)

        with ThreadPoolExecutor(1 if self.one_by_one else self.at_a_time()) as pool:
            for person, answer in zip(pids, pool.map(pair, pids), strict=True):
                if isinstance(answer, ev.NotPaired):
                    return ev.BakeBroken(person, answer.fault, answer.reason)
        return self._still_the_same(pids)

    def _rest(
        self, pids: Mapping[str, int | None], until: float, stop: Callable[[], bool]
    ) -> ev.BakeBroken | None:
        """Wait until then, with an eye on everybody's process."""
        broken = None
        while broken is None and (left := until - self.monotonic()) > 0:
            _unless_stopped(stop)
            self.sleep(min(_WATCH_BEAT, left))
            broken = self._still_the_same(pids)
        return broken

    def _still_the_same(self, pids: Mapping[str, int | None]) -> ev.BakeBroken | None:
        for person, pid in pids.items():
            changed = _changed(person, pid, self._pid(person))
            if changed:
                return ev.BakeBroken(person, Fault.BUILD, changed)
        return None

    def _still_holds(self, person: str, build: Version) -> bool:
        """Whether the session that the person's serve gave last still counts."""
        last, pid = next(reversed(self._made.get(person, [])), None), self._pid(person)
        if last is None or pid is None or last.pid != pid:
            return False
        return isinstance(self._holds(self._whom(person, build, pid), last.cookies), Cookies)

    # Signing out.

    def sign_out(self) -> None:
        """Sign out everybody who was signed in, where their serve runs."""
        for person in dict.fromkeys((*self._made, *self.links)):
            made = self._made.get(person, ())
            sessions = (one for each in made for one in session_ids(each.cookies))
            ids = (*sessions, *self.links.get(person, ()))
            with suppress(PortError):
                if ids and self._pid(person) is not None:
                    self.leave(person, ids)

    def _keep(self, who: Who, cookies: Cookies) -> None:
        self._made.setdefault(who.person, []).append(_MadeSession(who.pid, cookies))

    # Verifying one person.

    def _verify(self, person: str, build: Version, stay: float) -> ev.Paired | ev.NotPaired:
        began = self.monotonic()
        pid = self._pid(person)
        if pid is None:
            return ev.NotPaired(Fault.BUILD, f"the serve of {person} does not run")
        who = self._whom(person, build, pid)
        found = self._until_paired(who, began)
        if isinstance(found, Cookies) and stay:
            found = self._stays(who, found, stay)
        if isinstance(found, Cookies):
            self._keep(who, found)
        if isinstance(found, Refusal):
            return self._in_haste(found) or self._judged(who, found)
        return ev.Paired(self.via, self.monotonic() - began)

    def _in_haste(self, refusal: Refusal) -> ev.NotPaired | None:
        """Blame an overloaded host where nothing answered in time (rule 4)."""
        unanswered = not refusal.final and not (refusal.serving and refusal.answered)
        strained = self.strained() if unanswered and refusal.fault is Fault.BUILD else ""
        return ev.NotPaired(Fault.HOST, f"{refusal.reason}; {strained}") if strained else None

    def _until_paired(self, who: Who, began: float) -> Cookies | Refusal:
        deadline = give_up = began + self.deadline
        serving = False
        while True:
            waited = self.monotonic() - began
            found = self._attempt(who, serving=serving, glance=_share(waited, _GLANCES))
            if isinstance(found, Cookies) or found.final:
                return found
            changed = _changed(who.person, who.pid, self._pid(who.person))
            if changed:
                return Refusal(f"{changed}; before that: {found.reason}", final=True)
            now = self.monotonic()
            if found.serving and not serving:
                serving, give_up = True, min(deadline, now + self.grace)
            if now >= give_up:
                return found
            self.sleep(self.pause if serving else min(self.pause, _share(waited, self.beats)))

    def _attempt(self, who: Who, *, serving: bool, glance: float) -> Cookies | Refusal:
        unready = None if serving else self.unready(who, glance)
        return unready or self._pair(who)

    def _stays(self, who: Who, cookies: Cookies, stay: float) -> Cookies | Refusal:
        """See that the process stays the same, and that the session holds a second time."""
        until = self.monotonic() + stay
        while (left := until - self.monotonic()) > 0:
            self.sleep(min(_BEAT, left))
            changed = _changed(who.person, who.pid, self._pid(who.person))
            if changed:
                return Refusal(f"{changed} right after it had paired", final=True)
        return self._holds(who, cookies)

    # What others know.

    def _pid(self, person: str) -> int | None:
        return asked(person, self.main_pid)


@define(kw_only=True)
class DirectPairing(ServePairing):
    """Pairs at the serve itself, where no dispatch stands before it.

    1. Paired means: the person's launcher mints, the unit's own process (of the build that is
       selected) takes the credential at the port it listens on, and calls the session of the cookie
       authenticated, twice.  The port is that of the process: nobody has to be told of it.
    2. There is nobody else to blame: what fails is the build's fault, except where the mint or the
       process says that it is the host's.
    """

    via: ClassVar[str] = "serve"

    def _whom(self, person: str, build: Version, pid: int) -> Who:
        return Who(person, person, build, pid)

    def _pair(self, who: Who) -> Cookies | Refusal:
        cookies = self.alone(who)
        return cookies if isinstance(cookies, Refusal) else self.keeps(who, cookies)

    def _holds(self, who: Who, cookies: Cookies) -> Cookies | Refusal:
        return self.keeps(who, cookies)

    def _judged(self, who: Who, refusal: Refusal) -> ev.NotPaired:
        return ev.NotPaired(refusal.fault, f"at the serve of {who.person}: {refusal.reason}")


@define(kw_only=True)
class CommandPairing(ServePairing):
    """Pairs as a command of the host's owner says it.

    1. Paired means: the unit's own process runs the build that is selected, the command ended with
       0 within its time, that process is still the same some seconds later, and the command says 0
       again.
    2. A command that ends with 75 (EX_TEMPFAIL) could not try: that speaks against the environment.
       So does one that cannot be run, or is killed because its time is over.  Every other status
       speaks against the build.
    3. Where the serve listens is not looked at: it may be in a network of its own.  So nobody knows
       when it answers, and the command is tried until the deadline, without a time of grace.

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
        return self.unlike(who) or self._pair(who)

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


def _share(waited: float, of: tuple[float, float, float]) -> float:
    least, share, most = of
    return min(most, max(least, waited * share))


def _unless_stopped(stop: Callable[[], bool]) -> None:
    if stop():
        message = "cannot watch the new build to the end: asked to stop; nothing was promoted"
        raise DispatchError(message, fault=Fault.LATER)


def _changed(person: str, before: int | None, now: int | None) -> str:
    """Say how a unit's main process changed, empty when it did not."""
    if now is None:
        return f"the serve of {person} ended"
    if now != before:
        return f"the serve of {person} was started anew (process {before}, now {now})"
    return ""
