"""A real etcd of one member, on loopback, with a data folder of its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from attrs import define, field, frozen

from fakes.etcdnodes import STARTS_WITHIN
from fakes.t3.process import free_port


@frozen
class Certificates:
    """An authority of the tests' own, and a certificate for loopback from it."""

    folder: Path

    @property
    def authority(self) -> Path:
        """What a host trusts."""
        return self.folder / "ca.pem"

    @classmethod
    def made(cls, folder: Path) -> Self:
        """Make both with openssl."""
        folder.mkdir()
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        _openssl(
            folder,
            *("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
            *("-subj", "/CN=the tests", "-addext", "keyUsage=critical,keyCertSign"),
        )
        _openssl(
            folder,
            *("req", *key, "-keyout", "etcd.key", "-out", "etcd.csr", "-subj", "/CN=etcd"),
        )
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl(
            folder,
            *("x509", "-req", "-in", "etcd.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "san", "-out", "etcd.pem"),
        )
        return cls(folder)


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@define
class RealEtcd:
    """One process; `with` starts and ends it."""

    folder: Path
    certificates: Certificates | None = None
    port: int = field(factory=free_port)
    peer: int = field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint."""
        scheme = "https" if self.certificates else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it with what its data folder holds; return when it answers."""
        self.folder.mkdir(exist_ok=True)
        peer = f"http://127.0.0.1:{self.peer}"
        words = [
            *("etcd", "--name", "one", "--data-dir", str(self.folder / "data")),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"one={peer}", "--unsafe-no-fsync", "--bcrypt-cost", "4"),
        ]
        if self.certificates is not None:
            made = self.certificates.folder
            words += ["--cert-file", str(made / "etcd.pem"), "--key-file", str(made / "etcd.key")]
        clean = {name: value for name, value in os.environ.items() if "ETCD" not in name}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, env=clean, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2_000:]
            assert time.monotonic() < deadline, "etcd does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what it holds stays in its folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Lose everything, as another cluster on the same port."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.peer = free_port()
        self.start()

    def post(self, path: str, token: str = "", **body: object) -> dict[str, Any]:
        """Ask it past everything; raises URLError."""
        headers = {"Authorization": token} if token else {}
        request = Request(f"{self.url}/v3/{path}", json.dumps(body).encode(), headers)
        with urlopen(request, timeout=10, context=self._context()) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def guard(self, fleet: str) -> None:
        """Turn authentication on: `root`, `owner` of the fleet, and the host `web1` in it."""
        root = f"/t3safe/v1/{fleet}/"
        self.post("auth/user/add", name="root", password="secret")
        self.post("auth/role/add", name="root")
        self.post("auth/user/grant", user="root", role="root")
        whole = [("READWRITE", root)]
        own = ("hosts/web1", "alive/web1")
        shared = ("slots/", "halt/", "verdicts/", "locks/", "lockfiles/")
        host = [("READ", root), *(("READWRITE", root + key) for key in (*own, *shared))]
        for user, permissions in (("owner", whole), ("web1", host)):
            self.post("auth/user/add", name=user, password="secret")
            self.post("auth/role/add", name=user)
            for kind, key in permissions:
                perm = {"permType": kind, "key": coded(key)}
                if key.endswith("/"):
                    perm["range_end"] = coded(key[:-1] + "0")
                self.post("auth/role/grant", name=user, perm=perm)
            self.post("auth/user/grant", user=user, role=user)
        self.post("auth/enable")

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=2, context=self._context()) as answer:
                return b'"true"' in answer.read()
        except (URLError, OSError):
            return False

    def _context(self) -> ssl.SSLContext | None:
        if self.certificates is None:
            return None
        return ssl.create_default_context(cafile=str(self.certificates.authority))


def coded(text: str) -> str:
    """Give base64, as the gateway has keys and values."""
    return base64.b64encode(text.encode()).decode()
