"""Database: the rows that a site's sink has written, against the decisions that it should have written.

decisions by id ─► rows as they should be ─► SQL ─► lost, doubled, contradicting
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import create_engine, text

from schemas import ALERTS, RECOMMENDATIONS, SCORES
from tests.faults.oracle import Expected, Verdict, decoded

SCORES_SQL = "select score_id, value, low, high, caused_partition, caused_offset from scores"
TRANSITIONS_SQL = "select alert_id, sequence, event from alert_transitions"
ALERTS_SQL = "select alert_id, state, severity, sequence from alerts"
LATEST_SQL = "select asset_id, event from latest_scores"
RECOMMENDATIONS_SQL = "select user_id, recommendation_id, event from recommendations"


def judge_database(url: str, expected: Expected, verdict: Verdict) -> None:
    """All rows of decisions, counted and compared."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:

            def rows(sql: str) -> list[Any]:
                return [tuple(row) for row in connection.execute(text(sql))]

            _scores(rows, decoded(expected.decisions[SCORES]), verdict)
            _alerts(rows, decoded(expected.decisions[ALERTS]), verdict)
            _recommendations(rows, decoded(expected.decisions[RECOMMENDATIONS]), verdict)
    finally:
        engine.dispose()


def _scores(rows: Any, scores: Mapping[str, dict[str, Any]], verdict: Verdict) -> None:
    wanted = {
        key: (s["value"], s["low"], s["high"], s["caused_by"]["partition"], s["caused_by"]["offset"])
        for key, s in scores.items()
    }
    found = rows(SCORES_SQL)
    verdict.compare("rows of scores", wanted, {row[0]: row[1:] for row in found})
    verdict.tell("doubled", "rows of scores", [None] * (len(found) - len({row[0] for row in found})))
    newest: dict[str, dict[str, Any]] = {}
    for score in scores.values():  # in the order in which they were decided
        known = newest.get(score["asset_id"])
        if known is None or not score.get("late") or _time(score) > _time(known):
            newest[score["asset_id"]] = score
    latest = {row[0]: _document(row[1])["score_id"] for row in rows(LATEST_SQL)}
    verdict.compare("latest scores", {asset: score["score_id"] for asset, score in newest.items()}, latest)


def _alerts(rows: Any, alerts: Mapping[str, dict[str, Any]], verdict: Verdict) -> None:
    wanted = {(a["alert_id"], a["sequence"]): (a["state"], a["severity"], a["score"]) for a in alerts.values()}
    found = {
        (alert_id, sequence): (event["state"], event["severity"], event.get("score"))
        for alert_id, sequence, document in rows(TRANSITIONS_SQL)
        if (event := _document(document))
    }
    verdict.compare("rows of transitions", wanted, found)
    last: dict[str, tuple[Any, ...]] = {}
    for (alert_id, sequence), (state, severity, _) in sorted(wanted.items()):
        last[alert_id] = (state, severity, sequence)
    verdict.compare("rows of alerts", last, {row[0]: row[1:] for row in rows(ALERTS_SQL)})


def _recommendations(rows: Any, answers: Mapping[str, dict[str, Any]], verdict: Verdict) -> None:
    latest: dict[str, dict[str, Any]] = {}
    for answer in answers.values():
        known = latest.get(answer["user_id"])
        if known is None or answer["caused_by"]["offset"] > known["caused_by"]["offset"]:
            latest[answer["user_id"]] = answer
    wanted = {user: (answer["recommendation_id"], answer["items"]) for user, answer in latest.items()}
    found = {row[0]: (row[1], _document(row[2])["items"]) for row in rows(RECOMMENDATIONS_SQL)}
    verdict.compare("rows of recommendations", wanted, found)


def _document(value: Any) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(value) if isinstance(value, str | bytes) else value
    return document


def _time(score: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(score["event_time"])
