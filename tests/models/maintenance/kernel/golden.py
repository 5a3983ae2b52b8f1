"""Generated classes and events with all that can befall an asset, and what the kernels make of them, as arrays.

seed ─► learned, events ─► Observer, decide, watch ─► arrays by name

golden.npz holds what the kernels before, compiled by numba, made of the same: see test_golden.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.maintenance.alerts import decide
from models.maintenance.observe import EventBatch, Observer
from models.maintenance.policy import Policy, life_levels, life_policy, probability_policy
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import FEATURES, STATIONARY
from models.maintenance.rows import RowShape
from models.maintenance.sensors import Checked, with_doubt_of_before
from models.maintenance.watch import Input, watch
from models.maintenance.watch_rows import WATCH, Patience

EVENTS, ASSETS, EVERY = 1000, 12, 80  # every so manieth row of features is kept
START_S, UNIT_S = 1.7e9, 60.0
READING, WINDOW_START, WINDOW_END, SILENT, AHEAD = 0, 5, 6, 11, 12
LIFE = RowShape(channels=3, errors=0, components=0, targets=1, values=10, variables=2, checked=8, modes=5)
PARTS = RowShape(channels=6, errors=2, components=3, targets=3, values=9, variables=1)


@dataclass(frozen=True)
class Given:
    """A class that is made up, and its events."""

    shape: RowShape
    observer: Observer
    policy: Policy
    slots: np.ndarray
    events: EventBatch
    raw: np.ndarray


def made_up(random: np.random.RandomState, shape: RowShape, regimes: int, sensors: int, kept: int) -> Preparation:
    of = regimes, kept
    load = random.normal(0, 1, (regimes, kept, shape.channels)) * 0.4
    sd, noise = random.uniform(0.5, 3, of), random.uniform(0.2, 0.6, of)
    sd[0, 1] = 0.0
    check = None
    if shape.checked:
        columns = [random.uniform(40, 60, of), sd, random.normal(0, 0.3, of), noise, np.ones(of), np.ones(of)]
        by_sensor = np.array([[0.2], [0.01], [0.02], [0.01], [12.5], [8.0], [6.0]]) * np.ones((7, kept))
        check = Checked(np.stack(columns, 1), with_doubt_of_before(by_sensor), random.normal(0, 1, (regimes, kept, 2)))
    return Preparation(
        centre=np.full(shape.variables, 150.0), scale=np.full(shape.variables, 100.0),
        centroids=random.uniform(-1, 1, (regimes, shape.variables)), sensors=random.permutation(sensors)[:kept],
        mean=check.regime[:, 0] if check else random.uniform(40, 60, of), sd=sd,
        weights=random.normal(0, 0.5, (regimes, shape.channels, kept)),
        bias=random.normal(0, 0.1, (regimes, shape.channels)),
        trust=random.uniform(0.5, 1.5, (regimes, shape.channels)),
        expected_offset=random.normal(0, 0.2, of), expected_load=load, noise=noise,
        fall_channel=0 if shape.checked else -1, fall_limit=6.0, check=check,
    )  # fmt: skip


def happened(random: np.random.RandomState, shape: RowShape, widths: tuple[int, int, int]) -> EventBatch:
    """Readings every minute or so, a fifth of them entries; late, repeated, in parts, clocks that are set back."""
    n = EVENTS
    time = START_S + UNIT_S * np.arange(n) / 3 + random.uniform(0, 20, n)
    arrived = time + random.uniform(0, 5, n)
    readings = random.normal(50, 2, (n, widths[0])) + 6 * (np.arange(n)[:, None] / n) ** 2
    variables, constants = random.uniform(50, 250, (n, widths[1])), random.uniform(0, 9, (n, widths[2]))
    readings[random.uniform(size=readings.shape) < 0.1] = np.nan
    readings[random.uniform(size=readings.shape) < 0.02] *= 40
    readings[n // 3 : n // 2, 0] = 51.25
    variables[random.uniform(size=variables.shape) < 0.15] = np.nan
    time[random.uniform(size=n) < 0.06] -= 45 * UNIT_S  # late
    time[n // 2 :: ASSETS] -= 5 * 3600  # one clock is set back
    arrived[random.uniform(size=n) < 0.05] = np.nan
    identity = random.randint(1, 2**62, n).astype(np.uint64)
    again = random.randint(0, n - 60, 60)
    identity[again + 48] = identity[again]
    together = random.randint(0, n - ASSETS, 150)  # parts of one time
    time[together + ASSETS] = time[together]
    entries = np.where(random.uniform(size=n) < 0.2, random.randint(1, 13, n), READING)
    entries = np.where((entries == 7) | (entries == 9), np.where(random.uniform(size=n) < 0.3, entries, 8), entries)
    codes = shape.errors + shape.components
    code = np.where(entries == READING, -1, random.randint(-1, codes + 2, n))
    is_window = (entries == WINDOW_START) | (entries == WINDOW_END)
    code = np.where(
        is_window, random.randint(0, 4, n), np.where(entries == 1, random.randint(-1, max(shape.errors, 1), n), code)
    )
    code = np.where(~is_window & (entries != 10), np.minimum(code, codes), code)
    code = np.where((entries == 1) & (shape.errors == 0), -1, code)
    time = np.where(entries == SILENT, time + random.randint(1, 90, n) * UNIT_S, time)
    arrived = np.where(entries == AHEAD, time, arrived)
    time = np.where(entries == AHEAD, time + 1e6, time)
    return EventBatch(
        time, entries.astype(np.int8), code.astype(np.int16), identity, readings, variables, constants, arrived
    )  # fmt: skip


def life(seed: int = 1) -> Given:
    """A class that wears as a whole: sensors are checked, two regimes, renewals that nobody tells of."""
    random = np.random.RandomState(seed)
    preparation = made_up(random, LIFE, 2, 8, 7)
    observer = Observer(preparation, LIFE, UNIT_S, FEATURES, True, (8, 2, 0))
    raw = np.clip(90 - 90 * (np.arange(EVENTS) / EVENTS) + random.normal(0, 15, EVENTS), 0, 125)[:, None]
    policy = life_policy(life_levels(125.0), 125.0, (0.5, 0.25, 1.0), 0)
    return Given(LIFE, observer, policy, np.arange(EVENTS) % ASSETS, happened(random, LIFE, (8, 2, 0)), raw.copy())


def parts(seed: int = 2) -> Given:
    """A class whose components fail one by one: spikes are refused, errors are counted."""
    random = np.random.RandomState(seed)
    preparation = made_up(random, PARTS, 3, 6, 6)
    observer = Observer(preparation, PARTS, UNIT_S, STATIONARY, False, (6, 1, 2))
    raw = random.uniform(0, 1, (EVENTS, 3)) ** np.array([1.0, 3.0, 6.0])
    levels = [life_levels(125.0)[1].model_copy(update={"on": 0.5, "clear": 0.2, "on_delay": 2, "off_delay": 3})] * 3
    policy = probability_policy([[level] for level in levels], (0.6, 0.3, 1.0), 2)
    return Given(PARTS, observer, policy, np.arange(EVENTS) % ASSETS, happened(random, PARTS, (6, 1, 2)), raw)


def made(given: Given) -> dict[str, np.ndarray]:
    """Everything that comes out, by name; of rows and features a part."""
    rows, watched = np.zeros(ASSETS, given.observer.dtype), np.zeros(ASSETS, WATCH)
    seen = given.observer(rows, given.slots, given.events)
    raw = np.where((seen.regime >= 0)[:, None], given.raw, np.nan)
    decided = decide(rows, given.slots, given.events, seen, raw, given.policy)
    events = given.events
    heard = Input(
        events.time_s, events.arrived_s, events.kind, events.code, seen.status, seen.role, seen.quality, seen.hold,
        seen.is_bridged, seen.is_set_back, seen.is_excused, seen.faults,
    )  # fmt: skip
    data = watch(watched, given.slots, heard, given.shape.codes - 1, Patience(3.0, 60.0))
    found = {name: getattr(seen, name) for name in seen._fields if name not in ("features", "quality")}
    found |= {"features": seen.features[::EVERY], "quality": np.where(seen.regime >= 0, seen.quality, 0)}
    found |= {"value": decided.value, "is_suppressed": decided.is_suppressed}
    for name, table in (("rows", rows), ("transitions", decided.transitions), ("watched", watched), ("data", data)):
        found |= {f"{name}.{field}": table[field] for field in table.dtype.names or ()}
    return found
