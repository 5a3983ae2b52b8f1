"""What was written is there once, whatever is repeated, and the positions say the same as the rows."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import insert, text

from schemas import UnavailableError
from storage import ActionRequest, AlertFilter, PositionError, Removal, Span, StorageError, Store
from storage.database import transaction
from storage.rows import rows_of
from storage.tables import OffsetRow
from storage.write import write_rows
from tests.support.decisions import alert, at, catalogue_entry, recommendation, score, worker_status
from tests.support.postgres import Postgres


def test_a_batch_is_written_once(store: Store) -> None:
    events = [score(1), score(2), recommendation("ann", 7), alert("a", 0), catalogue_entry("trending", 3, ["x"])]
    first = store.write(events, [Span("scores.v1", 0, 0, 2), Span("alerts.v1", 0, 0, 1)])
    again = store.write(events, [Span("scores.v1", 0, 2, 4)])
    assert (first.rows, first.duplicates) == (5, 0)
    assert (again.rows, again.duplicates) == (0, 5)
    with store.reading() as reader:
        assert reader.scores("pump-1", None, None, None, 10) == [score(2), score(1)]
        assert reader.recommendation("ann") == recommendation("ann", 7)
        assert reader.trending() == catalogue_entry("trending", 3, ["x"])
        assert reader.transitions(0, 10) == [(1, alert("a", 0))]
        assert reader.positions(["scores.v1", "alerts.v1"]) == {("scores.v1", 0): 4, ("alerts.v1", 0): 1}


def test_a_stale_batch_changes_nothing(store: Store) -> None:
    store.write([score(1)], [Span("scores.v1", 0, 0, 5)])
    for start, end in ((0, 5), (3, 8), (9, 12)):
        with pytest.raises(PositionError) as caught:
            store.write([score(2)], [Span("alerts.v1", 0, 0, 1), Span("scores.v1", 0, start, end)])
        assert caught.value.found == 5
    with store.reading() as reader:
        assert [s.score_id for s in reader.scores("pump-1", None, None, None, 10)] == ["score-000001"]
        assert reader.positions(["alerts.v1"]) == {}, "the spans of a refused batch move together or not at all"


def test_two_writers_of_one_partition(database_url: str) -> None:
    """Both have the same records; one of them finds out that the other was first, while it is still writing."""
    stores = [Store(database_url), Store(database_url)]
    outcomes: list[object] = []
    barrier = threading.Barrier(2, timeout=20)

    def write(store: Store) -> None:
        for number in range(20):
            barrier.wait()
            try:
                outcomes.append(store.write([score(number)], [Span("scores.v1", 0, number, number + 1)]))
            except PositionError as error:
                outcomes.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 40
    assert sum(isinstance(o, PositionError) for o in outcomes) == 20
    with stores[0].reading() as reader:
        assert len(reader.scores("pump-1", None, None, None, 100)) == 20
        assert reader.positions(["scores.v1"]) == {("scores.v1", 0): 20}
    for store in stores:
        store.close()


def test_the_latest_recommendation_stays(store: Store) -> None:
    store.write([recommendation("ann", 8, ["new"]), recommendation("ann", 7, ["old"])], [])
    store.write([recommendation("ann", 6, ["older"])], [])
    store.write([recommendation("ann", 8, ["same id, later view"])], [])
    store.write([recommendation("bob", 1), recommendation("bob", 2)], [])
    with store.reading() as reader:
        assert reader.recommendation("ann") == recommendation("ann", 8, ["new"])
        assert reader.recommendation("bob") == recommendation("bob", 2)
        assert reader.recommendation("eve") is None


def test_a_null_value_removes(store: Store) -> None:
    store.write([recommendation("ann", 8), catalogue_entry("i1", 5, ["i2"])], [])
    store.write([Removal("recommendations.v1", "ann"), Removal("catalogue.v1", "i1")], [])
    with store.reading() as reader:
        assert reader.recommendation("ann") is None
        assert reader.similar("i1") is None
    store.write([Removal("catalogue.v1", "i1"), catalogue_entry("i1", 4, ["i3"])], [])
    with store.reading() as reader:
        assert reader.similar("i1") == catalogue_entry("i1", 4, ["i3"])


def test_an_alert_stands_where_its_last_transition_put_it(store: Store) -> None:
    raised, worse = alert("a", 0, 10), alert("a", 1, 20, severity="critical", score=3.0)
    cleared = alert("a", 2, 30, state="cleared", severity="critical", score=80.0)
    store.write([raised, worse], [])
    store.write([cleared], [])
    store.write([worse], [])
    with store.reading() as reader:
        found = reader.alert("a")
        assert found is not None
        assert (found.state, found.severity, found.score) == ("cleared", "critical", 80.0)
        assert (found.raised_at, found.updated_at) == (at(10), at(30))
        assert found.transitions == [raised, worse, cleared]
        assert [a for _, a in reader.transitions(1, 10)] == [worse, cleared]


def test_acknowledging_twice_keeps_the_first(store: Store) -> None:
    store.write([alert("a", 0)], [])
    first = store.act("a", ActionRequest("acknowledged", "ann", "looking"))
    second = store.act("a", ActionRequest("acknowledged", "bob", None))
    assert first is not None
    assert first == second
    assert first.acknowledgement is not None
    assert (first.acknowledgement.by, first.acknowledgement.comment) == ("ann", "looking")
    assert store.act("b", ActionRequest("acknowledged", "ann", None)) is None


def test_assets_know_their_newest_scores_and_open_alerts(store: Store) -> None:
    wheel = {"kind": "failure_probability", "component": "wheel", "unit": "probability"}
    store.write([score(5), score(3), score(4, value=0.2, **wheel), score(9, asset="pump-2")], [])
    store.write([score(1), alert("a", 0, 6), alert("b", 0, 7, state="cleared")], [])
    with store.reading() as reader:
        found = reader.asset("pump-1")
        assert found is not None
        assert found.latest_scores == [score(4, value=0.2, **wheel), score(5)]
        assert [a.alert_id for a in found.open_alerts] == ["a"]
        assert (found.first_seen, found.last_seen) == (at(3), at(7))
        assert [a.asset_id for a in reader.assets(None, None, 10)] == ["pump-1", "pump-2"]
        assert [a.asset_id for a in reader.assets("pump", "pump-1", 10)] == ["pump-2"]
        assert reader.assets("press", None, 10) == []


def test_lists_go_on_after_a_key(store: Store) -> None:
    same_time = [score(1, score_id=f"s{n}", event_time=at(1)) for n in range(5)]
    store.write([*same_time, *(score(n) for n in range(2, 5))], [])
    store.write([alert(f"a{n}", 0, n // 2, severity="critical" if n % 2 else "advisory") for n in range(7)], [])
    with store.reading() as reader:
        seen, after = [], None
        while (page := reader.scores("pump-1", None, None, after, 3)) and len(seen) < 8:
            seen += page
            after = (page[-1].event_time, page[-1].score_id)
        assert [s.score_id for s in seen] == [f"score-{n:06}" for n in (4, 3, 2)] + ["s4", "s3", "s2", "s1", "s0"]
        assert reader.scores("pump-1", at(2), at(4), None, 10) == [score(3), score(2)]
        first = reader.alerts(AlertFilter(severity="critical"), None, 2)
        rest = reader.alerts(AlertFilter(severity="critical"), (first[-1].raised_at, first[-1].alert_id), 2)
        assert [a.alert_id for a in first + rest] == ["a5", "a3", "a1"]


def test_old_scores_are_deleted_in_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.store.RETENTION_BATCH", 7)
    now = datetime.now(UTC)
    for asset in ("p1", "p2", "p3"):
        old = [score(n, asset=asset, event_time=now - timedelta(days=31, seconds=n)) for n in range(20)]
        same = [score(n, asset=asset, event_time=now - timedelta(days=40)) for n in range(20, 30)]
        store.write([*old, *same, score(99, asset=asset, event_time=now - timedelta(days=29))], [])
    assert store.delete_old_scores(30, lambda: True) == 0, "told to stop"
    assert store.delete_old_scores(days=30) == 90
    assert store.delete_old_scores(days=30) == 0
    with store.reading() as reader:
        assert [s.score_id for s in reader.scores("p2", None, None, None, 10)] == ["score-000099"]


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"read-?only"), store.reading() as reader:
        reader._connection.execute(insert(OffsetRow).values(topic="t", partition=0, next_offset=0))


def test_refused_data_is_told_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(StorageError):
        store.write([score(1), score(2).model_copy(update={"unit": None})], [])
    with store.reading() as reader:
        assert reader.assets(None, None, 10) == []


def test_transitions_become_visible_in_the_order_of_their_ids(postgres: Postgres, postgres_url: str) -> None:
    """A second writer of transitions waits until the first has committed, so no reader can overtake the first."""
    store, other = Store(postgres_url), Store(postgres_url)
    with transaction(store._writing) as connection:
        write_rows(connection, rows_of([alert("slow", 0)]), [])
        thread = threading.Thread(target=other.write, args=([alert("fast", 0, asset_id="pump-2")], []))
        thread.start()
        _wait_for_blocked_writer(postgres, postgres_url)
        with other.reading() as reader:
            assert reader.transitions(0, 10) == []
    thread.join()
    with store.reading() as reader:
        assert [a.alert_id for _, a in reader.transitions(0, 10)] == ["slow", "fast"]
    store.close()
    other.close()


def _wait_for_blocked_writer(postgres: Postgres, url: str) -> None:
    deadline = time.monotonic() + 10
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        blocked = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while connection.execute(blocked).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_lost_connection_is_made_anew(postgres: Postgres, postgres_url: str) -> None:
    store = Store(postgres_url)
    store.write([score(1)], [Span("scores.v1", 0, 0, 1)])
    postgres.stop()
    try:
        with pytest.raises(UnavailableError, match="written when it is there"):
            store.write([score(2)], [Span("scores.v1", 0, 1, 2)])
        with pytest.raises(UnavailableError), store.reading() as reader:
            reader.recommendation("ann")
    finally:
        postgres.start()
    assert store.write([score(2)], [Span("scores.v1", 0, 1, 2)]).rows == 1
    with store.reading() as reader:
        assert len(reader.scores("pump-1", None, None, None, 10)) == 2
    store.close()


def test_a_connection_lost_in_mid_transaction_leaves_nothing(postgres: Postgres, postgres_url: str) -> None:
    store = Store(postgres_url)
    name = store._writing.url.database

    def write_and_lose() -> None:
        with transaction(store._writing) as connection:
            write_rows(connection, rows_of([score(1)]), [Span("scores.v1", 0, 0, 1)])
            postgres.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
            connection.execute(text("select 1"))

    with pytest.raises(UnavailableError):
        write_and_lose()
    assert store.write([score(1)], [Span("scores.v1", 0, 0, 1)]).rows == 1
    store.close()


def test_the_last_word_of_each_worker_stands_until_it_ends(store: Store) -> None:
    told = [worker_status("a", at(1)), worker_status("b", at(2)), worker_status("a", at(3), "2", refused="3")]
    store.write(told, [Span("workers.v1", 0, 0, 3)])
    assert store.write([worker_status("a", at(1))], [Span("workers.v1", 0, 3, 4)]).duplicates == 1
    with store.reading() as reader:
        assert reader.workers(at(0)) == [told[2], told[1]]
        assert reader.workers(at(3)) == [told[2]]
    store.write([Removal("workers.v1", "a")], [Span("workers.v1", 0, 4, 5)])
    with store.reading() as reader:
        assert reader.workers(at(0)) == [told[1]]
    alive = worker_status("c", datetime.now(UTC))
    store.write([alive], [])
    assert store.delete_silent_workers(24) == 1
    with store.reading() as reader:
        assert reader.workers(at(0)) == [alive]
