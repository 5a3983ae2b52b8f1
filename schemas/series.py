"""Series: values of an asset over time, as few points, in which operating regime it was, and how good the input was.

buckets of time ─► Point, RegimePoint, QualityPoint ─► SeriesBody
"""

from __future__ import annotations

from pydantic import Field

from schemas.base import Frozen, Time
from schemas.outputs import ModelRef, Quality


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


class QualityPoint(Frozen):
    """The worst quality of the input of the scores of a bucket of time."""

    time: Time = Field(description="where the bucket begins")
    quality: Quality


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
    qualities: list[QualityPoint] = Field(
        default_factory=list,
        description="of scores: how good their input was, by time; empty where all of it was good, or nothing tells",
    )
