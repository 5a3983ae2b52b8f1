"""How long the routes of the API take over a large database: p50 and p99 over HTTP, one request after the other.

numbers ─► rows, made inside the database ─► a real server ─► requests ─► a table

    python -m benchmarks.routes sqlite:////tmp/routes.db
    python -m benchmarks.routes postgresql://user@host/empty_database --share 0.1

The database must be empty, or one that an earlier run has filled. `--share` makes everything smaller.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
from sqlalchemy import Connection, create_engine, text

from api import ApiServer, to_cursor
from schemas import Settings
from storage import upgrade

SCORES, ALERTS, ASSETS, ITEMS, USERS = 1_000_000, 300_000, 100_000, 100_000, 100_000
BUSY = 500  # assets with half of all scores
REQUESTS = 300


def fill(connection: Connection, share: float) -> None:
    """Rows of all tables. Names are those of numbers, so that requests can make them up."""
    say = _Dialect(connection.dialect.name == "postgresql")
    for table, count, columns in (*_of_assets(say, share), *_of_users_and_items(say, share)):
        _insert(connection, say, table, count, columns)
    assets, items = int(ASSETS * share), int(ITEMS * share)
    of_class = _asset(say, assets)[1]
    for of, count, part, words in (
        ("asset", assets, of_class, ("'asset'", f"{say.name('', 'i')}", of_class)),
        ("item", items, "''", ("'shoe'", "'item'", say.number("i"), say.name("", "i"))),
    ):
        for word in words:
            name = say.name(of, "i")
            _insert(connection, say, "words", count, {"of": f"'{of}'", "word": word, "part": part, "key": name})
    connection.execute(text("analyze"))


Rows = tuple[str, int, dict[str, str]]  # of a table: its name, how many, an expression of `i` for each column


def _asset(say: _Dialect, assets: int) -> tuple[str, str]:
    """Id and class."""
    return say.name("asset", f"i % {assets}"), f"case when i % {assets} % 2 = 0 then 'pump' else 'fan' end"


def _of_assets(say: _Dialect, share: float) -> tuple[Rows, ...]:
    scores, alerts, assets = (int(n * share) for n in (SCORES, ALERTS, ASSETS))
    asset, of_class = _asset(say, assets)
    score = say.object(
        score_id=say.name("s", "i"), event_time="'2026-05-01T12:00:00Z'", asset_id=asset, asset_class=of_class,
        kind="'rul'", value="50.5", unit="'hour'", model=say.object(name="'m'", version="'1'"),
        caused_by=say.object(topic="'t'", partition="0", offset="i", event_id="'e'"),
    )  # fmt: skip
    severity = "case i % 3 when 0 then 'advisory' when 1 then 'warning' else 'critical' end"
    state = "case when i % 30 = 0 then 'raised' else 'cleared' end"
    busy = f"case when i % 2 = 0 then i % {assets} else i / 2 % {min(BUSY, assets)} end"
    busy_class = f"case when ({busy}) % 2 = 0 then 'pump' else 'fan' end"
    return (
        ("assets", assets, {"asset_class": of_class, "asset_id": asset, "first_seen": say.time("0"),
                            "last_seen": say.time("i"), "severity": "case when i % 50 = 0 then i / 50 % 4 else 0 end",
                            "health": "(i * 7919 % 1000) / 1000.0"}),
        ("latest_scores", assets, {"asset_class": of_class, "asset_id": asset, "kind": "'rul'", "component": "''",
                                   "event_time": say.time("i"), "score_id": say.name("s", "i"), "event": score}),
        ("scores", scores, {"asset_class": busy_class, "asset_id": say.name("asset", busy),
                            "event_time": say.time("i"), "score_id": say.name("s", "i"), "kind": "'rul'",
                            "value": "50 + i % 17", "unit": "'hour'", "model_name": "'m'", "model_version": "'1'",
                            "caused_topic": "'t'", "caused_partition": "0", "caused_offset": "i",
                            "caused_event_id": "'e'"}),
        ("alerts", alerts, {"alert_id": say.name("alert", "i"), "asset_id": asset, "asset_class": of_class,
                            "failure_mode": "'wear'", "state": state, "severity": severity, "score": "12.5",
                            "sequence": "0", "raised_at": say.time("i"), "updated_at": say.time("i"),
                            "is_acknowledged": "i % 2 = 0"}),
    )  # fmt: skip


def _of_users_and_items(say: _Dialect, share: float) -> tuple[Rows, ...]:
    scores, items, users = (int(n * share) for n in (SCORES, ITEMS, USERS))
    ranked = say.object(recommendation_id="'r'", event_time="'2026-05-01T12:00:00Z'", user_id=say.name("user", "i"),
                        strategy="'ranker'", feed_offset="1", model=say.object(name="'m'", version="'1'"),
                        caused_by=say.object(topic="'t'", partition="0", offset="i", event_id="'e'"),
                        items=say.ranking(items))  # fmt: skip
    return (
        ("items", items, {"item_id": say.name("item", "i"), "title": "'Shoe ' || i", "category": "'c' || i % 40",
                          "available": "i % 9 > 0", "updated_at": say.time("0"), "told": say.object(title="1")}),
        ("recommendations", users, {"user_id": say.name("user", "i"), "recommendation_id": "'r'",
                                    "event_time": say.time("i"), "caused_offset": "i", "event": ranked}),
        ("clicks", 5 * users, {"partition": "0", "\"offset\"": "i", "user_id": say.name("user", f"i % {users}"),
                               "event_time": say.time("i"), "item_id": say.name("item", f"i % {items}"),
                               "action": "'view'"}),
        ("readings", scores // 2, {"asset_class": "'pump'", "asset_id": say.name("asset", f"i % {BUSY} * 2"),
                                   "slot": say.time("i"), "event_time": say.time("i"),
                                   "readings": say.object(vibration="i % 23", temperature="i % 91")}),
        ("dead_letters", int(50_000 * share), {
            "topic": "case i % 2 when 0 then 'clicks.v1' else 'items.v1' end", "partition": "0", "\"offset\"": "i",
            "quarantined_at": say.time("i"), "source_partition": "0", "source_offset": "i", "exception": "'E'",
            "reason": "'why'", "size": "3"}),
    )  # fmt: skip


class _Dialect:
    """The same in the words of each database."""

    def __init__(self, is_postgres: bool) -> None:
        self.is_postgres = is_postgres

    def number(self, of: str) -> str:
        return f"cast({of} as text)"

    def name(self, kind: str, of: str) -> str:
        digits = f"lpad(cast({of} as text), 6, '0')" if self.is_postgres else f"printf('%06d', {of})"
        return f"'{kind}-' || {digits}" if kind else digits

    def time(self, seconds: str) -> str:
        if self.is_postgres:
            return f"timestamptz '2026-04-01 00:00:00Z' + ({seconds}) * interval '1 second'"
        return f"1775001600000000 + ({seconds}) * 1000000"

    def object(self, **fields: str) -> str:
        function = "jsonb_build_object" if self.is_postgres else "json_object"
        return f"{function}({', '.join(f'{chr(39)}{name}{chr(39)}, {value}' for name, value in fields.items())})"

    def ranking(self, items: int) -> str:
        function = "jsonb_build_array" if self.is_postgres else "json_array"
        ranked = [self.object(item_id=self.name("item", f"(i * 7 + {n}) % {items}"), score="0.5") for n in range(20)]
        return f"{function}({', '.join(ranked)})"

    def numbers(self, count: int) -> str:
        if self.is_postgres:
            return f"(select i from generate_series(0, {count - 1}) as n(i)) as n"
        return (
            f"(with recursive n(i) as (select 0 union all select i + 1 from n where i < {count - 1}) select i from n)"
        )


def _insert(connection: Connection, say: _Dialect, table: str, count: int, columns: dict[str, str]) -> None:
    values = ", ".join(columns.values())
    connection.exec_driver_sql(
        f"insert into {table} ({', '.join(columns)}) select {values} from {say.numbers(count)} "
        "where true on conflict do nothing".replace("%", "%%" if say.is_postgres else "%")
    )


Paths = dict[str, Callable[[random.Random], str]]


def paths(share: float) -> Paths:
    """One request of each route, made up anew each time."""
    return _of_assets(int(ASSETS * share)) | _of_alerts(int(ASSETS * share)) | _of_shop(share) | _OF_SERVICE


def _of_assets(assets: int) -> Paths:
    def asset(chance: random.Random, most: int = assets, step: int = 1) -> str:
        return f"/v1/assets/asset-{chance.randrange(most) * step:06}"

    return {
        "assets": lambda _: "/v1/assets",
        "assets, worst first": lambda _: "/v1/assets?sort=worst",
        "assets, last seen first": lambda _: "/v1/assets?sort=last_seen",
        "assets, the worst of a class": lambda _: "/v1/assets?sort=worst&asset_class=fan",
        "assets, deep in the worst": lambda c: f"/v1/assets?sort=worst&after={_deep('worst', c, assets)}",
        "assets of a class, last seen first": lambda _: "/v1/assets?sort=last_seen&asset_class=fan",
        "assets with counts": lambda _: "/v1/assets?sort=worst&counts=true",
        "assets of a severity by name": lambda _: "/v1/assets?severity=critical",
        "assets of a severity, last seen first": lambda _: "/v1/assets?severity=advisory&sort=last_seen",
        "assets of a severity": lambda _: "/v1/assets?severity=critical&sort=worst",
        "assets, one found": lambda c: f"/v1/assets?query={c.randrange(assets):06}",
        "assets, all found": lambda _: "/v1/assets?query=asset",
        "one asset": asset,
        "scores of an asset": lambda c: asset(c, BUSY) + "/scores",
        "scores of an asset, 200 points": lambda c: asset(c, BUSY) + "/scores?points=200",
        "readings of an asset, 200 points": lambda c: (
            f"/v1/assets/asset-{c.randrange(BUSY) * 2:06}/readings?points=200"
        ),
    }


def _of_alerts(assets: int) -> Paths:
    day = "from=2026-04-02T00:00:00Z&to=2026-04-03T00:00:00Z"
    return {
        "alerts": lambda _: "/v1/alerts",
        "open alerts": lambda _: "/v1/alerts?state=raised",
        "open critical alerts, not seen": lambda _: "/v1/alerts?state=raised&severity=critical&acknowledged=false",
        "alerts of two severities": lambda _: "/v1/alerts?severity=critical&severity=warning",
        "alerts of a class and a day": lambda _: f"/v1/alerts?asset_class=pump&{day}",
        "alerts of an asset": lambda c: f"/v1/alerts?asset_id=asset-{c.randrange(assets):06}",
        "alerts, asset found by a word": lambda c: f"/v1/alerts?query={c.randrange(assets):06}",
    }


def _of_shop(share: float) -> Paths:
    items, users = int(ITEMS * share), int(USERS * share)
    return {
        "recommendations": lambda c: f"/v1/users/user-{c.randrange(users):06}/recommendations",
        "a user": lambda c: f"/v1/users/user-{c.randrange(users):06}",
        "items liked by those who like one": lambda c: f"/v1/items/item-{c.randrange(items):06}/similar",
        "items": lambda _: "/v1/items",
        "items of a category": lambda c: f"/v1/items?category=c{c.randrange(40)}",
        "items, some found": lambda c: f"/v1/items?query=shoe+{c.randrange(items)}",
    }


_OF_SERVICE: Paths = {
    "dead letters of a topic": lambda _: "/v1/dead-letters?topic=clicks.v1",
    "topics": lambda _: "/v1/topics",
    "overview": lambda _: "/v1/overview",
}


def _deep(sort: str, chance: random.Random, assets: int) -> str:
    """A cursor somewhere in the order."""
    return to_cursor(f"assets/{sort}", 0, chance.randrange(1000) / 1000, "pump", f"asset-{chance.randrange(assets):06}")


def measure(url: str, share: float) -> None:
    chance, started = random.Random(1), threading.Event()
    ports: list[int] = []

    def on_port(port: int) -> None:
        ports.append(port)
        started.set()

    with tempfile.TemporaryDirectory() as home:
        server = ApiServer(Settings(home=Path(home), database_url=url, api_port=0), on_port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [server.listener]})
        thread.start()
        started.wait(30)
        print("| route | p50 ms | p99 ms |\n|---|---|---|")
        with httpx2.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=30) as client:
            for name, path in paths(share).items():
                times = [_time_of(client, path(chance)) for _ in range(REQUESTS)]
                quantiles = statistics.quantiles(times[10:], n=100)
                print(f"| {name} | {quantiles[49]:.1f} | {quantiles[98]:.1f} |", flush=True)
        server.should_exit = True
        thread.join(10)
        server.listener.close()


def _time_of(client: httpx2.Client, path: str) -> float:
    started = time.perf_counter()
    answer = client.get(path)
    took_ms = (time.perf_counter() - started) * 1e3
    assert answer.status_code == 200, answer.text
    return took_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--share", type=float, default=1.0)
    given = parser.parse_args()
    upgrade(given.url)
    engine = create_engine(given.url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        is_empty = connection.scalar(text("select count(*) from assets")) == 0
    if is_empty:
        began = time.perf_counter()
        with engine.begin() as connection:
            fill(connection, given.share)
        print(f"filled in {time.perf_counter() - began:.0f} s")
    if is_empty and engine.dialect.name == "postgresql":  # as its own vacuum does in time
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum"))
    engine.dispose()
    measure(given.url, given.share)


if __name__ == "__main__":
    main()
