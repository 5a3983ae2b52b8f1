"""Asset outputs: what leaves of the decisions about assets, as the events of their topics.

Decisions of one asset class ─► scores.v1 (one a reading and target), alerts.v1 (one a transition), why there is none
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from models.maintenance import (
    CLEARED,
    LATE,
    SEVERITIES,
    SILENCE,
    STATUSES,
    AssetEvent,
    AssetModel,
    Decisions,
    data_sentence,
    inputs_told,
    sentence_of,
)
from schemas import ALERTS, DATA_MODE, SCORES, TELEMETRY, Telemetry
from streams.agent import Output, PartitionState, caused_by, decision, output_id
from streams.asset_events import AssetEvents
from streams.kafka import ConsumerRecord
from streams.undecided import asks_why, undecided, what_lacks


def health_told(model: AssetModel, decisions: Decisions) -> npt.NDArray[np.float64]:
    """As scores have it, (n, T)."""
    return np.round(model.health(decisions.value), 6)


def scores_of(
    model: AssetModel, events: AssetEvents, decisions: Decisions, origins: Mapping[str, str]
) -> Iterator[Output]:
    """One score for each reading and target that has a forest; of late ones too, where the row allows it.

    What `streams.scores` writes in bulk is this, byte for byte.
    """
    reference, kind, unit = model.reference.model_dump(), model.kind, model.unit
    values, lows, highs = decisions.value.tolist(), decisions.low.tolist(), decisions.high.tolist()
    health = health_told(model, decisions).tolist()
    inputs = inputs_told(model.asset_class.sensors, decisions.quality, decisions.faults)
    has_regimes = model.has_regimes
    for place in np.flatnonzero(decisions.regime >= 0).tolist():
        record, head = events.records[place], _head(events, place, reference)
        topic = events.topic(place)
        origin = origins.get(topic, topic)
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
    model: AssetModel, events: AssetEvents, decisions: Decisions, data: npt.NDArray[np.void], state: PartitionState
) -> list[Output]:
    """One record for each transition of an alert, of machines and (`data`, DATA_TRANSITION) of what they send.

    In the order of the events, at one event those of the machine first: the order in which an asset's alerts leave is
    the same however its records came in batches.
    """
    made = [(int(one["event"]), _machine_alert(model, events, decisions, one, state)) for one in decisions.transitions]
    made += [(int(one["event"]), _data_alert(model, events, decisions, one, state)) for one in data]
    return [output for _, output in sorted(made, key=itemgetter(0))]


def _machine_alert(
    model: AssetModel, events: AssetEvents, decisions: Decisions, transition: np.void, state: PartitionState
) -> Output:
    place = int(transition["event"])
    said = {
        "failure_mode": model.targets[int(transition["target"])].failure_mode,
        "kind": "machine",
        "score": float(transition["value"]),
        "evidence": _evidence(model, decisions, transition, events.event(place)),
    }
    return _alert(events.records[place], _head(events, place, model.reference.model_dump()), transition, said, state)


def _data_alert(
    model: AssetModel, events: AssetEvents, decisions: Decisions, transition: np.void, state: PartitionState
) -> Output:
    place = int(transition["event"])
    head = _head(events, place, model.reference.model_dump())
    broken, reason = model.data_words(transition, decisions, _readings(events.event(place)))
    is_silent = transition["causes"] & SILENCE and transition["silent_s"] > 0
    said = {
        "failure_mode": DATA_MODE,
        "kind": "data",
        "score": None,
        "evidence": {
            "reason": reason,
            "sentence": data_sentence(head["asset_id"], reason),
            "value": float(transition["silent_s"]) if is_silent else None,
            "threshold": float(transition["after_s"]) if is_silent else None,
            "sensors": broken,
        },
    }
    at = datetime.fromtimestamp(float(transition["time"]), UTC)
    return _alert(events.records[place], {**head, "event_time": at}, transition, said, state)


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


def undecided_of(model: AssetModel, events: AssetEvents, decisions: Decisions) -> Iterator[Output]:
    """For readings without a score whose senders want to know why."""
    for place in (decisions.regime < 0).nonzero()[0].tolist():
        record = events.records[place]
        if asks_why(record) and isinstance(event := events.event(place), Telemetry):
            reason = STATUSES[decisions.status[place]]
            is_blank = reason == "blank"
            detail = what_lacks(model.asset_class, event, model.run_anew(event.readings)) if is_blank else ""
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


def _head(events: AssetEvents, place: int, reference: dict[str, Any]) -> dict[str, Any]:
    """What scores and alerts have in common."""
    record = events.records[place]
    return {
        "event_time": events.time(place),
        "asset_id": record.key.decode(),
        "asset_class": events.asset_class,
        "caused_by": caused_by(record, events.topic(place), events.ids[place].decode()),
        "model": reference,
    }
