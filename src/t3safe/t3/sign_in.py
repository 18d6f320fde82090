"""t3's sign-in over HTTP: where a credential is exchanged, what a session's answer says.

Rules:

1. A serve belongs to a person, so its answers are untrusted: a value of an unexpected form counts
   as absent, and nothing here raises.
2. Only cookies that can be sent back unchanged count (RFC 6265, section 4.1.1): an answer must not
   be able to put a header into the next request.
3. A missing path answers 404 or 405, and the next one is tried.  Any other status is the answer of
   the path that accepts credentials.
4. The session's cookie is the one that the serve names, or else the only one that is set.
5. Each answer may set a cookie, also the session's: cookies are merged as in a browser.
6. No request to the exchange carries a cookie: a serve of V2 would end the session of that cookie.

Sources.  Exchange, session and plain cookies: measured on 0.0.24 to 0.0.29-nightly.20260721.864.
Scoped cookies: reported for 0.0.29 (#4397, 2026-07-27) and late August 2026 (#8085).  Descriptor,
protocol, the rules of V2's cookies, rules 5 and 6: V2, from 0.0.46-nightly.20261003.2610; read off
public source (apps/server/src/auth, contracts/environment.ts), not measured.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

SESSION_PATH: Final = "/api/auth/session"
BOOTSTRAP: Final = "/api/auth/bootstrap"
"""Up to 0.0.25-nightly.20260602; answers 404 later.  Measured."""
BROWSER_SESSION: Final = "/api/auth/browser-session"
"""From 0.0.25-nightly.20260603.445 on, V2 included; answers 404 earlier.  Measured up to 864."""
EXCHANGE_PATHS: Final = (BROWSER_SESSION, BOOTSTRAP)
"""Every path at which a release has exchanged credentials, the newest first."""
DESCRIPTOR_PATH: Final = "/.well-known/t3/environment"
"""Public: which version a serve is, of which environment, and which protocol it speaks."""
SOCKET_PATH: Final = "/ws"
PLAIN_COOKIE: Final = "t3_session"
"""Everywhere up to 0.0.28 (measured); on a remote bind until late August 2026 (reported)."""
JSON_BODY: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
UPGRADE: Final[Mapping[str, str]] = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dDNzYWZlIG9ubHkgbG9vaw==",
}
"""What opens a web socket (RFC 6455, section 4.1): without it any server may answer 426."""
OK: Final = 200
UNAUTHORIZED: Final = 401
WRONG_PROTOCOL: Final = 426
FIRST_PROTOCOL: Final = 1
"""What a serve speaks that names no protocol: every one before V2."""
_REFUSED: Final = "orchestration_protocol_incompatible"
INVALID_CREDENTIAL: Final = "invalid_credential"
"""A credential is spent, too old, or lies in another database."""
_BEFORE_CODES: Final = "Invalid bootstrap credential."
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PROTOCOL_MAX: Final = 1000
_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_ABSENT: Final = frozenset({404, 405})
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}")
"""Names and values of cookies, no longer than browsers keep."""
_HEX: Final = r"[0-9a-f]{12}"
COOKIE_NAME: Final = rf"{PLAIN_COOKIE}(?:_\d{{1,5}})?(?:_{_HEX})?"
"""A regular expression for every name that a session's cookie has had."""


SESSIONS: Final = "auth_sessions"
LINKS: Final = "auth_pairing_links"
SIGN_IN_IDS: Final[Mapping[str, str]] = {SESSIONS: "session_id", LINKS: "id"}
"""The tables that hold sessions and pairing links, each with the column of its ids.

The same in every generation: those of V2 are copied with the rest (read off source).
"""
SIGN_IN_COLUMNS: Final = frozenset({"subject", "expires_at"})
"""Columns by which such a table is known for t3's."""


