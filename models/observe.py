"""From events to feature rows: the pass over the rows of the assets that serving and training share.

events in order ─► seen before? late? log entry? ─► regime ─► z ─► indexes ─► renewed? ─► recursions ─► feature rows

Rules of time. The order of arrival is kept, but event_time decides: a reading older than the asset's newest one is not
applied. A log entry takes effect for readings after its own time, whenever it arrives, so neither an entry that comes
before the reading it follows nor one that is typed in hours later is misread, and entries and readings of the same
time may arrive in either order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.asset_rows import Shape
from models.jit import njit
from models.log_memory import READING, WINDOWS, is_repeated, read_log, write_log
from models.preparation import Preparation
from models.reading import (
    Prepared,
    Work,
    has_fallen,
    normalise,
    project,
    refuse_spikes,
    regime_of,
    stand_in,
)
from models.recursions import FEATURES, SPEEDS, decays, update_channel

SCORED, DUPLICATE, LATE, LOGGED, BLANK = range(5)
STATUSES = ("scored", "duplicate", "late", "logged", "blank")
NEVER = 10_000.0  # units: a kind of log entry that never came, or so long ago


class EventBatch(NamedTuple):
    """Columns of a batch; n events."""

    time_s: Any  # (n,) f8: epoch seconds
    kind: Any  # (n,) i1: place in KINDS
    code: Any  # (n,) i2: error code, component, or the whole asset; -1: not of this class
    event_id: Any  # (n,) u8: hash
    readings: Any  # (n, sensors) f8, NaN: missing
    variables: Any  # (n, V) f8
    constants: Any  # (n, constants) f8


class Seen(NamedTuple):
    """What the pass found; n events, T targets, F features."""

    status: Any  # (n,) i1: place in STATUSES
    regime: Any  # (n,) i2: -1 unless scored
    step: Any  # (n,) f8: units since the reading before, in the same life
    is_renewed: Any  # (n, T) u1: a new life of the target begins here
    features: Any  # (n, F) f4; 0 unless scored


@njit(cache=True)
def _begin_life(row, time):  # type: ignore[no-untyped-def]
    row.channels[:, :] = 0.0
    row.seen = 0
    row.deviating = 0
    row.life_first = time


@njit(cache=True, inline="always")
def _renew_by_log(row, time, whole, prep, work, is_renewed):  # type: ignore[no-untyped-def]
    """Which targets the log has renewed since the reading before."""
    if whole > row.renewed_at:
        row.renewed_at = whole
        row.fall[:] = 0.0
        _begin_life(row, time)
        is_renewed[:] = 1
    for c in range(prep.components):
        at = max(work.last[prep.errors + c], whole)
        if at > row.applied_at[c]:
            row.applied_at[c] = at
            is_renewed[c] = 1


@njit(cache=True, inline="always")
def _write_features(row, time, prep, constants, work, out):  # type: ignore[no-untyped-def]
    """After the channels: age, counts of errors, time since each kind of log entry, constants."""
    place = prep.weights.shape[1] * len(prep.chosen)
    if prep.has_age:
        out[place] = (time - row.life_first) / prep.unit_s + 1
        place += 1
    for error in range(prep.errors):
        for window in range(len(WINDOWS)):
            out[place] = work.counts[error, window]
            place += 1
    whole = work.last[prep.errors + prep.components]
    for code in range(prep.errors + prep.components):
        at = max(work.last[code], whole) if code >= prep.errors else work.last[code]
        out[place] = min((time - at) / prep.unit_s, NEVER) if at > 0 else NEVER
        place += 1
    for constant in range(len(constants)):
        out[place] = min(max(constants[constant], -1e30), 1e30)
        place += 1


@njit(cache=True, inline="always")
def _advance_channels(row, time, prep, work, out):  # type: ignore[no-untyped-def]
    """Returns the time step, in units."""
    seen = row.seen
    step = (time - row.newest) / prep.unit_s if seen > 0 else 1.0
    row.seen = seen + 1
    if seen == 0:
        row.life_first = time
    age = (time - row.life_first) / prep.unit_s + 1
    decays(step, work.keep)
    for k in range(prep.weights.shape[1]):
        update_channel(row.channels[k], seen + 1, age, work.keep, work.index[k], work.trust[k], work.found)
        for j in range(len(prep.chosen)):
            out[k * len(prep.chosen) + j] = work.found[prep.chosen[j]]
    return step


@njit(cache=True, inline="always")
def _read(row, time, i, prep, events, work, seen):  # type: ignore[no-untyped-def]
    """One reading that is new and in time; returns its status."""
    regime = regime_of(prep, events.variables[i])
    present = normalise(prep, regime, events.readings[i], work) if regime >= 0 else 0
    if present == 0:
        return BLANK
    whole = read_log(row, time, prep, work)
    _renew_by_log(row, time, whole, prep, work, seen.is_renewed[i])
    refuse_spikes(row, prep, regime, present, work)
    stand_in(prep, regime, row.channels, work)
    project(prep, regime, work)
    k = prep.fall_channel
    if k >= 0 and has_fallen(row.fall, work.index[k], work.trust[k], prep.fall_limit):
        row.renewed_at = time
        _begin_life(row, time)
        seen.is_renewed[i, :] = 1
    seen.regime[i] = regime
    seen.step[i] = _advance_channels(row, time, prep, work, seen.features[i])
    _write_features(row, time, prep, events.constants[i], work, seen.features[i])
    row.newest = time
    return SCORED


@njit(cache=True)
def _observe(rows, slots, prep, events, work, seen):  # type: ignore[no-untyped-def]
    for i in range(len(slots)):
        row, time, kind = rows[slots[i]], events.time_s[i], events.kind[i]
        seen.regime[i] = -1
        if is_repeated(row, events.event_id[i]):
            row.duplicates += 1
            seen.status[i] = DUPLICATE
        elif kind != READING:
            write_log(row, time, kind, events.code[i])
            seen.status[i] = LOGGED
        elif time < row.newest:
            row.late += 1
            seen.status[i] = LATE
        else:
            seen.status[i] = _read(row, time, i, prep, events, work, seen)


@dataclass(frozen=True)
class Observer:
    """The pass, with everything it needs besides rows and events."""

    shape: Shape
    prepared: Prepared
    feature_count: int

    def __call__(self, rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], events: EventBatch) -> Seen:
        """Apply the events to the rows, in order; `slots` (n,) says whose each event is."""
        count, prep = len(slots), self.prepared
        seen = Seen(
            status=np.zeros(count, np.int8),
            regime=np.zeros(count, np.int16),
            step=np.zeros(count),
            is_renewed=np.zeros((count, self.shape.targets), np.uint8),
            features=np.zeros((count, self.feature_count), np.float32),
        )
        sensors, channels = len(prep.sensors), self.shape.channels
        work = Work(
            z=np.zeros(sensors), is_present=np.zeros(sensors, np.bool_), index=np.zeros(channels),
            trust=np.zeros(channels), keep=np.zeros(SPEEDS), found=np.zeros(len(FEATURES)),
            last=np.zeros(self.shape.codes), counts=np.zeros((max(self.shape.errors, 1), len(WINDOWS))),
        )  # fmt: skip
        _observe(rows, slots, prep, events, work, seen)
        return seen


def build_observer(
    preparation: Preparation, shape: Shape, unit_s: float, chosen: tuple[str, ...], has_age: bool, constants: int
) -> Observer:
    """Args:
    chosen: names among `FEATURES` that each channel contributes.
    has_age: whether the time since the first reading of the life is a feature.
    constants: how many readings are features as they are.
    """
    assert shape.channels == preparation.channels
    places = np.array([FEATURES.index(name) for name in chosen], np.int64)
    count = shape.channels * len(places) + has_age + shape.errors * len(WINDOWS) + shape.codes - 1 + constants
    learned = {item.name: getattr(preparation, item.name) for item in fields(preparation)}
    prepared = Prepared(
        **learned, unit_s=float(unit_s), chosen=places, has_age=has_age, errors=shape.errors,
        components=shape.components,
    )  # fmt: skip
    return Observer(shape, prepared, count)
