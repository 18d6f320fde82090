"""Pairing links and sessions, as a build of either side of migration 31 keeps them.

A build speaks the columns of its own schema, whatever the database has by now: that is why an old
build on a newer database looks healthy and pairs nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from fakes.t3.app.state import stamp

if TYPE_CHECKING:
    from fakes.t3.app.build import ReleaseBehaviour
    from fakes.t3.app.state import FakeDatabase

SCOPES = [
    "orchestration:read",
    "orchestration:operate",
    "terminal:operate",
    "review:write",
    "relay:read",
]
SESSION_SECONDS = 30 * 24 * 3600
"""A cookie expires after 30 days."""

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Grant(NamedTuple):
    """What a link or a session allows: a role up to schema 30, scopes from 31."""

    column: str
    stored: str

    def shown(self) -> object:
        """The grant as JSON shows it."""
        return self.stored if self.column == "role" else json.loads(self.stored)


def grant_of(build: ReleaseBehaviour, role: str) -> Grant:
    """Write a grant in the columns that this build knows."""
    return Grant("role", role) if build.schema < 31 else Grant("scopes", json.dumps(SCOPES))


class Link(NamedTuple):
    """A pairing credential as it was made."""

    id: str
    credential: str
    grant: Grant
    expires_at: str


def seconds_of(ttl: str) -> int:
    """Read `30s`, `5m`, `1h` or `2d`; ValueError when it is none of these."""
    if not ttl[:-1].isdigit() or ttl[-1:] not in _UNITS:
        raise ValueError(f"Invalid duration: {ttl}")
    return int(ttl[:-1]) * _UNITS[ttl[-1]]


def create_link(
    database: FakeDatabase, build: ReleaseBehaviour, ttl: int, subject: str, role: str
) -> Link:
    """Add a pairing link that works once within `ttl` seconds."""
    now = time.time()
    grant = grant_of(build, role)
    credential = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    link = Link(str(uuid.uuid4()), credential, grant, stamp(now + ttl))
    with database.write() as connection:
        connection.execute(
            f"INSERT INTO auth_pairing_links (id, credential, method, {grant.column}, subject,"
            " created_at, expires_at) VALUES (?, ?, 'one-time-token', ?, ?, ?, ?)",
            (link.id, credential, grant.stored, subject, stamp(now), link.expires_at),
        )
    return link


def drawn(credential: str) -> str:
    """Draw a credential as the serve's banner does: a square of half blocks from its bits."""
    bits = "".join(f"{ord(letter):08b}" for letter in credential * 2)
    rows = [bits[at : at + 16] for at in range(0, len(bits), 16)]
    inked = ["".join(" ▄▀█"[int(a) + 2 * int(b)] for a, b in zip(row, row[::-1])) for row in rows]  # noqa: B905
    return "\n".join(f"  █{row}█" for row in inked)


class FakeSession(NamedTuple):
    """A browser's session: `token` is the cookie's value."""

    token: str
    grant: Grant
    expires: float


def exchange(
    database: FakeDatabase, build: ReleaseBehaviour, key: bytes, credential: str, replaces: str = ""
) -> FakeSession | None:
    """Spend a credential for a session; None when it is unknown, spent, revoked or too old.

    The session of the token that it `replaces` is revoked with that.
    """
    now = time.time()
    column = grant_of(build, "").column
    with database.write() as connection:
        found = connection.execute(
            f"SELECT id, {column} FROM auth_pairing_links WHERE credential = ?"
            " AND consumed_at IS NULL AND revoked_at IS NULL AND expires_at > ?",
            (credential, stamp(now)),
        ).fetchone()
        if found is None:
            return None
        connection.execute(
            "UPDATE auth_pairing_links SET consumed_at = ? WHERE id = ?", (stamp(now), found[0])
        )
        if replaces:
            connection.execute(
                "UPDATE auth_sessions SET revoked_at = ? WHERE session_id = ?",
                (stamp(now), _session_id(replaces)),
            )
        session, expires = str(uuid.uuid4()), now + SESSION_SECONDS
        connection.execute(
            f"INSERT INTO auth_sessions (session_id, subject, {column}, method, issued_at,"
            " expires_at) VALUES (?, 'one-time-token', ?, 'browser-session-cookie', ?, ?)",
            (session, found[1], stamp(now), stamp(expires)),
        )
    return FakeSession(sign(key, session), Grant(column, found[1]), expires)


def sign(key: bytes, session: str) -> str:
    """Make the token of a session: its id and a signature by the serve's own key."""
    body = base64.urlsafe_b64encode(json.dumps({"sid": session}).encode()).rstrip(b"=").decode()
    digest = hmac.new(key, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _session_id(token: str) -> str:
    body = token.partition(".")[0]
    try:
        return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sid"])
    except (ValueError, KeyError, TypeError):
        return ""


def session_of(
    database: FakeDatabase, build: ReleaseBehaviour, key: bytes, token: str
) -> Grant | None:
    """Find the live session behind a cookie's value; sqlite3.Error on a database too new."""
    session = _session_id(token)
    if not session:
        return None
    if not hmac.compare_digest(sign(key, session).encode(), token.encode()):
        return None
    column = grant_of(build, "").column
    found = database.read(
        f"SELECT {column} FROM auth_sessions WHERE session_id = ? AND revoked_at IS NULL"
        " AND expires_at > ?",
        session,
        stamp(),
    )
    return Grant(column, str(found[0][0])) if found else None