class CookieNames(StrEnum):
    """By which rule a release names the session's cookie."""

    PLAIN = "plain"
    """`t3_session` on every bind: up to 0.0.28 (measured)."""
    LOOPBACK = "loopback"
    """`t3_session_<port>_<12 hex>` on a loopback bind, plain elsewhere: from 0.0.29 (reported)."""
    ENVIRONMENT = "environment"
    """As before on a loopback bind or where no host is given, `t3_session_<12 hex>` elsewhere:
    from late August 2026, V2 included (read off source, not measured)."""


@dataclass(frozen=True)
class SignIn:
    """How the releases of a generation take sign-ins and sockets.

    `cookies` are the rules by which they have named the session's cookie, oldest first.
    """

    path: str
    cookies: tuple[CookieNames, ...]
    protocol: int = FIRST_PROTOCOL


SIGN_IN_BEFORE_SCOPES: Final = SignIn(BOOTSTRAP, (CookieNames.PLAIN,))
SIGN_IN_V1: Final = SignIn(BROWSER_SESSION, tuple(CookieNames))
SIGN_IN_V2: Final = SignIn(BROWSER_SESSION, (CookieNames.ENVIRONMENT,), protocol=2)


class Descriptor(NamedTuple):
    """What a serve says of itself in public; empty texts where it does not say it."""

    version: str = ""
    environment: str = ""
    protocol: int = FIRST_PROTOCOL


@dataclass(frozen=True)
class Cookies:
    """Cookies by name; the values are secrets and never shown."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def set_by(cls, headers: Iterable[str]) -> Cookies:
        """Read the cookies that `Set-Cookie` headers set (rule 2)."""
        pairs = (text.partition(";")[0].partition("=") for text in headers)
        named = ((name.strip(), value.strip()) for name, _, value in pairs)
        return cls(
            {n: value for n, value in named if _NAME.fullmatch(n) and _VALUE.fullmatch(value)}
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names, sorted, short enough to be shown."""
        return tuple(name[:64] for name in sorted(self.values))

    @property
    def header(self) -> str:
        """What a request sends to have them all."""
        return "; ".join(f"{name}={value}" for name, value in self.values.items())

    def joined(self, later: Cookies) -> Cookies:
        """Give these with what a later answer sets, as a browser keeps them."""
        return Cookies({**self.values, **later.values})

    def of_session(self, published: str) -> str:
        """Name the session's cookie, empty where it is not clear (rule 4)."""
        if published in self.values:
            return published
        return next(iter(self.values)) if len(self.values) == 1 else ""


class Session(NamedTuple):
    """What GET /api/auth/session says: `cookie` is the name that the serve looks for, if said."""

    authenticated: bool
    cookie: str


def exchange_body(credential: str) -> bytes:
    """Give the body that exchanges a credential for a session's cookie."""
    return json.dumps({"credential": credential}).encode()


def cookie_name(names: CookieNames, host: str, port: int, environment: str, folder: str) -> str:
    """Name the session's cookie of a serve that binds there.

    `environment` is the content of its `environment-id`, `folder` the path of its state.
    """
    if names is CookieNames.PLAIN:
        return PLAIN_COOKIE
    if is_loopback(host):
        return f"{PLAIN_COOKIE}_{port}_{_digest(folder)}"
    return (
        f"{PLAIN_COOKIE}_{_digest(environment)}"
        if names is CookieNames.ENVIRONMENT
        else PLAIN_COOKIE
    )


