"""Output events for the tests, with everything that does not matter filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import (
    Alert,
    CatalogueEntry,
    Cause,
    Evidence,
    ModelRef,
    Recommendation,
    Refusal,
    Running,
    Score,
    ScoredItem,
    WorkerStatus,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def _cause(topic: str, offset: int) -> Cause:
    return Cause(topic=topic, partition=0, offset=offset, event_id=f"e{offset}")


def score(number: int, asset: str = "pump-1", value: float = 50.0, **fields: Any) -> Score:
    """Score number n follows from offset n, n seconds after noon."""
    defaults = {
        "score_id": f"score-{number:06}", "event_time": at(number), "asset_id": asset, "asset_class": "pump",
        "caused_by": _cause("telemetry.v1", number), "model": ModelRef(name="pump", version="1"),
        "kind": "rul", "value": value, "low": value - 5, "high": value + 5, "unit": "hour",
    }  # fmt: skip
    return Score(**(defaults | fields))


def alert(alert_id: str, sequence: int, seconds: float = 0, **fields: Any) -> Alert:
    defaults = {
        "alert_id": alert_id, "sequence": sequence, "event_time": at(seconds), "asset_id": "pump-1",
        "asset_class": "pump", "failure_mode": "wear", "state": "raised", "severity": "warning", "score": 12.0,
        "evidence": Evidence(reason="rul below 20 for 3 readings", value=12.0, threshold=20.0),
        "model": ModelRef(name="pump", version="1"), "caused_by": _cause("telemetry.v1", sequence),
    }  # fmt: skip
    return Alert(**(defaults | fields))


def data_alert(alert_id: str, sequence: int = 0, seconds: float = 0, **fields: Any) -> Alert:
    """Of a sensor that is not believed: no score decided, so all that is of one is null."""
    evidence = {"reason": "", "sentence": "s3 is stuck", "sensors": [{"sensor": "s3", "fault": "stuck"}]}
    defaults = {
        "kind": "data", "failure_mode": "data", "severity": "advisory", "score": None,
        "evidence": Evidence.model_validate({"value": None, "threshold": None, **evidence}),
    }  # fmt: skip
    return alert(alert_id, sequence, seconds, **(defaults | fields))


def recommendation(user: str, offset: int, items: list[str] | None = None, **fields: Any) -> Recommendation:
    defaults = {
        "recommendation_id": f"{user}-{offset}", "event_time": at(offset), "user_id": user,
        "caused_by": _cause("clicks.v1", offset), "model": ModelRef(name="shop", version="1"), "strategy": "ranker",
        "feed_offset": offset, "items": ranked(items or [f"i{offset}"]),
    }  # fmt: skip
    return Recommendation(**(defaults | fields))


def catalogue_entry(key: str, feed_offset: int, items: list[str]) -> CatalogueEntry:
    return CatalogueEntry(key=key, event_time=at(feed_offset), feed_offset=feed_offset, items=ranked(items))


def worker_status(worker: str, time: datetime, version: str = "1", refused: str = "") -> WorkerStatus:
    """A worker that runs a version of `pump`, and has refused another."""
    refusals = [Refusal(name="pump", version=refused, alias="champion", reason="it is bad", refused_at=time)]
    return WorkerStatus(
        worker=worker,
        event_time=time,
        evaluator="portable",
        running=[Running(name="pump", alias="champion", version=version, since=time, is_signed=True)],
        refused=refusals if refused else [],
        comparisons=[],
    )


def ranked(items: list[str]) -> list[ScoredItem]:
    return [ScoredItem(item_id=item, score=1.0 / (place + 1)) for place, item in enumerate(items)]
