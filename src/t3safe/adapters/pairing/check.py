"""One direct check of a sign-in: at the unit's own process of the build that is selected.

Rules:

1. A cookie proves that somebody answered; only a look at the process proves that it was the unit's
   own, of the build that is selected.  What a process says of itself is its owner's word: a person
   can lie here about themselves and nobody else.
2. No cookie and no credential reaches a reason; of what a serve says only statuses and the names of
   cookies do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import psutil
from attrs import define, frozen

from t3safe.adapters._support.adopted import Adopted
from t3safe.adapters._support.buildpaths import BuildPaths, ProcessSeen, seen
from t3safe.adapters._support.http_client import Address, NoAnswerError, session
from t3safe.adapters._support.pairing import described, exchange, takes, whose
from t3safe.domain.checks import DispatchKnowledge, PairingFacts, judge_paired
from t3safe.domain.errors import DispatchError, Fault, PortError
from t3safe.domain.versions import Version
from t3safe.t3.sign_in import (
    EXCHANGE_PATHS,
    FIRST_PROTOCOL,
    Cookies,
    Session,
    is_unknown_credential,
)

_T = TypeVar("_T")
PORTS_MAX: Final = 8
"""A serve listens on one port; what its terminals start is not among its programs."""
_NAME: Final = re.compile(r"^[A-Za-z0-9._+-]{1,64}$")


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
    Nothing can fix a `final` one; a `strange` session is one that the serve does not know.  Where
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


@define(kw_only=True)
class SignInCheck:
    """The ways to sign in at a serve itself.  Raises DispatchError.

    `mint` gives a pairing credential; it may raise a PortError.  `paths` are where a serve may take
    one, `patience` is how many seconds one request may take.  `adopted` tells what ran here before
    t3safe did.  `minter` gives the version by which is minted for a person: empty where it could
    not be told, None where nobody asks.
    """

    store: Path
    mint: Callable[[str], str]
    paths: tuple[str, ...] = DispatchKnowledge().paths
    patience: float = 10.0
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
        return None if unauthenticated(found, kept) else kept

    def _home(self, serve: ServeProcess | None, seconds: float) -> Address | None:
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
        exchanged = exchange(home, asked(who.person, self.mint), self.paths, self.patience)
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


def asked(person: str, question: Callable[[str], _T]) -> _T:
    """Ask another port about a person; raises DispatchError alone."""
    try:
        return question(person)
    except DispatchError:
        raise
    except PortError as error:
        message = f"cannot try to pair {person}: {error}"
        raise DispatchError(message, fault=error.fault) from error


def _foreign(who: Who, serve: ServeProcess | None) -> Refusal | None:
    """Say why the unit's process is not one of the build that listens."""
    unlike = _unlike(who, serve)
    if unlike is not None or serve is None:
        return unlike
    return None if serve.listens else _mute(who)


def _unlike(who: Who, serve: ServeProcess | None) -> Refusal | None:
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


def unauthenticated(found: Session | int, cookies: Cookies) -> str:
    """Say why a session is none of these cookies, empty when it is."""
    if isinstance(found, int):
        return f"the session answers {found}"
    names = ", ".join(cookies.names)
    if found.cookie and found.cookie not in cookies.values:
        return f"the cookie that is set is {names}, the serve looks for {found.cookie[:64]!a}"
    return "" if found.authenticated else f"the cookie {names} does not authenticate"


@frozen
class ServeProcess:
    """A unit's process as it was found.

    `runs_build` says whether it, or a process below it, runs the build that was asked for, and
    `listens` where those processes accept connections.  `runs_another` says that the main process
    accepts connections without being of that build (a launcher that is about to become it does
    not); `shown` is what the main process runs, for a message.
    """

    pid: int
    runs_build: bool
    runs_another: bool
    shown: str
    listens: tuple[Address, ...]


def look(
    store: Path, pid: int, build: Version, adopted: Adopted | None = None
) -> ServeProcess | None:
    """Look at a unit's process and those below it; None when it is gone.

    A serve that an adoption left running counts as of the adopted build.  Raises DispatchError
    where it may not be looked at.
    """
    try:
        main = psutil.Process(pid)
        builds = BuildPaths.of(store)
        own = [one for one in _tree(main) if build.text in builds.named(_seen(one))]
        if not own and adopted is not None and adopted.build == build and _precedes(main, adopted):
            own = _tree(main)
        return ServeProcess(
            pid=pid,
            runs_build=bool(own),
            runs_another=not own and any(_sockets(main)),
            shown=_runs(builds, main),
            listens=_listening(own),
        )
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        raise DispatchError(f"cannot look at process {error.pid}: {_denied()}") from error


def _denied() -> str:
    """What helps whoever may not look: root, too, where a container leaves a capability out."""
    if os.geteuid() == 0:
        return "root may not here; a container needs the capability SYS_PTRACE (`--cap-add`)"
    return "run it as root or as the serve's user"


def _precedes(main: psutil.Process, adopted: Adopted) -> bool:
    """Whether a process was started by the global program before the launcher took its place."""
    return adopted.program in _seen(main).all and main.create_time() < adopted.at.timestamp()


def _tree(main: psutil.Process) -> list[psutil.Process]:
    return [main, *main.children(recursive=True)]


def _seen(process: psutil.Process) -> ProcessSeen:
    """The program and the words it was started with; neither when it is gone."""
    try:
        return seen(process.pid)
    except PermissionError as error:
        raise psutil.AccessDenied(process.pid) from error
    except OSError:
        return ProcessSeen()


def _listening(processes: Iterable[psutil.Process]) -> tuple[Address, ...]:
    found = {address for process in processes for address in _sockets(process)}
    return tuple(sorted(found, key=lambda address: address.port)[:PORTS_MAX])


def _sockets(process: psutil.Process) -> Iterator[Address]:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN:
            yield Address.bound(connection.laddr.ip, connection.laddr.port)


def _runs(builds: BuildPaths, main: psutil.Process) -> str:
    """Name what the main process runs: a build of the store, or a program."""
    one = _seen(main)
    program = Path(one.program or next(iter(one.words), "")).name
    names = (*builds.named(one), program)
    return next((name for name in names if _NAME.match(name)), "another program")
