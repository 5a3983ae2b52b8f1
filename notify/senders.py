"""Senders: how a channel is reached, and what its answer means.

Notification ─► webhook (signed) or apprise ─► taken, or Refusal: try again, later at best, or never
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Protocol, Self
from urllib.parse import quote, urlsplit

import apprise
import httpx2
import orjson
from standardwebhooks import Webhook

from notify.alertmanager import alertmanager_body
from notify.rules_file import revealed, without
from schemas import Notification, NotificationChannel, SettingsError

SEND_S = 30.0  # for one attempt, answer included
LONGEST_PAUSE_S = 3600.0  # that an answer may ask for
MOST_REASON = 500
MOST_ANSWER = 2000  # bytes of an answer that are looked at
PASSING = (408, 425, 429)  # of 4xx: trying again may help
WITH_HEADERS = ("mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls")  # of apprise: `+Name=value`
NAMES_ADDRESSES = ("httpx2", "httpcore2", "urllib3", "requests")  # in their logs, with what is secret in them
APPRISE_LOG = logging.getLogger("apprise")
_HTTP_ERROR = re.compile(r"\berror=(\d{3})\b")


class Refusal(Exception):  # noqa: N818 - not a fault of ours: what a channel answered
    """It was not taken, for all that is known.

    Args:
        after_s: how long it asks to wait at least.
        is_final: trying again cannot help.
    """

    def __init__(self, reason: str, *, is_final: bool = False, after_s: float = 0.0) -> None:
        super().__init__(reason[:MOST_REASON])
        self.is_final, self.after_s = is_final, after_s


class Sender(Protocol):
    """Of one channel; called by one thread at a time."""

    service: str

    def send(self, notification: Notification) -> None:
        """Return when it was taken.

        Raises:
            Refusal: it was not.
        """


def build_sender(channel: NotificationChannel, console: str | None, environment: Mapping[str, str]) -> Sender:
    """Raises:
    SettingsError: its address or its secret cannot be used.
    """
    for name in NAMES_ADDRESSES:  # whatever the level of the log
        logging.getLogger(name).setLevel(logging.WARNING)
    if channel.webhook is not None:
        return WebhookSender(channel, console, environment)
    return AppriseSender(channel, environment)


class WebhookSender:
    """A POST, signed as Standard Webhooks says; the body is the same at each attempt, the id too."""

    def __init__(self, channel: NotificationChannel, console: str | None, environment: Mapping[str, str]) -> None:
        assert channel.webhook is not None
        assert channel.secret is not None
        self._channel, self._console = channel, console
        self._url, hidden = revealed(channel.webhook, channel, environment)
        secret, of_secret = revealed(channel.secret, channel, environment)
        address = urlsplit(self._url)
        whole = [part for part in (self._url, f"{address.path}?{address.query}", address.path) if len(part) > 1]
        self._secrets = [*hidden, *of_secret, secret, *whole]
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SettingsError(
                f"Channel {channel.name!r}: its webhook is no address such as https://host/path.",
                "Nothing was started. Correct the file.",
            )
        self.service = f"webhook at {address.hostname}"
        try:
            self._webhook = Webhook(secret)
        except Exception as error:  # binascii's, and its own of an empty one
            raise SettingsError(
                f"Channel {channel.name!r}: its secret is not base64, as Standard Webhooks has it.",
                "Nothing was started. Make one: whsec_$(head -c 32 /dev/urandom | base64)",
            ) from error

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


def refusal_of(status: int, reason: str, retry_after: str | None = None) -> Refusal:
    """What an answer means: 4xx are for ever, but for those that ask to come again; a redirect is a wrong address."""
    is_final = 300 <= status < 500 and status not in PASSING
    return Refusal(reason, is_final=is_final, after_s=_seconds(retry_after, datetime.now(UTC)))


def _seconds(retry_after: str | None, now: datetime) -> float:
    """Of the header, a number or a date."""
    if retry_after is None:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - now).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if seconds == seconds else 0.0  # noqa: PLR0124 - not NaN


class _Heard(logging.Handler):
    """What apprise says in this thread: it tells its callers no more than true or false. It names secrets in what it
    says, so nothing of it goes to the log as it is.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread, self.lines = threading.get_ident(), list[str]()

    def __enter__(self) -> Self:
        APPRISE_LOG.propagate = False
        APPRISE_LOG.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        APPRISE_LOG.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.thread == self._thread and (record.levelno >= logging.WARNING or "Exception" in text):
            self.lines.append(text)


