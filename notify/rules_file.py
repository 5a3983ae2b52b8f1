"""Rules file: the rules of MILLRACE_NOTIFICATIONS_FILE, and the secrets that they refer to, from the environment.

file ─► NotificationRules ─► every `${NAME}` is there ─► channels that can be built
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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


def revealed(text: str, channel: NotificationChannel, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with its secrets, and the secrets, which must never be shown.

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
    return REFERENCE.sub(lambda match: environment[match[1]], text), [environment[name] for name in names]


def without(text: str, secrets: list[str]) -> str:
    """The text, for people."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
