"""The adapters of the click data: events that Millrace accepts, and cases that are what the protocols say."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import diginetica, globo
from models.recommender import stable_hash
from models.recommender.training import LogReader
from schemas import PROFILES, Click

START_MS = int(globo.TEST_FROM.timestamp() * 1000)
ROWS = [  # user, session, article, ms after the test begins
    (1, 11, 100, -5_000),
    (2, 22, 200, -4_000),
    (1, 11, 101, 1_000),
    (2, 22, 201, 1_000),
    (1, 11, 102, 9_000),
    (3, 33, 300, 9_500),
]


@pytest.fixture
def clicks_file(tmp_path: Path) -> Path:
    shuffled = [ROWS[n] for n in (3, 0, 5, 2, 4, 1)]
    users, sessions, articles, times = (list(column) for column in zip(*shuffled, strict=True))
    table = {
        "user_id": users,
        "session_id": sessions,
        "click_article_id": articles,
        "click_timestamp": [START_MS + ms for ms in times],
    }
    table |= {name: [n] * len(ROWS) for n, name in enumerate(globo.CONTEXT.values())}
    pq.write_table(pa.table(table), tmp_path / "clicks.parquet")
    return tmp_path / "clicks.parquet"


def test_globo_events_are_in_order_and_valid(clicks_file: Path) -> None:
    events = [Click.model_validate(event) for event in globo.events(clicks_file)]
    assert [event.item_id for event in events] == [str(row[2]) for row in ROWS]
    assert [event.event_id for event in events] == [str(n) for n in range(6)]
    assert events[0].context == {name: n for n, name in enumerate(globo.CONTEXT)}
    assert set(globo.CONTEXT) == set(PROFILES["portal"].context)
    assert [e["event_id"] for e in globo.events(clicks_file, until=globo.TEST_FROM)] == ["0", "1"]
    assert [e["event_id"] for e in globo.events(clicks_file, since=globo.TEST_FROM)] == ["2", "3", "4", "5"]


def test_globo_cases_are_the_clicks_of_the_test_with_a_next_one(clicks_file: Path) -> None:
    assert globo.cases(clicks_file) == {"2": "102"}


def test_lists_are_scored_by_the_next_click() -> None:
    targets = {"a": "x", "b": "x", "c": "x", "d": "x"}
    lists = {"a": ["x"], "b": ["y", "x"], "c": [*map(str, range(20)), "x"]}
    figures = globo.score(targets, lists)
    assert (figures["hr_20"], figures["mrr_20"], figures["answered"]) == (0.5, 0.375, 0.75)


@pytest.mark.long
def test_diginetica_sessions_become_sessions(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(session) + "\n" for session in ([1, 2], [3, 4, 5]))
    log = LogReader(PROFILES["shop"]).read(
        diginetica.clicks(diginetica.read(tmp_path / "train.jsonl.gz")), lambda *_: None
    )
    hashes = [stable_hash(str(item)) for item in (2, 4, 5)]
    assert log.targets().tolist() == [hashes[0], 0, hashes[1], hashes[2], 0]
    questions = diginetica.questions([[1, 2, 3]])
    last = log.queries(np.array([4]))
    assert questions.lengths.tolist() == last.lengths.tolist() == [3]
    assert last.prefixes[0, :3].tolist() == [stable_hash(str(item)) for item in (3, 4, 5)]
