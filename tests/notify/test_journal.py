"""From the journal to a channel: what fits only later, what has no score, and what cannot be read."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from notify import Refusal
from notify.metrics import UNREADABLE
from schemas import Asset
from storage import Placed, Store
from storage.database import transaction
from tests.notify.notifier import Inbox, Open
from tests.support.decisions import alert, at, data_alert


def test_what_fits_no_rule_yet_is_kept_by_any_worker_until_one_fits(store: Store, notifier: Open) -> None:
    """Its site is told later than the alert, and it is another worker that sees that."""
    inbox = Inbox()
    one = notifier(inbox, rule={"site": ["north"], "when": [{"from": "12:30"}]})
    store.write([alert("a", 0), alert("b", 0, asset_id="p2")], [])
    one.turn()
    store.write([Placed(0, 0, Asset(asset_id="pump-1", asset_class="pump", event_time=at(0), site="north"))], [])
    one.turn(60)
    two = notifier(inbox, one.now, rule={"site": ["north"], "when": [{"from": "12:30"}]})
    two.turn()
    assert inbox.taken == []
    two.turn(1800)
    assert (inbox.alerts, inbox.taken[0].group) == ([["a"]], "asset/north/pump/pump-1")
    one.turn(3600)
    assert inbox.alerts == [["a"]]


def test_a_data_alert_is_told_and_an_entry_that_cannot_be_read_stops_nothing(store: Store, notifier: Open) -> None:
    inbox = Inbox()
    one = notifier(inbox)
    before = UNREADABLE._value.get()
    store.write([data_alert("d"), alert("odd", 0, asset_id="p2"), alert("last", 0, asset_id="p3")], [])
    with transaction(one.store._writing) as connection:
        connection.execute(text("update alert_transitions set event = '{}' where alert_id = 'odd'"))
    one.turn()
    assert inbox.alerts == [["d"], ["last"]]
    assert "s3 is stuck" in inbox.taken[0].text
    assert UNREADABLE._value.get() - before == 1
    store.write([data_alert("d", 1, state="cleared")], [])
    one.turn(300)
    assert inbox.alerts[2:] == [["d"]]


def test_what_is_kept_and_cannot_be_read_stops_nothing(store: Store, notifier: Open) -> None:
    """As where a newer version has written it, and the one of before is back."""
    one = notifier(Inbox(Refusal("away")))
    store.write([alert("a", 0), alert("b", 0, asset_id="p2")], [])
    one.turn()
    with transaction(one.store._writing) as connection:
        connection.execute(text("update notification_items set item = '{}' where alert_id = 'a'"))
        connection.execute(text("update notifications set notification = '{}' where state = 'waiting'"))
    inbox = Inbox()
    two = notifier(inbox, one.now + timedelta(seconds=60))
    two.turn()
    store.write([alert("c", 0, asset_id="p3")], [])
    for _ in range(3):
        two.turn(60)
    assert inbox.alerts[-1] == ["c"]
    assert two.store.waiting() == {}
