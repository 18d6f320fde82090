"""The gate's eight checks: the facts of a rehearsal, and the judgement of each.

Rules:

1. A check judges facts and never observes by itself.  A missing fact is a failure.
2. An answer to `GET /` proves nothing, and neither does the public descriptor: an old build on a
   newer database answers and pairs no one.  So may a build whose start still fails.
3. A serve's own statements count only against it: another version than the build's, or a protocol
   that the dispatch is not known to pass on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from t3safe.domain import allowance
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.text import duration
from t3safe.domain.versions import Version
from t3safe.t3 import package
from t3safe.t3.generations import V1
from t3safe.t3.sign_in import EXCHANGE_PATHS, FIRST_PROTOCOL, PLAIN_COOKIE, SOCKET_PATH

_ROUNDING: Final = 1e-9
"""Added to a share of rows, so that the last digit of a float does not decide."""


class Check(StrEnum):
    """The eight checks, in the order in which they are run."""

    IDENTITY = "identity"
    LIVE = "live"
    MIGRATED = "migrated"
    PRESERVED = "preserved"
    PAIRED = "paired"
    CONTRACT = "contract"
    REOPENED = "reopened"
    SOAK = "soak"


@frozen
class CheckResult:
    """The result of one check; `reason` says why it failed, `notes` what a person should know."""

    check: Check
    passed: bool
    reason: str = ""
    notes: tuple[str, ...] = ()


def passed(check: Check, *notes: str) -> CheckResult:
    """Return the result of a check that passed."""
    return CheckResult(check, passed=True, notes=notes)


def failed(check: Check, reason: str) -> CheckResult:
    """Return the result of a check that failed; `reason` is shown to a person."""
    return CheckResult(check, passed=False, reason=reason)


@frozen
class IdentityFacts:
    """What the staged package's manifest says, and what its program prints."""

    name: str
    repository: str
    bins: tuple[str, ...]
    engines: str
    node: str
    """The version of the node that the units run, without a leading v; empty if unknown."""
    reported: str
    """What `t3 --version` printed, the version alone; empty if it printed nothing."""
    entry: str = ""
    """The file inside the package that its command runs; empty when it is not recorded."""
    launches: str = ""
    """The package of a native program that its program starts as a child; empty for none."""

    @classmethod
    def of(
        cls,
        manifest: package.PackageManifest,
        *,
        node: str = "",
        reported: str = "",
        launches: str = "",
    ) -> IdentityFacts:
        """Build the facts from a package.json, the printed version and the launched program."""
        return cls(
            name=manifest.name,
            repository=manifest.repository,
            bins=tuple(manifest.bins),
            engines=manifest.engines,
            node=node,
            reported=reported,
            entry=manifest.entry,
            launches=launches,
        )


def judge_identity(expected: Version, facts: IdentityFacts) -> CheckResult:
    """Check 1: this is the expected package, and this host's node can run it."""
    check = Check.IDENTITY
    package_result = judge_package(facts)
    if not package_result.passed:
        return package_result
    engine = engine_problem(facts.engines, facts.node)
    if engine:
        return failed(check, engine)
    if facts.reported != expected.text:
        printed = facts.reported or "nothing"
        return failed(check, f"`t3 --version` prints {printed}, expected {expected}")
    return passed(check)


def judge_package(facts: IdentityFacts) -> CheckResult:
    """Judge whether the package is t3's, before any of its code runs."""
    check = Check.IDENTITY
    if facts.name != package.NAME:
        return failed(check, f"the package calls itself {facts.name!r}, not {package.NAME!r}")
    if _repository(facts.repository) != package.REPOSITORY:
        return failed(check, f"the package names repository {facts.repository!r}, a foreign one")
    if package.NAME not in facts.bins:
        return failed(check, f"the package has no program {package.NAME!r} in its bin entry")
    if facts.entry and facts.entry not in _KNOWN_ENTRIES:
        what = f"its program is {facts.entry[:200]!r}, which no t3 that is known here has"
        return failed(check, f"{what} ({', '.join(_KNOWN_ENTRIES)}); update t3safe")
    if facts.launches:
        # Its child would not hold the start lock: a start could go unseen.
        what = f"its program only starts another one, of {facts.launches}"
        return failed(check, f"{what}; `t3safe check VERSION` has that one executed")
    return passed(check)


