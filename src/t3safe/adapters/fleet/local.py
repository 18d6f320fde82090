"""What a host of a fleet keeps in files of its own: who it is, and its user in etcd.

Rules:

1. `install` is made at random once and kept durably (0600): two hosts of one name differ in it.
2. What cannot be read is an error and never made anew: a host must not become another one.
3. A file with a password is only read if nobody but its owner may read it.  No message quotes it.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from t3safe.adapters._support.durable import make_folders, write_file
from t3safe.domain.errors import UnusableError

INSTALL_FILE: Final = "fleet-install"
_MADE: Final = re.compile(r"[0-9a-f]{32}")
_OTHERS: Final = 0o077


@frozen
class Credentials:
    """A user of etcd."""

    user: str
    password: str = field(repr=False)


@frozen
class InstallId:
    """Who this host is, in its state folder (rules 1 and 2).  Raises UnusableError."""

    folder: Path

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return self.folder / INSTALL_FILE

    def kept(self) -> str:
        """Return it, empty before it was made."""
        try:
            text = self.file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            message = f"cannot read {self.file}: {error.strerror}; run this command as root"
            raise UnusableError(message) from error
        except UnicodeDecodeError:
            text = ""
        if not _MADE.fullmatch(text):
            how = "delete it, then run `t3safe fleet join --replace`"
            message = f"{self.file} is damaged, so this host is unknown to its fleet; {how}"
            raise UnusableError(message)
        return text

    def made(self) -> str:
        """Return it; make and keep it first if there is none."""
        text = self.kept()
        if text:
            return text
        text = secrets.token_hex(16)
        try:
            make_folders(self.folder)
            write_file(self.file, f"{text}\n".encode(), 0o600)
        except OSError as error:
            message = f"cannot write {self.file}: {error.strerror}; run this command as root"
            raise UnusableError(message) from error
        return text


def read_credentials(path: Path) -> Credentials:
    """Read user and password from a TOML file (rule 3).  Raises UnusableError."""
    try:
        with path.open("rb") as handle:
            _require_own(path, os.fstat(handle.fileno()))
            found: dict[str, Any] = tomllib.load(handle)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Its text may quote the password.
        raise _unusable(path, "is not TOML; write `user` and `password`, each in quotes") from None
    user, password = found.get("user"), found.get("password")
    texts = isinstance(user, str) and isinstance(password, str) and user and password
    if found.keys() != {"user", "password"} or not texts:
        raise _unusable(path, "must hold `user` and `password`, both texts, and no more")
    assert isinstance(user, str)  # noqa: S101 - checked above
    assert isinstance(password, str)  # noqa: S101
    return Credentials(user, password)


def _require_own(path: Path, found: os.stat_result) -> None:
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise _unusable(path, f"others may read it; run `chmod 0600 {path}`")
    if found.st_uid not in {0, os.geteuid()}:
        raise _unusable(path, f"its owner is neither you nor root; run `chown root {path}`")


def _unusable(path: Path, why: str) -> UnusableError:
    return UnusableError(f"`fleet.credentials` names {path}: {why}")
