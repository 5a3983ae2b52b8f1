"""Rows: what a batch of output events means for each table.

output events, removals ─► rows_of ─► rows by table, each key once where only the newest counts
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from schemas import (
    ITEM_PREFIX,
    LIST_PREFIX,
    TRENDING_KEY,
    Alert,
    CatalogueEntry,
    Maintenance,
    OutputEvent,
    Recommendation,
    Score,
    Telemetry,
    WorkerStatus,
    similar_key,
)
from storage.kept_rows import KeptRows, kept_of
from storage.records import Keeping, Placed, Record, Removal

Row = dict[str, Any]
DEFAULT_KEEPING = Keeping()
Event = TypeVar("Event", bound=OutputEvent)
SeenEvent = Score | Alert | Telemetry | Maintenance
TargetKey = tuple[str, str, str, str]  # asset_class, asset_id, kind, component


@dataclass
class RowsToWrite:
    """What is written in one transaction."""

    recommendations: list[Row] = field(default_factory=list)
    catalogue: list[Row] = field(default_factory=list)
    assets: list[Row] = field(default_factory=list)
    seen: list[Row] = field(default_factory=list)  # of inputs: of assets that are not scored they alone tell
    scores: list[Row] = field(default_factory=list)
    latest_scores: list[list[Row]] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    transitions: list[Row] = field(default_factory=list)
    removed_users: list[str] = field(default_factory=list)
    removed_entries: list[str] = field(default_factory=list)
    workers: list[Row] = field(default_factory=list)
    removed_workers: list[str] = field(default_factory=list)
    kept: KeptRows = field(default_factory=KeptRows)


def rows_of(events: Sequence[Record], keeping: Keeping = DEFAULT_KEEPING) -> RowsToWrite:
    """The rows of a batch, sorted by key: writers of the same rows then lock them in the same order."""
    scores = [e for e in events if isinstance(e, Score)]
    alerts = [e for e in events if isinstance(e, Alert)]
    latest_scores = _latest_scores(scores)
    recommendations, catalogue, workers = _last_by_key(events)
    return RowsToWrite(
        recommendations=[_recommendation(r) for r in recommendations.values() if isinstance(r, Recommendation)],
        removed_users=[key for key, r in recommendations.items() if isinstance(r, Removal)],
        catalogue=[_entry(e) for e in catalogue.values() if isinstance(e, CatalogueEntry)],
        removed_entries=[key for key, e in catalogue.items() if isinstance(e, Removal)],
        workers=[_worker(w) for w in workers.values() if isinstance(w, WorkerStatus)],
        removed_workers=[key for key, w in workers.items() if isinstance(w, Removal)],
        assets=_assets([*scores, *alerts], latest_scores),
        seen=_assets(
            [r.event for r in events if isinstance(r, Placed) and isinstance(r.event, Telemetry | Maintenance)]
        ),
        scores=[_score(s) for s in scores],
        latest_scores=latest_scores,
        alerts=_alerts(alerts),
        transitions=[_transition(a) for a in alerts],
        kept=kept_of(events, keeping),
    )


Last = dict[str, OutputEvent | Removal]


def _last_by_key(events: Sequence[Record]) -> tuple[Last, Last, Last]:
    """For each user, each key of the catalogue, each worker: its newest event, or that it was removed last."""
    last: dict[str, Last] = {"recommendations.v1": {}, "catalogue.v1": {}, "workers.v1": {}}
    for event in events:
        match event:
            case Recommendation(user_id=user_id):
                _keep(last["recommendations.v1"], user_id, event)
            case CatalogueEntry():
                _keep(last["catalogue.v1"], catalogue_key(event), event)
            case WorkerStatus(worker=worker):
                _keep(last["workers.v1"], worker, event)
            case Removal("catalogue.v1", key):
                last["catalogue.v1"][key if key.startswith((LIST_PREFIX, ITEM_PREFIX)) else _key_of_before(key)] = event
            case Removal(topic, key) if topic in last:
                last[topic][key] = event
            case Removal("items.v1" | "clicks.v1" | "assets.v1"):
                pass  # see `kept_rows`
            case Removal(topic, key):
                raise ValueError(f"{topic} has no removals, but {key!r} is one")
    recommendations, catalogue, workers = (dict(sorted(of_topic.items())) for of_topic in last.values())
    return recommendations, catalogue, workers


def _keep(last: Last, key: str, event: OutputEvent) -> None:
    if key not in last or _replaces(event, last[key]):
        last[key] = event


def _replaces(event: OutputEvent, known: OutputEvent | Removal) -> bool:
    """By the place in the input that it follows from; by its time too, since an input made anew counts from 0 again.

    Equal places: of recommendations it is the same one, which stands; of lists and workers the later one wins.
    """
    match event, known:
        case Recommendation(), Recommendation():
            return event.caused_by.offset > known.caused_by.offset or event.event_time > known.event_time
        case CatalogueEntry(), CatalogueEntry():
            is_same = (event.feed_offset, event.event_time) == (known.feed_offset, known.event_time)
            return is_same or event.feed_offset > known.feed_offset or event.event_time > known.event_time
        case WorkerStatus(), WorkerStatus():
            return event.event_time >= known.event_time
    return True


def catalogue_key(entry: CatalogueEntry) -> str:
    """The row of an entry: its key, or what the key of a version of before stands for."""
    return entry.key if entry.kind else _key_of_before(entry.key)


def _key_of_before(key: str) -> str:
    """That version had one key for the trending list and for an item of that name, and told the list by far more."""
    return TRENDING_KEY if key == "trending" else similar_key(key)


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
    return {
        "key": catalogue_key(event),
        "feed_offset": event.feed_offset,
        "event_time": event.event_time,
        "event": _document(event),
    }


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
        "regime": event.regime,
        "quality": event.quality,
        "sensors": [one.model_dump() for one in event.sensors] or None,
        "model_name": model.name,
        "model_version": model.version,
        "caused_topic": cause.topic,
        "caused_partition": cause.partition,
        "caused_offset": cause.offset,
        "caused_event_id": cause.event_id,
    }


def _latest_scores(events: Sequence[Score]) -> list[list[Row]]:
    """The newest scores of each target, in turns: where several have the same time, each replaces the one before it.

    Which of them stands is for the table to say, which knows the repeated ones: those replace nothing.
    """
    newest: dict[TargetKey, dict[str, Score]] = {}
    for event in events:
        key: TargetKey = (event.asset_class, event.asset_id, event.kind, event.component or "")
        known = newest.setdefault(key, {})
        one = next(iter(known.values()), event)
        if one.event_time < event.event_time or _is_after(event, one):
            newest[key] = {event.score_id: event}
        elif one.event_time == event.event_time and not _is_after(one, event):
            known.setdefault(event.score_id, event)
    turns: list[list[Row]] = []
    for target, scores in sorted(newest.items()):
        for turn, event in enumerate(scores.values()):
            if turn == len(turns):
                turns.append([])
            turns[turn].append(_latest(target, event))
    return turns


def _is_after(new: Score, old: Score) -> bool:
    """Of a later record of its partition, and not late: if its time is older, the clock of the asset was set back."""
    now, was = new.caused_by, old.caused_by
    is_same_source = (now.topic, now.partition) == (was.topic, was.partition)
    return not new.late and is_same_source and now.offset > was.offset


def _latest(key: TargetKey, event: Score) -> Row:
    asset_class, asset_id, kind, component = key
    return {
        "asset_class": asset_class,
        "asset_id": asset_id,
        "kind": kind,
        "component": component,
        "event_time": event.event_time,
        "score_id": event.score_id,
        "health": health_of(event),
        "event": _document(event),
    }


def health_of(event: Score) -> float | None:
    """As it is told; those of before did not tell that of a remaining life."""
    if event.health is not None or event.kind == "rul":
        return event.health
    return min(max(1.0 - event.value, 0.0), 1.0)


def _pushed(events: Sequence[Record]) -> list[Telemetry | Maintenance]:
    placed = [event.event for event in events if isinstance(event, Placed)]
    return [event for event in placed if isinstance(event, Telemetry | Maintenance)]


def _assets(events: Sequence[SeenEvent], latest_scores: Sequence[list[Row]] = ()) -> list[Row]:
    """With the health that an asset has which is new; of one that is there the table finds it."""
    rows: dict[tuple[str, str], Row] = {}
    for event in events:
        key, time = (event.asset_class, event.asset_id), _seen_at(event)
        row = rows.setdefault(
            key, {"asset_class": key[0], "asset_id": key[1], "first_seen": time, "last_seen": time, "health": 1.0}
        )
        row["last_seen"] = max(row["last_seen"], time)
        row["first_seen"] = min(row["first_seen"], time)
    for latest in latest_scores[0] if latest_scores else ():
        row = rows[latest["asset_class"], latest["asset_id"]]
        row["health"] = min(row["health"], 1.0 if latest["health"] is None else latest["health"])
    return [row for _, row in sorted(rows.items())]


def _seen_at(event: Score | Alert | Telemetry | Maintenance) -> datetime:
    """When the asset was seen; what says that it is silent is not seen of it."""
    if isinstance(event, Alert) and event.kind == "data" and event.state == "raised":
        return event.event_time - timedelta(seconds=event.evidence.threshold or 0.0)
    return event.event_time


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
