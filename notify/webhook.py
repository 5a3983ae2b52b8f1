"""Webhook: a signed POST to an address of the user's own.

Notification ─► body, headers of Standard Webhooks ─► taken, or Refusal
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

import httpx2
import orjson
from standardwebhooks import Webhook

from notify.alertmanager import alertmanager_body
from notify.refusals import SEND_S, Refusal, refusal_of
from notify.rules_file import revealed, without
from schemas import Notification, NotificationChannel, SettingsError

LEAST_SECRET = 24  # bytes, as Standard Webhooks asks for
MOST_ANSWER = 2000  # bytes of an answer that are looked at


class WebhookSender:
    """A POST, signed as Standard Webhooks says; the body is the same at each attempt, the id too."""

    def __init__(self, channel: NotificationChannel, console: str | None, environment: Mapping[str, str]) -> None:
        assert channel.webhook is not None
        assert channel.secret is not None
        self._channel, self._console = channel, console
        self._url, hidden = revealed(channel.webhook, channel, environment)
        secret, of_secret = revealed(channel.secret, channel, environment)
        address = _address(self._url, channel)
        whole = [part for part in (self._url, f"{address.path}?{address.query}", address.path) if len(part) > 1]
        self._secrets = [*hidden, *of_secret, secret, *whole, *filter(None, (address.username, address.password))]
        self.service = f"webhook at {address.hostname}"
        _check_secret(secret, channel)
        self._webhook = Webhook(secret)

    def send(self, notification: Notification) -> None:
        if self._channel.payload == "alertmanager":
            document = alertmanager_body(notification, self._console)
        else:
            document = notification.model_dump(mode="json", exclude_none=True)
        body, now = orjson.dumps(document), datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "millrace",
            "idempotency-key": notification.notification_id,
            "webhook-id": notification.notification_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(notification.notification_id, now, body.decode()),
        }
        try:
            asyncio.run(asyncio.wait_for(self._post(body, headers), SEND_S))
        except TimeoutError as error:
            raise Refusal(f"no whole answer within {SEND_S:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Refusal(without(f"{type(error).__name__}: {error}", self._secrets)) from error

    async def _post(self, body: bytes, headers: dict[str, str]) -> None:
        async with (
            httpx2.AsyncClient(timeout=SEND_S, follow_redirects=False, trust_env=True) as client,
            client.stream("POST", self._url, content=body, headers=headers) as answer,
        ):
            if answer.is_success:
                return
            said = b""
            async for part in answer.aiter_bytes():
                said += part
                if len(said) > MOST_ANSWER:
                    break
            text = without(said[:MOST_ANSWER].decode(errors="replace").strip(), self._secrets)
            reason = f"answered {answer.status_code}{f': {text}' if text else ''}"
            raise refusal_of(answer.status_code, reason, answer.headers.get("retry-after"))


def _address(url: str, channel: NotificationChannel) -> SplitResult:
    """Raises:
    SettingsError: it is none; nothing of it is told, as any part may be of a secret.
    """
    with contextlib.suppress(ValueError):
        address = urlsplit(url)
        _ = address.port  # checked here only
        if address.scheme in ("http", "https") and address.hostname and "%" not in address.hostname:
            return address
    raise SettingsError(
        f"Channel {channel.name!r}: its webhook is no address such as https://host/path.",
        "Nothing was started. Correct the file: a ${NAME} stands for the whole address or for one part of it, such as "
        "the host without the port; in what is written out, @ / ? # : % are %40 %2F %3F %23 %3A %25.",
    )


def _check_secret(secret: str, channel: NotificationChannel) -> None:
    try:
        length = len(base64.b64decode("".join(secret.removeprefix("whsec_").split()), validate=True))
    except ValueError:
        length = -1
    if length < LEAST_SECRET:
        wrong = "is not base64" if length < 0 else f"holds {length} of {LEAST_SECRET} bytes"
        raise SettingsError(
            f"Channel {channel.name!r}: its secret {wrong}.",
            f"Nothing was started. With fewer than {LEAST_SECRET} bytes it can be guessed; make one: "
            "whsec_$(head -c 32 /dev/urandom | base64)",
        )
