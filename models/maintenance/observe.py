"""From events to feature rows: the pass over the rows of the assets that serving and training share.

events in order ─► repeated? late? log entry? ─► regime ─► z ─► indexes ─► renewed? ─► recursions ─► feature rows

Rules of time. The order of arrival is kept, but event_time decides. A log entry takes effect for readings after its own
time, whenever it arrives. A reading older than the asset's newest is late: it is scored from what the row knows, and
the row stays as it is (but see `clocks`). Readings of one time are one reading: while it is not complete, its
values are held, and every part is scored from a draft of the row with all parts so far; the row itself takes the step
once, when a reading of a later time comes. A complete reading steps at once; what follows it at the same time is scored
from a draft.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.jit import njit
from models.maintenance.channels import Prepared, Work
from models.maintenance.clocks import is_set_back
from models.maintenance.log_memory import AHEAD, READING, SILENT, WINDOWS, is_repeated, write_log
from models.maintenance.parts import ANOTHER, IS_SCORED, add_part, end_parts, is_complete, is_empty, load_event
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import FEATURES, SPEEDS
from models.maintenance.rows import RowShape
from models.maintenance.sensors import doing, note_faults, unchecked
from models.maintenance.step import take_step
from models.maintenance.windows import NEWS, OLD, is_excused, is_in_window

SCORED, DUPLICATE, LATE, LOGGED, BLANK, UNMONITORED, CROWDED, REFUSED = range(8)
STATUSES = ("scored", "duplicate", "late", "logged", "blank", "out_of_service", "window_not_kept", "ahead")


NOT, AS_STEP, AS_FIRST_PART, AS_PART, ASIDE = range(5)  # how a reading is scored: by a step of the row, or of a draft
# a maintenance window; the part was renewed right after; weeks later; a sensor is in doubt
HELD, RENEWED_SOON, PLANNED, DOUBTFUL = 1, 2, 3, 4
DOUBTED_WELL = 10  # readings in a row with a sensor in doubt; alerts wait no longer
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
    role: Any = None  # (n,) i1: place among the roles of models.maintenance.parts
    hold: Any = None  # (n, T) u1: HELD, RENEWED_SOON, PLANNED, DOUBTFUL; what keeps alerts from moving
    is_set_back: Any = None  # (n,) bool: from here on the asset's clock is an earlier one, and is followed
    quality: Any = None  # (n,) i1: place in models.maintenance.step.QUALITIES, of what has a score
    faults: Any = None  # (n, sensors of the class) i1: place in models.maintenance.sensors.FAULTS
    is_bridged: Any = None  # (n,) bool: what tells the regime was not there; it is concluded
    is_excused: Any = None  # (n,) bool: a maintenance window was open since the reading before


@njit(cache=True)
def _follow(row, time, arrived):
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
def _admit(row, time, event_id, arrived):
    """Whether a reading is looked at (SCORED, LATE) or not; and whether the asset's clock was set back before it."""
    is_late = time < row.newest
    if is_repeated(row, event_id, is_late):
        row.duplicates += 1
        return DUPLICATE, False
    if row.service != 0 and time > row.service_at:
        return UNMONITORED, False
    is_set_back = is_late and _follow(row, time, arrived)
    if arrived > row.arrived:  # noqa: PLR1730 - not where it is NaN
        row.arrived = arrived
    if is_late and not is_set_back:
        row.late += 1
        return LATE, False
    row.behind = 0
    return SCORED, is_set_back


@njit(cache=True)
def _way(row, time, is_whole, values):
    """How a reading is scored. Of an earlier life nothing is known any more."""
    if time < row.newest:
        return ASIDE if time > row.renewed_at else NOT
    if time == row.newest:
        return AS_PART if row.parts > 0 else ASIDE
    if is_whole:
        return AS_STEP
    return NOT if is_empty(values) else AS_FIRST_PART


@njit(cache=True)
def _settle(row, time, way, status, regime):
    """What a reading came to; returns its status."""
    if status == LATE:
        return LATE
    if regime < 0:
        return BLANK
    if way == AS_STEP:
        row.comes_in_parts = 0
        row.newest = time
    elif way != ASIDE:
        row.comes_in_parts |= IS_SCORED
    return SCORED


@njit(cache=True, inline="always")
def _take(row, time, i, prep, events, work, seen):
    """One reading; returns its status.

    There may be two steps: one by a reading that was held, and one by this reading, of the row or of a draft of it.
    """
    status, seen.is_set_back[i] = _admit(row, time, events.event_id[i], events.arrived_s[i])
    if status not in (SCORED, LATE):
        return status
    values, regimes = (work.readings, work.variables, work.constants), len(prep.centroids)
    load_event(i, events.readings, events.variables, events.constants, values)
    way = _way(row, time, not work.can_hold[0] or is_complete(prep.sensors, regimes, values), values)
    is_held = row.parts > 0 and way in (AS_STEP, AS_FIRST_PART)
    for turn in range(0 if is_held else 1, 1 if way == NOT else 2):
        target, at, features, is_renewed = row, time, seen.features[i], seen.is_renewed[i]
        if turn == 0:
            end_parts(row, values)
            at, features, is_renewed = row.newest, work.features, work.is_renewed
        else:
            if is_held:
                load_event(i, events.readings, events.variables, events.constants, values)
            if way in (AS_FIRST_PART, AS_PART):
                seen.role[i] = add_part(row, time, prep.sensors, regimes, values)
            if way != AS_STEP:
                work.draft[0] = row
                target = work.draft[0]
                if way == ASIDE:
                    target.stepped_at = time
        seen.step[i], seen.regime[i] = take_step(target, at, prep, work, features, is_renewed)
        seen.quality[i], seen.is_bridged[i] = work.quality[0], target.bridged > 0
        note_faults(seen.regime[i], target.sensor_counts, prep.sensors[: prep.check.sensor.shape[1]], seen.faults[i])
    if way == ASIDE:
        seen.role[i] = ANOTHER
        seen.is_renewed[i, :] = 0
    if status == LATE:
        seen.step[i] = (row.newest - time) / prep.unit_s
    return _settle(row, time, way, status, seen.regime[i])


