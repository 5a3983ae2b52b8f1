"""What the database says of an asset's service is what the worker does, whatever its log says and in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas import MAINTENANCE, SCORES, Maintenance
from storage import Placed, Store, upgrade
from streams.kafka import ConsumerRecord
from streams.maintain import Maintain
from streams.retired import gone_table
from tests.streams.pages import checked, records_of, run
from tests.streams.test_plans import PUMP, lives, logged
from tests.support.decisions import score
from tests.support.world import START

HOUR, HOURS = 3600.0, 9
APART = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ASSETS = count()  # each with a log of its own
KINDS = ("decommissioned", "in_service", "out_of_service", "replacement")
ENTRIES = st.lists(
    st.tuples(
        st.integers(1, HOURS - 1),  # hour of the event
        st.sampled_from(KINDS),
        st.integers(-3, 3),  # hours by which it is late, or announced ahead
        st.booleans(),  # is it sent again?
    ),
    max_size=8,
    unique_by=lambda entry: entry[:2],
)


def told(entries: Sequence[tuple[int, str, int, bool]]) -> list[ConsumerRecord]:
    """Readings each half hour, and the entries among them when they are told.

    Those of one time are sent once: the ids of its log are forgotten with an asset that is gone.
    """
    source = [one for one in lives() if one.asset_id == PUMP][: 2 * (HOURS + 4)]
    events = [one.model_copy(update={"event_time": logged(HOUR * (n + 0.5) / 2, "error").event_time})
              for n, one in enumerate(source)]  # fmt: skip
    readings = records_of(events)
    found = [(one.timestamp / 1000.0, 1, one) for one in readings]
    hours = Counter(hour for hour, *_ in entries)
    for number, (hour, kind, late, is_twice) in enumerate(entries):
        [record] = records_of([logged(HOUR * hour, kind)])
        at = START + HOUR * max(0.0, hour + late)
        times = 1 + (is_twice and hours[hour] == 1)
        found += [(at + 0.001 * number + 60.0 * again, 0, record) for again in range(times)]
    made = []
    for offset, (at, _, one) in enumerate(sorted(found, key=lambda each: each[:2])):
        copy = type(one)(**vars(one))
        copy.timestamp, copy.offset = int(at * 1000), offset
        made.append(copy)
    return made


def in_the_worker(maintain: Maintain, records: Sequence[ConsumerRecord]) -> str:
    """By what becomes of the last reading."""
    outputs, dead, state = run(maintain, records, size=len(records))
    assert not dead
    newest = max(one.timestamp for one in records if one.topic.endswith("telemetry.v1"))
    if any(int(one.event_time.timestamp() * 1000) == newest for one in checked(outputs, SCORES)):
        return "in_service"
    return "decommissioned" if len(state.tables[gone_table("pump")]) else "out_of_service"


def entries_of(records: Sequence[ConsumerRecord]) -> list[tuple[int, Maintenance]]:
    """Entries of the log with their offsets."""
    return [(one.offset, Maintenance.model_validate_json(one.value)) for one in records if MAINTENANCE in one.topic]


def is_beyond_memory(log: Sequence[tuple[int, Maintenance]]) -> bool:
    """Whether something is told of an asset that is gone at some time which is older than that it is out of service.

    The worker keeps neither what came while it was gone, nor what was before it was out.
    """
    is_gone = any(one.kind == "decommissioned" for _, one in log)
    return is_gone and any(
        out.kind == "out_of_service" and out.event_time > one.event_time
        for place, (_, one) in enumerate(log)
        for _, out in log[:place]
    )


def in_the_database(store: Store, records: Sequence[ConsumerRecord]) -> str:
    asset = f"asset-{next(ASSETS)}"
    entries = [Placed(0, offset, one.model_copy(update={"asset_id": asset})) for offset, one in entries_of(records)]
    store.write([score(next(ASSETS), asset), *entries], [])
    with store.reading() as reader:
        detail = reader.asset(asset, "pump")
    assert detail is not None
    return detail.service


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path_factory.mktemp('seen') / 'seen.db'}"
    upgrade(url)
    store = Store(url)
    yield store
    store.close()


@APART
@given(ENTRIES)
def test_people_see_the_service_by_which_the_worker_decides(
    maintain: Maintain, database: Store, entries: list[tuple[int, str, int, bool]]
) -> None:
    records = told(entries)
    assume(not is_beyond_memory(entries_of(records)))
    assert in_the_database(database, records) == in_the_worker(maintain, records)
