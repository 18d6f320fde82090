"""A running `t3 serve` as a test or the demo holds it: started, watched, ended for sure."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from attrs import frozen

QUIET: Mapping[str, str] = {"T3CODE_TELEMETRY_ENABLED": "false"}


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@frozen
class Answer:
    """What a serve answered; `cookie` is the `name=value` that it set, empty when none."""

    status: int
    body: bytes
    cookie: str = ""
    set_cookie: str = ""

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class RunningServe:
    """A serve in a session of its own; `with` kills whatever of it is left.

    `program` is the `t3` to run, `log` the file that its output goes to.
    """

    def __init__(
        self,
        program: Path,
        base_dir: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        env: Mapping[str, str] = QUIET,
        log: Path | None = None,
    ) -> None:
        self.program, self.base_dir = program, base_dir
        self.host, self.port = host, port or free_port()
        self.log = log if log is not None else base_dir.parent / f"{base_dir.name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(str(program), "serve", "--host", host, "--port", str(self.port)),
                    *("--base-dir", str(base_dir)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.defpath, **env},
                start_new_session=True,
            )

    @property
    def origin(self) -> str:
        """Its address from this machine."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_until_up(self, seconds: float = 60.0, path: str = "/api/auth/session") -> Self:
        """Poll until it answers 200; TimeoutError with the log's end when it does not.

        What arrives in the listen window is never answered, so the first looks are short.  `/`
        proves nothing with V2, which answers it while it still starts.
        """
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < seconds and self.process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if self.request("GET", path, timeout=0.1 + waited / 10).status == 200:
                    return self
            time.sleep(0.01)
        raise TimeoutError(f"{self.program} does not answer: {self.text()[-500:]}")

    def request(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        cookie: str = "",
        timeout: float = 5.0,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Content-Type": "application/json"} | ({"Cookie": cookie} if cookie else {})
        body = None if content is None else json.dumps(content)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            set_cookie = response.headers.get("Set-Cookie", "")
            value = set_cookie.partition(";")[0]
            return Answer(response.status, response.read(), value, set_cookie)
        finally:
            connection.close()

    def mint(self, program: Path | None = None) -> str:
        """Mint a credential for it, with its own program unless another one is given."""
        return str(json.loads(mint(program or self.program, self.base_dir).stdout)["credential"])

    def text(self) -> str:
        """Everything that it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 10.0) -> int:
        """Send a signal and return the exit status, negative when a signal ended it."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End everything in its session."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def run_t3(
    program: Path, *arguments: str, env: Mapping[str, str] = QUIET
) -> subprocess.CompletedProcess[str]:
    """Run one command of a `t3` to its end."""
    return subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.defpath, **env},
    )


def mint(program: Path, base_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run `auth pairing create` as the dispatch does."""
    return run_t3(
        *(program, "auth", "pairing", "create"),
        *("--base-dir", str(base_dir)),
        "--ttl",
        "5m",
        "--json",
    )
