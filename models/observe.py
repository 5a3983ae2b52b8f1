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
from numba import njit

from models.asset_rows import REMEMBERED_IDS, RowViews, Shape
from models.preparation import CLIP, Preparation
from models.recursions import FEATURES, SPEEDS, decays, update_channel

SCORED, DUPLICATE, LATE, LOGGED, BLANK = range(5)
STATUSES = ("scored", "duplicate", "late", "logged", "blank")
READING, ERROR, MAINTENANCE, REPLACEMENT, FAILURE, WINDOW_START, WINDOW_END = range(7)
KINDS = ("reading", "error", "maintenance", "replacement", "failure", "window_start", "window_end")
NO_CODE = -1
WINDOWS = np.array([24.0, 72.0, 168.0])  # units of the class, of the counts of errors
NEVER = 10_000.0  # units: a kind of log entry that never came, or so long ago
FALL_SLACK = 0.5  # of the renewal rule, in sd of the index
FALL_STEP = 3.0  # one reading counts as a fall of so many sd at most
FALL_SPEED = 0.12
LEVEL = 1  # place of the level among the features, and of its speed


class Prepared(NamedTuple):
    """`Preparation` and the choice of features, for the kernel."""

    centre: Any
    scale: Any
    centroids: Any
    sensors: Any
    mean: Any
    sd: Any
    weights: Any
    bias: Any
    trust: Any
    expected_offset: Any
    expected_load: Any
    fall_channel: int
    fall_limit: float
    unit_s: float
    chosen: Any  # places of the chosen features of a channel
    has_age: bool
    errors: int
    components: int


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


class _Work(NamedTuple):
    """Working memory of one reading."""

    z: Any
    is_present: Any
    index: Any
    trust: Any
    keep: Any
    found: Any
    last: Any
    counts: Any


@njit(cache=True)
def _is_repeated(rows, slot, event_id):  # type: ignore[no-untyped-def]
    """Remembers the id otherwise."""
    ring = rows.ids[slot]
    for place in range(REMEMBERED_IDS):
        if ring[place] == event_id:
            return True
    ring[rows.id_place[slot]] = event_id
    rows.id_place[slot] = (rows.id_place[slot] + 1) % REMEMBERED_IDS
    return False


@njit(cache=True)
def _remember(rows, slot, time, code):  # type: ignore[no-untyped-def]
    """Put an entry into the log; the oldest one leaves when it is full."""
    oldest = 0
    for place in range(rows.log_time.shape[1]):
        if rows.log_code[slot, place] == 0:
            oldest = place
            break
        if rows.log_time[slot, place] < rows.log_time[slot, oldest]:
            oldest = place
    leaving_code, leaving_time = rows.log_code[slot, oldest], rows.log_time[slot, oldest]
    if leaving_code != 0 and time < leaving_time:
        rows.log_settled[slot, code] = max(rows.log_settled[slot, code], time)
        return
    if leaving_code != 0:
        settled = rows.log_settled[slot, leaving_code - 1]
        rows.log_settled[slot, leaving_code - 1] = max(settled, leaving_time)
    rows.log_code[slot, oldest] = code + 1
    rows.log_time[slot, oldest] = time


@njit(cache=True)
def _log(rows, slot, time, kind, code):  # type: ignore[no-untyped-def]
    if kind == WINDOW_START:
        rows.window_start[slot] = max(rows.window_start[slot], time)
    elif kind == WINDOW_END:
        rows.window_end[slot] = max(rows.window_end[slot], time)
    elif code >= 0 and kind != MAINTENANCE:
        _remember(rows, slot, time, code)


@njit(cache=True)
def _read_log(rows, slot, time, prep, work):  # type: ignore[no-untyped-def]
    """When each kind of entry was last before `time`, and how many errors came within each window."""
    codes = prep.errors + prep.components + 1
    for code in range(codes):
        settled = rows.log_settled[slot, code]
        work.last[code] = settled if settled < time else 0.0
    for place in range(rows.log_time.shape[1]):
        code, at = rows.log_code[slot, place], rows.log_time[slot, place]
        if code != 0 and at < time:
            work.last[code - 1] = max(work.last[code - 1], at)
    whole = work.last[codes - 1]
    work.counts[:] = 0
    for place in range(rows.log_time.shape[1]):
        code, at = rows.log_code[slot, place], rows.log_time[slot, place]
        if code != 0 and code <= prep.errors and whole < at < time:
            for window in range(len(WINDOWS)):
                if time - at <= WINDOWS[window] * prep.unit_s:
                    work.counts[code - 1, window] += 1
    return whole


