"""Senders against receivers that fail in every way: what was taken, what may be tried again, what never will be."""

from __future__ import annotations

import base64
import io
import logging
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from standardwebhooks import Webhook

from notify import Refusal, build_sender
from notify.refusals import _seconds
from notify.senders import Sender
from notify.words import notification_to_try
from schemas import Notification, NotificationChannel, SettingsError
from tests.notify.receivers import (
    SECRET,
    Answer,
    closes,
    closes_early,
    drips,
    hangs,
    mailing,
    receiving,
    resets,
    says,
)
from tests.support.decisions import NOON

CONSOLE = "https://console.example"


def hook(url: str, **fields: object) -> Sender:
    channel = NotificationChannel.model_validate({"name": "c", "webhook": url, "secret": "${SECRET}", **fields})
    return build_sender(channel, CONSOLE, {"SECRET": SECRET, "TOKEN": "hush-hush"})


def mail(port: int, more: str = "") -> Sender:
    url = f"mailto://127.0.0.1:{port}?from=millrace@example.com&to=jo@example.com&mode=insecure{more}"
    return build_sender(NotificationChannel.model_validate({"name": "c", "url": url}), CONSOLE, {})


def some() -> Notification:
    return notification_to_try(NotificationChannel.model_validate({"name": "c", "url": "x://"}), NOON)


def test_a_webhook_is_signed_and_has_the_same_id_at_each_attempt() -> None:
    with receiving(says(500)) as receiver:
        sender = hook(receiver.url)
        with pytest.raises(Refusal):
            sender.send(some())
        sender.send(some())
        first, second = receiver.posts
    for post in (first, second):
        assert Webhook(SECRET).verify(post.body, post.headers) == post.json
        assert post.headers["webhook-id"] == post.headers["idempotency-key"] == some().notification_id
    assert first.body == second.body
    assert Notification.model_validate(first.json) == some()


def test_the_body_of_alertmanager() -> None:
    with receiving() as receiver:
        hook(receiver.url, payload="alertmanager").send(some())
        body = receiver.posts[0].json
    assert body["version"] == "4"
    assert (body["status"], body["receiver"], body["truncatedAlerts"]) == ("firing", "c", 0)
    [alert] = body["alerts"]
    assert alert["startsAt"] == "2026-05-01T12:00:00Z"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["labels"]["severity"] == body["commonLabels"]["severity"] == "advisory"
    assert (alert["generatorURL"], body["externalURL"]) == ("", CONSOLE), "no alert is behind a test"
    assert "/alerts" not in str(body)


@pytest.mark.parametrize(
    ("answer", "is_final", "after_s", "reason"),
    [
        (says(500, body="bug"), False, 0, "answered 500: bug"), (says(429, "Retry-After: 7"), False, 7, "answered 429"),
        (says(503, "Retry-After: 999999"), False, 3600, "503"), (says(408), False, 0, "408"),
        (says(400, body="no"), True, 0, "answered 400: no"), (says(404), True, 0, "404"), (says(410), True, 0, "410"),
        (says(302, "Location: http://127.0.0.1:1/"), True, 0, "302"), (closes, False, 0, "RemoteProtocolError"),
        (closes_early, False, 0, ""), (resets, False, 0, ""), (hangs, False, 0, "no whole answer within"),
        (drips, False, 0, "no whole answer within"), (says(401, body="token hush-hush"), True, 0, "token ***"),
    ],
)  # fmt: skip
def test_what_an_answer_means(
    answer: Answer, is_final: bool, after_s: float, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.webhook.SEND_S", 1.0)
    with receiving(answer) as receiver:
        with pytest.raises(Refusal) as refusal:
            hook(receiver.url + "?t=${TOKEN}").send(some())
        assert receiver.posts[0].path == "/hook?t=hush-hush"
    assert (refusal.value.is_final, refusal.value.after_s) == (is_final, after_s)
    assert reason in str(refusal.value)
    assert "hush-hush" not in str(refusal.value)


def test_nobody_listens_and_a_name_that_is_none() -> None:
    with receiving() as receiver:
        url = receiver.url
    for bad in (url, "http://no-such-host.invalid/x"):
        with pytest.raises(Refusal, match="ConnectError") as refusal:
            hook(bad).send(some())
        assert not refusal.value.is_final


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=other.example", "-days", "1", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", certificate, *subject],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with receiving(context=context) as receiver:
        with pytest.raises(Refusal, match="certificate") as refusal:
            hook(receiver.url).send(some())
        assert receiver.posts == []
    assert not refusal.value.is_final


