"""Events: the values of Kafka records, past facts. Inputs tolerate unknown fields, outputs have none.

producer ─► clicks, items, telemetry, maintenance ─► Millrace ─► recommendations, scores, alerts, catalogue ─► anyone
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer
from pydantic.json_schema import WithJsonSchema

EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _utc(value: datetime) -> datetime:
    """Compared before it is converted: the last hours of the year 9999 have no time in UTC."""
    if value < EARLIEST:
        raise ValueError(
            f"is before {EARLIEST:%Y-%m-%d}: send RFC 3339 with a zone, or epoch milliseconds (not seconds)"
        )
    if value >= LATEST:
        raise ValueError(f"is after {LATEST:%Y-%m-%d}: send RFC 3339 with a zone, or epoch milliseconds (not more)")
    return value.astimezone(UTC) if value.utcoffset() else value


def rfc3339(value: datetime) -> str:
    """UTC, microseconds only where there are any, `Z` for the zone."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")]
EventTime = Annotated[
    AwareDatetime,
    AfterValidator(_utc),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema(
        {
            "description": "RFC 3339 with zone, or epoch milliseconds",
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
        },
        mode="validation",
    ),
]
Time = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class InputEvent(BaseModel):
    """Unknown fields are kept in `model_extra`, so that they can be counted."""

    model_config = ConfigDict(extra="allow", frozen=True, val_temporal_unit="milliseconds", strict=False)


class OutputEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, val_temporal_unit="milliseconds")


# ---- inputs


class Click(InputEvent):
    """A user looked at an item."""

    event_id: Id
    event_time: EventTime
    user_id: Id
    item_id: Id
    session_id: Id | None = Field(None, description="without it, half an hour of silence ends a session")
    action: Literal["view"] = "view"
    recommendation_id: Id | None = Field(None, description="the recommendation that the user followed")
    context: dict[Name, Annotated[str, Field(max_length=200)] | Finite] = Field(default_factory=dict, max_length=32)


class Item(InputEvent):
    """What the shop says of an item; a null value on the topic removes it."""

    item_id: Id
    event_time: EventTime
    title: str | None = Field(None, max_length=1000)
    category: Annotated[str, Field(max_length=200)] | None = None
    attributes: dict[Name, JsonValue] = Field(default_factory=dict, max_length=64)
    published_at: EventTime | None = None
    available: bool = True


class Telemetry(InputEvent):
    """One reading of an asset's sensors; null where a sensor said nothing.

    Readings that the asset class does not name may have any name and value: they are ignored, and counted. One that it
    names and that is no number counts as null. Records of one asset and one event_time are parts of one reading.
    """

    event_id: Id
    event_time: EventTime
    asset_id: Id
    asset_class: Name
    readings: dict[str, Any] = Field(
        min_length=1, max_length=10_000, description="sensor: number or null; of other sensors, anything"
    )


MaintenanceKind = Literal[
    "error",
    "maintenance",
    "replacement",
    "failure",
    "window_start",
    "window_end",
    "out_of_service",
    "in_service",
    "decommissioned",
]


class Maintenance(InputEvent):
    """One entry of an asset's log: what it reported, what was done to it, when it failed."""

    event_id: Id
    event_time: EventTime
    asset_id: Id
    asset_class: Name
    kind: MaintenanceKind
    code: Name | None = Field(None, description="of an error; of a maintenance window, which its end then names too")
    component: Name | None = Field(None, description="of a replacement or failure; none means the whole asset")


# ---- outputs


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


ScoreKind = Literal["rul", "failure_probability"]


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
    late: bool = Field(False, description="of a reading older than one before it; it moved neither state nor alerts")


Severity = Literal["advisory", "warning", "critical"]
AlertState = Literal["raised", "cleared"]


class Evidence(OutputEvent):
    """Why the policy moved the alert, in numbers that a person can check."""

    reason: str
    value: float | None = Field(description="what was compared with the threshold; null where no score decided")
    threshold: float | None
    low: float | None = None
    high: float | None = None
    regime: int | None = None
    contributions: list[dict[str, str | float]] = Field(default_factory=list)


class Alert(OutputEvent):
    """One transition of an alert: raised, changed in severity while raised, or cleared."""

    alert_id: str
    sequence: int = Field(description="0, 1, 2, ... within the alert")
    event_time: Time
    asset_id: str
    asset_class: str
    failure_mode: str
    state: AlertState
    severity: Severity
    score: float | None
    evidence: Evidence
    model: ModelRef
    caused_by: Cause


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
