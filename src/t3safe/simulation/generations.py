"""What a replay needs of t3's generations beside `t3.generations`: telling them apart, letters."""

from __future__ import annotations

from typing import Final

from t3safe.t3.generations import BEFORE_SCOPES, GENERATIONS, V1, V2, Generation

PROTOCOLS: Final = tuple(sorted({each.sign_in.protocol for each in GENERATIONS}))
LETTERS: Final = {BEFORE_SCOPES.name: "0", V1.name: "1", V2.name: "2"}
"""How a generation is written where a night has one letter for each person."""


def generation_of(*, second: bool, pairing: str) -> Generation:
    """Tell a release's generation by its database and the path at which it pairs."""
    if second:
        return V2
    return V1 if pairing == V1.sign_in.path else BEFORE_SCOPES
