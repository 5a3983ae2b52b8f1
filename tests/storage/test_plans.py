"""No list is read by looking at all of a table: each question of the API has an index, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from storage import AlertFilter, AssetFilter, ItemFilter, Keeping, PlaceFilter, Reader, Store
from storage.database import transaction
from tests.storage.test_kept import click, entry, item, letter, reading, told
from tests.support.decisions import alert, at, catalogue_entry, recommendation, score

NOW = datetime.now(UTC)
PUMP = ("pump", "p1")
QUESTIONS: dict[str, Callable[[Reader], Any]] = {
    "assets": lambda r: r.assets(AssetFilter(), ("pump", "p1"), 50),
    "assets of a class": lambda r: r.assets(AssetFilter("pump"), ("pump", "p1"), 50),
    "worst assets": lambda r: r.assets(AssetFilter(), (1, 0.5, "pump", "p1"), 50, "worst"),
    "worst assets of a class": lambda r: r.assets(AssetFilter("pump"), (1, 0.5, "pump", "p1"), 50, "worst"),
    "worst assets of a severity": lambda r: r.assets(AssetFilter(severity="warning"), None, 50, "worst"),
    "assets of a severity": lambda r: r.assets(AssetFilter(severity="warning"), ("pump", "p1"), 50),
    "assets of a severity last seen": lambda r: r.assets(AssetFilter(severity="warning"), None, 50, "last_seen"),
    "assets of a class last seen": lambda r: r.assets(AssetFilter("pump"), (at(9), "pump", "p1"), 50, "last_seen"),
    "assets last seen": lambda r: r.assets(AssetFilter(), (at(9), "pump", "p1"), 50, "last_seen"),
    "assets with words": lambda r: r.assets(AssetFilter(words=("pump", "p1")), None, 50),
    "assets in service": lambda r: r.assets(AssetFilter(services=("in_service",)), None, 50, "worst"),
    "silent assets": lambda r: r.silent_assets(at(10), at(20)),
    "assets of a site": lambda r: r.assets(AssetFilter(place=PlaceFilter("north", "l1", ("team:a",))), None, 50),
    "worst assets of a site": lambda r: r.assets(
        AssetFilter(place=PlaceFilter("n")), (1, 0.5, "pump", "p1"), 50, "worst"
    ),
    "alerts of a site": lambda r: r.alerts(AlertFilter("raised", place=PlaceFilter("north")), (at(9), "x"), 50),
    "sites": lambda r: (r.site_names(), r.places_of([PUMP])),
    "notifications": lambda r: r.notifications(None, None, 9, 50),
    "notifications of a state": lambda r: r.notifications("failed", None, 9, 50),
    "notifications of a channel": lambda r: r.notifications(None, "c", 9, 50),
    "notifications of a channel and state": lambda r: r.notifications("failed", "c", None, 50),
    "one notification": lambda r: r.notification("n"),
    "one asset": lambda r: r.asset("p1", "pump"),
    "classes of an id": lambda r: r.classes_of("p1"),
    "scores": lambda r: r.scores("p1", at(1), at(9), (at(5), "x"), 50, "pump"),
    "scores as a series": lambda r: r.score_series(PUMP, at(1), None, 50),
    "readings as a series": lambda r: r.reading_series(PUMP, None, at(90), 50, ["vibration"]),
    "rows of scores": lambda r: (
        r.count_scores(PUMP, at(1), at(9), 50),
        r.score_rows(PUMP, at(1), None, (at(5), "x"), 50),
    ),
    "rows of readings": lambda r: (
        r.count_readings(PUMP, None, at(9), 50),
        r.reading_rows(PUMP, None, None, at(5), 50),
    ),
    "sensors of an asset": lambda r: r.sensors_of(PUMP, at(1), at(90)),
    "log": lambda r: r.log(PUMP, at(1), None, (at(9), 1, 1), 50),
    "alerts": lambda r: r.alerts(AlertFilter(), (at(9), "x"), 50),
    "alerts of a time": lambda r: r.alerts(AlertFilter(start=at(1), end=at(9)), None, 50),
    "open alerts": lambda r: r.alerts(AlertFilter("raised"), (at(9), "x"), 50),
    "worst alerts": lambda r: r.alerts(AlertFilter("raised"), (1, at(9), "x"), 50, "worst"),
    "worst alerts not shelved": lambda r: r.alerts(AlertFilter("raised", shelved=False), None, 50, "worst"),
    "alerts by severity": lambda r: r.alerts(AlertFilter(severity=("warning", "critical")), (at(9), "x"), 50),
    "alerts not seen": lambda r: r.alerts(AlertFilter(acknowledged=False), None, 50),
    "alerts of a class": lambda r: r.alerts(AlertFilter(asset_class="pump", severity="critical"), (at(9), "x"), 50),
    "alerts of an asset": lambda r: r.alerts(AlertFilter("raised", "critical", "p1"), (at(9), "x"), 50),
    "alerts with words": lambda r: r.alerts(AlertFilter("raised", words=("p1",)), None, 50),
    "alerts with two words": lambda r: r.alerts(AlertFilter("raised", words=("pump", "p1"), shelved=False), None, 50),
    "one alert": lambda r: r.alert("a1"),
    "sentences of alerts": lambda r: r.sentences(["a1", "a2"]),
    "transitions": lambda r: (r.last_transition_id(), r.transitions(5, 50)),
    "alerts not shelved": lambda r: r.alerts(AlertFilter("raised", shelved=False), (at(9), "x"), 50),
    "alerts of somebody": lambda r: r.alerts(AlertFilter(assignee="jo", state="raised"), (at(9), "x"), 50),
    "ended shelvings": lambda r: r.has_ended_shelvings(NOW),
    "performance": lambda r: r.performance(at(0), at(900), None),
    "untold actions": lambda r: r.untold_actions(50),
    "recommendations": lambda r: (r.recommendation("u1"), r.trending(), r.similar("i1")),
    "items": lambda r: r.items(ItemFilter(), "i1", 50),
    "items of a category": lambda r: r.items(ItemFilter(category="feet"), "i1", 50),
    "items with words": lambda r: r.items(ItemFilter(("sho",)), "i1", 50),
    "some items": lambda r: r.items_of(["i1", "i2"]),
    "clicks": lambda r: r.clicks("u1", 50),
    "what a user turned down": lambda r: r.turned_down("u1"),
    "items of a category to be had": lambda r: r.items_to_be_had("feet", NOW, ["i1"], 20),
    "trend of an item": lambda r: r.item_trend("i1"),
    "figures": lambda r: r.figures("w1", NOW - timedelta(hours=1), 60),
    "dead letters": lambda r: r.dead_letters(None, (NOW, "clicks.v1", 0, 5), 50),
    "dead letters of a topic": lambda r: r.dead_letters("clicks.v1", (NOW, "clicks.v1", 0, 5), 50),
    "one dead letter": lambda r: r.dead_letter("clicks.v1", 0, 5),
    "dead letters by reason": lambda r: r.dead_letter_reasons("clicks.v1", 9),
    "who put dead letters back": lambda r: r.put_back(None, 9),
    "count of dead letters": lambda r: r.count_dead_letters(NOW - timedelta(days=1)),
    "count of open alerts": lambda r: r.count_open_alerts(),
}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A database with some rows in each table."""
    if request.param == "sqlite":
        import shutil

        source = request.getfixturevalue("migrated_sqlite")
        url = f"sqlite:///{shutil.copy(source, tmp_path_factory.mktemp('plans') / 'plans.db')}"
    else:
        server = request.getfixturevalue("postgres")
        server.execute("create database plans template migrated")
        url = server.url("plans")
    store = Store(url, Keeping())
    for n in range(200):
        store.write(
            [score(n, f"p{n}"), alert(f"a{n}", 0, n, asset_id=f"p{n}"), reading(10 * n), entry(n), letter(n),
             item(f"i{n}", title=f"Shoe {n}", category="feet"), click(f"u{n}", n), recommendation(f"u{n}", n),
             catalogue_entry(f"i{n}", n, ["x"]), told(f"w{n}", NOW, n)], [],
        )  # fmt: skip
    with transaction(store._writing) as connection:
        connection.execute(text("analyze"))
    yield store
    store.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_from_an_index(filled: Store, question: str) -> None:
    asked: list[tuple[str, Any]] = []
    engine = filled._reading

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with filled.reading() as reader:
            QUESTIONS[question](reader)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert asked
    is_postgres = engine.dialect.name == "postgresql"
    with transaction(engine) as connection:
        if is_postgres:
            connection.exec_driver_sql("set local enable_seqscan = off")  # tables are small here: can it do without?
        for statement, parameters in asked:
            explain = "explain " if is_postgres else "explain query plan "
            plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))
            assert not whole(plan, statement, is_postgres=is_postgres), f"{statement}\n{plan}"


