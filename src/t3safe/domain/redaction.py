"""Secrets out of text before anything is kept (t3's log prints its token and a pairing link).

Rule: what follows a secret's label on its line, a cookie's value, a credential in JSON (escaped
once more or not), a value given to a secret's name, a bearer token, a URL's user, query or
fragment, and any long random-looking word are replaced; the rest stays, names of migrations
(`31_AuthAuthorizationScopes`) and of cookies (`t3_session_3773_0a1b2c3d4e5f`) too.
Redaction errs on the side of taking too much.  It takes time linear in the text.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[redacted]"

_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(
            r"(?im)^(.*?(?:token|pairing url|connection string|credential|secret|authorization)s?"
            r"(?:\x1b\[[0-9;]*m)*\s*:).*$"
        ),
        rf"\1 {HIDDEN}",
    ),
    (
        re.compile(r"""(?i)("[\w-]*(?:credential|token|secret|cookie)s?\\*"\s*:\s*)\\*"[^"]*"?"""),
        rf'\1"{HIDDEN}"',
    ),
    (re.compile(r"(?i)(t3_session\w*\s*=\s*)[^;\s]+"), rf"\1{HIDDEN}"),
    (re.compile(r"""(?i)((?:credential|token|secret)s?\s*=\s*)[^\s;&,"']+"""), rf"\1{HIDDEN}"),
    (re.compile(r"(?im)^(.*?cookie\s*:).*$"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(bearer\s+)\S+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(\bhttps?://)[^\s/?#@]{1,256}@"), rf"\1{HIDDEN}@"),
    (
        # Both ends are the word's own: a hyphen is part of it, not a border inside it.
        re.compile(
            r"(?<![\w-])"
            r"(?!\d{8}T\d{6,12}Z(?:-\w{1,4})?(?![\w-]))"
            r"(?!(?:\d{1,3}_[A-Z][A-Za-z]+|t3_session(?:_\d{1,5})?_[0-9a-f]{12})(?![\w-]))"
            r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{24,}(?:\.[\w-]+)*"
        ),
        HIDDEN,
    ),
)
_URL: Final = re.compile(r"(?i)(\bhttps?://[^\s?#]+)([?#]\S+)?")


def _shorten(url: re.Match[str]) -> str:
    return f"{url[1]}?{HIDDEN}" if url[2] else url[1]


def redact(text: str) -> str:
    """Give the text without secrets; never raises, and redacting twice changes nothing more."""
    # The pattern takes a URL with or without a query, so that no text is walked twice.
    text = _URL.sub(_shorten, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
