"""Secrets out of text before anything is kept (t3's log prints its token and a pairing link).

Rule: what follows a secret's label on its line, a cookie's value, a credential in JSON, a bearer
token, a URL's query or fragment, and any long random-looking word are replaced; the rest stays,
names of migrations (`31_AuthAuthorizationScopes`) too.
Redaction errs on the side of taking too much.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[redacted]"

_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(
            r"(?im)^(.*?\b(?:token|pairing url|connection string|credential|secret)s?\s*:).*$"
        ),
        rf"\1 {HIDDEN}",
    ),
    (
        re.compile(r"""(?i)("(?:credential|token|secret|cookie|access_?token)"\s*:\s*)"[^"]*\"?"""),
        rf'\1"{HIDDEN}"',
    ),
    (re.compile(r"(?i)\b(t3_session\w*\s*=\s*)[^;\s]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?im)^(.*?\b(?:set-)?cookie\s*:).*$"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b(bearer\s+)\S+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(\bhttps?://[^\s?#]+)[?#]\S+"), rf"\1?{HIDDEN}"),
    (
        re.compile(
            r"\b(?!\d{1,3}_[A-Z][A-Za-z]+\b)"
            r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{24,}(?:\.[\w-]+)*\b"
        ),
        HIDDEN,
    ),
)


def redact(text: str) -> str:
    """Give the text without secrets; never raises, and redacting twice changes nothing more."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
