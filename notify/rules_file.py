"""Rules file: the rules of MILLRACE_NOTIFICATIONS_FILE, and the secrets that they refer to, from the environment.

file ─► NotificationRules ─► every `${NAME}` is there ─► channels that can be built
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from schemas import REFERENCE, NotificationChannel, NotificationRules, SettingsError, parse_notification_rules


def load_rules(file: Path) -> NotificationRules:
    """Raises:
    SettingsError: the file cannot be read or used; it says which rule or channel, and which value.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"MILLRACE_NOTIFICATIONS_FILE={file} cannot be read: {reason}.",
            "Nothing was started. Set it to a file of rules, or unset it: then nobody is notified.",
        ) from error
    return parse_notification_rules(text, file)


class WatchedFile:
    """Says when a file is another one than before: by what it holds, so neither clocks nor links matter."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = self._read()

    def has_changed(self) -> bool:
        before, self._seen = self._seen, self._read()
        return self._seen != before

    def _read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except OSError:
            return None


def revealed(text: str, channel: NotificationChannel, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with its secrets, and the secrets, which must never be shown.

    In an address a secret stands for one part of it, whatever characters it has, unless the address begins with it.

    Raises:
        SettingsError: one is not in the environment; its value is not told, as there is none.
    """
    names = REFERENCE.findall(text)
    for name in names:
        if not environment.get(name):
            raise SettingsError(
                f"Channel {channel.name!r} refers to ${{{name}}}, and no environment variable {name} is set.",
                "Nothing was started. Set it where the notify worker runs, or correct the file.",
            )

    def value(reference: re.Match[str]) -> str:
        is_part = "://" in text[: reference.start()]
        return quote(environment[reference[1]], safe="") if is_part else environment[reference[1]]

    secrets = [environment[name] for name in names]
    return REFERENCE.sub(value, text), [*secrets, *(quote(secret, safe="") for secret in secrets)]


def spoken_parts(url: str) -> list[str]:
    """What must not be shown of who signs in with an address, where it is written out, also of one that is misread."""
    signs_in = url.partition("://")[2].rpartition("@")[0]
    return [part for part in re.split(r"[/@:?#&=]", signs_in) if len(part) > 2]


def without(text: str, secrets: list[str]) -> str:
    """The text, for people. Libraries make hosts small, so letters are compared without their size."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
    return text