_KNOWN_ENTRIES: Final = (package.NODE_PROGRAM, package.LAUNCHER)


def _repository(url: str) -> str:
    plain = re.sub(r"^(git\+)?(https?|ssh|git)://(git@)?|^git@", "", url.strip())
    return plain.replace("github.com:", "github.com/").removesuffix("/").removesuffix(".git")


_OPERATOR_SPACE: Final = re.compile(r"([<>=^~])\s+(?=\d)")
"""npm reads `>= 24.10` and `>=24.10` alike."""


def engine_problem(engines: str, node: str) -> str:
    """Say why this node cannot run a package with these `engines.node`; empty when it can."""
    if not engines:
        return ""
    if not node:
        return (
            f"the package needs node {engines}, and the units' `node --version` prints no version"
        )
    # Imported here: it loads half the standard library, and few commands judge a package.
    from semantic_version import NpmSpec, Version  # noqa: PLC0415

    try:
        fits = Version.coerce(node) in NpmSpec(_OPERATOR_SPACE.sub(r"\1", engines))
    except ValueError:
        return f"cannot compare node {node!r} with engines {engines!r}"
    return "" if fits else f"the package needs node {engines}, the units run node {node}"


@frozen
class LiveFacts:
    """How the serve started in the sandbox."""

    answered: bool
    own_process: bool
    """Whether a process of the started serve answered."""
    exited: int | None
    """The exit status when the serve ended by itself, else None."""
    seconds: float
    deadline: float
    log_tail: str = ""
    build: str = ""
    """The version that was started."""
    version: str = ""
    """The version in the serve's public descriptor, empty when it names none."""
    memory_max: int = 0
    """Its memory limit in bytes, 0 for none."""


def judge_live(facts: LiveFacts, check: Check = Check.LIVE) -> CheckResult:
    """Check 2: the serve answers, from its own process, within the deadline (seconds)."""
    if facts.exited is not None:
        detail = f": {facts.log_tail}" if facts.log_tail else ""
        memory = allowance.memory_words(facts.exited, facts.log_tail, facts.memory_max)
        ended = f"the serve ended with status {facts.exited}{detail}"
        return failed(check, f"{ended}; {memory}" if memory else ended)
    limit = f"{duration(facts.deadline)} ({allowance.DEADLINE})"
    if not facts.answered:
        return failed(check, f"the serve did not answer within {limit}")
    if facts.seconds > facts.deadline:
        return failed(
            check, f"the serve answered after {duration(facts.seconds)}, allowed are {limit}"
        )
    if not facts.own_process:
        return failed(check, "the port was answered by another process than the serve")
    if facts.version and facts.version != facts.build:
        return failed(check, f"the serve says that it is {facts.version!a}, not {facts.build}")
    return passed(check, f"answered after {duration(facts.seconds)}")


@frozen
class MigratedFacts:
    """The ledgers before and after the first start; `schema` is None while that is unknown.

    `schema` is the ledger that the build makes on empty data.
    """

    before: SetLedger
    after: SetLedger
    schema: SetLedger | None
    damage: tuple[str, ...] = ()
    """What `quick_check` found, as `file: text`; empty when no database is damaged."""


def judge_migrated(facts: MigratedFacts) -> CheckResult:
    """Check 3: the ledger lost no pair, and it equals that of empty data.

    On empty data the build must make the databases of a known generation of t3.
    """
    check = Check.MIGRATED
    if facts.damage:
        return failed(check, f"quick_check: {facts.damage[0]}")
    vanished = facts.before.unknown_to(facts.after)
    if vanished:
        return failed(check, f"the ledger lost {_some(vanished)}")
    if not facts.after.level:
        return failed(check, "the serve made no ledger")
    strange = "" if facts.before.names else facts.after.strangeness
    if strange:
        return failed(check, f"{strange}; update t3safe, which has to know it first")
    unlike = _unlike(facts.after, facts.schema)
    if unlike:
        return failed(check, unlike)
    return passed(check, f"ledger {facts.before.level} -> {facts.after.level}")


