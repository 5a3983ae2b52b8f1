"""Notify workers as processes, against a real SMTP server and a real HTTP receiver, killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from millrace.kafka import free_port
from storage import Store
from tests.notify.receivers import SECRET, hangs, mailing, receiving, says
from tests.support.decisions import alert

pytestmark = pytest.mark.long
TIMEOUT_S = 60.0
RULES = """
[[channel]]
name = "hook"
webhook = "{hook}"
secret = "${{HOOK_SECRET}}"
group_wait_s = 0
repeat_h = 0

[[channel]]
name = "mail"
url = "mailto://jo:${{MAIL_PASSWORD}}@127.0.0.1:{port}?from=m@example.com&to=jo@example.com&mode=insecure"
group_wait_s = 0
repeat_h = 0

[[rule]]
name = "all"
channels = ["hook"]

[[rule]]
name = "bad"
channels = ["mail"]
severity = "critical"
"""


class Workers:
    def __init__(self, url: str, folder: Path) -> None:
        self.file, self.log = folder / "rules.toml", folder / "notify.log"
        self.environment = {
            **os.environ, "MILLRACE_DATABASE_URL": url, "MILLRACE_HOME": str(folder),
            "MILLRACE_NOTIFICATIONS_FILE": str(self.file), "HOOK_SECRET": SECRET, "MAIL_PASSWORD": "hush-hush",
        }  # fmt: skip
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "millrace", "worker", "--role", "notify"]
            worker = subprocess.Popen(command, env=self.environment | more, stdout=log, stderr=log)
        self.running.append(worker)
        return worker

    def until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not holds():
            assert time.monotonic() < deadline, f"{what}\n{self.log.read_text()[-4000:]}"
            time.sleep(0.02)


@pytest.fixture
def workers(database_url: str, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(database_url, tmp_path)
    yield workers
    for worker in workers.running:
        worker.kill()
        worker.wait()


def states(store: Store) -> Counter[str]:
    with store.reading() as reader:
        return Counter(body.state for _, body in reader.notifications(None, None, None, 99))


def test_a_worker_that_is_killed_while_a_receiver_hangs_sends_again_under_the_same_id(
    workers: Workers, store: Store
) -> None:
    now = datetime.now(UTC)
    with receiving(hangs) as receiver, mailing("451 later") as (mails, port):
        workers.file.write_text(RULES.format(hook=receiver.url, port=port))
        port_of_metrics = free_port()
        first = workers.start(MILLRACE_METRICS_PORT=str(port_of_metrics))
        workers.until(lambda: "notifications begin" in workers.log.read_text(), "it begins")
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port_of_metrics}/metrics").read().decode()
        assert 'millrace_notifications_failed_total{channel="hook"} 0.0' in metrics
        store.write([alert("a", 0, event_time=now, severity="critical")], [])
        receiver.until(1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        workers.until(lambda: mails.tried == 1, "the mail was tried")
        store.write([alert("b", 0, event_time=now, asset_id="p2", severity="critical")], [])
        second, third = workers.start(), workers.start()
        posts = receiver.until(3, seconds=90)  # the claim of the first one lasts 40 s
        workers.until(lambda: len(mails.mails) == 2, "both mails")
        workers.until(lambda: states(store) == {"sent": 4}, "all is sent")
        for worker in (second, third):
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(12) for worker in (second, third)] == [0, 0]
    assert all(Webhook(SECRET).verify(post.body, post.headers) for post in posts)
    ids = [post.headers["webhook-id"] for post in posts]
    assert ids[0] == ids[1]
    assert Counter(ids).most_common() == [(ids[0], 2), (ids[2], 1)]
    assert posts[0].body == posts[1].body
    assert sorted(str(mail["Subject"]) for mail in mails.mails) == [
        "Critical: p2, wear (pump)", "Critical: pump-1, wear (pump)",
    ]  # fmt: skip
    assert "hush-hush" not in workers.log.read_text()
    assert SECRET not in workers.log.read_text()


def test_a_database_that_is_not_there_yet_is_waited_for(workers: Workers, tmp_path: Path) -> None:
    from storage import upgrade

    url = f"sqlite:///{tmp_path / 'later.db'}"
    with receiving(says(429, "Retry-After: 1")) as receiver:
        workers.file.write_text(RULES.format(hook=receiver.url, port=1))
        workers.start(MILLRACE_DATABASE_URL=url)
        workers.until(lambda: "notifications wait for the database" in workers.log.read_text(), "it waits")
        upgrade(url)
        workers.until(lambda: "notifications begin" in workers.log.read_text(), "it begins")
        store = Store(url)
        store.write([alert("a", 0, event_time=datetime.now(UTC))], [])
        receiver.until(2)
        workers.until(lambda: states(store) == {"sent": 1}, "it is sent")
        store.close()
