"""The port FleetStore on etcd.

Rules:

1. Everything is a transaction, a read too, so that all that is read is of one revision.  Reads are
   linearizable: a member that was cut off answered 78 s old data otherwise (measured, etcd 3.4.23).
2. etcd's lock API is never used: it is not safe (Jepsen, etcd 3.4.3).  A lease bears only the keys
   below `alive/`, by which nothing decides.
3. Numbers of 64 bits are texts: the gateway's JSON would round them in other readers.
4. A transaction whose answer is not understood is UNKNOWN, as one whose answer was lost.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

from t3safe.adapters.fleet.codec import decode, encode
from t3safe.adapters.fleet.gateway import Gateway, LostError
from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.records import check_name
from t3safe.domain.fleet.view import (
    ALIVE,
    FREEZE,
    HALTS,
    HOSTS,
    POLICY,
    SLOTS,
    Change,
    Commit,
    Committed,
    Expected,
    KeyEntry,
    Transaction,
    Unreadable,
    View,
    alive_key,
    lock_file_key,
    lock_key,
    verdicts_key,
    view_of,
)
from t3safe.domain.lockfile import LockFile
from t3safe.domain.versions import Version

ROOT = "/t3safe/v1/"


@frozen
class EtcdFleet:
    """Implements the port FleetStore for the fleet `name`; raises FleetError alone."""

    name: str = field()
    gateway: Gateway

    @name.validator
    def _safe(self, _: object, name: str) -> None:
        check_name("fleet", name)

    @property
    def prefix(self) -> str:
        """What each key of the fleet begins with in etcd."""
        return f"{ROOT}{self.name}/"

    def view(self, build: Version | None = None) -> View:
        """Read the fleet as it is now, at one revision."""
        wanted = [POLICY, FREEZE, HALTS, SLOTS, HOSTS, ALIVE]
        if build is not None:
            wanted += [verdicts_key(build), lock_key(build)]
        answer = self.gateway.read({"success": [self._range(key) for key in wanted]})
        try:
            cluster, revision = _place(answer)
            return view_of(cluster, revision, tuple(self._entries(answer)))
        except _FORM as error:
            raise _garbage("the fleet's records", error) from error

    def transact(self, transaction: Transaction) -> Committed:
        """Make all changes, if every condition holds."""
        asked = {
            "compare": [self._compare(expected) for expected in transaction.expected],
            "success": [self._change(change) for change in transaction.changes],
        }
        try:
            answer = self.gateway.write(asked)
            cluster, revision = _place(answer)
        except LostError as error:
            return Committed(Commit.UNKNOWN, reason=str(error))
        except _FORM as error:
            return Committed(Commit.UNKNOWN, reason=f"the answer is not etcd's ({error})")
        done = answer.get("succeeded") is True
        return Committed(Commit.DONE if done else Commit.NOT_MET, revision, cluster)

    def lock_file(self, digest: str) -> LockFile | None:
        """Return the published lock file with this digest, None without one."""
        answer = self.gateway.read({"success": [self._range(lock_file_key(digest))]})
        try:
            entries = tuple(self._entries(answer))
        except _FORM as error:
            raise _garbage(f"the fleet's lock file {digest}", error) from error
        if not entries:
            return None
        record = entries[0].record
        if isinstance(record, Unreadable):
            raise _garbage(f"the fleet's lock file {digest}", record.why)
        if not isinstance(record, LockFile) or record.digest != digest:
            raise _garbage(f"the fleet's lock file {digest}", "it has another digest")
        return record

    def alive(self, host: str, seconds: int) -> None:
        """Show the host as alive for so long."""
        lease = self.gateway.lease(seconds)
        put = {"key": self._key(alive_key(host)), "value": "", "lease": str(lease)}
        try:
            self.gateway.write({"success": [{"request_put": put}]})
        except LostError as error:
            message = f"cannot tell the fleet that {host} is alive: {error}"
            raise FleetError(message, FleetErrorKind.UNREACHABLE) from error

    def _key(self, key: str) -> str:
        return _coded((self.prefix + key).encode())

    def _range(self, key: str) -> dict[str, Any]:
        """Ask for a key, or for all keys below a folder."""
        asked = {"key": self._key(key)}
        if key.endswith("/"):
            # The next character after a slash: so ends what begins with the key.
            asked["range_end"] = self._key(key[:-1] + "0")
        return {"request_range": asked}

    def _compare(self, expected: Expected) -> dict[str, Any]:
        made: dict[str, Any] = {"key": self._key(expected.key), "result": "EQUAL"}
        if expected.revision:
            return {**made, "target": "MOD", "mod_revision": str(expected.revision)}
        return {**made, "target": "CREATE", "create_revision": "0"}

    def _change(self, change: Change) -> dict[str, Any]:
        key = self._key(change.key)
        if change.record is None:
            return {"request_delete_range": {"key": key}}
        return {"request_put": {"key": key, "value": _coded(encode(change.record))}}

    def _entries(self, answer: dict[str, Any]) -> Iterator[KeyEntry]:
        """Give each key that was read; raises what `_FORM` names."""
        for response in answer["responses"]:
            for found in response["response_range"].get("kvs", ()):
                key = _plain(found["key"]).decode()
                if not key.startswith(self.prefix):
                    message = f"{key!r} was not asked for"
                    raise ValueError(message)
                key = key.removeprefix(self.prefix)
                record = decode(key, _plain(found.get("value", "")))
                yield KeyEntry(key, record, int(found["mod_revision"]))


_FORM = (ValueError, LookupError, TypeError, AttributeError, binascii.Error)
"""What an answer raises that has not the form of etcd's."""


def _place(answer: dict[str, Any]) -> tuple[str, int]:
    header = answer["header"]
    return str(header["cluster_id"]), int(header["revision"])


def _coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _plain(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _garbage(what: str, why: object) -> FleetError:
    return FleetError(f"cannot read {what}: {why}", FleetErrorKind.GARBAGE)
