"""Secrets out of text before anything is kept (t3's log prints its token and a pairing link).

Rules:

1. What a secret's label names goes: after a colon or an equals sign, after a space where it is
   quoted or looks like a code, on the next line where the label ends its own, in the next cell of
   a table's row, in its column, in the next part of a path, in JSON (escaped once more or not).
2. Without a label these go: a cookie's value, a bearer token, a URL's user, query or fragment, a
   word of the form of t3's pairing codes, any long word that looks random, and a QR code.
3. The rest stays, names of migrations, of cookies, settings and metrics too.  In doubt too much
   goes.
4. A text is redacted whole, before it is cut into lines: a label may stand on the line before.
5. It takes time linear in the text, and redacting twice changes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from t3safe.t3 import commands, serve_log
from t3safe.t3.generations import TABLE_NAME
from t3safe.t3.sign_in import COOKIE_NAME, PLAIN_COOKIE

HIDDEN: Final = "[redacted]"

_COLOUR: Final = r"(?:\x1b\[[0-9;]*m)*"
_BEGIN: Final = r"(?:(?<![\w-])|(?<=\x1b\[[0-9]m)|(?<=\x1b\[[0-9][0-9]m))"
"""Where a word begins: the end of a colour is a letter."""
_STAMP: Final = r"(?!(?:broken-)?\d{8}T\d{6,12}Z(?:-\w{1,4})?(?![\w-]))"
"""Not a time by which a run, a folder or a journal that was set aside is named."""
_NAME: Final = (
    r"(?:(?:pairing|bootstrap|one-time|access|session|auth) )?"
    r"(?:token|credential|secret|password|passcode)s?"
    rf"|{serve_log.NAMED_SECRETS}|authorization"
)
"""What a secret is called where it is printed for a person."""
_VALUE_NAME: Final = r"(?:credential|token|secret|password|passwd|authtoken|_auth|api[-_]?key)s?"
"""What a setting or a field is called that holds one."""
_CODE: Final = r"(?!\d{1,5}(?![\w-]))(?=[\w.-]*\d|[A-Z-]{6})[\w.-]{4,}"
"""What can be a secret behind a label that is also an ordinary word: it holds a digit and is not a
small number, or it is written in capitals."""
_QUOTED: Final = r"""'[^'\n]*'?|"[^"\n]*"?|`[^`\n]*`?"""