def test_a_mail_comes_with_its_id() -> None:
    with mailing() as (mails, port):
        sender = mail(port)
        assert sender.service == "E-Mail"
        sender.send(some())
        [found] = mails.mails
    assert found["Subject"] == "Advisory: test, test (test)"
    assert found["Idempotency-Key"] == some().notification_id
    body = found.get_body(("plain", "html"))  # type: ignore[attr-defined]
    assert "This is a test of the channel" in body.get_content()


@pytest.mark.parametrize(
    ("answer", "is_final"),
    [("451 later", False), ("421 closing", False), ("554 never", True), ("550 5.1.1 no such user", True)],
)
@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
def test_what_a_mail_server_answers(answer: str, is_final: bool, stage: str) -> None:
    with mailing(answer, stage=stage) as (mails, port):
        sender = mail(port)
        with pytest.raises(Refusal, match=answer[:3]) as refusal:
            sender.send(some())
        assert refusal.value.is_final is is_final
        sender.send(some())
        assert (mails.tried, len(mails.mails)) == (2, 1)


def test_a_mail_that_one_of_two_may_still_get_is_tried_again() -> None:
    cases = ((["550 no", "451 later"], False), (["550 no", "550 no"], True), (["250 OK", "550 no"], True))
    for answers, is_final in cases:
        with mailing(*answers, stage="RCPT") as (_, port):
            url = f"mailto://127.0.0.1:{port}?from=m@example.com&to=jo@example.com,bo@example.com&mode=insecure"
            with pytest.raises(Refusal, match="550") as refusal:
                build_sender(NotificationChannel.model_validate({"name": "c", "url": url}), None, {}).send(some())
        assert refusal.value.is_final is is_final, answers


def test_a_mail_server_that_hangs_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notify.services.SEND_S", 1.0)
    with receiving(hangs, hangs) as receiver:  # it waits for a request, the client for a greeting
        sender = mail(receiver.port)
        with pytest.raises(Refusal, match="no answer within 1 s"):
            sender.send(some())
        with pytest.raises(Refusal, match="has not ended yet"):
            sender.send(some())
    with receiving() as receiver:
        port = receiver.port
    with pytest.raises(Refusal, match=r"Connection|refused"):
        mail(port).send(some())


@pytest.mark.parametrize(("status", "is_final"), [(500, False), (429, False), (404, True), (403, True)])
def test_what_a_service_of_apprise_answers(status: int, is_final: bool) -> None:
    with receiving(says(status)) as receiver:
        url = f"json://jo:${{TOKEN}}@127.0.0.1:{receiver.port}/hook"
        sender = build_sender(
            NotificationChannel.model_validate({"name": "c", "url": url}), None, {"TOKEN": "hush-hush"}
        )
        with pytest.raises(Refusal, match=f"error={status}") as refusal:
            sender.send(some())
        assert refusal.value.is_final is is_final
        sender.send(some())
        assert receiver.posts[1].headers["idempotency-key"] == some().notification_id
        assert receiver.posts[1].json["title"] == "Advisory: test, test (test)"
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "nonsense://x"}, r"apprise cannot use its url \(nonsense://...\)"),
        ({"url": "slack://hush-hush/b/c"}, r"slack://...\): An invalid Slack \(first\) Token"),
        ({"url": "mailto://jo:${MISSING}@x"}, "no environment variable MISSING is set"),
        ({"webhook": "http://", "secret": SECRET}, "no address"),
        ({"webhook": "http://x/", "secret": "${MISSING}"}, "MISSING"),
        ({"webhook": "http://x/", "secret": "whsec_"}, "holds 0 of 24 bytes.*make one: whsec_"),
        ({"webhook": "http://x/", "secret": "whsec_YQ=="}, "holds 1 of 24 bytes.*can be guessed"),
        ({"webhook": "http://x/", "secret": "HOOK_SECRET"}, "not base64"),
        ({"webhook": "http://jo:hush/hush@x/", "secret": SECRET}, "no address such as"),
        ({"webhook": "http://x/", "secret": "whsec_a"}, "not base64"),
    ],
)
def test_a_channel_that_cannot_be_reached_is_refused_at_the_start(fields: dict[str, str], words: str) -> None:
    if fields.get("webhook") == "http://":
        with pytest.raises(ValueError, match="webhook"):
            NotificationChannel.model_validate({"name": "c", **fields})
        return
    with pytest.raises(SettingsError, match=words):
        build_sender(NotificationChannel.model_validate({"name": "c", **fields}), None, {})


