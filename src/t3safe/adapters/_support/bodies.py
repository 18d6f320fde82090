"""What a server's answer holds, when nothing is believed of it."""

from __future__ import annotations

import json
from typing import Any


def json_object(body: bytes) -> dict[str, Any]:
    """Read a body as a JSON object; an empty one when it is none.  Never raises."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
