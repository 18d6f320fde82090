"""One question to the registry over HTTP, and what counts as an answer.

Rules:

1. An answer is read up to a limit of bytes, and a question takes no longer than its limit of time.
2. Redirects are followed to the same host alone, and never from https to http.
3. What is passing (no connection, time-outs, 408, 429, 5xx, a body cut short or not JSON) is tried
   again a few times; what is an answer (404, a body too large, a strange redirect) is not.
4. Messages show the host alone: the address may hold credentials.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from http import HTTPStatus
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from attrs import frozen

from t3safe.adapters.registry.address import RegistryLocation
from t3safe.domain.errors import Fault, RegistryError
from t3safe.domain.text import duration

REDIRECTS_MAX: Final = 3
SHOWN_MAX: Final = 80
"""Characters of a strange answer that a message repeats."""
_CHUNK: Final = 64 * 1024
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@frozen
class RequestLimits:
    """How long the registry is waited for; seconds but for `attempts`.

    `total` bounds one question from the first attempt to the last, name lookups included.
    """

    connect: float = 5.0
    read: float = 15.0
    attempts: int = 3
    pause: float = 1.0
    """The wait before the second attempt; it doubles with each further one."""
    total: float = 60.0


class _Passing(Exception):  # noqa: N818 - not the end: it is tried again
    """Raised when another attempt may get an answer; the text says what the registry did."""


def ask(address: RegistryLocation, path: str, bytes_max: int, patience: RequestLimits) -> object:
    """Ask for the JSON at this path of the registry; raises RegistryError alone.

    The work is done by a thread that is left behind when the time is up: neither a name lookup nor
    a server that sends a byte at a time can be interrupted otherwise.
    """
    answers: SimpleQueue[object] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(_attempts(address, path, bytes_max, patience))
        except Exception as error:  # noqa: BLE001 - raised again where it was asked
            answers.put(error)

    Thread(target=work, name="registry", daemon=True).start()
    try:
        answer = answers.get(timeout=patience.total)
    except Empty:
        raise later(address, f"gave no answer within {duration(patience.total)}") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def later(address: RegistryLocation, what: str) -> RegistryError:
    """Build the error for what the registry did, with what to do next."""
    message = f"cannot use the registry's answer: {address.host} {what}"
    how = "nothing was changed, the next run asks again; `npm ping` tells whether npm gets through"
    return RegistryError(f"{message}; {how}", fault=Fault.LATER)


def shown(text: str) -> str:
    """Give a strange text in a form that is safe in a log line."""
    short = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
    return ascii(short)


def _attempts(
    address: RegistryLocation, path: str, bytes_max: int, patience: RequestLimits
) -> object:
    for attempt in range(1, patience.attempts + 1):
        try:
            return _attempt(address, path, bytes_max, patience)
        except _Passing as error:
            if attempt == patience.attempts:
                asked = f" (asked {attempt} times)" if attempt > 1 else ""
                raise later(address, f"{error}{asked}") from error
        time.sleep(patience.pause * 2 ** (attempt - 1))
    message = f"patience with {patience.attempts} attempts"
    raise AssertionError(message)


def _attempt(
    address: RegistryLocation, path: str, bytes_max: int, patience: RequestLimits
) -> object:
    try:
        with requests.Session() as session:
            body = _fetch(session, address, path, bytes_max, patience)
    except requests.exceptions.SSLError as error:
        raise later(address, f"has no certificate that is trusted here ({_root(error)})") from error
    except requests.Timeout as error:
        raise _Passing("did not answer in time") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _Passing(f"could not be reached or broke off ({_root(error)})") from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Passing(_not_json(body)) from error


def _fetch(
    session: requests.Session,
    address: RegistryLocation,
    path: str,
    bytes_max: int,
    patience: RequestLimits,
) -> bytes:
    url = address.url + path
    for _ in range(REDIRECTS_MAX + 1):
        response = session.get(
            url,
            allow_redirects=False,
            headers={"Accept": "application/json", "User-Agent": "t3safe"},
            stream=True,
            timeout=(patience.connect, patience.read),
            verify=address.cafile or True,
        )
        with closing(response):
            if not response.is_redirect:
                return _body(address, path, response, bytes_max)
            url = _redirected(address, url, response.headers["Location"])
    raise later(address, f"redirects more than {REDIRECTS_MAX} times")


def _body(
    address: RegistryLocation, path: str, response: requests.Response, bytes_max: int
) -> bytes:
    status = response.status_code
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _Passing(f"answers {status} to {path}")
    if status != HTTPStatus.OK:
        raise later(address, f"answers {status} to {path}")
    body = bytearray()
    # One read of the socket at a time, so that what is sent is counted as it comes.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > bytes_max:
            raise later(address, f"sends more than {bytes_max} bytes for {path}")
    return bytes(body)


def _redirected(address: RegistryLocation, url: str, location: str) -> str:
    old, new = urlsplit(url), urlsplit(urljoin(url, location))
    same = new.hostname == old.hostname and (new.scheme, new.port) == (old.scheme, old.port)
    upgraded = new.hostname == old.hostname and (old.scheme, new.scheme) == ("http", "https")
    if not (same or upgraded):
        where = new.netloc.rpartition("@")[2] or location
        raise later(address, f"redirects to another host, {shown(where)}")
    return new.geturl()


def _not_json(body: bytes) -> str:
    if body.lstrip()[:1] == b"<":
        return "answers with a page of HTML where JSON is due"
    return f"answers with JSON that is broken or cut short after {len(body)} bytes"


def _root(error: BaseException) -> str:
    """Name the innermost cause in a few words: the outer ones repeat addresses and objects."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return shown(f"{type(cause).__name__}: {cause}")
