"""Every way in which a fake release can be bad, in one table.

A fault is written `name` or `name:argument` in the release's metadata.  Faults combine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class ReleaseFault(NamedTuple):
    """What a fault does, and the argument it takes when none is written."""

    what: str
    default: str = ""


ODD: Mapping[str, str] = {
    "405": "a path that is not there answers 405",
    "two-cookies": "the exchange sets another cookie before the session's",
    "quoted-cookie": "the cookie's value holds what RFC 6265 does not allow",
    "redirect": "the exchange answers 302 with the cookie",
    "401": "the exchange answers 401 with the cookie",
    "session-sets-cookie": "GET /api/auth/session sets the cookie again, under a further name",
    "session-not-json": "GET /api/auth/session answers a page",
    "session-huge": "GET /api/auth/session answers a megabyte before what it says",
}
FAULTS: Mapping[str, ReleaseFault] = {
    # the process
    "exits-silently": ReleaseFault(
        "every command prints nothing and exits 0, as under a node too old"
    ),
    "wrong-version": ReleaseFault("--version names the version ARG", "0.0.1"),
    "never-listens": ReleaseFault("serve runs and never binds its port"),
    "listens-never-answers": ReleaseFault("serve accepts connections and never answers"),
    "dies-after": ReleaseFault("serve exits 1 ARG seconds after it is ready", "0.5"),
    "heap-exhausted": ReleaseFault("serve logs and aborts ARG seconds after it is ready", "0.5"),
    "works-once": ReleaseFault("the second serve on one base directory exits 1"),
    "ignores-sigterm": ReleaseFault("serve survives SIGTERM and SIGINT"),
    "slow-stop": ReleaseFault("serve needs ARG seconds to stop", "2"),
    "forks-and-stays": ReleaseFault(
        "a child in a session of its own holds the database for ARG seconds", "20"
    ),
    "runs": ReleaseFault(
        "serve starts ARG with sh, in a session of its own, before anything else", ":"
    ),
    "slow-provider-probe": ReleaseFault(
        "with a provider's CLI on PATH the listen window lasts ARG seconds longer", "2"
    ),
    "breaks-with-provider": ReleaseFault(
        "with a provider's CLI on PATH the exchange answers 500: a gate without them sees nothing"
    ),
    # pairing
    "pairing-moved": ReleaseFault(
        "the exchange is at ARG, every known path answers 404", "/api/pair/v2"
    ),
    "mint-fails": ReleaseFault("`auth pairing create` exits 1"),
    "mint-prints-nothing": ReleaseFault("`auth pairing create` exits 0 without a word"),
    "mint-database-locked": ReleaseFault("the first ARG mints on a base directory fail so", "2"),
    "cookie-missing": ReleaseFault("the exchange answers 200 without Set-Cookie"),
    "cookie-renamed": ReleaseFault("the session cookie is named ARG", "t3_login"),
    "says-another-version": ReleaseFault("the public descriptor names the version ARG", "0.0.1"),
    "signs-in-oddly": ReleaseFault(
        "what a server may do at a sign-in: ARG of `ODD`", "two-cookies"
    ),
    "session-never-authenticated": ReleaseFault("no cookie is ever authenticated"),
    "session-once": ReleaseFault("a cookie is authenticated on its first use only"),
    "breaks-with-attachments": ReleaseFault(
        "the exchange answers 500 where userdata/attachments holds a file: a gate that runs on a"
        " copy of the databases sees nothing"
    ),
    # state
    "migration-fails": ReleaseFault("the last migration fails, those before it stay; exit 1"),
    "migration-fails-on-legacy-rows": ReleaseFault(
        "with legacy rows: migrates, logs PersistenceDecodeError, answers / and pairs nobody"
    ),
    "migration-loses-events": ReleaseFault("migrating drops every 7th row of orchestration_events"),
    "migration-loses-threads": ReleaseFault(
        "migrating drops every second row of projection_threads"
    ),
    "migration-cleans-approvals": ReleaseFault(
        "migrating drops the resolved rows of projection_pending_approvals: a legitimate clean-up"
    ),
    "migration-wrong-names": ReleaseFault(
        "on a database with a ledger, new migrations get other names"
    ),
    "corrupts-database": ReleaseFault("migrating a database overwrites one of its pages"),
    # V2 alone
    "v2-import-dies": ReleaseFault(
        "the first V2 start is killed at ARG: `snapshot` (copied, not linked), `linked` (the V1"
        " ledger, the directory left), `migrating` (55 ran), `importing` (one thread imported)",
        "linked",
    ),
    "no-hard-links": ReleaseFault("the file system makes no hard link: the first V2 start fails"),
    "v2-import-loses-threads": ReleaseFault("the import takes every second thread of V1 only"),
    "numbers-v2-from": ReleaseFault(
        "a preview: V2's migrations are numbered from ARG, not 55", "53"
    ),
    "projection-behind": ReleaseFault(
        "a start leaves last_sequence ARG behind the newest event", "1"
    ),
    "startup-takes": ReleaseFault(
        "`/` and the descriptor answer ARG seconds before the first opening", "2"
    ),
    "startup-fails": ReleaseFault(
        "`/` and the descriptor answer, ARG seconds later it exits 1", "0.5"
    ),
    "logs-persistence-errors": ReleaseFault(
        "serve logs a PersistenceSqlError every ARG seconds", "0.2"
    ),
    "prints-tokens": ReleaseFault("serve logs credentials and cookies in every shape"),
}


def parse_faults(written: Iterable[str]) -> dict[str, str]:
    """Read `name` or `name:argument` texts; ValueError names one that is not in the table."""
    found: dict[str, str] = {}
    for text in written:
        name, _, argument = text.partition(":")
        if name not in FAULTS:
            raise ValueError(f"{text!r} is no fault; known: {', '.join(sorted(FAULTS))}")
        found[name] = argument or FAULTS[name].default
    return found
