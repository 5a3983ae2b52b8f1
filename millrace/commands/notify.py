"""`millrace notify`: the rules of notifications, checked before anything depends on them.

file of rules ─► what each channel is and hears, or what is wrong with which ─► a test, where one is asked for
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from millrace.commands.common import Json, tell, tell_json, tell_table
from schemas import MillraceError, NotificationChannel, NotificationRules, SettingsError, load_settings

app = typer.Typer(name="notify", help="Notifications of alerts.", no_args_is_help=True)


class NotTakenError(MillraceError):
    title = "The channel did not take it"


@app.callback()
def _group() -> None:
    """Typer takes a group of one command for the command itself, unless the group has a function."""


@app.command()
def check(
    send_test: Annotated[
        str | None, typer.Option("--send-test", metavar="CHANNEL", help="Send a notification that says it is a test.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the rules of MILLRACE_NOTIFICATIONS_FILE, with the secrets that they refer to."""
    from notify import senders_of

    rules, senders = senders_of(load_settings(), os.environ)
    heard = {
        channel.name: [rule.name for rule in rules.rules if channel.name in rule.channels] for channel in rules.channels
    }
    if as_json:
        tell_json([{"channel": name, "service": senders[name].service, "rules": heard[name]} for name in heard])
    else:
        tell_table(
            ("channel", "service", "rules"), [(name, senders[name].service, ", ".join(heard[name])) for name in heard]
        )
    if send_test is not None:
        _send_test(_channel(rules, send_test), rules)


def _channel(rules: NotificationRules, name: str) -> NotificationChannel:
    found = next((channel for channel in rules.channels if channel.name == name), None)
    if found is None:
        names = ", ".join(channel.name for channel in rules.channels)
        raise SettingsError(f"There is no channel {name!r}. Nothing was sent.", f"One of: {names}.")
    return found


def _send_test(channel: NotificationChannel, rules: NotificationRules) -> None:
    from notify import Refusal, build_sender, notification_to_try

    notification = notification_to_try(channel, datetime.now(UTC))
    try:
        build_sender(channel, rules.console, os.environ).send(notification)
    except Refusal as refusal:
        cure = "Correct the channel: trying again would not help." if refusal.is_final else "Trying again may help."
        raise NotTakenError(f"{channel.name}: {refusal}.", cure) from refusal
    tell(f"{channel.name} took the test {notification.notification_id}.")