def is_loopback(host: str) -> bool:
    """Whether a serve takes a bind for one that only this machine reaches; none is one."""
    return host in {"", "localhost", "::1", "[::1]"} or host.startswith("127.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cookie_pattern(name: str) -> str:
    """Give a regular expression for a cookie's name on any port and in any person's environment."""
    port = r"_\d{1,5}" if re.fullmatch(rf"{PLAIN_COOKIE}_\d{{1,5}}_{_HEX}", name) else ""
    if port or re.fullmatch(rf"{PLAIN_COOKIE}_{_HEX}", name):
        return f"{PLAIN_COOKIE}{port}_{_HEX}"
    return re.escape(name)


def socket_path(protocol: int) -> str:
    """Give where a client of a protocol opens its socket; the first one is not named."""
    if protocol == FIRST_PROTOCOL:
        return SOCKET_PATH
    return f"{SOCKET_PATH}?orchestrationProtocol={protocol}"


def descriptor_of(status: int, body: bytes) -> Descriptor | None:
    """Read what a serve says of itself, None where it says nothing that is one."""
    content = _object(body) if status == OK else {}
    version, environment = content.get("serverVersion"), content.get("environmentId")
    protocol = _protocol(content) or FIRST_PROTOCOL
    if not isinstance(version, str) and not isinstance(environment, str):
        return None
    return Descriptor(_short(version), _short(environment), protocol)


def protocol_refused(status: int, body: bytes) -> int | None:
    """Read the protocol that a socket asks for instead, 0 where it does not say which.

    None where the request was not refused for its protocol.
    """
    return (_protocol(_object(body)) or 0) if status == WRONG_PROTOCOL else None


def refuses_protocol(status: int, body: bytes) -> bool:
    """Whether it is t3 itself that refuses a socket for its protocol, in its own words."""
    return status == WRONG_PROTOCOL and _object(body).get("code") == _REFUSED


def refusal_of(status: int, body: bytes) -> str:
    """Read why an exchange was refused, in t3's own word; empty where it says none."""
    if status == OK:
        return ""
    content = _object(body)
    if content.get("error") == _BEFORE_CODES:
        return INVALID_CREDENTIAL
    found = content.get("reason")
    return found if isinstance(found, str) and _REASON.fullmatch(found) else ""


def is_unknown_credential(status: int, refusal: str) -> bool:
    """Whether an exchange does not know a credential: it is spent, too old, or of another place.

    One that the other generation minted lies in the other database.
    """
    return status == UNAUTHORIZED and refusal == INVALID_CREDENTIAL


def _protocol(content: Mapping[str, Any]) -> int:
    found = content.get("orchestrationProtocolVersion")
    # `true` is an int in Python.
    return found if type(found) is int and 1 <= found <= _PROTOCOL_MAX else 0


def _short(value: object) -> str:
    return value[:128] if isinstance(value, str) else ""


def session_ids(cookies: Cookies) -> tuple[str, ...]:
    """Give the ids of the sessions that cookies stand for: t3's tokens say them, signed."""
    return tuple(filter(None, map(_session_id, cookies.values.values())))


def _session_id(token: str) -> str:
    body = token.partition(".")[0]
    try:
        # Padding that is not needed is ignored.
        found = _object(base64.urlsafe_b64decode(f"{body}==")).get("sid")
    except ValueError:
        return ""
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def is_absent(status: int) -> bool:
    """Whether a status says that there is no such path (rule 3)."""
    return status in _ABSENT


def session_of(status: int, body: bytes) -> Session | int:
    """Read the answer of a session; the status where it is not 200."""
    if status != OK:
        return status
    content = _object(body)
    auth = content.get("auth")
    name = auth.get("sessionCookieName") if isinstance(auth, dict) else None
    return Session(content.get("authenticated") is True, name if isinstance(name, str) else "")


def credential_of(printed: str) -> str:
    """Read the credential that a mint printed, empty where it printed something else.

    Lines may stand before and behind the JSON.
    """
    credential = _minted(printed).get("credential")
    return credential if isinstance(credential, str) else ""


def link_of(printed: str) -> str:
    """Read the id of the pairing link that a mint printed, empty where it printed none."""
    link = _minted(printed).get("id")
    return link if isinstance(link, str) and _ID.fullmatch(link) else ""


def _minted(printed: str) -> dict[str, Any]:
    found: dict[str, Any]
    try:
        found, _ = json.JSONDecoder().raw_decode(printed[printed.index("{") :])
    except (ValueError, RecursionError):
        return {}
    return found


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
