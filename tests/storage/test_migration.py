"""A database of a version before, with rows in it, is brought to this one, and nothing of the user's is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import Connection, text

from schemas import Click, Maintenance
from storage import ActionRequest, AlertFilter, AssetFilter, Keeping, Placed, Span, Store, metadata, upgrade
from storage.database import build_engine, transaction
from storage.kept_rows import kept_of
from storage.rows import rows_of
from storage.schema import _config
from tests.support.decisions import alert, at, catalogue_entry, recommendation, score
from tests.support.postgres import Postgres

FAN = {"asset_class": "fan", "unit": "day"}
WHEEL = {"kind": "failure_probability", "component": "wheel", "unit": "probability"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    postgres.execute("create database old")
    yield postgres.url("old")
    postgres.execute("drop database old with (force)")


@contextmanager
def at_revision(url: str, revision: str) -> Iterator[Connection]:
    """The database, brought to the revision, open for writing."""
    engine = build_engine(url, writes=True)
    with transaction(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()


def _make_old(url: str, revision: str) -> None:
    """The tables of a revision, with the rows that its version wrote: keyed by asset_id, the last class in place."""
    with at_revision(url, revision) as connection:
        events = [
            score(1), score(2), score(3, **FAN), score(4, "only", **WHEEL), score(5, "only"),
            alert("a", 0, 6), recommendation("ann", 7, ["x"]),
        ]  # fmt: skip
        rows = rows_of(events)
        _insert(connection, "scores", rows.scores)
        for table in ("alerts", "recommendations"):
            _insert(connection, table, getattr(rows, table))
        _insert(connection, "alert_transitions", rows.transitions)
        _insert(connection, "acknowledgements", [
            {"alert_id": "a", "acknowledged_at": at(9), "acknowledged_by": "jo", "comment": None}
        ])  # fmt: skip
        _insert(connection, "offsets", [{"topic": "scores.v1", "partition": 0, "next_offset": 5}])
        for key, item in (("trending", "t"), ("i1", "s1"), ("item/i1", "s2"), ("list/trending", "s3")):
            event = catalogue_entry(key, 8, [item]).model_dump(mode="json", exclude_none=True)
            _insert(connection, "catalogue", [{"key": key, "feed_offset": 8, "event": event}])
        by_id = {"pump-1": ("fan", at(1), at(6)), "only": ("pump", at(4), at(5))}
        for asset_id, (asset_class, first, last) in by_id.items():
            row = {"asset_id": asset_id, "asset_class": asset_class, "first_seen": first, "last_seen": last}
            _insert(connection, "assets", [row])
        for row in (row for turn in rows.latest_scores for row in turn):
            if row["asset_id"] != "pump-1" or row["asset_class"] == "fan":
                kept = {name: row[name] for name in ("asset_id", "kind", "component", "event_time", "event")}
                _insert(connection, "latest_scores", [kept])


def _insert(connection: Connection, name: str, rows: list[dict[str, Any]]) -> None:
    """Those of their columns that the table has at this revision."""
    now, there = metadata.tables[name].columns, {column["name"] for column in sa.inspect(connection).get_columns(name)}
    for row in rows:
        old = sa.table(name, *(sa.column(key, now[key].type) for key in row))
        connection.execute(old.insert().values({key: value for key, value in row.items() if key in there}))


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_rows_of_a_version_before_survive(empty_url: str, revision: str) -> None:
    _make_old(empty_url, revision)
    upgrade(empty_url)
    store = Store(empty_url)
    store.check()
    with store.reading() as reader:
        assert [(a.asset_class, a.asset_id) for a in reader.assets(None, None, 9)] == [
            ("fan", "pump-1"), ("pump", "only"), ("pump", "pump-1"),
        ]  # fmt: skip
        assert reader.classes_of("pump-1") == ["fan", "pump"]
        pump, fan, only = reader.asset("pump-1", "pump"), reader.asset("pump-1", "fan"), reader.asset("only")
        assert pump is not None
        assert fan is not None
        assert only is not None
        assert pump.latest_scores == [score(2)], "it was overwritten, and comes back from the scores"
        assert fan.latest_scores == [score(3, **FAN)]
        assert only.latest_scores == [score(4, "only", **WHEEL), score(5, "only")]
        assert [a.alert_id for a in pump.open_alerts] == ["a"]
        assert reader.scores("pump-1", None, None, None, 9, "pump") == [score(2), score(1)]
        assert len(reader.scores("pump-1", None, None, None, 9)) == 3
        [listed] = reader.alerts(AlertFilter(), None, 9)
        assert listed.acknowledgement is not None
        assert reader.recommendation("ann") == recommendation("ann", 7, ["x"])
        lists = [reader.trending(), reader.similar("i1"), reader.similar("item/i1"), reader.similar("list/trending")]
        assert [entry.items[0].item_id for entry in lists if entry] == ["t", "s1", "s2", "s3"]
        assert reader.positions(["scores.v1"]) == {("scores.v1", 0): 5}
        assert reader.topic_ids(["scores.v1"]) == {("scores.v1", 0): None}
    store.write([score(3), catalogue_entry("trending", 9, ["u"])], [Span("scores.v1", 0, 5, 6, "an-id")])
    with store.reading() as reader:
        assert reader.topic_ids(["scores.v1"]) == {("scores.v1", 0): "an-id"}
        trending = reader.trending()
        assert trending is not None
        assert trending.items[0].item_id == "u"
    store.close()


def test_assets_of_before_get_their_health(empty_url: str) -> None:
    with at_revision(empty_url, "0006") as connection:
        rows = rows_of([
            score(1, "p1", 40.0), score(2, "p2", 160.0), score(3, "f1", 0.25, **WHEEL), score(4, "f1", 0.5),
            score(5, "old", 0.0, **FAN), alert("a", 0, 6, asset_id="told"),
        ])  # fmt: skip
        for table, of_table in (("latest_scores", rows.latest_scores[0]), ("assets", rows.assets)):
            _insert(connection, table, of_table)
    upgrade(empty_url)
    store = Store(empty_url)
    with store.reading() as reader:
        found = {a.asset_id: a.health for a in reader.assets(None, None, 9, "worst")}
    assert list(found.items()) == [("old", 0.0), ("f1", 0.003125), ("p1", 0.25), ("p2", 1.0), ("told", None)]
    store.write([score(9, "p2", 20.0, health=0.5)], [])
    with store.reading() as reader:
        assert [a.asset_id for a in reader.assets(AssetFilter("pump"), None, 9, "worst")] == ["f1", "p1", "p2", "told"]
    store.close()


def test_the_tables_of_a_fresh_and_an_upgraded_database_are_equal(tmp_path: Path) -> None:
    old, fresh = f"sqlite:///{tmp_path / 'old.db'}", f"sqlite:///{tmp_path / 'fresh.db'}"
    _make_old(old, "0001")
    assert upgrade(old) == upgrade(fresh)

    def schema(url: str) -> list[Any]:
        engine = build_engine(url, writes=True)
        with transaction(engine) as connection:
            found = connection.execute(text("select name, sql from sqlite_master where sql is not null order by name"))
            return [tuple(row) for row in found]

    assert schema(old) == schema(fresh)


def test_clicks_of_before_stay_and_are_kept_once_from_then_on(empty_url: str) -> None:
    columns = ("partition", "offset", "user_id", "event_time", "item_id", "action")
    with at_revision(empty_url, "0004") as connection:
        rows = [dict(zip(columns, (0, n, "ann", at(n), "i", "view"), strict=True)) for n in range(2)]
        _insert(connection, "clicks", rows)
    upgrade(empty_url)
    store = Store(empty_url)
    event = Click(event_id="c", event_time=at(5), user_id="ann", item_id="i")
    for offset in (7, 8):
        store.write([Placed(0, offset, event)], [])
    with store.reading() as reader:
        assert [one.event_time for one in reader.clicks("ann", 9)] == [at(5), at(1), at(0)]
    store.close()


def test_assets_and_alerts_of_before_know_where_they_stand(empty_url: str) -> None:
    with at_revision(empty_url, "0003") as connection:
        events = [
            score(1), score(1, "calm/one"), alert("a", 0, 6), alert("b", 0, 7, severity="critical"),
            alert("c", 0, 8, severity="critical", state="cleared"),
            alert("d", 0, 9, asset_id="calm/one", state="cleared"),
        ]  # fmt: skip
        rows = rows_of(events)
        for table in ("assets", "scores", "alerts", "recommendations"):
            _insert(connection, table, getattr(rows, table))
        _insert(connection, "alert_transitions", rows.transitions)
        seen = {"alert_id": "b", "acknowledged_at": at(9), "acknowledged_by": "jo", "comment": None}
        _insert(connection, "acknowledgements", [seen])
    upgrade(empty_url)
    store = Store(empty_url)
    with store.reading() as reader:
        found = reader.assets(AssetFilter(), None, 9, "worst")
        assert [(asset.asset_id, asset.severity) for asset in found] == [("pump-1", "critical"), ("calm/one", None)]
        assert [a.asset_id for a in reader.assets(AssetFilter(words=("one",)), None, 9)] == ["calm/one"]
        assert [a.alert_id for a in reader.alerts(AlertFilter("raised", acknowledged=False), None, 9)] == ["a"]
        assert [a.alert_id for a in reader.alerts(AlertFilter(acknowledged=True), None, 9)] == ["b"]
        assert reader.untold_actions(9) == [], "of the time before there was a topic for them"
        alert_b = reader.alert("b")
        assert alert_b is not None
        assert len(alert_b.transitions) == 1
    store.act("a", ActionRequest("acknowledged", "al", "seen"))
    with store.reading() as reader:
        [told] = reader.untold_actions(9)
        action = told.action
        assert (action.alert_id, action.by, action.comment, action.asset_id) == ("a", "al", "seen", "pump-1")
        assert reader.transitions(0, 9)[-1][1] == action
    store.mark_told([told])
    with store.reading() as reader:
        assert reader.untold_actions(9) == []
    store.close()


def test_scores_of_before_do_not_tell_their_quality_and_those_after_do(empty_url: str) -> None:
    with at_revision(empty_url, "0009") as connection:
        _insert(connection, "scores", rows_of([score(1)]).scores)
    with at_revision(empty_url, "0010"):
        pass
    store = Store(empty_url)
    poor = score(2, quality="poor", sensors=[{"sensor": "s3", "fault": "stuck"}])
    store.write([poor], [])
    with store.reading() as reader:
        assert reader.scores("pump-1", None, None, None, 9, "pump") == [poor, score(1)]
        body = reader.score_series(("pump", "pump-1"), None, None, 100)
        assert [one.quality for one in body.qualities] == ["poor"]
    store.close()


def test_logs_of_before_say_which_assets_are_in_service(empty_url: str) -> None:
    with at_revision(empty_url, "0010") as connection:
        rows = rows_of([score(1), score(2, "pump-2")])
        _insert(connection, "assets", rows.assets)
        key = {"asset_class": "pump", "partition": 0, "offset": 1, "event_time": at(3), "code": None, "component": None}
        _insert(connection, "asset_log", [{**key, "asset_id": "pump-2", "kind": "decommissioned"}])
    assert upgrade(empty_url) >= "0011"
    store = Store(empty_url)
    with store.reading() as reader:
        found = {one.asset_id: (one.service, one.service_since) for one in reader.assets(None, None, 9)}
    assert found == {"pump-1": ("in_service", None), "pump-2": ("decommissioned", at(3))}
    store.close()


def test_an_entry_of_a_log_of_before_is_known_when_it_is_sent_again(empty_url: str) -> None:
    said = {"event_id": "m-1", "event_time": at(3), "asset_id": "pump-1", "asset_class": "pump"}
    entry = Maintenance.model_validate({**said, "kind": "failure"})
    with at_revision(empty_url, "0011") as connection:
        [row] = kept_of([Placed(0, 1, entry)], Keeping()).log
        del row["event_hash"]
        _insert(connection, "asset_log", [row])
    assert upgrade(empty_url) >= "0012"
    store = Store(empty_url)
    store.write([score(1), Placed(0, 2, entry), Placed(0, 3, entry.model_copy(update={"kind": "replacement"}))], [])
    with store.reading() as reader:
        found = [one.kind for _, one in reader.log(("pump", "pump-1"), None, None, None, 9)]
    assert found == ["replacement", "failure"]
    store.close()