_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        # A label alone on its line, or with its colon at the end of one: the value is on the next
        # line that says anything.
        re.compile(
            rf"(?im)^((?:[^\w\n]*(?:{_NAME})|.*?(?:{_NAME}){_COLOUR}[ \t]*:){_COLOUR}[^\w\n]*\n"
            r"(?:[^\w\n]*\n){0,3})[^\n]*\w.*$"
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            rf"(?im)^(.*?(?:token|{serve_log.LABELS}|credential"
            rf"|secret|password|passcode|authorization)s?{_COLOUR}\s*:).*$"
        ),
        rf"\1 {HIDDEN}",
    ),
    (
        re.compile(r"""(?i)("[\w-]*(?:credential|token|secret|cookie)s?\\*"\s*:\s*)\\*"[^"]*"?"""),
        rf'\1"{HIDDEN}"',
    ),
    (re.compile(rf"(?i)({PLAIN_COOKIE}\w*\s*=\s*)[^;\s]+"), rf"\1{HIDDEN}"),
    (
        re.compile(rf"""(?i)({_VALUE_NAME}\s*=\s*)(?:\[redacted\]|{_QUOTED}|[^\s;&,"']+)"""),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?im)^(.*?cookie\s*:).*$"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(bearer\s+)\S+"), rf"\1{HIDDEN}"),
    (
        re.compile(rf"(?i)((?<!\w)--?{_VALUE_NAME}[ \t]+)(?:\[redacted\]|{_QUOTED}|\S+)"),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(rf"(?i)(\b(?:{_NAME}){_COLOUR}(?: is)?[ \t]+{_COLOUR})(?:{_QUOTED})"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(rf"(\b(?i:{_NAME}){_COLOUR}(?: is)?[ \t]{{1,2}}{_COLOUR}){_CODE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(\b(?i:token|credential|secret|password|pair|code)s?/){_CODE}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(\bhttps?://)[^\s/?#@]{1,256}@"), rf"\1{HIDDEN}@"),
    (
        # Both ends are the word's own: a hyphen is part of it, not a border inside it.
        re.compile(
            r"(?<![\w-])"
            rf"{_STAMP}"
            rf"(?!(?:{serve_log.MIGRATION}|{TABLE_NAME}|{COOKIE_NAME}|{commands.VARIABLES.pattern}"
            r"|t3safe_[a-z_]+)(?![\w-]))"
            r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{24,}(?:\.[\w-]+)*"
        ),
        HIDDEN,
    ),
    # The form of t3's pairing codes: twelve of these characters.
    (re.compile(rf"{_BEGIN}{serve_log.CODE}(?![\w-])"), HIDDEN),
    (
        # A shorter word of all three kinds, whose digits stand in two places at least.
        re.compile(
            rf"{_BEGIN}{_STAMP}(?!{serve_log.MIGRATION}(?![\w-]))(?=[a-z0-9_-]*[A-Z])(?=[A-Z0-9_-]*[a-z])"
            r"(?=[A-Za-z_-]*\d+[A-Za-z_-]+\d)[A-Za-z0-9_-]{12,23}(?![\w-])"
        ),
        HIDDEN,
    ),
)
_URL: Final = re.compile(r"(?i)(\bhttps?://[^\s?#]+)([?#]\S+)?")
_PICTURE: Final = re.compile(r"[\u2580-\u259f][\u2580-\u259f\s]{9,}")
"""Part of a QR code in block characters; one that is drawn in colours is `_PAINTED`."""
_PAINTED: Final = re.compile(r"(?m)^[ \t]*(?:\x1b\[[0-9;]*m[ \t]*){6,}$")
_BLOCKS_MIN: Final = 8
_GAP: Final = re.compile(r"([ \t]*[|│┃][ \t]*|\t+| {2,})")
"""What stands between two cells of a table's row."""
_LABEL_CELL: Final = re.compile(rf"(?i)\W*(?:{_NAME}|code|cookie)\W*")
_WORD: Final = re.compile(r"\w")


def redact(text: str) -> str:
    """Give the text without secrets; never raises, and redacting twice changes nothing more."""
    left = _redacted(text)
    if left != text:
        # What was hidden may have stood between a label and what that names.
        for _ in range(_MORE_PASSES):
            left = _redacted(left)
    return left


_MORE_PASSES: Final = 4
"""No text is known that changes in more than one of them."""


def _redacted(text: str) -> str:
    # The pattern takes a URL with or without a query, so that no text is walked twice.
    text = _URL.sub(_shorten, text)
    text = _PAINTED.sub(HIDDEN, _PICTURE.sub(_without_picture, text))
    text = "\n".join(_without_cells(text.split("\n")))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _shorten(url: re.Match[str]) -> str:
    return f"{url[1]}?{HIDDEN}" if url[2] else url[1]


def _without_picture(found: re.Match[str]) -> str:
    drawn = found[0]
    blocks = len("".join(drawn.split()))
    return HIDDEN + drawn[len(drawn.rstrip()) :] if blocks >= _BLOCKS_MIN else drawn


def _without_cells(lines: list[str]) -> Iterator[str]:
    """Hide the cells of tables that a label names: beside it in its row, or below it."""
    columns: frozenset[int] = frozenset()
    for line in lines:
        parts = _GAP.split(line)
        cells = parts[::2]
        if len(cells) == 1:
            columns = frozenset()
            yield line
            continue
        labels = frozenset(at for at, cell in enumerate(cells) if _LABEL_CELL.fullmatch(cell))
        filled = [at for at, cell in enumerate(cells) if _WORD.search(cell)]
        hidden = columns
        if labels:
            # Two columns are a name and its value, unless both of them are names.
            hidden = frozenset(at + 1 for at in labels) if len(filled) == _PAIR else frozenset()
            columns = labels
        for at in hidden - labels:
            if at < len(cells) and _WORD.search(cells[at]):
                parts[2 * at] = HIDDEN
        yield "".join(parts)


_PAIR: Final = 2
