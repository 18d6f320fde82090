"""The fake etcd answers as the real one: the same questions, in the same order, to both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from fakes.etcd import EtcdServer
from tests.fleet.realetcd import RealEtcd, coded

A, B, END = coded("/a"), coded("/b"), coded("/c")
X = coded("x")


def put(key: str, **more: object) -> dict[str, object]:
    """Make an operation of a transaction."""
    return {"request_put": {"key": key, "value": X, **more}}


def absent(key: str) -> dict[str, object]:
    """Make a condition."""
    return {"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}


def at(key: str, revision: int, result: str = "EQUAL") -> dict[str, object]:
    """Make a condition."""
    return {"key": key, "target": "MOD", "result": result, "mod_revision": str(revision)}


def read(key: str, **more: object) -> dict[str, object]:
    """Make an operation of a transaction."""
    return {"request_range": {"key": key, **more}}


def gone(key: str, **more: object) -> dict[str, object]:
    """Make an operation of a transaction."""
    return {"request_delete_range": {"key": key, **more}}


QUESTIONS: Final[tuple[tuple[str, object], ...]] = (
    ("kv/txn", {"compare": [absent(A)], "success": [put(A)]}),
    ("kv/txn", {"compare": [absent(A)], "success": [put(A)], "failure": [read(A)]}),
    ("kv/txn", {"compare": [at(A, 2)], "success": [put(A), put(B)]}),
    ("kv/txn", {"compare": [at(A, 2)], "success": [put(A)]}),
    ("kv/txn", {"compare": [at(A, 2, "GREATER"), at(B, 9, "LESS")], "success": []}),
    ("kv/txn", {"compare": [at(A, 3, "NOT_EQUAL")], "success": []}),
    ("kv/txn", {"compare": [{"key": A, "target": "VALUE", "result": "EQUAL", "value": X}]}),
    ("kv/txn", {"compare": [{"key": A, "target": "VERSION", "version": "2"}]}),
    ("kv/txn", {"success": [read(A), read(A, range_end=END), read(coded("/none"))]}),
    ("kv/txn", {"success": [gone(A)]}),
    ("kv/txn", {"success": [gone(A)]}),
    ("kv/txn", {"compare": [at(A, 3)], "success": [put(A)]}),
    ("kv/txn", {"compare": [absent(A)], "success": [put(A)]}),
    ("kv/txn", {"success": [put(A), put(A)]}),
    ("kv/txn", {"success": [put("")]}),
    ("kv/txn", {"success": [put(A)] * 129}),
    ("kv/txn", {"success": [put(A, lease="77")]}),
    ("kv/txn", {}),
    ("kv/range", {"key": A}),
    ("kv/range", {"key": A, "range_end": END}),
    ("kv/put", {"key": B, "value": coded("")}),
    ("kv/deleterange", {"key": A, "range_end": END}),
    ("lease/grant", {"TTL": 60, "ID": 5}),
    ("kv/put", {"key": B, "value": X, "lease": "5"}),
    ("kv/range", {"key": B}),
    ("lease/keepalive", {"ID": "5"}),
    ("lease/keepalive", {"ID": "6"}),
    ("auth/authenticate", {"name": "root", "password": "x"}),
    ("auth/user/add", {"name": "root", "password": "x"}),
    ("auth/role/add", {"name": "root"}),
    ("auth/user/grant", {"user": "root", "role": "root"}),
    ("auth/user/add", {"name": "u", "password": "x"}),
    ("auth/role/add", {"name": "r"}),
    ("auth/role/grant", {"name": "r", "perm": {"permType": "READ", "key": A, "range_end": END}}),
    ("auth/role/grant", {"name": "r", "perm": {"permType": "READWRITE", "key": B}}),
    ("auth/user/grant", {"user": "u", "role": "r"}),
    ("auth/enable", {}),
    ("kv/range", {"key": A}),
    ("auth/authenticate", {"name": "u", "password": "wrong"}),
    ("auth/authenticate", {"name": "nobody", "password": "x"}),
    ("auth/authenticate", {"name": "u", "password": "x"}),
    ("kv/range", {"key": A, "range_end": END}),
    ("kv/txn", {"compare": [absent(coded("/z"))], "success": [put(B)]}),
    ("kv/txn", {"compare": [absent(A)], "success": [put(B)]}),
    ("kv/txn", {"compare": [absent(A)], "success": [put(A)]}),
    ("kv/range", {"key": A, "range_end": coded("/z")}),
    ("TOKEN", "no.token"),
    ("kv/range", {"key": A}),
)


def answers(url: str) -> list[tuple[str, int, object]]:
    """Ask everything; gives status and answer without what differs between two clusters."""
    token, found = "", list[tuple[str, int, object]]()
    for path, body in QUESTIONS:
        if path == "TOKEN":
            token = str(body)
            continue
        headers = {"Authorization": token} if token else {}
        request = Request(f"{url}/v3/{path}", json.dumps(body).encode(), headers)
        try:
            with urlopen(request, timeout=10) as answer:
                status, said = answer.status, json.load(answer)
        except HTTPError as error:
            status, said = error.code, json.loads(error.read())
        token = said.get("token", token)
        found.append((path, status, _alike(said)))
    return found


def _alike(said: object) -> object:
    """Leave out ids, tokens and terms, and the revision of users, which the fake does not count."""
    if isinstance(said, list):
        return [_alike(each) for each in said]
    if not isinstance(said, dict):
        return said
    own = {"cluster_id", "member_id", "raft_term", "token"}
    return {key: _alike(value) for key, value in said.items() if key not in own}


def test_fake_answers_as_the_real_one(tmp_path: Path, programs: None) -> None:
    """Status, text and JSON of transactions, leases, users, roles and their errors."""
    with RealEtcd(tmp_path / "etcd") as real, EtcdServer() as fake:
        pairs = zip(answers(fake.url), answers(real.url), strict=True)
        different = [(ours, theirs) for ours, theirs in pairs if ours != theirs]
    assert different == []
