"""Base: what all schemas share: a frozen value, ids, names and times, and the two kinds of events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.json_schema import WithJsonSchema

Json = dict[str, Any]
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


CONTROL = r"[\x00-\x1f\x7f]"
NO_CONTROL = r"^[^\x00-\x1f\x7f]+$"
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$"
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROL)]
# Of an event: an integer is taken as its decimal text
GivenId = Annotated[
    Id,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 200, "pattern": NO_CONTROL}, {"type": "integer"}]},
        mode="validation",
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NAME)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_CONTROL)]  # any printable characters


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("has a character that cannot be printed, or a space at its beginning or end")
    return value


# of a reading and of an error, as a plant has them: `Temp Lager A [°C]`, `E20/Lüfter`
SensorName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
ErrorCode = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
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


class Frozen(BaseModel):
    """A value of ours: exactly its fields, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputEvent(BaseModel):
    """Unknown fields are kept in `model_extra`, so that they can be counted. Numbers where a text is asked for are
    taken as their decimal text.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, val_temporal_unit="milliseconds", strict=False, coerce_numbers_to_str=True
    )
    EXAMPLE: ClassVar[Json]  # a valid value, for the documents; a test checks that it is


def always_told(*names: str) -> ConfigDict:
    """Fields that each event on Kafka has, null where there is nothing, and that what is stored leaves out then."""

    def require(schema: Json) -> None:
        schema["required"] = [name for name in schema["properties"] if name in {*schema["required"], *names}]

    return ConfigDict(json_schema_extra=require)


class OutputEvent(Frozen):
    model_config = ConfigDict(val_temporal_unit="milliseconds")
    EXAMPLE: ClassVar[Json]