@njit(cache=True)
def _note_holds(row, time, arrived, errors, components, hold):
    """What the log knows now of a reading's time: the alerts are decided later, when it may know more."""
    for place in range(len(row.log_time)):
        ahead, has_happened = row.log_time[place] - time, row.log_time[place] <= arrived
        if row.log_code[place] > errors and ahead >= 0 and (ahead <= SOON_S or has_happened):
            part = row.log_code[place] - 1 - errors
            if part == components:
                hold[:] = RENEWED_SOON
            else:
                hold[part] = RENEWED_SOON
    if is_in_window(row, time):
        hold[:] = HELD


@njit(cache=True)
def _note_doubt(row, is_doubtful, hold):
    """What is about to be told of a sensor is no news of the machine."""
    row.doubted = min(row.doubted + 1, 255) if is_doubtful else 0
    if 0 < row.doubted <= DOUBTED_WELL:
        for target in range(len(hold)):
            hold[target] = hold[target] if hold[target] > 0 else DOUBTFUL


@njit(cache=True)
def _is_planned(row, time, arrived):
    """An entry of what is yet to happen: by the record's time, or where none is known by the asset's readings."""
    if np.isnan(arrived):
        return row.newest > 0 and time > row.newest + PLAN_S
    return time > arrived + CLOCKS_S


@njit(cache=True)
def _observe(rows, slots, prep, events, work, seen):
    whole = prep.errors + prep.components
    for i in range(len(slots)):
        row, time, kind = rows[slots[i]], events.time_s[i], events.kind[i]
        seen.regime[i] = -1
        if kind == READING:
            seen.is_excused[i] = is_excused(row, row.newest, time)
            seen.status[i] = _take(row, time, i, prep, events, work, seen)
            if seen.status[i] == SCORED:
                _note_holds(row, time, events.arrived_s[i], prep.errors, prep.components, seen.hold[i])
                _note_doubt(row, work.is_doubtful[0], seen.hold[i])
            elif seen.status[i] == BLANK and is_in_window(row, time):
                seen.hold[i, :] = HELD
        elif kind in (SILENT, AHEAD):  # nothing for the row to remember
            seen.status[i] = LOGGED if kind == SILENT else REFUSED
            if is_in_window(row, time if kind == SILENT else events.arrived_s[i]):
                seen.hold[i, :] = HELD
        else:
            found = write_log(row, time, kind, events.code[i], events.event_id[i], whole)
            row.duplicates += found == OLD
            seen.status[i] = DUPLICATE if found == OLD else LOGGED if found == NEWS else CROWDED
            if found == NEWS and _is_planned(row, time, events.arrived_s[i]):
                seen.hold[i, :] = PLANNED


@dataclass(frozen=True)
class Observer:
    """The pass, with everything it needs besides rows and events."""

    shape: RowShape
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
            quality=np.zeros(count, np.int8),
            faults=np.zeros(events.readings.shape, np.int8),
            is_bridged=np.zeros(count, np.bool_),
            is_excused=np.zeros(count, np.bool_),
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
            is_renewed=np.zeros(self.shape.targets, np.uint8), draft=np.zeros(1, rows.dtype),
            can_hold=np.array([self.shape.held > 0]), said=np.zeros(sensors),
            check=doing(prep.check.sensor.shape[1], prep.check.load.shape[2]), is_doubtful=np.zeros(1, np.bool_),
            quality=np.zeros(1, np.int8),
        )  # fmt: skip
        _observe(rows, slots, prep, events, work, seen)
        return seen


def build_observer(
    preparation: Preparation, shape: RowShape, unit_s: float, chosen: tuple[str, ...], has_age: bool, constants: int
) -> Observer:
    """Args:
    chosen: names among `FEATURES` that each channel contributes.
    has_age: whether the time since the first reading of the life is a feature.
    constants: how many readings are features as they are.
    """
    assert shape.channels == preparation.channels
    places = np.array([FEATURES.index(name) for name in chosen], np.int64)
    count = shape.channels * len(places) + has_age + shape.errors * len(WINDOWS) + shape.codes - 1 + constants
    learned = {item.name: getattr(preparation, item.name) for item in fields(preparation) if item.name != "normal"}
    learned["check"] = preparation.check or unchecked()
    prepared = Prepared(
        **learned, unit_s=float(unit_s), chosen=places, has_age=has_age, errors=shape.errors,
        components=shape.components,
    )  # fmt: skip
    return Observer(shape, prepared, count)