def whole(plan: str, statement: str, *, is_postgres: bool) -> list[str]:
    """The tables that a plan reads as a whole. One that is read in the order of an index ends at the limit."""
    if is_postgres:
        return re.findall(r"Seq Scan on (\w+)", plan)
    scanned = re.findall(r"^SCAN (\w+)((?: USING (?:COVERING )?INDEX)?)", plan, re.MULTILINE)
    ends = "LIMIT" in statement and "TEMP B-TREE FOR ORDER BY" not in plan
    found = [table for table, index in scanned if not (index and ends) and table not in ("anon_1", "pairs", "CONSTANT")]
    # what a part of the statement found may be read as a whole, but not once for each row of a table
    inner = re.findall(r"^MATERIALIZE (anon_1)$[\s\S]*^SEARCH [\s\S]*^SCAN anon_1$", plan, re.MULTILINE)
    return found + inner


def test_what_reads_a_whole_table_would_be_found(filled: Store) -> None:
    with transaction(filled._reading) as connection:
        is_postgres = connection.dialect.name == "postgresql"
        explain = "explain " if is_postgres else "explain query plan "
        rows = connection.exec_driver_sql(f"{explain}select * from alerts where score > 3")
        assert whole("\n".join(str(row[-1]) for row in rows), "", is_postgres=is_postgres) == ["alerts"]