class AppriseSender:
    """A service that apprise knows. An attempt that does not end is left behind, and no other is begun before it ends:
    it may still be taken.
    """

    def __init__(self, channel: NotificationChannel, environment: Mapping[str, str]) -> None:
        assert channel.url is not None
        self._url, self._secrets = revealed(channel.url, channel, environment)
        self._running: threading.Thread | None = None
        _load_plugins()
        with _Heard() as heard:
            built = self._build(self._url)
        if built is None:
            known = without(self._url.partition("://")[0], self._secrets)
            why = without("; ".join(heard.lines), [*self._secrets, self._url]) or "it is of no service"
            raise SettingsError(
                f"Channel {channel.name!r}: apprise cannot use its url ({known}://...): {why}.",
                "Nothing was started. Correct the file; https://appriseit.com/services has the form of each service.",
            )
        self._secrets = [*self._secrets, *filter(None, (built.password, quote(built.password or "", safe="")))]
        self.service = str(built.service_name)

    def send(self, notification: Notification) -> None:
        if self._running is not None and self._running.is_alive():
            raise Refusal("the attempt before has not ended yet")
        answers: list[Refusal | None] = []
        self._running = threading.Thread(target=lambda: answers.append(self._try(notification)), daemon=True)
        self._running.start()
        self._running.join(SEND_S)
        if not answers:
            raise Refusal(f"no answer within {SEND_S:g} s")
        if answers[0] is not None:
            raise answers[0]

    def _try(self, notification: Notification) -> Refusal | None:
        try:
            with _Heard() as heard:
                is_taken = self._notify(notification)
        except Exception as error:  # plugins of a hundred services
            return Refusal(without(f"{type(error).__name__}: {error}", self._secrets))
        if is_taken:
            return None
        reason = without("; ".join(heard.lines) or f"{self.service} did not take it", self._secrets)
        status = _HTTP_ERROR.search(reason)
        return refusal_of(int(status[1]), reason) if status else Refusal(reason)

    def _notify(self, notification: Notification) -> bool:
        service = self._build(self._with_id(notification.notification_id))
        return service is not None and bool(
            service.notify(
                title=notification.title,
                body=notification.text,
                notify_type=_KINDS["cleared" if notification.status == "cleared" else notification.severity],
                body_format=apprise.NotifyFormat.TEXT,
            )
        )

    def _with_id(self, notification_id: str) -> str:
        """Where the service takes headers, one that makes a second attempt known."""
        scheme = self._url.partition("://")[0].lower()
        if scheme not in WITH_HEADERS:
            return self._url
        return f"{self._url}{'&' if '?' in self._url else '?'}%2BIdempotency-Key={notification_id}"

    @staticmethod
    def _build(url: str) -> apprise.NotifyBase | None:
        found: apprise.NotifyBase | None = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        return found


@cache
def _load_plugins() -> None:
    """All hundred services, at the first use; one of them imports a module that Python is to drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        APPRISE_LOG.addHandler(logging.NullHandler())  # or Python would print what nobody handles
        apprise.Apprise.instantiate("json://localhost", suppress_exceptions=True)


_KINDS: Mapping[str, apprise.NotifyType] = {
    "cleared": apprise.NotifyType.SUCCESS,
    "advisory": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}