ODD = ["p@ss-hush", "hush/a", "hush#a", "hush?a=b", "hush%41", "a:hush", "hush&to=x", "hush hush", "a%2Fhush@x:/?#"]


@pytest.mark.parametrize("password", ODD)
def test_a_password_may_have_any_character_and_is_shown_nowhere(password: str) -> None:
    """It is used as it is, by the host that is meant, and no part of it is in an error."""
    expected = f"Basic {base64.b64encode(f'jo:{password}'.encode()).decode()}"
    with receiving(*[says(500, body=f"of {password}")] * 2) as receiver:
        host, environment = f"127.0.0.1:{receiver.port}", {"PW": password, "SECRET": SECRET}
        for fields in (
            {"url": f"json://jo:${{PW}}@{host}/hook"},
            {"webhook": f"http://jo:${{PW}}@{host}/?t=${{PW}}", "secret": "${SECRET}"},
        ):
            sender = build_sender(NotificationChannel.model_validate({"name": "c", **fields}), None, environment)
            with pytest.raises(Refusal) as refusal:
                sender.send(some())
            assert "hush" not in str(refusal.value) + sender.service
            assert receiver.posts[-1].headers["authorization"] == expected
    assert receiver.posts[-1].path == f"/?t={quote(password, safe='')}"
    for fields in ({"url": "nonsense://jo:${PW}@x"}, {"url": "slack://${PW}/b/c"}):
        with pytest.raises(SettingsError) as error:
            build_sender(NotificationChannel.model_validate({"name": "c", **fields}), None, environment)
        assert "hush" not in str(error.value).lower()


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/a?b=c", "http://jo:p%40ss@127.0.0.1:{port}/a?b=c"])
def test_a_whole_address_may_come_from_the_environment(url: str) -> None:
    with receiving() as receiver:
        address = url.format(port=receiver.port)
        channel = NotificationChannel.model_validate({"name": "c", "webhook": "${URL}", "secret": "${SECRET}"})
        build_sender(channel, None, {"URL": address, "SECRET": SECRET}).send(some())
    assert receiver.posts[0].path == "/a?b=c"


def test_a_reference_without_braces_is_refused() -> None:
    for fields in (
        {"webhook": "http://x/", "secret": "$HOOK_SECRET"}, {"webhook": "http://$HOST/", "secret": SECRET},
        {"url": "mailto://jo:$PW@x"}, {"url": "mailto://jo:${PW@x"}, {"url": "mailto://jo:${1}@x"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"write \$\{NAME\}, with braces"):
            NotificationChannel.model_validate({"name": "c", **fields})


def test_what_a_library_says_of_a_secret_is_in_no_log_and_no_error() -> None:
    """As a worker logs: pytest's own handlers listen to loggers that pass nothing on, too."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with receiving(says(500, body="of /hook?t=hush-hush")) as receiver:
            with pytest.raises(Refusal) as refusal:
                hook(receiver.url + "?t=${TOKEN}").send(some())
            url = f"json://jo:hush-hush@127.0.0.1:{receiver.port}/hush-hush"
            build_sender(NotificationChannel.model_validate({"name": "c", "url": url}), None, {}).send(some())
            assert "hush-hush" in receiver.posts[1].path
        assert "hush-hush" not in str(refusal.value)
        channel = NotificationChannel.model_validate({"name": "c", "url": "slack://${TOKEN}/b/c"})
        with pytest.raises(SettingsError) as error:
            build_sender(channel, None, {"TOKEN": "hush-hush"})
        logging.getLogger("other").warning("it listens")
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    assert log.getvalue().endswith("it listens\n")
    assert "hush-hush" not in log.getvalue()
    assert "(***)" in str(error.value)
    assert "hush-hush" not in str(error.value)


def test_when_a_channel_asks_to_come_again() -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert _seconds(format_datetime(now + timedelta(seconds=90)), now) == 90
    assert [_seconds(text, now) for text in ("5", "-5", "nan", "inf", "soon", "", None)] == [5, 0, 0, 3600, 0, 0, 0]
