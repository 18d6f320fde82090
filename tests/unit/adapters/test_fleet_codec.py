"""Records of the fleet as text: other versions of t3safe and other hosts write them, too."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from attrs import evolve

from t3safe.adapters.fleet.codec import decode, encode
from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    Halt,
    Holders,
    PublishedLock,
    Record,
    Ring,
)
from t3safe.domain.fleet.view import (
    FREEZE,
    POLICY,
    Unreadable,
    halt_key,
    host_key,
    lock_file_key,
    lock_key,
    slots_key,
    verdict_key,
)
from t3safe.domain.lockfile import LockFile
from tests.support.fleets import AT, BUILD, LOCK, holder, report, verdict

DEEP = b"[" * 100_000
_TIME = '"2026-07-21T04:00:00+00:00"'
_HOLDER = f'{{"host":"m1","run":"run-1","build":"{BUILD}","lock":"{LOCK}","since":{_TIME}}}'
_POLICY = (
    '{"format":1,"rings":[{"name":"canary","limit":1,"opens_next":50,"wait":60.0,'
    '"stagger":2.5}],"failed_max":3,"slot_deadline":7200.0,"release_silent":true,"version":1}'
)
_HALT = (
    f'{{"format":1,"build":"{BUILD}","host":"web1","run":"run-1","reason":"it failed",'
    f'"at":{_TIME}}}'
)
_REPORT = (
    '{"format":1,"host":"m1","install":"install-m1","ring":"main","t3safe":"1.0",'
    f'"platform":"linux-x64-glibc","at":{_TIME},"position":2,"runs":"{BUILD}","run":"",'
    '"outcome":"","people":3,"behind":0,"waits_for":""}'
)
_VERDICT = (
    f'{{"format":1,"artifact":{{"build":"{BUILD}","lock":"{LOCK}",'
    '"platform":"linux-x64-glibc"},"host":"m1","run":"run-1","ruling":"failed",'
    f'"at":{_TIME},"reason":"soak: it died","moved":1}}'
)
_FROZEN = f'{{"format":1,"host":"web1","reason":"wart bis März","at":{_TIME}}}'
_SLOTS = f'{{"format":1,"holders":[{_HOLDER}],"note":"m2 evicted"}}'
_LOCK = f'{{"format":1,"build":"{BUILD}","digest":"{LOCK}","host":"m1"}}'
TEXTS = {
    POLICY: _POLICY,
    FREEZE: _FROZEN,
    halt_key(BUILD): _HALT,
    slots_key("main"): _SLOTS,
    host_key("m1"): _REPORT,
    verdict_key(verdict("m1", FleetRuling.FAILED)): _VERDICT,
    lock_key(BUILD): _LOCK,
    lock_file_key(LOCK): '{"format":1,"text":"{\\"a\\": 1}\\n"}',
}
RECORDS: tuple[Record, ...] = (
    FleetPolicy((Ring("canary", 1, 50, 60.0, 2.5),), 3, 7_200.0, release_silent=True),
    FleetFreeze("web1", "wart bis März", AT),
    Halt(BUILD, "web1", "run-1", "it failed", AT),
    Holders((holder("m1"),), "m2 evicted"),
    evolve(report("m1"), runs=BUILD, position=2, people=3),
    verdict("m1", FleetRuling.FAILED),
    PublishedLock(BUILD, LOCK, "m1"),
    LockFile('{"a": 1}\n'),
)
EXAMPLES = {key: (record, text) for (key, text), record in zip(TEXTS.items(), RECORDS, strict=True)}


@pytest.mark.parametrize("key", EXAMPLES)
def test_text_of_a_record_does_not_change(key: str) -> None:
    """Hosts with another t3safe read it; a new field needs a default, a new meaning a format."""
    record, text = EXAMPLES[key]
    assert encode(record).decode() == text
    assert decode(key, text.encode()) == record


def changed(key: str, **fields: Any) -> Record | Unreadable:  # noqa: ANN401 - any JSON
    """Read the example of a key with other fields."""
    data = json.loads(EXAMPLES[key][1]) | fields
    return decode(key, json.dumps(data).encode())


@pytest.mark.parametrize("key", EXAMPLES)
def test_higher_format_is_not_read(key: str) -> None:
    """Its fields may mean something else; the line says what to do."""
    assert changed(key, format=2) == Unreadable(
        "was written by a newer t3safe (format 2): update t3safe on this host"
    )


@pytest.mark.parametrize("key", EXAMPLES)
def test_unknown_field_is_refused_only_where_it_would_be_lost_or_not_followed(key: str) -> None:
    """Policy and slots are decided by; a lock file has one field; the rest is only read."""
    found = changed(key, news=1)
    if key in {POLICY, slots_key("main"), lock_file_key(LOCK)}:
        assert found == Unreadable("news: unknown key")
    else:
        assert found == EXAMPLES[key][0]


def test_unknown_field_of_a_holder_is_refused() -> None:
    """Slots are written back whole."""
    found = changed(slots_key("main"), holders=[json.loads(_HOLDER) | {"news": 1}])
    assert found == Unreadable("holders.news: unknown key")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (DEEP, "is not JSON"),
        (b'{"format":1,"slot_deadline":NaN}', "is not JSON"),
        (b"[]", "is not a record of t3safe"),
        (b"{}", "is not a record of t3safe"),
        (b'{"format":true}', "is not a record of t3safe"),
        (b'{"format":1}', "rings: missing"),
        (b'{"format":1,"rings":""}', "rings: '' is not a list"),
        (b'{"format":1,"rings":{}}', "rings: '{}' is not a list"),
        (b'{"format":1,"rings":[]}', "rings: the policy names no ring"),
        (b'{"format":1,"rings":[1]}', "rings: "),
        (b'{"format":1,"rings":[{"name":"a","limit":"1"}]}', "rings.limit: '1' is not a whole"),
        (b'{"format":1,"rings":[{"name":"A"}]}', "name 'A': use at most 63 lower-case"),
        (b'{"format":1,"rings":[{"name":"a"}],"slot_deadline":1e999}', "slot_deadline is inf"),
    ],
)
def test_bad_policy_is_one_line(value: bytes, why: str) -> None:
    """Whatever another host wrote there."""
    found = decode(POLICY, value)
    assert isinstance(found, Unreadable)
    assert why in found.why
    assert found.why.isprintable()


@pytest.mark.parametrize("at", ["2026-07-21T04:00:00", "yesterday", 1])
def test_time_without_a_zone_is_no_time(at: object) -> None:
    """Nor is a number."""
    assert isinstance(changed(FREEZE, at=at), Unreadable)


@pytest.mark.parametrize("build", ["v1", "../x", 1])
def test_version_is_parsed(build: object) -> None:
    """It is a part of keys and folders."""
    assert isinstance(changed(halt_key(BUILD), build=build), Unreadable)


def test_key_of_no_record_is_not_read() -> None:
    """A newer t3safe may have more of them."""
    assert decode("news/x", b"{}") == Unreadable("is no key of this t3safe")


def test_host_without_a_fleet_imports_none_of_it() -> None:
    """The command line, the wiring and all commands, without etcd3gw and what it brings along."""
    program = """
import sys
from t3safe.entrypoints.cli import COMMANDS, cli
from t3safe.entrypoints.wiring import live
[cli.get_command(None, name) for name in COMMANDS]
found = {"etcd3gw", "futurist", "debtcollector", "t3safe.adapters.fleet.store"} & set(sys.modules)
sys.exit(", ".join(sorted(found)) or 0)
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
