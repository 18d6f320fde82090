"""What an etcd holds: keys with their revisions, leases, users and roles, with etcd's meaning.

It takes and gives the JSON of the gateway (base64, 64 bit numbers as text, zeros left out), as
measured with etcd 3.4.23.
"""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

Json = dict[str, Any]


class EtcdRefusalError(Exception):
    """A request that etcd refuses: status of HTTP, code of gRPC, text."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def _invalid(text: str) -> EtcdRefusalError:
    return EtcdRefusalError(400, 3, f"etcdserver: {text}")


@define
class KeyState:
    """One key."""

    value: bytes
    create_revision: int
    mod_revision: int
    version: int = 1
    lease: int = 0


@frozen
class Permission:
    """What a role may do between two keys; an empty end means the one key."""

    kind: str
    key: bytes
    end: bytes

    def covers(self, kind: str, key: bytes, end: bytes) -> bool:
        """Whether it allows this on these keys."""
        if self.kind not in {"READWRITE", kind}:
            return False
        last = self.end or self.key + b"\0"
        return self.key <= key and (end or key + b"\0") <= last


@define
class EtcdState:
    """One cluster.  `lagging` is what a member that was cut off answers to serializable reads."""

    cluster: str = "15118495548433857066"
    revision: int = 1
    keys: dict[bytes, KeyState] = field(factory=dict)
    leases: dict[int, tuple[float, int]] = field(factory=dict)
    users: dict[str, tuple[str, set[str]]] = field(factory=dict)
    roles: dict[str, list[Permission]] = field(factory=dict)
    tokens: dict[str, str] = field(factory=dict)
    auth: bool = False
    lagging: dict[bytes, KeyState] | None = None
    clock: Callable[[], float] = time.monotonic
    _made: int = 0

    def lag(self) -> None:
        """Let serializable reads answer from now on what is true now."""
        self.lagging = copy.deepcopy(self.keys)

    def header(self) -> Json:
        """Give the header of each answer."""
        return {
            "cluster_id": self.cluster,
            "member_id": "13668033151171901709",
            "revision": str(self.revision),
            "raft_term": "2",
        }

    def call(self, path: str, body: Json, token: str) -> Json:
        """Answer a request; raises EtcdRefusalError."""
        self._expire()
        if path == "auth/authenticate":
            return self._authenticate(body)
        user = self._user(token, path)
        match path:
            case "kv/txn":
                return self._txn(body, user)
            case "kv/range":
                return {"header": self.header(), **self._range(body, user, self.revision)}
            case "kv/put" | "kv/deleterange":
                kind = "request_put" if path == "kv/put" else "request_delete_range"
                answer = self._txn({"success": [{kind: body}]}, user)
                return {"header": self.header(), **next(iter(answer["responses"][0].values()))}
            case "lease/grant":
                return self._grant(body)
            case "lease/keepalive":
                return self._keep_alive(body)
            case "maintenance/status":
                return {"header": self.header(), "version": "3.4.23", "leader": "1"}
            case _:
                return self._administer(path, body)

    # Transactions.

    def _txn(self, body: Json, user: str) -> Json:
        met = all(self._holds(one, user) for one in body.get("compare", ()))
        asked = body.get("success" if met else "failure", ())
        for branch in (body.get("success", ()), body.get("failure", ())):
            self._check(branch, user)
        revision, changed = self.revision + 1, False
        answers: list[Json] = []
        for operation in asked:
            (kind, wanted), *_ = operation.items()
            if kind == "request_range":
                answers.append({"response_range": self._range(wanted, user, self.revision)})
            elif kind == "request_put":
                self._put(wanted, revision)
                changed = True
                answers.append({"response_put": {"header": {"revision": str(revision)}}})
            elif kind == "request_delete_range":
                gone = self._delete(wanted)
                changed = changed or gone > 0
                now = {"header": {"revision": str(revision if changed else self.revision)}}
                deleted = now | _without_zeros({"deleted": str(gone)})
                answers.append({"response_delete_range": deleted})
        if changed:
            self.revision = revision
        answer: Json = {"header": self.header()}
        if met:
            answer["succeeded"] = True
        if answers:
            answer["responses"] = answers
        return answer

    def _check(self, operations: list[Json], user: str) -> None:
        """Refuse a transaction as a whole, before any of it is done."""
        if len(operations) > 128:
            raise _invalid("too many operations in txn request")
        written: list[bytes] = []
        for operation in operations:
            for kind, wanted in operation.items():
                key, end = _key(wanted)
                if not key:
                    raise _invalid("key is not provided")
                self._permit("READ" if kind == "request_range" else "WRITE", key, end, user)
                if kind == "request_put" and int(wanted.get("lease", 0)):
                    self._lease(int(wanted["lease"]))
                if kind != "request_range":
                    if key in written:
                        raise _invalid("duplicate key given in txn request")
                    written.append(key)

    def _holds(self, compare: Json, user: str) -> bool:
        key, end = _key(compare)
        self._permit("READ", key, end, user)
        state = self.keys.get(key)
        present = {
            "CREATE": state.create_revision if state else 0,
            "MOD": state.mod_revision if state else 0,
            "VERSION": state.version if state else 0,
        }
        names = {"CREATE": "create_revision", "MOD": "mod_revision", "VERSION": "version"}
        target = compare.get("target", "VERSION")
        if target == "VALUE":
            return state is not None and state.value == _bytes(compare.get("value", ""))
        found, wanted = present[target], int(compare.get(names[target], 0))
        result = compare.get("result", "EQUAL")
        return {
            "EQUAL": found == wanted,
            "NOT_EQUAL": found != wanted,
            "GREATER": found > wanted,
            "LESS": found < wanted,
        }[str(result)]

    def _range(self, wanted: Json, user: str, revision: int) -> Json:
        key, end = _key(wanted)
        self._permit("READ", key, end, user)
        stale = self.lagging is not None and wanted.get("serializable")
        keys = self.lagging if stale and self.lagging is not None else self.keys
        found = [(name, keys[name]) for name in sorted(keys) if _inside(name, key, end)]
        answer: Json = {"header": {"revision": str(revision)}}
        if found:
            answer["kvs"] = [_shown(name, state) for name, state in found]
            answer["count"] = str(len(found))
        return answer

    def _put(self, wanted: Json, revision: int) -> None:
        key, lease = _bytes(wanted["key"]), int(wanted.get("lease", 0))
        value = _bytes(wanted.get("value", ""))
        known = self.keys.get(key)
        created = known.create_revision if known else revision
        version = known.version + 1 if known else 1
        self.keys[key] = KeyState(value, created, revision, version, lease)

    def _delete(self, wanted: Json) -> int:
        key, end = _key(wanted)
        gone = [name for name in self.keys if _inside(name, key, end)]
        for name in gone:
            del self.keys[name]
        return len(gone)

    # Leases.

    def _grant(self, body: Json) -> Json:
        self._made += 1
        made, seconds = int(body.get("ID", 0)) or 4111120370370238986 + self._made, int(body["TTL"])
        self.leases[made] = (self.clock() + seconds, seconds)
        return {"header": self.header(), "ID": str(made), "TTL": str(seconds)}

    def _keep_alive(self, body: Json) -> Json:
        asked = int(body["ID"])
        found: Json = {"header": self.header(), "ID": str(asked)}
        if asked in self.leases:
            seconds = self.leases[asked][1]
            self.leases[asked] = (self.clock() + seconds, seconds)
            found["TTL"] = str(seconds)
        return {"result": found}

    def _lease(self, asked: int) -> None:
        if asked not in self.leases:
            raise EtcdRefusalError(404, 5, "etcdserver: requested lease not found")

    def _expire(self) -> None:
        for lease in [one for one, (until, _) in self.leases.items() if until <= self.clock()]:
            del self.leases[lease]
            gone = [name for name, state in self.keys.items() if state.lease == lease]
            for name in gone:
                del self.keys[name]
            self.revision += bool(gone)

    # Users and roles.

    def _authenticate(self, body: Json) -> Json:
        if not self.auth:
            raise EtcdRefusalError(412, 9, "etcdserver: authentication is not enabled")
        name = body.get("name", "")
        if name not in self.users or self.users[name][0] != body.get("password", ""):
            raise _invalid("authentication failed, invalid user ID or password")
        self._made += 1
        token = f"FakeToken{self._made}.{self.revision}"
        self.tokens[token] = name
        return {"header": self.header(), "token": token}

    def _user(self, token: str, path: str) -> str:
        if not self.auth or path == "maintenance/status":
            return "root"
        if not token:
            raise _invalid("user name is empty")
        if token not in self.tokens:
            raise EtcdRefusalError(401, 16, "etcdserver: invalid auth token")
        return self.tokens[token]

    def _permit(self, kind: str, key: bytes, end: bytes, user: str) -> None:
        if not self.auth or user == "root":
            return
        roles = self.users[user][1] if user in self.users else set()
        permissions = [one for role in roles for one in self.roles[role]]
        if not any(one.covers(kind, key, end) for one in permissions):
            raise EtcdRefusalError(403, 7, "etcdserver: permission denied")

    def _administer(self, path: str, body: Json) -> Json:
        match path:
            case "auth/user/add":
                self.users[body["name"]] = (body["password"], set())
            case "auth/role/add":
                self.roles[body["name"]] = []
            case "auth/user/grant":
                self.users[body["user"]][1].add(body["role"])
            case "auth/role/grant":
                given = body["perm"]
                key, end = _key(given)
                granted = Permission(given.get("permType", "READ"), key, end)
                self.roles[body["name"]].append(granted)
            case "auth/enable":
                self.auth = True
            case _:
                raise EtcdRefusalError(404, 5, "Not Found")
        return {"header": self.header()}


def _key(wanted: Json) -> tuple[bytes, bytes]:
    return _bytes(wanted.get("key", "")), _bytes(wanted.get("range_end", ""))


def _inside(name: bytes, key: bytes, end: bytes) -> bool:
    return key <= name < end if end else name == key


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _shown(name: bytes, state: KeyState) -> Json:
    shown = {
        "key": _text(name),
        "create_revision": str(state.create_revision),
        "mod_revision": str(state.mod_revision),
        "version": str(state.version),
        "value": _text(state.value),
        "lease": str(state.lease),
    }
    return _without_zeros(shown)


def _without_zeros(shown: Json) -> Json:
    return {key: value for key, value in shown.items() if value not in {"0", ""}}
