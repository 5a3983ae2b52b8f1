"""Services: the hundred that apprise knows, from mail to pagers.

Notification ─► apprise, in a thread that is left behind where it does not end ─► taken, or Refusal
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Self
from urllib.parse import quote

import apprise

from notify.refusals import SEND_S, Refusal, refusal_of
from notify.rules_file import revealed, spoken_parts, without
from schemas import Notification, NotificationChannel, SettingsError

WITH_HEADERS = ("mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls")  # of apprise: `+Name=value`
APPRISE_LOG = logging.getLogger("apprise")
_SMTP_CODE = re.compile(r"(?:\(|was refused: )(\d{3})(?=,? b['\"])")
_HTTP_ERROR = re.compile(r"\berror=(\d{3})\b")


class _Heard(logging.Handler):
    """What apprise says in this thread: it tells its callers no more than true or false. It names secrets in what it
    says, so nothing of it goes to the log as it is.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread, self.lines = threading.get_ident(), list[str]()

    def __enter__(self) -> Self:
        APPRISE_LOG.propagate = False
        APPRISE_LOG.setLevel(logging.DEBUG)  # what a mail server answered is told no louder
        APPRISE_LOG.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        APPRISE_LOG.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.thread == self._thread and (record.levelno >= logging.WARNING or "Exception" in text):
            self.lines.append(text)


def _is_refused_by_mail_server(lines: Sequence[str]) -> bool:
    """Whether it said of all recipients whom it refused that it always will: 5xx of SMTP."""
    codes = [_SMTP_CODE.findall(line) for line in lines if "Exception" in line or "was refused" in line]
    return bool(codes) and all(of_one and min(of_one) >= "500" for of_one in codes)


class AppriseSender:
    """A service that apprise knows. An attempt that does not end is left behind, and no other is begun before it ends:
    it may still be taken.
    """

    def __init__(self, channel: NotificationChannel, environment: Mapping[str, str]) -> None:
        assert channel.url is not None
        self._url, hidden = revealed(channel.url, channel, environment)
        self._secrets = [*hidden, *spoken_parts(channel.url)]
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
        if self._url.lower().startswith("mailto"):
            return Refusal(reason, is_final=_is_refused_by_mail_server(heard.lines))
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
