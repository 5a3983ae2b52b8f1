"""From events to feature rows: the pass over the rows of the assets that serving and training share.

events in order ─► repeated? late? log entry? ─► regime ─► z ─► indexes ─► renewed? ─► recursions ─► feature rows

Rules of time. The order of arrival is kept, but event_time decides. A log entry takes effect for readings after its own
time, whenever it arrives. A reading older than the asset's newest is late: it is scored from what the row knows, and
the row stays as it is (but see `models.clocks`). Readings of one time are one reading: while it is not complete, its
values are held, and every part is scored from a draft of the row with all parts so far; the row itself takes the step
once, when a reading of a later time comes. A complete reading steps at once; what follows it at the same time is scored
from a draft.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.asset_rows import Shape, row_dtype
from models.clocks import is_set_back
from models.jit import njit
from models.log_memory import READING, WINDOWS, is_repeated, write_log
from models.parts import ANOTHER, add_part, begin_parts, fold, is_complete, is_empty, load_event, score_aside
from models.preparation import Preparation
from models.reading import Prepared, Work
from models.recursions import FEATURES, SPEEDS
from models.step import take_step
from models.windows import is_in_window

SCORED, DUPLICATE, LATE, LOGGED, BLANK, UNMONITORED = range(6)
STATUSES = ("scored", "duplicate", "late", "logged", "blank", "out_of_service")


HELD, RENEWED_SOON, PLANNED = 1, 2, 3  # a maintenance window; the part was renewed right after; weeks later
SOON_S = 3600.0  # a renewal may come before readings that it follows: so far ahead of them it is no plan
CLOCKS_S = 300.0  # a replacement further ahead of its record takes effect with the readings after it
PLAN_S = 14 * 86_400.0  # the same, further ahead of the newest reading, where the record's time is not known


class EventBatch(NamedTuple):
    """Columns of a batch; n events."""

    time_s: Any  # (n,) f8: epoch seconds
    kind: Any  # (n,) i1: place in KINDS
    code: Any  # (n,) i2: error code, component, or the whole asset; -1: not of this class
    event_id: Any  # (n,) u8: hash
    readings: Any  # (n, sensors) f8, NaN: missing
    variables: Any  # (n, V) f8
    constants: Any  # (n, constants) f8
    arrived_s: Any = None  # (n,) f8: epoch seconds of the records, NaN: not known


class Seen(NamedTuple):
    """What the pass found; n events, T targets, F features. A late reading has a score if it has a regime."""

    status: Any  # (n,) i1: place in STATUSES
    regime: Any  # (n,) i2: -1 unless scored
    step: Any  # (n,) f8: units since the reading before, in the same life; of a late one, that it is late
    is_renewed: Any  # (n, T) u1: a new life of the target begins here
    features: Any  # (n, F) f4; 0 unless scored
    role: Any = None  # (n,) i1: place among the roles of models.parts
    hold: Any = None  # (n, T) u1: HELD, RENEWED_SOON, PLANNED; what keeps alerts from moving
    is_set_back: Any = None  # (n,) bool: from here on the asset's clock is an earlier one, and is followed


@njit(cache=True, inline="always")
def _begin(row, time, i, prep, events, work, seen):  # type: ignore[no-untyped-def]
    """The first record of a new time, its values in `work`; returns its status."""
    is_whole = not work.can_hold[0] or is_complete(prep, work)
    if not is_whole and is_empty(work):
        return BLANK
    if row.parts > 0:
        fold(row, prep, work)
        load_event(i, events, work)
    if is_whole:
        step, regime = take_step(row, time, prep, work, seen.features[i], seen.is_renewed[i])
        if regime < 0:
            return BLANK
        seen.step[i], seen.regime[i] = step, regime
        row.comes_in_parts = 0
        row.newest = time
        return SCORED
    row.newest = time
    begin_parts(row)
    return SCORED if add_part(row, time, i, prep, work, seen) else BLANK


@njit(cache=True)
def _follow(row, time, arrived):  # type: ignore[no-untyped-def]
    """Whether the asset's clock was set back: its row then stands at the late reading before this one."""
    before = row.behind_at
    if not is_set_back(row, time, arrived):
        return False
    row.newest = before
    row.stepped_at = min(row.stepped_at, before)
    row.life_first = min(row.life_first, before)
    row.parts = 0
    return True


@njit(cache=True)
def _take_late(row, time, i, prep, work, seen):  # type: ignore[no-untyped-def]
    """Of an earlier life nothing is known any more: no score."""
    row.late += 1
    if time > row.renewed_at:
        score_aside(row, time, i, prep, work, seen)
    seen.step[i] = (row.newest - time) / prep.unit_s
    return LATE


