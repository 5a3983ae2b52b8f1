"""Whether an asset is in service, and its maintenance windows, as its log says by now."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, get_args

from schemas import InService, Maintenance
from storage import AssetFilter, Placed, Store
from storage.service import MOST_MARKS
from tests.support.decisions import alert, at, score

NUMBERS = count()
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)
WATCHED: tuple[InService, ...] = ("in_service", "out_of_service")


def logged(kind: str, when: datetime, asset_id: str = "p1", **more: Any) -> Placed:
    number = next(NUMBERS)
    head = {"event_id": f"log-{number}", "event_time": when, "asset_id": asset_id, "asset_class": "pump"}
    return Placed(0, number, Maintenance.model_validate({**head, "kind": kind, **more}))


def service_of(store: Store, asset_id: str = "p1") -> tuple[str, datetime | None]:
    with store.reading() as reader:
        [asset] = reader.assets(AssetFilter(words=(asset_id,)), None, 9)
        detail = reader.asset(asset_id, "pump")
    assert detail is not None
    assert (detail.service, detail.service_since) == (asset.service, asset.service_since)
    return asset.service, asset.service_since


def test_the_newest_entry_that_has_come_says_whether_an_asset_is_in_service(store: Store) -> None:
    store.write([score(1, "p1")], [])
    assert service_of(store) == ("in_service", None)
    entries = [
        ("out_of_service", at(10), {}, ("out_of_service", at(10))),
        ("replacement", at(20), {"component": "seal"}, ("out_of_service", at(10))),  # a part
        ("decommissioned", NOW + HOUR, {}, ("out_of_service", at(10))),  # is yet to come
        ("in_service", at(5), {}, ("out_of_service", at(10))),  # is older
        ("replacement", at(30), {}, ("in_service", at(30))),
        ("decommissioned", at(40), {}, ("decommissioned", at(40))),
        ("in_service", at(40), {}, ("in_service", at(40))),  # of one time the later one
        ("failure", at(90), {}, ("in_service", at(40))),
        ("decommissioned", at(91), {}, ("decommissioned", at(91))),
        ("out_of_service", at(92), {}, ("decommissioned", at(91))),  # it stays so until it is back
        ("in_service", at(93), {}, ("in_service", at(93))),
    ]
    for kind, when, more, expected in entries:
        store.write([logged(kind, when, **more)], [])
        assert service_of(store) == expected, kind
        with store.reading() as reader:
            shown = [one for one in get_args(InService) if reader.assets(AssetFilter(services=(one,)), None, 9)]
        assert shown == [expected[0]], "the filter says the same"
    store.write([logged("out_of_service", NOW - HOUR, "q1"), score(9, "q1")], [])
    assert service_of(store)[0] == "in_service", "another asset's log says nothing of it"


def test_lists_and_counts_tell_what_is_out_of_service_apart(store: Store) -> None:
    places = {"a1": None, "a2": "out_of_service", "a3": "decommissioned", "a4": None}
    store.write(
        [*(score(n, asset, health=0.1 * n) for n, asset in enumerate(places, 1)), alert("x", 0, asset_id="a1")], []
    )
    store.write([logged(kind, at(50), asset) for asset, kind in places.items() if kind], [])

    def found(*services: InService, order: Any = "worst") -> list[str]:
        with store.reading() as reader:
            return [one.asset_id for one in reader.assets(AssetFilter(services=services), None, 9, order)]

    assert found() == ["a1", "a2", "a3", "a4"]
    assert found("in_service") == ["a1", "a4"]
    assert found("out_of_service", order="id") == ["a2"]
    assert found("decommissioned", order="last_seen") == ["a3"]
    assert found(*WATCHED) == ["a1", "a2", "a4"]
    with store.reading() as reader:
        counts = reader.count_assets()
        assert (counts.total, counts.warning, counts.classes) == (3, 1, {"pump": 3})
        assert reader.silent_assets(at(0), at(10)) == {"pump": 2}, "nobody waits for what is out of service"


def test_windows_that_are_open_or_ahead_are_told(store: Store) -> None:
    store.write([score(1, "p1")], [])
    marks = [
        ("window_start", NOW - 9 * HOUR, None), ("window_end", NOW - 8 * HOUR, None),  # over
        ("window_start", NOW - 3 * HOUR, "job-1"), ("window_start", NOW - 2 * HOUR, None),
        ("window_end", NOW - HOUR, None),  # of the one without a code
        ("window_start", NOW + 24 * HOUR, "job-2"), ("window_end", NOW + 30 * HOUR, "job-2"),
        ("window_start", NOW + 26 * HOUR, None),
    ]  # fmt: skip
    entries = [logged(kind, when, code=code) for kind, when, code in marks]
    random.Random(3).shuffle(entries)
    store.write(entries, [])
    with store.reading() as reader:
        detail = reader.asset("p1", "pump")
    assert detail is not None
    told = [(one.start - NOW, one.end and one.end - NOW, one.code) for one in detail.windows]
    assert told == [
        (-3 * HOUR, None, "job-1"), (24 * HOUR, 30 * HOUR, "job-2"), (26 * HOUR, None, None),
    ]  # fmt: skip


def windows_told(store: Store) -> list[tuple[timedelta, timedelta | None]]:
    with store.reading() as reader:
        detail = reader.asset("p1", "pump")
    assert detail is not None
    return [(one.start - NOW, one.end and one.end - NOW) for one in detail.windows]


def test_an_entry_that_is_sent_again_is_one_and_others_of_its_time_are_not(store: Store) -> None:
    """As for the worker: two windows without a code that begin together are over when both are."""
    store.write([score(1, "p1")], [])
    marks = [("window_start", -1), ("window_start", -1), ("window_end", 1), ("window_end", 2), ("failure", -3),
             ("out_of_service", -4), ("in_service", -4)]  # fmt: skip
    entries = [logged(kind, NOW + hours * HOUR) for kind, hours in marks]
    again = [one._replace(offset=next(NUMBERS)) for one in entries[:-1]]
    store.write([*entries, *again[:3]], [])
    store.write([*again[3:], *(one._replace(offset=next(NUMBERS)) for one in again[:-1])], [])
    assert sorted(windows_told(store)) == [(-HOUR, HOUR), (-HOUR, 2 * HOUR)]
    assert service_of(store)[0] == "in_service", "what ended it came after"
    with store.reading() as reader:
        assert len(reader.log(("pump", "p1"), None, None, None, 50)) == len(entries)
        performance = reader.performance(NOW - 9 * HOUR, NOW + HOUR, None)
    assert performance.failures.failures == 1


def test_of_many_windows_ahead_the_nearest_are_told_and_none_that_was_called_off(store: Store) -> None:
    store.write([score(1, "p1")], [])
    marks = [
        (kind, hours + more) for hours in range(1, 800) for kind, more in (("window_start", 0), ("window_end", 0.5))
    ]
    called_off = [("window_start", 1.2), ("window_end", 1.2)]
    old = [(kind, hours - 2000.0) for kind, hours in marks]
    store.write([logged(kind, NOW + hours * HOUR) for kind, hours in [*old, *marks, *called_off]], [])
    told = windows_told(store)
    assert told[:2] == [(HOUR, 1.5 * HOUR), (2 * HOUR, 2.5 * HOUR)]
    assert len(told) == MOST_MARKS // 2 - 1
    assert told[-1][1] is not None
