"""Shop Diginetica (CIKM Cup 2016), the split that SR-GNN and GCE-GNN publish on: how often the next click was foreseen.

    python -m benchmarks.diginetica events TRAIN.jsonl.gz OUT.jsonl                the training sessions as clicks.v1
    python -m benchmarks.diginetica evaluate TRAIN.jsonl.gz TEST.jsonl.gz          offline

Protocol: the state is frozen at the start of each block of sessions, as in the published test. The forest learns from
questions of the 36,000 sessions before the last 10,000; those validate; the test cases are asked once, with the state
after all training sessions. HR@20 and MRR@20 over all 60,858 cases. The data has an order of sessions but no times:
events are a second apart, and the profile counts sessions.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from benchmarks.globo import figures, tell
from models.recommender import PREFIX, TURNED_DOWN, CatalogueView, Queries, Recommender, stable_hash
from models.recommender.training import ClickLog, LogReader, QueryLog, fit, places_of
from schemas import PROFILES, Click

START = datetime(2016, 1, 1, tzinfo=UTC)
VALIDATION, LEARNED, BLOCK = 10_000, 36_000, 12_000  # sessions
QUERIES, NEGATIVES, TREES = 45_000, 0.25, 170  # a block; kept; in the forest
TOGETHER = 500  # queries asked at once


def read(path: Path) -> list[Any]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def events(sessions: list[list[int]]) -> Iterator[dict[str, Any]]:
    """The sessions one after another as `clicks.v1` events."""
    number = 0
    for session, items in enumerate(sessions):
        for item in items:
            stamp = (START + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
            yield {
                "event_id": str(number),
                "event_time": stamp,
                "user_id": f"visitor-{session}",
                "session_id": str(session),
                "item_id": str(item),
            }
            number += 1


def clicks(sessions: list[list[int]]) -> Iterator[list[Click]]:
    batch = []
    for event in events(sessions):
        batch.append(Click.model_validate(event))
        if len(batch) == 10_000:
            yield batch
            batch = []
    yield batch


class Frozen:
    """The recommender asked with the state of the moment, many questions at once."""

    def __init__(self, log: ClickLog) -> None:
        self.recommender = Recommender(None, PROFILES["shop"])
        self.view = CatalogueView(self.recommender.profile)
        self.targets = log.targets()
        self._log, self._done = log, 0

    def proceed(self, end: int) -> None:
        """Apply the clicks before `end`."""
        if end > self._done:
            self.view.apply(self._log.record(self._done, end))
            self._done = end

    def learn(self, logged: QueryLog, which: np.ndarray) -> None:
        """Log the questions of these clicks."""
        queries = self._log.queries(which)
        for n in range(0, len(which), TOGETHER):
            part = Queries._make(column[n : n + TOGETHER] for column in queries)
            logged.add(self.recommender.candidates(self.view, part), self.targets[which[n : n + TOGETHER]])

    def measure(self, queries: Queries, targets: np.ndarray, booster: lightgbm.Booster) -> dict[str, float]:
        """HR@20, MRR@20, recall of the candidates and the cost of finding them."""
        places, spent, recalled = [], 0.0, 0
        for n in range(0, len(targets), TOGETHER):
            begun = time.perf_counter()
            found = self.recommender.candidates(
                self.view, Queries._make(column[n : n + TOGETHER] for column in queries)
            )
            spent += time.perf_counter() - begun
            best = self.recommender.best(found, booster.predict(found.rows, num_threads=1))
            places.append(places_of(*best, found, targets[n : n + TOGETHER]))
            query = np.repeat(np.arange(len(found.counts)), found.counts)
            recalled += int((found.keys == targets[n : n + TOGETHER][query]).sum())
        count = len(targets)
        return figures(np.concatenate(places)) | {"recall": recalled / count, "candidates_us": spent / count * 1e6}


def questions(prefixes: list[list[int]]) -> Queries:
    """What visitors who are not in the state ask after these items."""
    count = len(prefixes)
    hashes, lengths = np.zeros((count, PREFIX), np.uint64), np.zeros(count, np.int64)
    for n, items in enumerate(prefixes):
        lengths[n] = min(len(items), PREFIX)
        hashes[n, : lengths[n]] = [stable_hash(str(item)) for item in items[-PREFIX:]]
    none = np.zeros((count, 0))
    sessions = np.array([stable_hash(f"case {n}") for n in range(count)], np.uint64)
    return Queries(
        hashes,
        lengths,
        sessions,
        np.zeros(count),
        none.astype(np.uint8),
        none.astype(np.float32),
        np.zeros((count, TURNED_DOWN), np.uint32),
    )


def evaluate(train: Path, test: Path) -> None:
    sessions = read(train)
    log = LogReader(PROFILES["shop"]).read(clicks(sessions), tell)
    begins = np.concatenate([[0], np.cumsum([len(items) for items in sessions])])
    frozen, logged, random = Frozen(log), QueryLog(NEGATIVES), np.random.default_rng(0)
    validation = len(sessions) - VALIDATION
    for block in range(validation - LEARNED, validation, BLOCK):
        frozen.proceed(begins[block])
        cases = np.flatnonzero(frozen.targets[begins[block] : begins[block + BLOCK]]) + begins[block]
        frozen.learn(logged, np.sort(random.permutation(cases)[:QUERIES]))
        print(f"\nblock at session {block}: {logged.queries} questions", flush=True)
    rows, labels, counts = logged.arrays()
    begun = time.monotonic()
    booster = fit(rows, labels, counts, frozen.recommender.features, TREES)
    print(f"{len(counts)} questions, {len(rows)} rows, fitted in {time.monotonic() - begun:.0f} s", flush=True)
    del rows, labels
    frozen.proceed(begins[validation])
    which = np.flatnonzero(frozen.targets[begins[validation] :]) + begins[validation]
    known = np.isin(frozen.targets[which], frozen.view.arrays.items["key"][: frozen.view.items])
    which = which[known]
    print("validation", frozen.measure(log.queries(which), frozen.targets[which], booster), flush=True)
    frozen.proceed(len(log))
    cases = read(test)
    targets = np.array([stable_hash(str(case["target"])) for case in cases], np.uint64)
    print("test", frozen.measure(questions([case["session"] for case in cases]), targets, booster), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    convert = verbs.add_parser("events")
    convert.add_argument("train", type=Path)
    convert.add_argument("out", type=Path)
    offline = verbs.add_parser("evaluate")
    offline.add_argument("train", type=Path)
    offline.add_argument("test", type=Path)
    given = parser.parse_args()
    if given.verb == "events":
        with given.out.open("w") as file:
            file.writelines(json.dumps(event, separators=(",", ":")) + "\n" for event in events(read(given.train)))
    else:
        evaluate(given.train, given.test)


if __name__ == "__main__":
    main()
