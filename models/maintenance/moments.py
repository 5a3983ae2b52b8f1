"""Moments: when an asset of a class without sensors is scored: right after each entry of its log, and as time passes.

entry of the log ─► the entry, and a moment after it      history ─► the same, and moments between them
rows ─► whose newest moment is a quarter of a horizon ago? ─► an entry `silent`, as time is an input like any other

A moment is a reading that says only that the asset is there. A reading of such a class, whatever it holds, is one too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from models.maintenance.codes import CLOCKS_S
from models.maintenance.events import PRESENT, AssetEvent
from models.maintenance.watch_rows import LIVE_S
from schemas import AssetClass, FailureTarget, Maintenance, Telemetry

A_HORIZON = 4  # moments at least
MOST_BETWEEN = 500_000  # of a history
AFTER = timedelta(milliseconds=1)  # entries count for readings after their own time
FOLLOWED = ("error", "maintenance", "replacement", "in_service", "silent")


class Moment(Telemetry):
    """A reading that nobody sent."""


def has_moments(asset_class: AssetClass) -> bool:
    return not asset_class.sensors


def every_s(asset_class: AssetClass) -> float:
    """Seconds from one moment of an asset to the next, at most."""
    assert isinstance(asset_class.target, FailureTarget)
    return asset_class.target.horizon * asset_class.unit_seconds / A_HORIZON


def moment_after(entry: AssetEvent, arrived_s: float) -> Moment | None:
    """The moment that follows an entry; none after a plan, which says nothing of now, nor where nothing new is known.

    Args:
        arrived_s: time of the entry's record, epoch seconds, NaN: not known.
    """
    if not isinstance(entry, Maintenance) or entry.kind not in FOLLOWED:
        return None
    if entry.event_time.timestamp() > arrived_s + CLOCKS_S:
        return None
    return _moment(entry, entry.event_time + AFTER, entry.event_id)


def with_moments(asset_class: AssetClass, history: Sequence[AssetEvent]) -> list[AssetEvent]:
    """A history in order of time, with the moments that serving would have had."""
    events = sorted(history, key=lambda event: event.event_time)
    if not events:
        return []
    last, assets = events[-1].event_time, len({event.asset_id for event in events})
    whole_s = (last - events[0].event_time).total_seconds() * assets
    step = timedelta(seconds=max(every_s(asset_class), whole_s / MOST_BETWEEN))
    found: list[AssetEvent] = []
    newest: dict[str, Telemetry] = {}
    for event in events:
        moment = event if isinstance(event, Telemetry) else moment_after(event, float("nan"))
        if event.asset_id in newest:
            found += _between(newest[event.asset_id], event.event_time, step)
        found += [event] if moment is None or moment is event else [event, moment]
        if moment is not None:
            newest[event.asset_id] = moment
    for moment in newest.values():
        found += _between(moment, last, step)
    return sorted(found, key=lambda event: event.event_time)


def _moment(event: AssetEvent, at: datetime, event_id: str) -> Moment:
    return Moment.model_construct(
        event_id=event_id,
        event_time=at,
        asset_id=event.asset_id,
        asset_class=event.asset_class,
        readings={PRESENT: 1.0},
    )


def _between(newest: Telemetry, end: datetime, step: timedelta) -> Iterator[Moment]:
    """The moments in which nothing happened."""
    at = newest.event_time + step
    while at < end:
        yield _moment(newest, at, f"{newest.event_id}/{at.timestamp()}")
        at += step


def due_now(rows: npt.NDArray[np.void], now_s: float, wait_s: float) -> list[tuple[int, float, float]]:
    """Assets in service that are followed now, and whose newest moment is so long ago.

    Args:
        rows: of the asset class.
        wait_s: seconds from a moment to the next.

    Returns:
        Place in `rows`, time of the moment in the asset's own clock, time of its newest one; epoch seconds.
    """
    newest, lag = rows["newest"], rows["arrived"] - rows["newest"]
    is_followed = (rows["arrived"] > 0) & (rows["service"] == 0) & (np.abs(lag) <= LIVE_S)
    found = np.flatnonzero(is_followed & (now_s - lag - newest >= wait_s))
    return [(place, now_s - float(lag[place]), float(newest[place])) for place in found.tolist()]