@njit(cache=True)
def _regime(prep, variables):  # type: ignore[no-untyped-def]
    """Nearest centroid; -1 when a variable is missing and there is more than one."""
    if len(prep.centroids) == 1:
        return 0
    best, least = -1, np.inf
    for regime in range(len(prep.centroids)):
        distance = 0.0
        for v in range(len(prep.centre)):
            scaled = (variables[v] - prep.centre[v]) / prep.scale[v]
            if np.isnan(scaled):
                return -1
            distance += (min(max(scaled, -1e6), 1e6) - prep.centroids[regime, v]) ** 2
        if distance < least:
            best, least = regime, distance
    return best


@njit(cache=True)
def _normalise(prep, regime, readings, work):  # type: ignore[no-untyped-def]
    """z of the sensors that said something; returns how many did."""
    present = 0
    for s in range(len(prep.sensors)):
        reading = readings[prep.sensors[s]]
        work.is_present[s] = not np.isnan(reading)
        work.z[s] = 0.0
        if work.is_present[s]:
            present += 1
            if prep.sd[regime, s] >= 1e-9:
                z = (reading - prep.mean[regime, s]) / prep.sd[regime, s]
                work.z[s] = min(max(z, -CLIP), CLIP)
    return present


@njit(cache=True)
def _stand_in(prep, regime, channels, work):  # type: ignore[no-untyped-def]
    """A missing sensor shows what it should at the levels that the channels have now."""
    for s in range(len(prep.sensors)):
        if not work.is_present[s]:
            z = prep.expected_offset[regime, s]
            for k in range(len(channels)):
                z += prep.expected_load[regime, s, k] * channels[k, 3 * LEVEL]
            work.z[s] = min(max(z, -CLIP), CLIP)


@njit(cache=True)
def _project(prep, regime, work):  # type: ignore[no-untyped-def]
    """Values of the channels; their trust falls by the share of the weights whose sensors are missing."""
    for k in range(prep.weights.shape[1]):
        value, total, present = prep.bias[regime, k], 0.0, 0.0
        for s in range(len(prep.sensors)):
            weight = prep.weights[regime, k, s]
            value += weight * work.z[s]
            total += weight * weight
            if work.is_present[s]:
                present += weight * weight
        work.index[k] = value
        work.trust[k] = prep.trust[regime, k] * (present / total if total > 0 else 0.0)


@njit(cache=True)
def _has_fallen(fall, value, trust, limit):  # type: ignore[no-untyped-def]
    """The renewal rule: a cusum of the index falling below its own level, which waits while a fall is in doubt."""
    if fall[1] > 1.0:
        fall[2] = max(0.0, fall[2] + trust * (min(fall[0] - value, FALL_STEP) - FALL_SLACK))
    has_fallen = fall[2] > limit
    if has_fallen:
        fall[:] = 0.0
    if trust > 0 and (fall[2] == 0.0 or fall[1] < 1.0):
        gain = FALL_SPEED * trust
        fall[1] = (1 - FALL_SPEED) * fall[1] + gain if fall[1] > 1.0 else fall[1] + gain
        fall[0] += gain / max(fall[1], gain) * (value - fall[0])
    return has_fallen


@njit(cache=True)
def _begin_life(rows, slot, time):  # type: ignore[no-untyped-def]
    rows.channels[slot, :, :] = 0.0
    rows.seen[slot] = 0
    rows.life_first[slot] = time


