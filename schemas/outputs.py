"""Outputs: the events that Millrace emits, past facts too. They have no other fields than these.

Millrace ─► recommendations, scores, alerts, catalogue, actions ─► anyone
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import Json, OutputEvent, Time, always_told

# for the examples
_CLICK_CAUSE: Json = {"topic": "clicks.v1", "partition": 2, "offset": 40817, "event_id": "c-40817"}
_READING_CAUSE: Json = {"topic": "telemetry.v1", "partition": 1, "offset": 90210, "event_id": "t-90210"}
_RANKED: list[Json] = [{"item_id": "sku-12", "score": 2.41}, {"item_id": "sku-77", "score": 1.93}]
_PUMP_MODEL: Json = {"name": "pump", "version": "20260501-120000"}
_SHOP_MODEL: Json = {"name": "shop", "version": "20260501-120500"}


class Cause(OutputEvent):
    """The input record that led to an output."""

    topic: str
    partition: int
    offset: int
    event_id: str


class ModelRef(OutputEvent):
    name: str
    version: str


class ScoredItem(OutputEvent):
    item_id: str
    score: float


Strategy = Literal["ranker", "blend", "trending"]


class Recommendation(OutputEvent):
    """The items for a user after a click, best first."""

    recommendation_id: str
    event_time: Time
    user_id: str
    caused_by: Cause
    model: ModelRef
    strategy: Strategy
    feed_offset: int = Field(description="clicks of all users below this offset of the click feed were known")
    items: list[ScoredItem]

    EXAMPLE: ClassVar[Json] = {
        "recommendation_id": "6f1a1f0e-8a0b-5c0e-9a59-0a1f6c1b7d11",
        "event_time": "2026-05-01T12:00:00.250000Z",
        "user_id": "ann",
        "caused_by": _CLICK_CAUSE,
        "model": _SHOP_MODEL,
        "strategy": "ranker",
        "feed_offset": 160233,
        "items": _RANKED,
    }


ScoreKind = Literal["rul", "failure_probability"]
Quality = Literal["good", "degraded", "poor"]


class SensorFault(OutputEvent):
    """A sensor that is not believed; in scores what the others say stands in for it."""

    sensor: str
    fault: Literal["missing", "stuck", "flat", "spiking", "drifting", "out_of_range", "changed_unit"]


class Score(OutputEvent):
    """Remaining useful life, or the probability that a component fails within the horizon of the asset class."""

    score_id: str
    event_time: Time
    asset_id: str
    asset_class: str
    caused_by: Cause
    model: ModelRef
    kind: ScoreKind
    component: str | None = None
    value: float
    low: float | None = Field(None, description="lower end of the 90 % interval")
    high: float | None = None
    unit: str
    health: float | None = Field(
        None,
        ge=0,
        le=1,
        description="what is left, to compare targets and asset classes by: of a remaining life its share of the "
        "longest that the model tells, of a failure probability what it lacks to 1; null: told by a version of before",
    )
    regime: int | None = Field(
        None, ge=0, description="in which operating regime of the model the asset was; null: its class has but one"
    )
    late: bool = Field(False, description="of a reading older than one before it; it moved neither state nor alerts")
    quality: Quality | None = Field(
        None,
        description="of the input: degraded where something stands in for a sensor, or the regime is concluded; poor "
        "where that is so of most sensors, or of the regime for long; null: told by a version that did not judge it",
    )
    sensors: list[SensorFault] = Field(default_factory=list, description="that are broken")

    EXAMPLE: ClassVar[Json] = {
        "score_id": "0d7f6c52-3f0a-5e6e-8f57-6b1f2f3a9c40",
        "event_time": "2026-05-01T12:00:00Z",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "caused_by": _READING_CAUSE,
        "model": _PUMP_MODEL,
        "kind": "rul",
        "value": 18.2,
        "low": 11.0,
        "high": 26.9,
        "unit": "hour",
        "health": 0.1456,
    }


Severity = Literal["advisory", "warning", "critical"]
AlertState = Literal["raised", "cleared"]
AlertKind = Literal["machine", "data"]
DATA_MODE = "data"  # failure mode of what is wrong with what an asset sends


class Evidence(OutputEvent):
    """Why the policy moved the alert, in numbers that a person can check."""

    model_config = always_told("value", "threshold")
    reason: str
    value: float | None = Field(None, description="what was compared with the threshold; null where no score decided")
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    regime: int | None = None
    sentence: str = Field("", description="all of it for people; empty: told by a version that had none")
    contributions: list[dict[str, str | float]] = Field(
        default_factory=list,
        description="by sensor, error or part, the strongest first, at last all else: `words`, `contribution`; of a "
        "sensor its `label`, its `value` in `unit`, and what is normal at this load: `normal_low` to `normal_high`",
    )
    base: float | None = Field(None, description="with the contributions it sums to what the model said")
    sensors: list[SensorFault] = Field(default_factory=list, description="of a data alert: those it is about")


class Alert(OutputEvent):
    """One transition of an alert: raised, changed in severity while raised, or cleared."""

    model_config = always_told("score")
    alert_id: str
    sequence: int = Field(description="0, 1, 2, ... within the alert")
    event_time: Time
    asset_id: str
    asset_class: str
    failure_mode: str = Field(description="`wear`, the component that is to fail, or `data`")
    kind: AlertKind = Field("machine", description="`data`: not the machine is in doubt but what it sends")
    state: AlertState
    severity: Severity
    score: float | None = None
    evidence: Evidence
    model: ModelRef
    caused_by: Cause

    EXAMPLE: ClassVar[Json] = {
        "alert_id": "b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
        "sequence": 0,
        "event_time": "2026-05-01T12:00:00Z",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "failure_mode": "wear",
        "state": "raised",
        "severity": "warning",
        "score": 18.2,
        "evidence": {
            "reason": "rul at or below 20 for 3 readings",
            "value": 18.2,
            "threshold": 20.0,
            "low": 11.0,
            "high": 26.9,
            "contributions": [{"feature": "vibration_mean", "contribution": -21.4}],
        },
        "model": _PUMP_MODEL,
        "caused_by": _READING_CAUSE,
    }


Verdict = Literal["true_alarm", "false_alarm", "unclear"]
ActionKind = Literal["acknowledged", "commented", "assigned", "shelved", "unshelved", "closed", "outcome"]
SHELF_ENDED = "millrace"  # `by` of an alert that came back by itself


class Outcome(OutputEvent):
    """What an alert came to: whether the machine really was in trouble, and what was done."""

    verdict: Verdict
    found: str | None = Field(None, description="what was found at the machine")
    replaced: str | None = Field(None, description="what was replaced or mended")


class Action(OutputEvent):
    """What a person did about an alert. Key of the record: `alert_id`."""

    action_id: str
    event_time: Time
    alert_id: str
    asset_id: str
    asset_class: str
    failure_mode: str | None = Field(None, description="null: told by a version that knew acknowledgements only")
    kind: ActionKind
    by: str = Field(
        description="name of the API key, or, where the API has none, what the person said; `millrace` where the time "
        "of a shelved alert ended"
    )
    comment: str | None = Field(None, description="of one that was acknowledged or commented")
    reason: str | None = Field(None, description="of one that was shelved, unshelved or closed")
    until: Time | None = Field(None, description="of one that was shelved: when it comes back by itself")
    assignee: str | None = Field(None, description="of one that was assigned; null: to nobody")
    outcome: Outcome | None = None

    EXAMPLE: ClassVar[Json] = {
        "action_id": "4d1c8f6e-7a53-5b1c-9a60-0c1d5b8a7e21",
        "event_time": "2026-05-01T12:04:10Z",
        "alert_id": "b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "failure_mode": "wear",
        "kind": "acknowledged",
        "by": "jo",
        "comment": "bearing ordered",
    }


TRENDING_KEY = "list/trending"  # on catalogue.v1: no item has it, whatever its id
LIST_PREFIX, ITEM_PREFIX = "list/", "item/"


def similar_key(item_id: str) -> str:
    """The key on `catalogue.v1` of the list of what is similar to an item."""
    return ITEM_PREFIX + item_id


class CatalogueEntry(OutputEvent):
    """What is trending (key `list/trending`), or similar to an item (key `item/<item_id>`), best first."""

    key: str
    kind: Literal["trending", "similar"] | None = Field(
        None, description="null: told by a version whose keys were `trending` and the bare item_id"
    )
    event_time: Time
    feed_offset: int
    items: list[ScoredItem]

    EXAMPLE: ClassVar[Json] = {
        "key": "list/trending",
        "kind": "trending",
        "event_time": "2026-05-01T12:00:00Z",
        "feed_offset": 160233,
        "items": _RANKED,
    }
