"""Inputs: the events that producers push, past facts. Unknown fields are tolerated.

producer ─► clicks, items, telemetry, maintenance, assets ─► Millrace
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from schemas.base import EventTime, Finite, GivenId, InputEvent, Json, Label, Name

ClickAction = Literal["view", "cart", "purchase", "like", "share", "remove", "dislike"]
# A default that is no value of the field, and so in no schema: an event without an id gets one when it is decoded
EventId = Annotated[
    GivenId,
    Field(
        default_factory=str,
        description="makes an event that is sent twice known as one; without it, topic, partition and offset are the "
        "id, and each sending is an event of its own",
    ),
]
MOST_CONTEXT, MOST_ATTRIBUTES, MOST_LABELS = 32, 64, 32
_HALVES = re.compile("[\ud800-\udfff]")  # of characters, which UTF-8 has not


def can_be_kept(value: JsonValue) -> bool:
    """Whether the databases take it: integers of 64 bits, texts of UTF-8."""
    match value:
        case str():
            return value.isascii() or not _HALVES.search(value)
        case int():
            return -(2**63) <= value < 2**64
        case list():
            return all(map(can_be_kept, value))
        case dict():
            return all(can_be_kept(name) and can_be_kept(one) for name, one in value.items())
    return True


def _kept(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not can_be_kept(value):
        raise ValueError("has a number beyond 64 bits, or a text that is no UTF-8")
    return value


class Click(InputEvent):
    """A user looked at an item, or did something stronger with it; `remove` and `dislike` turn it down."""

    event_id: EventId
    event_time: EventTime
    user_id: GivenId
    item_id: GivenId
    session_id: GivenId | None = Field(None, description="without it, half an hour of silence ends a session")
    action: ClickAction = Field("view", description="any other is taken as view, and counted")
    recommendation_id: GivenId | None = Field(None, description="the recommendation that the user followed")
    context: dict[Name, Annotated[str, Field(max_length=200)] | Finite] = Field(
        default_factory=dict, max_length=MOST_CONTEXT, description="what cannot be used of it is left out, and counted"
    )

    EXAMPLE: ClassVar[Json] = {
        "event_id": "c-40817",
        "event_time": "2026-05-01T12:00:00.250Z",
        "user_id": "ann",
        "item_id": "sku-3",
        "session_id": "s-981",
        "action": "view",
        "context": {"device": "phone", "hour": 14},
    }


class Item(InputEvent):
    """What the shop says of an item: a field that is not named keeps its value.

    A null value on the topic removes the item.
    """

    item_id: GivenId
    event_time: EventTime
    title: str | None = Field(None, max_length=1000)
    category: Annotated[str, Field(max_length=200)] | None = None
    attributes: Annotated[dict[Name, JsonValue], AfterValidator(_kept)] = Field(
        default_factory=dict,
        max_length=MOST_ATTRIBUTES,
        description="what cannot be kept of it is left out, and counted",
    )
    published_at: EventTime | None = None
    available: bool = True

    EXAMPLE: ClassVar[Json] = {
        "item_id": "sku-3",
        "event_time": "2026-05-01T09:00:00Z",
        "title": "Trail shoe",
        "category": "shoes",
        "attributes": {"brand": "Alto", "price": 89.9},
        "published_at": "2026-04-20T00:00:00Z",
        "available": True,
    }


class Telemetry(InputEvent):
    """One reading of an asset's sensors; null where a sensor said nothing.

    Readings that the asset class does not name may have any name and value: they are ignored, and counted. One that it
    names and that is no number counts as null. Records of one asset and one event_time are parts of one reading.
    """

    event_id: EventId
    event_time: EventTime
    asset_id: GivenId
    asset_class: Name
    readings: dict[str, Any] = Field(
        min_length=1, max_length=10_000, description="sensor: number or null; of other sensors, anything"
    )

    EXAMPLE: ClassVar[Json] = {
        "event_id": "t-90210",
        "event_time": 1777636800000,
        "asset_id": "pump-7",
        "asset_class": "pump",
        "readings": {"vibration": 0.41, "temperature": 71.5, "pressure": None},
    }


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
    "alert_closed",
    "silent",
]


class Maintenance(InputEvent):
    """One entry of an asset's log: what it reported, what was done to it, when it failed.

    `alert_closed` is the API's, where a person ends an alert by hand: it ends the open alert of that failure mode.
    `silent` is the worker's, which missed readings: at its time the asset was still silent.
    """

    event_id: EventId
    event_time: EventTime
    asset_id: GivenId
    asset_class: Name
    kind: MaintenanceKind
    code: Label | None = Field(None, description="of an error; of a maintenance window, which its end then names too")
    component: Label | None = Field(None, description="of a replacement, failure, closed alert; none: the whole asset")

    EXAMPLE: ClassVar[Json] = {
        "event_id": "m-17",
        "event_time": "2026-05-01T06:30:00Z",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "kind": "replacement",
        "component": "bearing",
    }


class Asset(InputEvent):
    """Where an asset stands and what people call it by. The event with the newest time stands, whole.

    Nothing needs it: it is for lists, filters and notifications. A null value on the topic takes back what was told.
    """

    asset_id: GivenId
    event_time: EventTime
    asset_class: Name
    site: Label | None = None
    line: Label | None = Field(None, description="or area, within the site")
    labels: dict[Name, Label] = Field(default_factory=dict, max_length=MOST_LABELS)
    commissioned_at: EventTime | None = None

    EXAMPLE: ClassVar[Json] = {
        "asset_id": "pump-7",
        "event_time": "2026-05-01T06:00:00Z",
        "asset_class": "pump",
        "site": "north",
        "line": "line-2",
        "labels": {"team": "hydraulics"},
        "commissioned_at": "2021-03-15T00:00:00Z",
    }
