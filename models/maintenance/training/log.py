"""A history of an asset class, read as serving would read it, and cut into lives that end with a failure.

batches of events ─► encode ─► one pass over the rows ─► readings by asset and life, with what was left of the life
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Ints
from models.maintenance import (
    FAILURE,
    LATE,
    LOGGED,
    READING,
    REPLACEMENT,
    SCORED,
    AssetEvent,
    Encoder,
    EventBatch,
    Preparation,
    Seen,
    has_moments,
    likely_channels,
    observer_of,
    row_dtype,
    shape_of,
    unprepared,
    with_moments,
)
from models.maintenance.training.preparation import History, TrainingError
from schemas import AssetClass, Telemetry

MAX_LIVES = 1_000_000


@dataclass(frozen=True)
class AssetLog:
    """All events of a class, in their order, and its readings sorted by asset; n events, m readings.

    A life runs from one renewal (replacement or failure) of the whole asset to the next. Readings that serving would
    not score (repeated, late, without any value) are no readings here.
    """

    asset_class: AssetClass
    assets: list[str]
    batch: EventBatch  # n events
    slots: Ints  # (n,) place in `assets`
    status: npt.NDArray[np.int8]  # (n,)
    readings: Ints  # (m,) places of the readings among the events: by asset, then by time
    life: Ints  # (m,) the same number for readings of one life
    remaining: Floats  # (m,) units until the failure that ends the life; NaN: not (yet) ended by a failure

    @property
    def time(self) -> Floats:
        """Of each reading, in epoch seconds, (m,)."""
        return np.asarray(self.batch.time_s[self.readings])

    def replay(self, preparation: Preparation) -> Seen:
        """The pass of serving over all events, with empty rows at the start; (n, ...).

        A reading that is late after one without any informative sensor is not late for serving; here it stays so.
        """
        rows = np.zeros(len(self.assets), row_dtype(shape_of(self.asset_class, preparation)))
        seen = observer_of(self.asset_class, preparation)(rows, self.slots, self.batch)
        is_left_out = seen.status == SCORED
        is_left_out[self.readings] = False
        seen.status[is_left_out] = LATE
        return seen

    def only(self, chosen: np.ndarray) -> AssetLog:
        """The same log with some of its readings (m,)."""
        return replace(self, readings=self.readings[chosen], life=self.life[chosen], remaining=self.remaining[chosen])

    def history(self, chosen: np.ndarray, remaining: Floats) -> History:
        """Some of the readings (m,) for fitting; a missing value is the one before in its life, or the median."""
        places = self.readings[chosen]
        variables = _filled(self.batch.variables[places], self.life[chosen])
        values = _filled(self.batch.readings[places], self.life[chosen])
        return History(self.life[chosen], variables, values, remaining[chosen])

    def entries(self, code: int, kinds: tuple[int, ...]) -> np.ndarray:
        """Places of the log entries of some kinds about one code, in their order."""
        is_meant = (self.status == LOGGED) & np.isin(self.batch.kind, kinds) & (self.batch.code == code)
        return np.flatnonzero(is_meant)


def read_log(asset_class: AssetClass, batches: Iterable[Sequence[AssetEvent]]) -> AssetLog:
    """Read a history of one asset class.

    Args:
        batches: events in the order in which serving would see them, mostly that of event time.

    Raises:
        TrainingError: no readings, or names that the class expects and the readings do not have.
    """
    encode = Encoder(asset_class)
    parts: list[EventBatch] = []
    slot_of: dict[str, int] = {}
    slots: list[int] = []
    names: set[str] = set()
    own = ([event for event in events if event.asset_class == asset_class.name] for events in batches)
    for mine in [with_moments(asset_class, list(chain(*own)))] if has_moments(asset_class) else own:
        if mine:
            parts.append(encode(mine))
            slots += [slot_of.setdefault(event.asset_id, len(slot_of)) for event in mine]
            names.update(*(event.readings for event in mine if isinstance(event, Telemetry)))
    _check_names(asset_class, names)
    batch = EventBatch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return _build(asset_class, list(slot_of), batch, np.array(slots, np.int64))


def _check_names(asset_class: AssetClass, names: set[str]) -> None:
    if not names:
        what = "reading" if asset_class.sensors else "entry of the log"
        raise TrainingError(
            f"The history has no {what} of asset class {asset_class.name}. Nothing was trained.",
            "Give events whose asset_class is that name.",
        )
    expected = [*asset_class.sensors, *asset_class.regime, *asset_class.constants]
    missing = [name for name in expected if name not in names]
    if missing:
        raise TrainingError(
            f"Asset class {asset_class.name} names {', '.join(missing)}, which no reading of the history has; the "
            f"readings have {', '.join(sorted(names))}. Nothing was trained.",
            "Correct the names in the asset class, or in the events.",
        )


def _build(asset_class: AssetClass, assets: list[str], batch: EventBatch, slots: Ints) -> AssetLog:
    channels = likely_channels(asset_class)
    blank = unprepared(batch.variables.shape[1], batch.readings.shape[1], channels)
    shape = shape_of(asset_class, blank)
    rows = np.zeros(len(assets), row_dtype(shape))
    seen = observer_of(asset_class, blank)(rows, slots, batch)
    is_known = (seen.status == SCORED) & np.isfinite(batch.variables).all(1)
    is_known &= _is_last_part(slots, batch.time_s, is_known & (batch.kind == READING))
    readings = np.flatnonzero(is_known & (batch.kind == READING))
    readings = readings[np.argsort(slots[readings], kind="stable")]
    log = AssetLog(asset_class, assets, batch, slots, seen.status, readings, readings, np.zeros(0))
    life, remaining = _lives(log, shape.codes - 1)
    return replace(log, life=life, remaining=remaining)


def _is_last_part(slots: Ints, time_s: Floats, is_reading: np.ndarray) -> np.ndarray:
    """Whether no other record of the same asset and time follows: records of one time are one reading, (n,)."""
    places = np.flatnonzero(is_reading)
    order = places[np.lexsort((places, time_s[places], slots[places]))]
    is_same = (slots[order][1:] == slots[order][:-1]) & (time_s[order][1:] == time_s[order][:-1])
    found = np.ones(len(slots), np.bool_)
    found[order[:-1][is_same]] = False
    return found


def _lives(log: AssetLog, whole: int) -> tuple[Ints, Floats]:
    """Number of the life of each reading, and the units until its failure. A renewal ends the life of readings up to
    its own time, as in serving."""
    life, remaining = np.zeros(len(log.readings), np.int64), np.full(len(log.readings), np.nan)
    renewals, times = log.entries(whole, (FAILURE, REPLACEMENT)), log.time
    owner = log.slots[log.readings]
    for slot in range(len(log.assets)):
        rows = slice(*np.searchsorted(owner, [slot, slot + 1]))
        mine = renewals[log.slots[renewals] == slot]
        ends = np.unique(log.batch.time_s[mine])
        failures = np.unique(log.batch.time_s[mine[log.batch.kind[mine] == FAILURE]])
        number = np.searchsorted(ends, times[rows], side="left")
        life[rows] = slot * MAX_LIVES + number
        end = np.append(ends, np.nan)[number]
        is_failure = np.isin(end, failures)
        remaining[rows] = np.where(is_failure, (end - times[rows]) / log.asset_class.unit_seconds, np.nan)
    return life, remaining


def _filled(values: Floats, life: Ints) -> Floats:
    """Missing values are the ones before in the same life, or the median of the column."""
    if np.isfinite(values).all():
        return values
    out = values.copy()
    place = np.arange(len(out))
    start = np.maximum.accumulate(np.where(np.r_[True, np.diff(life) != 0], place, 0))
    for column in out.T:
        known = np.maximum.accumulate(np.where(np.isfinite(column), place, -1))
        before = np.where(known >= start, column[np.maximum(known, 0)], np.nan)
        median = np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0
        column[:] = np.where(np.isfinite(before), before, median)
    return out