def held_to(
    checks: tuple[CheckResult, ...], after: SetLedger | None, schema: SetLedger | None
) -> tuple[CheckResult, ...]:
    """Repeat check 3 for a copy that was rehearsed before the ledger of empty data was known.

    `after` is the copy's ledger.  When it differs, check 3 fails and the later checks are dropped.
    """
    unlike = _unlike(after, schema) if after is not None else ""
    names = [result.check for result in checks if result.passed]
    if not unlike or Check.MIGRATED not in names:
        return checks
    return (*checks[: names.index(Check.MIGRATED)], failed(Check.MIGRATED, unlike))


def _unlike(after: SetLedger, schema: SetLedger | None) -> str:
    """Say how a ledger differs from that of empty data; empty when it does not."""
    if schema is None:
        return ""
    strange = after.unknown_to(schema)
    if strange:
        return f"the build does not know {_some(strange)}"
    missing = schema.unknown_to(after)
    return f"the build knows {_some(missing)}, the migrated copy has not" if missing else ""


def _some(items: tuple[str, ...]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""  # noqa: PLR2004
    return ", ".join(items[:3]) + more


Counts = Mapping[str, int]
"""Rows per table, tables named `file:table`."""


@frozen
class PreservedFacts:
    """The rows before and after the first start.

    `lost` are lines about missing rows that the generation must keep.  `became` maps each database
    to the one that it became; a database that is not in there was left over.  `written` are the
    databases that were left over, or copied, and that the build wrote to nevertheless.
    """

    before: Counts
    after: Counts
    lost: tuple[str, ...] = ()
    became: Mapping[str, str] = field(factory=dict)
    written: tuple[str, ...] = ()
    may_shrink: Mapping[str, str] = V1.may_shrink


def judge_preserved(facts: PreservedFacts, tolerance: float) -> CheckResult:
    """Check 4: no row that must stay is lost, and no table of work shrinks beyond `tolerance`.

    `tolerance` is a share of a table's rows (0.0 to 1.0).  A smaller loss is a note, because
    clean-up migrations exist (25 is one).  Tables that may shrink (`t3.generations`) never fail.
    """
    check = Check.PRESERVED
    if facts.lost:
        return failed(check, _some(facts.lost))
    if facts.written:
        return failed(check, f"{facts.written[0]} is not this build's any more, and was written to")
    notes: list[str] = []
    for table, rows, left in _shrunk(facts):
        text = f"{table}: {rows} -> {left} rows"
        why = facts.may_shrink.get(table.rpartition(":")[2])
        if why is None and (rows - left) > tolerance * rows + _ROUNDING:
            return failed(check, f"a table with work shrinks, {text}")
        notes.append(f"{text} ({why})" if why else text)
    return passed(check, *notes)


def _shrunk(facts: PreservedFacts) -> Iterable[tuple[str, int, int]]:
    for qualified, rows in sorted(facts.before.items()):
        database, _, table = qualified.rpartition(":")
        now = f"{facts.became.get(database, database)}:{table}"
        left = facts.after.get(now, 0)
        if left < rows:
            yield now, rows, left


@frozen
class PairingFacts:
    """One walk through the pairing handshake; no secrets in here."""

    minted: bool
    mint_problem: str = ""
    path: str = ""
    """The path that accepted the credential, empty when every known path answered 404."""
    status: int = 0
    cookie: str = ""
    """The name of the session cookie that was set, empty when none was."""
    authenticated: bool = False
    authenticated_again: bool = False
    tried: tuple[str, ...] = ()
    refusal: str = ""
    """Why t3 refused the exchange, in its own word; empty when it gave none."""


def judge_paired(facts: PairingFacts, check: Check = Check.PAIRED) -> CheckResult:
    """Check 5: mint, exchange, cookie, and two authenticated requests with one pairing."""
    if not facts.minted:
        return failed(check, f"the mint failed: {facts.mint_problem or 'nothing printed'}")
    if not facts.path:
        tried = " and ".join(facts.tried) or "no path"
        return failed(check, f"no path takes the credential (tried {tried})")
    if facts.status != 200:  # noqa: PLR2004 - the status that facts give for a good exchange
        why = f" ({facts.refusal})" if facts.refusal else ""
        return failed(check, f"POST {facts.path} answers {facts.status}{why}")
    if not facts.cookie:
        return failed(check, f"POST {facts.path} answers 200 without a session cookie")
    if not facts.authenticated:
        return failed(check, f"the cookie {_shown(facts.cookie)} does not authenticate")
    if not facts.authenticated_again:
        return failed(check, "a second request with the cookie is not authenticated")
    return passed(check, f"{facts.path}, cookie {_shown(facts.cookie)}")


def _shown(cookie: str) -> str:
    return cookie[:64]


@frozen
class DispatchKnowledge:
    """What the host's dispatch can do: its exchange paths, cookies and protocols.

    Each cookie is a regular expression for the whole name.  `protocols` are the socket protocols
    that it passes on; empty when there is no dispatch between a browser and its serve.
    """

    paths: tuple[str, ...] = EXCHANGE_PATHS
    cookies: tuple[str, ...] = (PLAIN_COOKIE,)
    protocols: tuple[int, ...] = (FIRST_PROTOCOL,)


@frozen
class SocketFacts:
    """How a serve answers clients' sockets, tried without a session."""

    protocol: int = FIRST_PROTOCOL
    """The protocol in its descriptor; the first when it names none."""
    wants: int | None = None
    """The protocol that it demands from a socket that names none: 0 when it refuses without a
    name, None when it does not refuse."""
    refused: bool = False
    """Whether it refuses a socket that names the needed protocol."""
    answered: bool = True
    """Whether it answers that socket at all."""

    @property
    def needed(self) -> int:
        """The protocol that a client must name; 0 when one is needed and unknown."""
        if self.protocol != FIRST_PROTOCOL or self.wants is None:
            return self.protocol
        return 0 if self.wants == FIRST_PROTOCOL else self.wants


def judge_contract(
    path: str, cookie: str, dispatch: DispatchKnowledge, sockets: SocketFacts | None = None
) -> CheckResult:
    """Check 6: the dispatch knows the path, the cookie's name and the protocol of the sockets.

    Otherwise the dispatch must be updated before the build.
    """
    check = Check.CONTRACT
    if path not in dispatch.paths:
        return failed(check, f"update the dispatch first: it is not known to use the path {path}")
    if not any(re.fullmatch(known, cookie) for known in dispatch.cookies):
        return failed(
            check, f"update the dispatch first: it is not known to use the cookie {_shown(cookie)}"
        )
    problem = _socket_problem(sockets or SocketFacts(), dispatch.protocols)
    return failed(check, problem) if problem else passed(check)


def _socket_problem(sockets: SocketFacts, known: tuple[int, ...]) -> str:
    """Say why clients cannot open their socket; empty when they can."""
    needed = sockets.needed
    if not needed:
        return (
            f"{SOCKET_PATH} refuses a client that names no protocol and does not say which it "
            "wants: this version of t3safe does not know it; update t3safe"
        )
    if known and needed not in known:
        return (
            f"update the dispatch first: it is not known to pass on protocol {needed} of "
            f"{SOCKET_PATH} (`dispatch_knows.protocols`)"
        )
    if sockets.refused:
        return f"{SOCKET_PATH} refuses a client of protocol {needed}, which the serve itself names"
    return (
        "" if sockets.answered else f"{SOCKET_PATH} does not answer a client of protocol {needed}"
    )


def judge_reopened(live: LiveFacts, pairing: PairingFacts) -> CheckResult:
    """Check 7: after a second start on the migrated copy it answers and knows the session."""
    result = judge_live(live, Check.REOPENED)
    return judge_paired(pairing, Check.REOPENED) if result.passed else result


@frozen
class SoakFacts:
    """The soak: seconds asked and endured, exit status if the serve ended, errors in its log."""

    asked: float
    endured: float
    exited: int | None
    log_errors: tuple[str, ...] = ()
    memory_max: int = 0
    """Its memory limit in bytes, 0 for none."""


def judge_soak(facts: SoakFacts) -> CheckResult:
    """Check 8: the serve runs for the configured time without an error in its log."""
    check = Check.SOAK
    if facts.exited is not None:
        said = f": {facts.log_errors[0][:200]}" if facts.log_errors else ""
        text = f"the serve ended with status {facts.exited} after {duration(facts.endured)}{said}"
        memory = allowance.memory_words(facts.exited, said, facts.memory_max)
        return failed(check, f"{text}; {memory}" if memory else text)
    if facts.log_errors:
        return failed(check, f"its log says: {facts.log_errors[0][:200]}")
    if facts.endured < facts.asked:
        return failed(
            check, f"watched for {duration(facts.endured)} of {duration(facts.asked)} only"
        )
    return passed(check)
