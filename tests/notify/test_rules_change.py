"""The file of rules changes while a worker serves: the new rules serve, or the old go on and people see why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from millrace.service.doctor import _notifications
from notify import senders_of
from notify.metrics import REFUSED
from notify.worker import NotifyWorker
from schemas import NotificationChannelBody, Settings, SettingsError
from storage import NotificationStore, Store
from tests.notify.receivers import SECRET, receiving, says
from tests.support.decisions import alert

CHANNEL = '[[channel]]\nname = "{name}"\nwebhook = "{url}"\nsecret = "{secret}"\ngroup_wait_s = 0\n'
RULE = '[[rule]]\nname = "r"\nchannels = ["{name}"]\nseverity = "{severity}"\n'


def written(file: Path, url: str, name: str = "hook", severity: str = "advisory") -> None:
    text = CHANNEL.format(name=name, url=url, secret=SECRET) + RULE.format(name=name, severity=severity)
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").replace(file)  # at once, as careful editors do


@pytest.fixture
def serving(database_url: str, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Starts a worker on a file with one channel."""
    store, stopping = NotificationStore(database_url), threading.Event()
    ends: list[Callable[[], None]] = []

    def start(url: str) -> Path:
        file = tmp_path / "rules.toml"
        written(file, url)
        settings = Settings(notifications_file=file)
        worker = NotifyWorker(store, *senders_of(settings, {}), settings, stopping)
        thread = threading.Thread(target=worker.run)
        thread.start()
        ends.extend((stopping.set, thread.join, worker.end))
        return file

    yield start
    for end in ends:
        end()
    store.close()


def channels(store: Store, holds: Callable[[list[NotificationChannelBody]], bool]) -> list[NotificationChannelBody]:
    """What is told of them, once that holds."""
    deadline = time.monotonic() + 30
    while True:
        with store.reading() as reader:
            found = reader.notification_channels()
        if holds(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_a_new_file_serves_without_a_start_and_a_wrong_one_changes_nothing(
    store: Store, serving: Callable[[str], Path]
) -> None:
    now = datetime.now(UTC)
    with receiving() as first, receiving() as second:
        file = serving(first.url)
        channels(store, lambda found: len(found) == 1)
        store.write([alert("a", 0, event_time=now)], [])
        first.until(1)
        written(file, first.url, severity="terrible")
        [told] = channels(store, lambda found: found[0].rules_fault is not None)
        assert "rule 'r', severity: must be 'advisory', 'warning' or 'critical'" in str(told.rules_fault)
        assert REFUSED._value.get() == 1
        with pytest.raises(SettingsError, match="severity"):  # which `examine` turns into a finding
            _notifications(Settings(notifications_file=file))
        store.write([alert("b", 0, event_time=now, asset_id="p2")], [])
        first.until(2)
        written(file, second.url, "other", "critical")
        channels(store, lambda found: [one.name for one in found] == ["other"])
        assert REFUSED._value.get() == 0
        store.write([alert("c", 0, event_time=now, asset_id="p3")], [])
        store.write([alert("d", 0, event_time=now, asset_id="p4", severity="critical")], [])
        [post] = second.until(1)
        assert [one["alert_id"] for one in post.json["alerts"]] == ["d"]
        assert len(first.posts) == 2
        file.unlink()
        [told] = channels(store, lambda found: found[0].rules_fault is not None)
        assert (told.name, "cannot be read: No such file" in str(told.rules_fault)) == ("other", True)


def test_what_waits_when_the_address_of_its_channel_is_corrected_goes_there(
    store: Store, serving: Callable[[str], Path]
) -> None:
    with receiving(*[says(503)] * 99) as wrong, receiving() as right:
        file = serving(wrong.url)
        channels(store, lambda found: len(found) == 1)
        store.write([alert("a", 0, event_time=datetime.now(UTC))], [])
        [before] = wrong.until(1)
        written(file, right.url)
        [after] = right.until(1)
    assert after.headers["webhook-id"] == before.headers["webhook-id"]
