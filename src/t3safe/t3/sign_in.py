"""t3's sign-in over HTTP: where a credential is exchanged, what a session's answer says.

Rules:

1. A serve belongs to a person, so its answers are a stranger's: what is not of the expected form
   counts as absent, and nothing here raises.
2. Of cookies only those are taken that can be sent back as they came (RFC 6265, section 4.1.1): an
   answer must not be able to put a header into the next request.
3. A path that is not there answers 404 or 405; the next one is tried.  Any other status is the
   answer of the path that takes credentials.
4. The session's cookie is the one that the serve names, else the only one that is set.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

SESSION_PATH: Final = "/api/auth/session"
EXCHANGE_PATHS: Final = ("/api/auth/browser-session", "/api/auth/bootstrap")
"""Every path at which a release has exchanged credentials, the newest first."""
JSON_BODY: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
OK: Final = 200
_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_ABSENT: Final = frozenset({404, 405})
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}")
"""Names and values of cookies, no longer than browsers keep."""


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
        return Cookies({**self.values, **later.values}) if later.values else self

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


def cookie_pattern(name: str) -> str:
    """Give a regular expression for a cookie's name on any port and in any person's environment."""
    port = r"_\d{1,5}" if re.fullmatch(r"t3_session_\d{1,5}_[0-9a-f]{12}", name) else ""
    if port or re.fullmatch(r"t3_session_[0-9a-f]{12}", name):
        return f"t3_session{port}_[0-9a-f]{{12}}"
    return re.escape(name)


def session_ids(cookies: Cookies) -> tuple[str, ...]:
    """Give the ids of the sessions that cookies stand for: t3's tokens say them, signed."""
    return tuple(filter(None, map(_session_id, cookies.values.values())))


def _session_id(token: str) -> str:
    body = token.partition(".")[0]
    try:
        found = _object(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))).get("sid")
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
    try:
        found, _ = json.JSONDecoder().raw_decode(printed[printed.index("{") :])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
