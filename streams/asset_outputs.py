"""Asset outputs: what leaves of the decisions about assets, as the events of their topics.

Decisions of one asset class ─► scores.v1 (one a reading and target), alerts.v1 (one a transition), why there is none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from models.maintenance import (
    CLEARED,
    LATE,
    SEVERITIES,
    SILENCE,
    STATUSES,
    AssetEvent,
    AssetModel,
    Decisions,
    Moment,
    data_sentence,
    inputs_told,
    sentence_of,
)
from schemas import ALERTS, DATA_MODE, MAINTENANCE, SCORES, TELEMETRY, Telemetry
from streams.agent import Output, PartitionState, caused_by, decision, output_id
from streams.kafka import ConsumerRecord
from streams.undecided import asks_why, undecided, what_lacks

Decoded = tuple[ConsumerRecord, AssetEvent]


def scores_of(
    model: AssetModel, decoded: Sequence[Decoded], decisions: Decisions, state: PartitionState
) -> Iterator[Output]:
    """One score for each reading and target that has a forest; of late ones too, where the row allows it."""
    reference, kind, unit = model.reference.model_dump(), model.kind, model.unit
    values, lows, highs = decisions.value.tolist(), decisions.low.tolist(), decisions.high.tolist()
    health = np.round(model.health(decisions.value), 6).tolist()
    inputs = inputs_told(model.asset_class.sensors, decisions.quality, decisions.faults)
    has_regimes = model.has_regimes
    for place in np.flatnonzero(decisions.regime >= 0).tolist():
        record, event = decoded[place]
        head = _head(record, event, reference)
        origin = state.origin(head["caused_by"]["topic"])
        for number in model.told:
            target = model.targets[number]
            score_id = output_id(origin, record.partition, record.offset, f"score/{target.failure_mode}")
            score = {
                "score_id": score_id,
                **head,
                "kind": kind,
                "component": target.component,
                "value": values[place][number],
                "low": lows[place][number],  # NaN becomes null
                "high": highs[place][number],
                "unit": unit,
                "health": health[place][number],
                **inputs[place],
            }
            if has_regimes:
                score["regime"] = int(decisions.regime[place])
            if decisions.status[place] == LATE:
                score["late"] = True
            yield decision(SCORES, "millrace.score.v1", score_id, score, record)


def alerts_of(
    model: AssetModel, decoded: Sequence[Decoded], decisions: Decisions, state: PartitionState
) -> Iterator[Output]:
    """One record for each transition of an alert."""
    reference = model.reference.model_dump()
    for transition in decisions.transitions:
        record, event = decoded[int(transition["event"])]
        said = {
            "failure_mode": model.targets[int(transition["target"])].failure_mode,
            "kind": "machine",
            "score": float(transition["value"]),
            "evidence": _evidence(model, decisions, transition, event),
        }
        yield _alert(record, _head(record, event, reference), transition, said, state)


def data_alerts_of(
    model: AssetModel,
    decoded: Sequence[Decoded],
    decisions: Decisions,
    transitions: np.ndarray,
    state: PartitionState,
) -> Iterator[Output]:
    """One record for each transition (DATA_TRANSITION) of a data alert."""
    reference = model.reference.model_dump()
    for transition in transitions:
        place = int(transition["event"])
        record, event = decoded[place]
        broken, reason = model.data_words(transition, decisions, _readings(event))
        is_silent = transition["causes"] & SILENCE and transition["silent_s"] > 0
        said = {
            "failure_mode": DATA_MODE,
            "kind": "data",
            "score": None,
            "evidence": {
                "reason": reason,
                "sentence": data_sentence(event.asset_id, reason),
                "value": float(transition["silent_s"]) if is_silent else None,
                "threshold": float(transition["after_s"]) if is_silent else None,
                "sensors": broken,
            },
        }
        at = datetime.fromtimestamp(float(transition["time"]), UTC)
        head = {**_head(record, event, reference), "event_time": at}
        yield _alert(record, head, transition, said, state)


def _alert(
    record: ConsumerRecord, head: dict[str, Any], transition: np.void, said: dict[str, Any], state: PartitionState
) -> Output:
    raised_ms = int(transition["raised_at"] * 1000)  # not the alert's number: that starts anew with a new layout
    kind = f"{head['asset_class']}/{head['asset_id']}/{said['failure_mode']}"
    alert_id = output_id(state.origin(ALERTS), record.partition, raised_ms, kind)
    alert = {
        "alert_id": alert_id,
        "sequence": int(transition["sequence"]),
        **head,
        "state": "cleared" if transition["state"] == CLEARED else "raised",
        "severity": SEVERITIES[transition["severity"]],
        **said,
    }
    return decision(ALERTS, "millrace.alert.v1", f"{alert_id}/{alert['sequence']}", alert, record)


def undecided_of(model: AssetModel, decoded: Sequence[Decoded], decisions: Decisions) -> Iterator[Output]:
    """For readings without a score whose senders want to know why."""
    for place in np.flatnonzero(decisions.regime < 0).tolist():
        record, event = decoded[place]
        if isinstance(event, Telemetry) and asks_why(record):
            reason = STATUSES[decisions.status[place]]
            detail = what_lacks(model.asset_class, event) if reason == "blank" else ""
            yield undecided(record, TELEMETRY, reason, detail)


def _evidence(model: AssetModel, decisions: Decisions, transition: np.void, event: AssetEvent) -> dict[str, Any]:
    place, number = int(transition["event"]), int(transition["target"])
    regime = int(decisions.regime[place])
    found = model.explain(decisions, transition, _readings(event))
    interval = float(decisions.low[place, number]), float(decisions.high[place, number])
    component = model.targets[number].component
    return {
        "reason": model.reason(transition),
        "sentence": sentence_of(model.asset_class, event.asset_id, component, transition, interval, found),
        "value": float(transition["value"]),
        "threshold": float(transition["threshold"]),
        "low": interval[0],
        "high": interval[1],
        "regime": None if regime < 0 else regime,
        "contributions": found.lines,
        "base": found.base if found.lines else None,
    }


def _readings(event: AssetEvent) -> dict[str, Any]:
    return event.readings if isinstance(event, Telemetry) else {}


def _head(record: ConsumerRecord, event: AssetEvent, reference: dict[str, Any]) -> dict[str, Any]:
    """What scores and alerts have in common."""
    topic = TELEMETRY if isinstance(event, Telemetry) and not isinstance(event, Moment) else MAINTENANCE
    return {
        "event_time": event.event_time,
        "asset_id": event.asset_id,
        "asset_class": event.asset_class,
        "caused_by": caused_by(record, topic, event.event_id),
        "model": reference,
    }
