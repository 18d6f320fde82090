"""No document breaks whoever reads it by a schema that was published under its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from documents.published import BrokenPromise, published, recorded, written

RECORD = Path(__file__).parents[2] / "docs" / "schemas.json"
STATUS = "t3safe/status/1"


def test_every_promise_holds_and_what_is_published_is_on_record() -> None:
    """Whoever adds a field runs `make docs`; whoever breaks a promise raises the number."""
    text = RECORD.read_text(encoding="utf-8")
    earlier = json.loads(text)
    assert earlier
    assert written(recorded(earlier, published())) == text


def _person(made: Any) -> Any:  # noqa: ANN401 - a schema
    return made[STATUS]["$defs"]["PersonStatus"]


def _gone(made: Any) -> None:  # noqa: ANN401
    del _person(made)["properties"]["ledger"]
    _person(made)["required"].remove("ledger")


def _retyped(made: Any) -> None:  # noqa: ANN401
    _person(made)["properties"]["build"] = {"type": "integer"}


def _or_null(made: Any) -> None:  # noqa: ANN401
    _person(made)["properties"]["build"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _no_time(made: Any) -> None:  # noqa: ANN401
    _person(made)["properties"]["since"]["anyOf"][0] = {"type": "string"}


def _unsure(made: Any) -> None:  # noqa: ANN401
    _person(made)["required"].remove("why")


def _sure(made: Any) -> None:  # noqa: ANN401
    made["t3safe/result/1"]["$defs"]["PersonEnd"]["required"].append("undo")


def _longer_pair(made: Any) -> None:  # noqa: ANN401
    held = made[STATUS]["$defs"]["HostStatus"]["properties"]["held"]
    held["items"]["prefixItems"].append({"type": "string"})


def _other_values(made: Any) -> None:  # noqa: ANN401
    rows = made["t3safe/snapshots/1"]["$defs"]["Snapshot"]["properties"]["rows"]
    rows["additionalProperties"] = {"type": "string"}


def _dropped(made: Any) -> None:  # noqa: ANN401
    del made["t3safe/export/1"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_gone, f"{STATUS}.status.people[].ledger is gone"),
        (_retyped, f"{STATUS}.status.people[].build was string and is integer"),
        (_or_null, f"{STATUS}.status.people[].build was string and is anyOf(string, null)"),
        (_no_time, f"{STATUS}.status.people[].since was anyOf(stringdate-time, null)"),
        (_unsure, f"{STATUS}.status.people[].why need not be there any more"),
        (_sure, "t3safe/result/1.result.people[].undo must be there now"),
        (_longer_pair, f"{STATUS}.status.held[] was prefixItems(string, string)"),
        (_other_values, "t3safe/snapshots/1.snapshots[].rows[] was integer and is string"),
        (_dropped, "t3safe/export/1 is gone"),
    ],
)
def test_what_breaks_a_reader_is_refused_and_named(
    change: Callable[[Any], None], told: str
) -> None:
    """A field that goes, changes its type or how sure it is, and a document that goes."""
    changed: Any = deepcopy(published())
    change(changed)
    with pytest.raises(BrokenPromise) as caught:
        recorded(published(), changed)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2, "and nothing else"


def test_what_is_added_and_said_otherwise_breaks_nobody() -> None:
    """Fields, values of a text, descriptions and names of classes are free."""
    changed: Any = deepcopy(published())
    _person(changed)["properties"]["more"] = {"type": "string"}
    _person(changed)["required"].append("more")
    _person(changed)["description"] = "Said otherwise."
    run = changed["t3safe/history/1"]["$defs"]["RunTold"]["properties"]
    run["kind"]["examples"].append("of tomorrow")
    assert recorded(published(), changed) == changed


def test_a_new_number_may_be_anything_and_the_earlier_schema_stays() -> None:
    """Whoever still reads documents of the earlier number finds what they mean."""
    changed: Any = deepcopy(published())
    _gone(changed)
    changed["t3safe/status/2"] = changed.pop(STATUS)
    found = recorded(published(), changed)
    assert found[STATUS] == published()[STATUS]
    assert found["t3safe/status/2"] == changed["t3safe/status/2"]
    with pytest.raises(BrokenPromise, match="status/2 is gone"):
        recorded(found, published())
