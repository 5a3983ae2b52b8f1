"""Series: values of an asset over time, as few points, and in which operating regime it was.

buckets of time ─► Point, RegimePoint ─► SeriesBody
"""

from __future__ import annotations

from pydantic import Field

from schemas.base import Frozen, Time
from schemas.outputs import ModelRef


class Point(Frozen):
    """What lies in one bucket of time."""

    time: Time = Field(description="where the bucket begins")
    min: float
    mean: float
    max: float
    count: int
    low: float | None = Field(None, description="of scores: the lowest end of an interval")
    high: float | None = None


class Series(Frozen):
    """A sensor, or a target: its kind, with its component where it has one (`failure_probability/bearing`)."""

    name: str
    unit: str | None = None
    points: list[Point] = Field(description="by time; buckets without a value are left out")


class RegimePoint(Frozen):
    """The operating regime in which an asset was in most readings of a bucket of time."""

    time: Time = Field(description="where the bucket begins")
    model: ModelRef = Field(description="whose regime it is: each version numbers its own, see `GET /v1/models`")
    regime: int


class SeriesBody(Frozen):
    """Values of a time, as few points; nothing between them is lost that is a least or a greatest one."""

    asset_id: str
    asset_class: str
    start: Time | None = Field(description="null: there is nothing")
    end: Time | None
    bucket_s: float = Field(description="width of a bucket")
    series: list[Series]
    regimes: list[RegimePoint] = Field(
        default_factory=list,
        description="of scores: how the asset was run, by time; empty where its class has one operating regime",
    )