@njit(cache=True)
def _renew_by_log(rows, slot, time, whole, prep, work, is_renewed):  # type: ignore[no-untyped-def]
    """Which targets the log has renewed since the reading before."""
    if whole > rows.renewed_at[slot]:
        rows.renewed_at[slot] = whole
        rows.fall[slot, :] = 0.0
        _begin_life(rows, slot, time)
        is_renewed[:] = 1
    for c in range(prep.components):
        at = max(work.last[prep.errors + c], whole)
        if at > rows.applied_at[slot, c]:
            rows.applied_at[slot, c] = at
            is_renewed[c] = 1


@njit(cache=True)
def _write_features(rows, slot, time, prep, constants, work, out):  # type: ignore[no-untyped-def]
    """After the channels: age, counts of errors, time since each kind of log entry, constants."""
    place = prep.weights.shape[1] * len(prep.chosen)
    if prep.has_age:
        out[place] = (time - rows.life_first[slot]) / prep.unit_s + 1
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


@njit(cache=True)
def _advance_channels(rows, slot, time, prep, work, out):  # type: ignore[no-untyped-def]
    """Returns the time step, in units."""
    seen = rows.seen[slot]
    step = (time - rows.newest[slot]) / prep.unit_s if seen > 0 else 1.0
    rows.seen[slot] = seen + 1
    if seen == 0:
        rows.life_first[slot] = time
    age = (time - rows.life_first[slot]) / prep.unit_s + 1
    decays(step, work.keep)
    for k in range(prep.weights.shape[1]):
        update_channel(rows.channels[slot, k], seen + 1, age, work.keep, work.index[k], work.trust[k], work.found)
        for j in range(len(prep.chosen)):
            out[k * len(prep.chosen) + j] = work.found[prep.chosen[j]]
    return step


@njit(cache=True)
def _read(rows, slot, time, i, prep, events, work, seen):  # type: ignore[no-untyped-def]
    """One reading that is new and in time; returns its status."""
    regime = _regime(prep, events.variables[i])
    if regime < 0 or _normalise(prep, regime, events.readings[i], work) == 0:
        return BLANK
    whole = _read_log(rows, slot, time, prep, work)
    _renew_by_log(rows, slot, time, whole, prep, work, seen.is_renewed[i])
    _stand_in(prep, regime, rows.channels[slot], work)
    _project(prep, regime, work)
    k = prep.fall_channel
    if k >= 0 and _has_fallen(rows.fall[slot], work.index[k], work.trust[k], prep.fall_limit):
        rows.renewed_at[slot] = time
        _begin_life(rows, slot, time)
        seen.is_renewed[i, :] = 1
    seen.regime[i] = regime
    seen.step[i] = _advance_channels(rows, slot, time, prep, work, seen.features[i])
    _write_features(rows, slot, time, prep, events.constants[i], work, seen.features[i])
    rows.newest[slot] = time
    return SCORED


@njit(cache=True)
def _observe(rows, slots, prep, events, work, seen):  # type: ignore[no-untyped-def]
    for i in range(len(slots)):
        slot, time, kind = slots[i], events.time_s[i], events.kind[i]
        seen.regime[i] = -1
        if _is_repeated(rows, slot, events.event_id[i]):
            rows.duplicates[slot] += 1
            seen.status[i] = DUPLICATE
        elif kind != READING:
            _log(rows, slot, time, kind, events.code[i])
            seen.status[i] = LOGGED
        elif time < rows.newest[slot]:
            rows.late[slot] += 1
            seen.status[i] = LATE
        else:
            seen.status[i] = _read(rows, slot, time, i, prep, events, work, seen)


@dataclass(frozen=True)
class Observer:
    """The pass, with everything it needs besides rows and events."""

    shape: Shape
    prepared: Prepared
    feature_count: int

    def __call__(self, rows: RowViews, slots: npt.NDArray[np.int64], events: EventBatch) -> Seen:
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
        work = _Work(
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


@njit(cache=True)
def fall_course(is_first, value, trust):  # type: ignore[no-untyped-def]
    """The cusum of the renewal rule along past lives (n,), without renewals; for learning its limit."""
    fall, course = np.zeros(3, np.float32), np.zeros(len(value))
    for i in range(len(value)):
        if is_first[i]:
            fall[:] = 0.0
        _has_fallen(fall, value[i], trust[i], np.inf)
        course[i] = fall[2]
    return course
