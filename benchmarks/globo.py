"""News portal Globo.com, 1-15 October 2017: the public clicks as events, and how often the next click was foreseen.

    python -m benchmarks.globo events globo_clicks.parquet clicks.jsonl --until 2017-10-15T00:00:00Z
    python -m benchmarks.globo evaluate globo_clicks.parquet [--home MILLRACE_HOME]
        (offline: the champion in that home, trained first if there is none, on all clicks before 15 October)
    python -m benchmarks.globo score globo_clicks.parquet recommendations.jsonl     (records of recommendations.v1)

Protocol: every click of 15 October 00:00-12:00 UTC that has a next click in its session is a case, that click is its
target; HR@20 and MRR@20 over all cases, targets that were not candidates included. The gap to the next click is not
used: in this data the last click of a session is always stamped 30 s after the one before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from models.recommender import CatalogueView, Queries, Recommender
from models.recommender.training import ClickLog, LogReader, places_of, reciprocal, replay, train
from models.registry import ModelStore
from schemas import PROFILES, Click

TEST_FROM, TEST_UNTIL = datetime(2017, 10, 15, tzinfo=UTC), datetime(2017, 10, 15, 12, tzinfo=UTC)
CONTEXT = {
    "environment": "click_environment",
    "device": "click_deviceGroup",
    "os": "click_os",
    "country": "click_country",
    "region": "click_region",
    "referrer": "click_referrer_type",
}
BATCH = 10_000


def columns(data: Path) -> dict[str, Any]:
    """The columns of the file, in order of time, then session."""
    table = pq.read_table(data)
    found = {name: table[name].to_numpy() for name in table.column_names}
    order = np.lexsort((found["session_id"], found["click_timestamp"]))
    return {name: column[order] for name, column in found.items()}


def events(data: Path, since: datetime | None = None, until: datetime | None = None) -> Iterator[dict[str, Any]]:
    """The clicks as `clicks.v1` events, in order; `event_id` is the row in the whole file."""
    found = columns(data)
    times = found["click_timestamp"]
    first = int(np.searchsorted(times, since.timestamp() * 1000)) if since else 0
    end = int(np.searchsorted(times, until.timestamp() * 1000)) if until else len(times)
    names = ["user_id", "session_id", "click_article_id", "click_timestamp", *CONTEXT.values()]
    for start in range(first, end, BATCH):
        rows = zip(*(found[name][start : min(start + BATCH, end)].tolist() for name in names), strict=True)
        for n, (user, session, article, stamp, *context) in enumerate(rows, start):
            yield {
                "event_id": str(n),
                "event_time": stamp,
                "user_id": str(user),
                "session_id": str(session),
                "item_id": str(article),
                "context": dict(zip(CONTEXT, context, strict=True)),
            }


def clicks(data: Path, until: datetime | None = None) -> Iterator[list[Click]]:
    batch = []
    for event in events(data, until=until):
        batch.append(Click.model_validate(event))
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def cases(data: Path) -> dict[str, str]:
    """event_id of each case -> item_id of its target."""
    found = columns(data)
    sessions, items, times = found["session_id"], found["click_article_id"], found["click_timestamp"] / 1000.0
    order = np.argsort(sessions, kind="stable")
    goes_on = sessions[order[1:]] == sessions[order[:-1]]
    now, then = order[:-1][goes_on], order[1:][goes_on]
    tested = (times[now] >= TEST_FROM.timestamp()) & (times[now] < TEST_UNTIL.timestamp())
    return {str(n): str(items[target]) for n, target in zip(now[tested].tolist(), then[tested].tolist(), strict=True)}


def score(targets: dict[str, str], lists: dict[str, list[str]]) -> dict[str, float]:
    """HR@20 and MRR@20 of lists (event_id -> item ids, best first); a case without a list is a miss."""
    places = np.zeros(len(targets), np.int64)
    for n, (event_id, target) in enumerate(targets.items()):
        best = lists.get(event_id, [])[:20]
        places[n] = best.index(target) + 1 if target in best else 0
    return figures(places) | {"answered": float(np.mean([event_id in lists for event_id in targets]))}


def figures(places: np.ndarray) -> dict[str, float]:
    """HR@20 and MRR@20 with the half width of their 95 % intervals."""
    hits, ranks = (places > 0).astype(float), reciprocal(places)
    half = 1.96 / np.sqrt(max(len(places), 1))
    return {
        "cases": float(len(places)),
        "hr_20": float(hits.mean()),
        "hr_20_half": float(hits.std() * half),
        "mrr_20": float(ranks.mean()),
        "mrr_20_half": float(ranks.std() * half),
    }


def evaluate(data: Path, home: Path) -> None:
    """Train on the clicks before 15 October if nobody has, then replay all and ask at each case."""
    profile, store = PROFILES["portal"], ModelStore(home / "models")
    if "recommender" not in store.champions():
        begun = time.monotonic()
        manifest = train(clicks(data, TEST_FROM), profile, store, progress=tell)
        store.promote(manifest.name, manifest.version)
        print(f"\ntrained in {time.monotonic() - begun:.0f} s: {manifest.learned} {manifest.metrics}", flush=True)
    log = LogReader(profile).read(clicks(data, TEST_UNTIL), tell)
    for label, model in (("ranker", store.load("recommender")), ("blend", None)):
        print(f"\n{label}: {measure(log, Recommender(model, profile))}", flush=True)


def measure(log: ClickLog, recommender: Recommender) -> dict[str, float]:
    """Replay the log and ask at each case of the test."""
    targets, times = log.targets(), log.columns.times
    within = (times >= TEST_FROM.timestamp()) & (times < TEST_UNTIL.timestamp())
    which = np.flatnonzero((targets != 0) & within)
    view = CatalogueView(recommender.profile)
    places, spent = np.zeros(len(which), np.int64), np.zeros(2)

    def ask(place: int, query: Queries) -> None:
        begun = time.perf_counter()
        found = recommender.candidates(view, query)
        between = time.perf_counter()
        scores = recommender.scorer.score(found.rows) if recommender.scorer else recommender.by_hand(found)
        best = recommender.best(found, scores)
        spent[:] += between - begun, time.perf_counter() - between
        places[place] = places_of(*best, found, targets[which[place]][None])[0]

    replay(log, view, which, ask)
    cost = spent / max(len(which), 1) * 1e6
    return figures(places) | {"candidates_us": float(cost[0]), "rank_us": float(cost[1])}


def tell(stage: str, done: int, total: int | None) -> None:
    print(f"\r{stage} {done:,}{f' of {total:,}' if total else ''}   ", end="", file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    convert = verbs.add_parser("events")
    convert.add_argument("data", type=Path)
    convert.add_argument("out", type=Path)
    convert.add_argument("--since", type=datetime.fromisoformat)
    convert.add_argument("--until", type=datetime.fromisoformat)
    offline = verbs.add_parser("evaluate")
    offline.add_argument("data", type=Path)
    offline.add_argument("--home", type=Path, default=Path(".millrace/benchmarks/globo"))
    scored = verbs.add_parser("score")
    scored.add_argument("data", type=Path)
    scored.add_argument("recommendations", type=Path)
    return parser.parse_args()


def main() -> None:
    given = parse_arguments()
    if given.verb == "events":
        with given.out.open("w") as file:
            for event in events(given.data, given.since, given.until):
                file.write(json.dumps(event, separators=(",", ":")) + "\n")
    elif given.verb == "evaluate":
        evaluate(given.data, given.home)
    else:
        with given.recommendations.open() as lines:
            records = [json.loads(line) for line in lines]
        lists = {r["caused_by"]["event_id"]: [i["item_id"] for i in r["items"]] for r in records}
        print(json.dumps(score(cases(given.data), lists), indent=2))


if __name__ == "__main__":
    main()
