"""Rows: what a batch of output events means for each table.

output events, removals ─► rows_of ─► rows by table, each key once where only the newest counts
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from schemas import Alert, CatalogueEntry, OutputEvent, Recommendation, Score, WorkerStatus

Row = dict[str, Any]
Event = TypeVar("Event", bound=OutputEvent)


class Removal(NamedTuple):
    """A null value on a compacted topic: the row of this key goes. `topic` is the name in the contract."""

    topic: str
    key: str


@dataclass
class Rows:
    """What is written in one transaction."""

    recommendations: list[Row] = field(default_factory=list)
    catalogue: list[Row] = field(default_factory=list)
    assets: list[Row] = field(default_factory=list)
    scores: list[Row] = field(default_factory=list)
    latest_scores: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    transitions: list[Row] = field(default_factory=list)
    removed_users: list[str] = field(default_factory=list)
    removed_entries: list[str] = field(default_factory=list)
    workers: list[Row] = field(default_factory=list)
    removed_workers: list[str] = field(default_factory=list)


def rows_of(events: Sequence[OutputEvent | Removal]) -> Rows:
    """The rows of a batch, sorted by key: writers of the same rows then lock them in the same order."""
    scores = [e for e in events if isinstance(e, Score)]
    alerts = [e for e in events if isinstance(e, Alert)]
    recommendations, catalogue, workers = _last_by_key(events)
    newest = _newest(scores, lambda s: (s.asset_id, s.kind, s.component or ""), lambda s: s.event_time)
    return Rows(
        recommendations=[_recommendation(r) for r in recommendations.values() if isinstance(r, Recommendation)],
        removed_users=[key for key, r in recommendations.items() if isinstance(r, Removal)],
        catalogue=[_entry(e) for e in catalogue.values() if isinstance(e, CatalogueEntry)],
        removed_entries=[key for key, e in catalogue.items() if isinstance(e, Removal)],
        workers=[_worker(w) for w in workers.values() if isinstance(w, WorkerStatus)],
        removed_workers=[key for key, w in workers.items() if isinstance(w, Removal)],
        assets=_assets([*scores, *alerts]),
        scores=[_score(s) for s in scores],
        latest_scores=[_latest(key, score) for key, score in sorted(newest.items())],
        alerts=_alerts(alerts),
        transitions=[_transition(a) for a in alerts],
    )


Last = dict[str, OutputEvent | Removal]


def _last_by_key(events: Sequence[OutputEvent | Removal]) -> tuple[Last, Last, Last]:
    """For each user, each key of the catalogue, each worker: its newest event, or that it was removed last."""
    recommendations: Last = {}
    catalogue: Last = {}
    workers: Last = {}
    for event in events:
        match event:
            case Recommendation(user_id=key, caused_by=cause):
                known = recommendations.get(key)
                if not isinstance(known, Recommendation) or known.caused_by.offset < cause.offset:
                    recommendations[key] = event
            case CatalogueEntry(key=key, feed_offset=feed_offset):
                known = catalogue.get(key)
                if not isinstance(known, CatalogueEntry) or known.feed_offset < feed_offset:
                    catalogue[key] = event
            case WorkerStatus(worker=key) | Removal("workers.v1", key):
                workers[key] = event
            case Removal("recommendations.v1", key):
                recommendations[key] = event
            case Removal("catalogue.v1", key):
                catalogue[key] = event
            case Removal(topic, key):
                raise ValueError(f"{topic} has no removals, but {key!r} is one")
    return dict(sorted(recommendations.items())), dict(sorted(catalogue.items())), dict(sorted(workers.items()))


def _newest(events: Sequence[Event], key: Callable[[Event], Any], age: Callable[[Event], Any]) -> dict[Any, Event]:
    newest: dict[Any, Event] = {}
    for event in events:
        known = newest.get(key(event))
        if known is None or age(known) <= age(event):
            newest[key(event)] = event
    return newest


def _document(event: OutputEvent) -> Row:
    return event.model_dump(mode="json", exclude_none=True)


def _recommendation(event: Recommendation) -> Row:
    return {
        "user_id": event.user_id,
        "recommendation_id": event.recommendation_id,
        "event_time": event.event_time,
        "caused_offset": event.caused_by.offset,
        "event": _document(event),
    }


def _entry(event: CatalogueEntry) -> Row:
    return {"key": event.key, "feed_offset": event.feed_offset, "event": _document(event)}


def _worker(event: WorkerStatus) -> Row:
    return {"worker": event.worker, "event_time": event.event_time, "event": _document(event)}


def _score(event: Score) -> Row:
    cause, model = event.caused_by, event.model
    return {
        "asset_id": event.asset_id,
        "event_time": event.event_time,
        "score_id": event.score_id,
        "asset_class": event.asset_class,
        "kind": event.kind,
        "component": event.component,
        "value": event.value,
        "low": event.low,
        "high": event.high,
        "unit": event.unit,
        "model_name": model.name,
        "model_version": model.version,
        "caused_topic": cause.topic,
        "caused_partition": cause.partition,
        "caused_offset": cause.offset,
        "caused_event_id": cause.event_id,
    }


def _latest(key: tuple[str, str, str], event: Score) -> Row:
    asset_id, kind, component = key
    return {
        "asset_id": asset_id,
        "kind": kind,
        "component": component,
        "event_time": event.event_time,
        "event": _document(event),
    }


def _assets(events: Sequence[Score | Alert]) -> list[Row]:
    rows: dict[str, Row] = {}
    for event in events:
        row = rows.get(event.asset_id)
        time = event.event_time
        if row is None:
            rows[event.asset_id] = {
                "asset_id": event.asset_id,
                "asset_class": event.asset_class,
                "first_seen": time,
                "last_seen": time,
            }
        elif time > row["last_seen"]:
            row["last_seen"] = time
        elif time < row["first_seen"]:
            row["first_seen"] = time
    return [row for _, row in sorted(rows.items())]


def _alerts(events: Sequence[Alert]) -> list[Row]:
    newest = _newest(events, lambda a: a.alert_id, lambda a: a.sequence)
    oldest = _newest(events, lambda a: a.alert_id, lambda a: -a.sequence)
    return [
        {
            "alert_id": alert_id,
            "asset_id": event.asset_id,
            "asset_class": event.asset_class,
            "failure_mode": event.failure_mode,
            "state": event.state,
            "severity": event.severity,
            "score": event.score,
            "sequence": event.sequence,
            "raised_at": oldest[alert_id].event_time,
            "updated_at": event.event_time,
        }
        for alert_id, event in sorted(newest.items())
    ]


def _transition(event: Alert) -> Row:
    return {"alert_id": event.alert_id, "sequence": event.sequence, "event": _document(event)}
