"""Events as JSON text and back.

Rules:

1. Tags and keys are those of `FORMS`, every enumeration is its string, every time is ISO 8601 with
   its zone.  Nothing is kept by position or ordinal, and no name of a class or field is written:
   either may be changed without a byte of the journal changing.
2. Unknown keys, unknown tags and values of a wrong type are refused: a journal that is not
   understood in full is not acted upon.
3. What is added to `FORMS`, or to an enumeration that is written, makes a new format: `FORMAT` is
   raised, and golden journals of the former one are kept in `tests/golden`.  A key that an earlier
   format does not have needs a default.  No tag or key is ever given another meaning.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any, Final

from attrs import frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from t3safe.adapters._support.strict import exactly, plain_text, zoned_time
from t3safe.domain import checks, gate, ledgers
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.effects import Effect
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.events import Answer, Event
from t3safe.domain.versions import Version

FORMAT: Final = 4
"""The format that is written.  1 is the one of journals that carry no number."""

TAG: Final = "type"


@frozen
class Form:
    """How a class is written: its tag, empty where no union holds it, and each field's key."""

    tag: str
    keys: tuple[tuple[str, str], ...]


def _form(tag: str, fields: str) -> Form:
    """Read fields as `name`, or `name=key` where the field was renamed since it was written."""
    pairs = (field.partition("=") for field in fields.split())
    return Form(tag, tuple((name, key or name) for name, _, key in pairs))


FORMS: Final[dict[type, Form]] = {
    # Values within plans, effects and answers.
    ledgers.Migration: _form("", "id name"),
    ledgers.Ledger: _form("", "entries"),
    ledgers.SetLedger: _form("", "databases"),
    checks.CheckResult: _form("", "check passed reason notes"),
    gate.Rehearsal: _form("", "subject build checks schema evidence seconds"),
    gate.Verdict: _form("", "build ruling reasons held_back in_production"),
    fx.Subject: _form("", "person snapshot"),
    ev.RowsKept: _form("", "table rows"),
    ev.MovePlan: _form("", "person old new restore knows"),
    ev.Plan: _form(
        "",
        "run kind candidate base moves bake attempts_max on_person_failure force staying"
        " all_people=everybody baking ring",
    ),
    ev.Ended: _form("", "outcome reason"),
    # Effects.
    fx.StageBuild: _form("Stage", "build ring"),
    fx.SnapshotOnline: _form("SnapshotOnline", "person snapshot"),
    fx.Rehearse: _form("Rehearse", "build subjects"),
    fx.RecordVerdict: _form("RecordVerdict", "verdict"),
    fx.TakeSlot: _form("TakeSlot", "ring run build lock"),
    fx.Assess: _form("Assess", "person certain"),
    fx.VerifyPairing: _form("Verify", "person build"),
    fx.Fence: _form("Fence", "person"),
    fx.Stop: _form("Stop", "person"),
    fx.SnapshotAtRest: _form("SnapshotAtRest", "person snapshot build giving_up"),
    fx.Select: _form("Select", "person build"),
    fx.Start: _form("Start", "person"),
    fx.Quarantine: _form("Quarantine", "person snapshot build since"),
    fx.Restore: _form("Restore", "person snapshot"),
    fx.Inspect: _form("Inspect", "person"),
    fx.Bake: _form("Bake", "people build seconds"),
    fx.Revisit: _form("Revisit", "people build"),
    fx.Promote: _form("Promote", "build all_people=everybody"),
    fx.Freeze: _form("Freeze", "reason"),
    fx.Prune: _form("Prune", "people pinned"),
    # Answers.
    ev.Done: _form("Done", ""),
    ev.Failed: _form("Failed", "fault reason"),
    ev.Staged: _form("Staged", "lock platform"),
    ev.SlotTaken: _form("SlotTaken", "revision"),
    ev.SlotDenied: _form("SlotDenied", "reason"),
    ev.Rehearsed: _form("Rehearsed", "rehearsals"),
    ev.Assessed: _form("Assessed", "readiness reason"),
    ev.Snapshotted: _form("Snapshotted", "snapshot ledger size migrated_by"),
    ev.Quarantined: _form("Quarantined", "snapshot rows uncounted"),
    ev.Paired: _form("Paired", "via seconds"),
    ev.NotPaired: _form("NotPaired", "fault reason"),
    ev.Inspected: _form("Inspected", "selected running ledger restoring"),
    ev.BakeBroken: _form("BakeBroken", "person fault reason"),
    # Events.
    ev.Opened: _form("Opened", "plan at"),
    ev.Started: _form("Started", "seq effect at"),
    ev.Finished: _form("Finished", "seq answer at"),
    ev.Resumed: _form("Resumed", "at"),
    ev.StopAsked: _form("StopAsked", "at reason"),
    ev.Closed: _form("Closed", "ended at"),
}
"""Every class that is written (rules 1 and 3)."""


@cache
def converter() -> Converter:
    """Give the one converter of the journal."""
    made = Converter(forbid_extra_keys=True)
    made.register_unstructure_hook(Version, str)
    made.register_structure_hook(Version, lambda text, _: Version.parse(plain_text(text)))
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(datetime, lambda text, _: zoned_time(text))
    made.register_structure_hook(str, _text_or_member)
    made.register_structure_hook(int, lambda number, _: exactly(number, int, "a whole number"))
    made.register_structure_hook(bool, lambda flag, _: exactly(flag, bool, "true or false"))

    def reads(kind: type) -> Any:  # noqa: ANN401 - as cattrs has it
        return make_dict_structure_fn(kind, made, _cattrs_forbid_extra_keys=True, **_renamed(kind))

    def writes(kind: type) -> Any:  # noqa: ANN401 - as cattrs has it
        return make_dict_unstructure_fn(kind, made, **_renamed(kind))

    made.register_structure_hook_factory(lambda kind: kind in FORMS, reads)
    made.register_unstructure_hook_factory(lambda kind: kind in FORMS, writes)
    for union in (Effect, Answer, Event):
        configure_tagged_union(union, made, lambda kind: FORMS[kind].tag, TAG)
    return made


def _renamed(kind: type) -> dict[str, Any]:
    return {name: override(rename=key) for name, key in FORMS[kind].keys}


def tag(event: Event) -> str:
    """Give the tag of an event, by which it is found."""
    return FORMS[type(event)].tag


def _text_or_member(value: Any, kind: type[str]) -> str:  # noqa: ANN401 - whatever JSON holds
    """Read a text; cattrs asks here for string enumerations too, which are texts to it."""
    return kind(plain_text(value))


def encode(event: Event) -> str:
    """Give an event as one line of JSON."""
    return json.dumps(
        as_data(event),
        ensure_ascii=False,
        separators=(",", ":"),
    )


def decode(text: str) -> Event:
    """Read an event; raises DamagedJournalError where it is not wholly understood (rule 2)."""
    try:
        event: Event = converter().structure(json.loads(text), Event)  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, BaseValidationError) as error:
        message = f"cannot understand the journal's record {text[:120]!r}: {error}"
        raise DamagedJournalError(message) from error
    return event


def as_data(event: Event) -> dict[str, Any]:
    """Give an event as the plain values that its JSON holds, to show."""
    data: dict[str, Any] = converter().unstructure(event, unstructure_as=Event)
    return data