@njit(cache=True, inline="always")
def _take_in_time(row, time, i, prep, events, work, seen):  # type: ignore[no-untyped-def]
    row.behind = 0
    if time > row.newest:
        return _begin(row, time, i, prep, events, work, seen)
    if row.parts > 0:
        return SCORED if add_part(row, time, i, prep, work, seen) else BLANK
    seen.role[i] = ANOTHER
    return SCORED if score_aside(row, time, i, prep, work, seen) else BLANK


@njit(cache=True, inline="always")
def _take(row, time, i, prep, events, work, seen):  # type: ignore[no-untyped-def]
    """One reading; returns its status."""
    is_late = time < row.newest
    if is_repeated(row, events.event_id[i], is_late):
        row.duplicates += 1
        return DUPLICATE
    if row.service != 0 and time > row.service_at:
        return UNMONITORED
    load_event(i, events, work)
    if is_late and _follow(row, time, events.arrived_s[i]):
        seen.is_set_back[i] = True
        is_late = False
    if is_late:
        status = _take_late(row, time, i, prep, work, seen)
    else:
        status = _take_in_time(row, time, i, prep, events, work, seen)
    if events.arrived_s[i] > row.arrived:  # noqa: PLR1730 - not where it is NaN
        row.arrived = events.arrived_s[i]
    return status


@njit(cache=True, inline="always")
def _note_holds(row, time, arrived, prep, hold):  # type: ignore[no-untyped-def]
    """What the log knows now of a reading's time: the alerts are decided later, when it may know more."""
    for place in range(len(row.log_time)):
        ahead, has_happened = row.log_time[place] - time, row.log_time[place] <= arrived
        if row.log_code[place] > prep.errors and ahead >= 0 and (ahead <= SOON_S or has_happened):
            part = row.log_code[place] - 1 - prep.errors
            if part == prep.components:
                hold[:] = RENEWED_SOON
            else:
                hold[part] = RENEWED_SOON
    if is_in_window(row, time):
        hold[:] = HELD


@njit(cache=True, inline="always")
def _is_planned(row, time, arrived):  # type: ignore[no-untyped-def]
    """An entry of what is yet to happen: by the record's time, or where none is known by the asset's readings."""
    if np.isnan(arrived):
        return row.newest > 0 and time > row.newest + PLAN_S
    return time > arrived + CLOCKS_S


@njit(cache=True)
def _observe(rows, slots, prep, events, work, seen):  # type: ignore[no-untyped-def]
    whole = prep.errors + prep.components
    for i in range(len(slots)):
        row, time, kind = rows[slots[i]], events.time_s[i], events.kind[i]
        seen.regime[i] = -1
        if kind == READING:
            seen.status[i] = _take(row, time, i, prep, events, work, seen)
            if seen.status[i] == SCORED:
                _note_holds(row, time, events.arrived_s[i], prep, seen.hold[i])
        elif write_log(row, time, kind, events.code[i], events.event_id[i], whole):
            seen.status[i] = LOGGED
            if _is_planned(row, time, events.arrived_s[i]):
                seen.hold[i, :] = PLANNED
        else:
            row.duplicates += 1
            seen.status[i] = DUPLICATE


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
            role=np.zeros(count, np.int8),
            hold=np.zeros((count, self.shape.targets), np.uint8),
            is_set_back=np.zeros(count, np.bool_),
        )
        if events.arrived_s is None:
            events = events._replace(arrived_s=np.full(count, np.nan))
        sensors, channels = len(prep.sensors), self.shape.channels
        work = Work(
            z=np.zeros(sensors), is_present=np.zeros(sensors, np.bool_), index=np.zeros(channels),
            trust=np.zeros(channels), keep=np.zeros(SPEEDS), found=np.zeros(len(FEATURES)),
            last=np.zeros(self.shape.codes), counts=np.zeros((max(self.shape.errors, 1), len(WINDOWS))),
            readings=np.zeros(events.readings.shape[1]), variables=np.zeros(events.variables.shape[1]),
            constants=np.zeros(events.constants.shape[1]), known=np.zeros(events.variables.shape[1]),
            features=np.zeros(self.feature_count, np.float32),
            is_renewed=np.zeros(self.shape.targets, np.uint8), draft=np.zeros(1, row_dtype(self.shape)),
            can_hold=np.array([self.shape.held > 0]),
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
