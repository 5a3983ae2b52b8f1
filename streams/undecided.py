"""Undecided: whoever asks by a header of the record is told why an event has no decision of its own.

record with the header `millrace-why`, no decision ─► reason ─► millrace.undecided.v1
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from schemas import UNDECIDED, WHY_HEADER, AssetClass, Telemetry
from streams.agent import Output
from streams.kafka import ConsumerRecord

REASONS: Mapping[str, str] = {
    "duplicate": "its event_id is known: it was sent before, and is taken once",
    "late": "it is older than the asset's present life, so it has no score",
    "blank": "it has no number that can be used",
    "out_of_service": "the log says that the asset is out of service",
}


def asks_why(record: ConsumerRecord) -> bool:
    return any(name == WHY_HEADER for name, _ in record.headers)


def undecided(record: ConsumerRecord, topic: str, reason: str, detail: str = "") -> Output:
    """The answer for whoever asked; it names the record as outputs do.

    Args:
        topic: the name in the contract.
        reason: as `millrace_skipped_total` counts it.
        detail: what REASONS does not say.
    """
    value: dict[str, Any] = {
        "reason": reason,
        "detail": detail or REASONS.get(reason, reason),
        "caused_by": {"topic": topic, "partition": record.partition, "offset": record.offset},
    }
    return Output(UNDECIDED, record.key, orjson.dumps(value), partition=0)


def what_lacks(asset_class: AssetClass, reading: Telemetry, run_anew: str) -> str:
    """What a reading without any number that can be used lacks, for people; empty where it is something else.

    Args:
        run_anew: how the asset is run, in words, where no reading of the training was run so.
    """
    numbers = {name for name, value in reading.readings.items() if value is not None}
    if not numbers.intersection(asset_class.sensors):
        return f"it has no number of a sensor of {asset_class.name}, which are: {', '.join(asset_class.sensors)}"
    lacking = [name for name in asset_class.regime if name not in numbers]
    if lacking:
        return f"it lacks how the asset is run: {', '.join(lacking)}"
    return f"it is run as no reading of the training was: {run_anew}" if run_anew else ""
