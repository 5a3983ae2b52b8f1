"""Plans: entries of the log about times to come wait for their time, and are then entries like all others.

maintenance window, out of service, replacement of the whole asset ... ahead of its record ─► a row each ─► just before
the first event of the asset that is not older: a reading, an entry of its log, or word that it is silent

The row of an asset has room for a few windows; and service is one state, not a calendar. So what lies ahead is kept
here, and what a plan changes is changed when the asset gets there. An asset gets there by its events, so a replay comes
to the same.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import structlog

from models.maintenance import AHEAD, CLOCKS_S, KINDS, LATEST_S, READING, REPLACEMENT, SILENT, EventBatch
from schemas import Maintenance
from streams.agent import Layout, PartitionState, Rows
from streams.asset_events import AssetEvents
from streams.metrics import SKIPPED

log = structlog.get_logger(__name__)
MOST = 500  # of an asset that begin something, and as many that end it: each begin has room for its end
NOT_KEPT = "plan_not_kept"  # why an entry is skipped
WINDOWS = tuple(map(KINDS.index, ("window_start", "window_end")))
ENDS = (*map(KINDS.index, ("window_end", "in_service")), REPLACEMENT)
WAITING = tuple(map(KINDS.index, ("window_start", "window_end", "out_of_service", "in_service", "decommissioned")))
ARRIVING = (READING, SILENT, AHEAD)  # kinds of events that say what time it is, whatever their record says
PLAN = np.dtype([("time_us", "i8"), ("event_id", "u8"), ("code", "i2"), ("kind", "i1"), ("turn", "u4")], align=True)
PLANS_LAYOUT = Layout(PLAN, 1, {"time_us": (0.0, LATEST_S * 1e6), "kind": (0.0, len(KINDS) - 1.0)})


class _Plan(NamedTuple):
    """Ordered by when it is due; of one time the one that was announced last has the last word."""

    due_s: float
    time_us: int
    turn: int
    kind: int
    event_id: int
    code: int
    key: bytes


_Waiting = dict[bytes, list[_Plan]]  # of each asset the plans it has


def plans_table(name: str) -> str:
    """Table of the plans for the assets of a class; no asset class has such a name."""
    return f"{name}~plans"


def in_their_time(events: AssetEvents, state: PartitionState, whole: int, agent: str) -> AssetEvents:
    """The events without those that lie ahead of their records, and with those of before that are due.

    What is due carries the record of the event that it comes before. An entry whose record has no time waits for the
    next event: whether it is ahead is not known.

    Args:
        whole: code of the asset as a whole in entries of its log.
    """
    table, batch = plans_table(events.asset_class), events.batch
    rows = state.tables[table]
    is_plan = _waits(batch, whole) & ~(batch.time_s <= batch.arrived_s + CLOCKS_S)
    if not len(rows) and not is_plan.any():
        return events
    now_s = _now_s(batch)
    waiting: _Waiting | None = state.memo.get(table)
    if waiting is None:
        waiting = state.memo[table] = _waiting_in(rows)
    due = list[tuple[int, _Plan]]()
    for place, key in enumerate(events.keys):
        if is_plan[place]:
            if not _keep(events, place, rows, waiting):
                _tell(events, place, agent)
        elif mine := waiting.get(key):
            due += [(place, plan) for plan in _taken(mine, float(now_s[place]), rows)]
    return _rearranged(events, is_plan, due) if due or is_plan.any() else events


def _now_s(batch: EventBatch) -> npt.NDArray[np.float64]:
    """(n,) s: what time it is for the asset, by each event; -inf: it does not say. An entry of the log comes after what
    was announced for its time."""
    after = np.nextafter(batch.time_s, np.inf)
    by_log = np.where(batch.time_s <= batch.arrived_s + CLOCKS_S, after, -np.inf)
    by_reading = np.where(batch.kind == AHEAD, batch.arrived_s, np.fmin(batch.time_s, batch.arrived_s + CLOCKS_S))
    found: npt.NDArray[np.float64] = np.where(np.isin(batch.kind, ARRIVING), by_reading, by_log)
    return found


def _waits(batch: EventBatch, whole: int) -> npt.NDArray[np.bool_]:
    """A replaced part takes effect with the readings after it by itself; the whole asset may be gone until then."""
    is_whole: npt.NDArray[np.bool_] = (batch.kind == REPLACEMENT) & (batch.code == whole)
    return is_whole | np.isin(batch.kind, WAITING)


def _waiting_in(rows: Rows) -> _Waiting:
    found: _Waiting = {}
    for key in rows.keys():  # noqa: SIM118 - not a mapping
        row: Any = rows.array[rows.find(key)]
        what = int(row["time_us"]), int(row["kind"]), int(row["event_id"])
        plan = _plan(what, int(row["code"]), int(row["turn"]), key)
        found.setdefault(key.rpartition(b"\0")[0], []).append(plan)
    for mine in found.values():
        mine.sort()
    return found


def _plan(what: tuple[int, int, int], code: int, turn: int, key: bytes) -> _Plan:
    """A window is open from the whole second in which it begins; all else is so for what comes after it."""
    time_us, kind, event_id = what
    due_s = float(time_us // 1_000_000) if kind in WINDOWS else float(np.nextafter(time_us / 1e6, np.inf))
    return _Plan(due_s, time_us, turn, kind, event_id, code, key)


def _keep(events: AssetEvents, place: int, rows: Rows, waiting: _Waiting) -> bool:
    """Whether it is kept, or was already."""
    batch, asset = events.batch, events.records[place].key
    what = int(events.time_us[place]), int(batch.kind[place]), int(batch.event_id[place])
    key = asset + b"\0%d/%d/%016x" % what
    if key in rows:
        return True
    mine = waiting.setdefault(asset, [])
    plan = _plan(what, int(batch.code[place]), 1 + max((one.turn for one in mine), default=0), key)
    if sum((one.kind in ENDS) == (plan.kind in ENDS) for one in mine) >= MOST:
        return False
    row: Any = rows.slots([key])[0]
    rows.array[row] = (plan.time_us, plan.event_id, plan.code, plan.kind, plan.turn)
    rows.touch(row)
    insort(mine, plan)
    return True


def _taken(mine: list[_Plan], now_s: float, rows: Rows) -> list[_Plan]:
    """Those that are due, and wait no longer."""
    count = next((place for place, plan in enumerate(mine) if plan.due_s > now_s), len(mine))
    taken, mine[:count] = mine[:count], []
    for plan in taken:
        rows.remove(plan.key)
    return taken


def _rearranged(events: AssetEvents, is_plan: npt.NDArray[np.bool_], due: Sequence[tuple[int, _Plan]]) -> AssetEvents:
    """Without the plans, and with what is due before the events at the given places."""
    kept = np.flatnonzero(~is_plan)
    before = np.searchsorted(kept, [place for place, _ in due])
    found = events.at(np.insert(kept, before, [place for place, _ in due]))
    is_due = np.insert(np.zeros(len(kept), np.bool_), before, [True] * len(due))
    if due:
        _put_in(found, np.flatnonzero(is_due), [plan for _, plan in due])
    return found


def _put_in(events: AssetEvents, places: npt.NDArray[np.int64], plans: Sequence[_Plan]) -> None:
    """In place of the events there, of which the records and ids stay."""
    batch = events.batch
    events.time_us[places] = [plan.time_us for plan in plans]
    batch.time_s[places] = events.time_us[places] / 1e6
    batch.kind[places], batch.code[places] = [plan.kind for plan in plans], [plan.code for plan in plans]
    batch.event_id[places] = np.array([plan.event_id for plan in plans], np.uint64)
    for column in (batch.readings, batch.variables, batch.constants):
        column[places] = np.nan
    for place in places.tolist():
        events.made[place] = _entry(events, place)


def _entry(events: AssetEvents, place: int) -> Maintenance:
    """What became of it, under the id of the event that it comes before."""
    fields: dict[str, Any] = {
        "event_id": events.ids[place].decode(),
        "event_time": events.time(place),
        "asset_id": events.records[place].key.decode(),
        "asset_class": events.asset_class,
        "kind": KINDS[events.batch.kind[place]],
    }
    return Maintenance.model_construct(**fields)


def _tell(events: AssetEvents, place: int, agent: str) -> None:
    event = events.event(place)
    SKIPPED.labels(agent, NOT_KEPT).inc()
    log.warning(
        f"an asset has {MOST:,} entries of this sort ahead of it: this one is not kept",
        asset_id=event.asset_id,
        asset_class=events.asset_class,
        kind=KINDS[events.batch.kind[place]],
        event_time=event.event_time.isoformat(),
        event_id=event.event_id,
        advice="Announce it again when some of those before it are over.",
    )
