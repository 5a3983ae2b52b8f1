"""Keys: bearer tokens with scopes, kept hashed in a file that is read again when it changes.

Authorization: Bearer <key> ─► SHA-256 ─► a line of the file ─► scope
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from schemas import MillraceError, SettingsError

Scope = Literal["read", "write", "operate", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# `write` is for producers, which need not see what others sent; whoever operates need not send events
_INCLUDED: dict[Scope, tuple[Scope, ...]] = {
    "read": ("read",), "write": ("write",), "operate": ("read", "operate"), "admin": SCOPES
}  # fmt: skip
_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9_.\-]{1,100}) (?P<scope>read|write|operate|admin) sha256:(?P<digest>[0-9a-f]{64})"
)


class KeysError(MillraceError):
    title = "The API keys cannot be used"


class ApiKey(NamedTuple):
    """One line of the file: `name scope sha256:digest`."""

    name: str
    scope: Scope
    digest: bytes

    def allows(self, scope: Scope) -> bool:
        return scope in _INCLUDED[self.scope]


class KeyFile:
    """The keys in force. A changed file counts from the next request on; a broken one locks everybody out.

    Raises:
        KeysError: the file cannot be read, or has no key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int] | None = None
        self._keys: list[ApiKey] = []
        if not self._current():
            raise KeysError(f"{path} has no key, so nobody could use the API.", "Make one with `millrace api-key`.")

    def find(self, token: str) -> ApiKey | None:
        """The key, in time that does not tell how much of it was right.

        A fast hash will do: the tokens are 256 random bits, which nobody guesses.
        """
        digest = hashlib.sha256(token.encode()).digest()
        found = None
        for key in self._current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _current(self) -> list[ApiKey]:
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._read_at:
                self._keys, self._read_at = _parse(self.path), stamp
        except OSError as error:
            raise KeysError(
                f"MILLRACE_API_KEYS_FILE={self.path} cannot be read: {error.strerror}.",
                "Correct the setting, or make a key with `millrace api-key`.",
            ) from error
        return self._keys


def _parse(path: Path) -> list[ApiKey]:
    keys = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise KeysError(
                f"{path}, line {number}, is not `name scope sha256:digest`.",
                "Remove the line; make keys with `millrace api-key`.",
            )
        scope = next(s for s in SCOPES if s == match["scope"])
        keys.append(ApiKey(match["name"], scope, bytes.fromhex(match["digest"])))
    return keys


def make_key(path: Path, name: str, scope: Scope) -> str:
    """Make a key and add its hash to the file. The key itself is returned, and kept nowhere.

    Raises:
        KeysError: the name cannot be used or is taken, or the file cannot be written.
    """
    token = f"mr_{secrets.token_urlsafe(32)}"
    line = f"{name} {scope} sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise KeysError(f"{name!r} cannot name a key.", "Use up to 100 letters, digits, dots, dashes, underscores.")
    if path.exists() and any(key.name == name for key in _parse(path)):
        raise KeysError(f"{path} has a key named {name} already.", "Choose another name, or remove its line.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(line + "\n")
    except OSError as error:
        raise KeysError(f"{path} cannot be written: {error.strerror}.", "Choose another file.") from error
    return token


def load_keys(path: Path | None, host: str) -> KeyFile | None:
    """The keys of the settings. Without keys the API serves this machine only.

    Raises:
        SettingsError: no keys, but an address that others can reach.
        KeysError: the file cannot be used.
    """
    if path is not None:
        return KeyFile(path)
    if not is_loopback(host):
        raise SettingsError(
            f"MILLRACE_API_HOST={host} can be reached from other machines, but there are no API keys, so anyone could "
            "read and acknowledge. The API was not started.",
            "Make a key with `millrace api-key` and set MILLRACE_API_KEYS_FILE, or use MILLRACE_API_HOST=127.0.0.1.",
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, without asking a name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
