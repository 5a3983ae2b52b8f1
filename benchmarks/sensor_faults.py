"""Faults of single sensors on C-MAPSS: are they told, what do they cost, do they raise machine alerts?

train on four fifths of the engines ─► break one sensor of the others ─► AssetModel.step ─► told? error? alerts?

    python -m benchmarks.sensor_faults DATA [--fd FD001 FD003] [--folds 1] [--seed 0]

Sister subsets are trained together, by the code that trains and serves. Each sensor that the model keeps is broken in
each way, alone, twice in each held-out engine: for 20 readings of the last 125 (error, interval), and for 40 readings
from the 30th on where more than 90 are left after them (alerts: the engine is healthy). DATA is as for
`benchmarks.cmapss`; the test files are not looked at.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.cmapss import CAP, SENSORS, asset_class_text, events, read_table
from models.maintenance import (
    CLEARED,
    RAISED,
    WATCH,
    AssetEvent,
    AssetModel,
    Decisions,
    EventBatch,
    Patience,
    Preparation,
)
from models.maintenance.training import train
from models.registry import ModelStore
from schemas import Maintenance, Telemetry, parse_asset_class

SISTERS = ({"FD001", "FD003"}, {"FD002", "FD004"})
FOLDS = 5
KINDS = ("missing", "stuck", "flat", "spike", "drift", "unit", "range")
WORN, HEALTHY = 20, 40  # readings for which a sensor is broken
SETTLED, LEAST_LEFT = 30, 90  # readings before a fault of a healthy engine, and after it
SOON = 10  # readings within which a fault is to be told
SPIKE_SD, DRIFT_SD, RANGE_SD = 8.0, 0.5, 30.0  # of the class, in the regime; drift by reading
CHUNK = 5000
PATIENCE = Patience(5.0, 60.0)


@dataclass(frozen=True)
class HeldOut:
    """Readings of engines that the model did not learn from, n in all, those of an engine together."""

    model: AssetModel
    preparation: Preparation
    batch: EventBatch
    unit: np.ndarray  # (n,) 0, 1, 2, ...
    left: np.ndarray  # (n,) cycles until the failure
    worn: list[tuple[int, int]]  # first reading of a fault and the one after its last, by engine
    healthy: list[tuple[int, int]]


@dataclass
class Figures:
    """Sums over the folds; of a sensor broken in one way, or of whole engines."""

    told: list[bool]  # within SOON readings, with the scores
    alerted: list[bool]  # within SOON readings, by a data alert that names the sensor
    error: list[np.ndarray]  # one array a fault: of its readings
    is_covered: list[np.ndarray]
    alerts: int = 0  # of machines, raised by the fault; without a fault, of sensors
    begun: int = 0  # faults told with the scores, without a fault
    readings: int = 0

    @classmethod
    def none(cls) -> Figures:
        return cls([], [], [], [])


def folds(table: np.ndarray, seed: int) -> np.ndarray:
    """Fold of each row, by engine."""
    units, member = np.unique(table[:, 0], return_inverse=True)
    fold = np.zeros(len(units), np.int64)
    fold[np.random.default_rng(seed).permutation(len(units))] = np.arange(len(units)) % FOLDS
    return fold[member]


def checked(name: str, table: np.ndarray) -> Iterator[list[AssetEvent]]:
    all_of_it = events(name, table, True)
    while part := list(islice(all_of_it, CHUNK)):
        yield [(Maintenance if "kind" in one else Telemetry).model_validate(one) for one in part]


def trained(tables: dict[str, np.ndarray], fold: dict[str, np.ndarray], out: int, home: Path) -> ModelStore:
    store = ModelStore(home)
    histories = [
        (parse_asset_class(asset_class_text(name), home / f"{name}.toml"), checked(name, table[fold[name] != out]))
        for name, table in tables.items()
    ]
    for manifest in train(histories, store):
        store.promote(manifest.name, manifest.version)
    return store


def held_out(name: str, table: np.ndarray, store: ModelStore, rng: np.random.Generator) -> HeldOut:
    folder = store.load(name)
    model = AssetModel(folder)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    mine = [one for part in checked(name, table) for one in part if isinstance(one, Telemetry)]
    mine.sort(key=lambda event: (event.asset_id, event.event_time))
    _, unit, size = np.unique(table[:, 0], return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    first = last - size
    left = np.repeat(last, size) - 1 - np.arange(len(table))
    worn, healthy = [], []
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        stop = int(rng.integers(max(end - int(CAP), begin + 50), end)) + 1
        worn.append((stop - WORN, stop))
        at = begin + SETTLED
        if end - at - HEALTHY > LEAST_LEFT:
            healthy.append((at, at + HEALTHY))
    preparation = Preparation.from_json(folder.manifest.learned["preparation"])
    return HeldOut(model, preparation, model.encode(mine), unit, left, worn, healthy)


def broken(kind: str, given: HeldOut, place: int, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """The column of one kept sensor with a fault in each span."""
    sensor, regime = given.preparation.sensors[place], given.preparation.regimes.of(given.batch.variables)
    mean, sd = given.preparation.mean[regime, place], given.preparation.sd[regime, place]
    column, rng = given.batch.readings[:, sensor].copy(), np.random.default_rng(9)
    for begin, end in spans:
        span, sign = slice(begin, end), rng.choice([-1.0, 1.0])
        if kind == "missing":
            column[span] = np.nan
        elif kind == "stuck":
            column[span] = column[begin - 1]
        elif kind == "flat":
            column[span] = given.preparation.mean[0, place]
        elif kind == "spike":
            column[begin] += SPIKE_SD * sd[begin] * sign
        elif kind == "drift":
            column[span] += DRIFT_SD * sd[span] * sign * np.arange(1, end - begin + 1)
        elif kind == "unit":
            column[span] = 1.8 * column[span] + 32
        else:
            column[span] += RANGE_SD * sd[span] * sign
        assert kind != "range" or np.all(np.abs(column[span] - mean[span]) > RANGE_SD / 2 * sd[span])
    return column


def step(given: HeldOut, columns: Sequence[np.ndarray], sensor: int) -> tuple[Decisions, np.ndarray]:
    """The engines once for each column that stands in for the one of the sensor; transitions of data alerts beside."""
    count, engines = len(columns), int(given.unit.max()) + 1
    readings = np.tile(given.batch.readings, (count, 1))
    readings[:, sensor] = np.concatenate(columns)
    whole = {name: np.concatenate([value] * count) for name, value in given.batch._asdict().items()}
    slots = np.concatenate([given.unit + copy * engines for copy in range(count)])
    batch = EventBatch(**whole | {"readings": readings})
    made = given.model.step(np.zeros(count * engines, given.model.dtype), slots, batch)
    return made, given.model.watch(np.zeros(count * engines, WATCH), slots, batch, made, PATIENCE)


def raised(decisions: Decisions, offset: int, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """Alerts raised within each span."""
    at = decisions.transitions["event"][decisions.transitions["state"] == RAISED] - offset
    return np.array([((begin <= at) & (at < end)).sum() for begin, end in spans], np.int64)


def is_told(decisions: Decisions, sensor: int, offset: int, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether a fault of one sensor is told soon, of each span."""
    fault = decisions.faults[:, sensor]
    return [bool((fault[offset + begin : offset + begin + SOON] > 0).any()) for begin, _ in spans]


def is_alerted(data: np.ndarray, sensor: int, offset: int, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """The same by a data alert that names the sensor."""
    named = data[(data["named"] >> np.uint64(sensor) & np.uint64(1) == 1) & (data["state"] != CLEARED)]
    at = named["event"] - offset
    return [bool(((begin <= at) & (at < begin + SOON)).any()) for begin, _ in spans]


def begun_faults(decisions: Decisions, unit: np.ndarray) -> int:
    """Faults of sensors that begin to be told where there are none."""
    told = decisions.faults > 0
    before = np.vstack([np.zeros((1, told.shape[1]), np.bool_), told[:-1]])
    before[np.r_[True, np.diff(unit) != 0]] = False
    return int((told & ~before).sum())


def note(found: Figures, given: HeldOut, decisions: Decisions, offset: int) -> None:
    """Error and coverage of one copy of the engines, which begins at `offset`."""
    for begin, end in given.worn:
        span = slice(offset + begin, offset + end)
        true = np.minimum(given.left[begin:end], CAP)
        found.error.append(decisions.value[span, 0] - true)
        inside = (decisions.low[span, 0] - 1e-9 <= true) & (true <= decisions.high[span, 0] + 1e-9)
        found.is_covered.append(inside)


def measure(given: HeldOut, figures: dict[tuple[str, int], Figures]) -> None:
    """Add one fold. Key of the figures: kind and sensor; of engines without faults: "" and -1."""
    size = len(given.unit)
    clean, data = step(
        given, [given.batch.readings[:, given.preparation.sensors[0]]], int(given.preparation.sensors[0])
    )
    note(figures["", -1], given, clean, 0)
    figures["", -1].alerts += int((data["state"] == RAISED).sum())
    figures["", -1].begun += begun_faults(clean, given.unit)
    figures["", -1].readings += size
    usual = raised(clean, 0, given.healthy)
    for place, sensor in enumerate(given.preparation.sensors.tolist()):
        if (given.preparation.sd[:, place] == 0).all():
            continue  # constant: its value tells nothing, and has no scale by which to break it
        columns = [broken(kind, given, place, given.worn) for kind in KINDS]
        made, told = step(given, columns, sensor)
        early, told_early = step(given, [broken(kind, given, place, given.healthy) for kind in KINDS], sensor)
        for copy, kind in enumerate(KINDS):
            found = figures[kind, sensor]
            note(found, given, made, copy * size)
            found.told += is_told(made, sensor, copy * size, given.worn)
            found.told += is_told(early, sensor, copy * size, given.healthy)
            found.alerted += is_alerted(told, sensor, copy * size, given.worn)
            found.alerted += is_alerted(told_early, sensor, copy * size, given.healthy)
            found.alerts += int(np.maximum(raised(early, copy * size, given.healthy) - usual, 0).sum())


def rmse(found: Figures, at: slice = slice(None)) -> float:
    return float(np.sqrt(np.mean(np.concatenate([error[at] for error in found.error]) ** 2)))


def table(name: str, figures: dict[tuple[str, int], Figures]) -> Iterator[str]:
    base, end = figures["", -1], slice(-1, None)
    whole, last, false = rmse(base), rmse(base, end), 1000 * base.alerts / base.readings
    yield (
        f"{name}: {len(base.error)} engines, no fault: rmse {whole:.2f}, coverage {np.mean(base.is_covered):.3f}, "
        f"{base.alerts} false data alerts in {base.readings:,} readings ({false:.3f} a 1,000), "
        f"{base.begun} faults told with scores"
    )
    yield (
        f"kind     told in {SOON}: all  worst  by alert       rmse while faulty: mean worst"
        "        at its end: mean worst"
        "        coverage: mean worst  machine alerts"
    )
    for kind in KINDS:
        mine = {sensor: one for (of, sensor), one in figures.items() if of == kind}
        names = [SENSORS[sensor] for sensor in mine]
        told = np.array([np.mean(one.told) for one in mine.values()])
        alerted = np.mean([np.mean(one.alerted) for one in mine.values()])
        during = np.array([rmse(one) / whole - 1 for one in mine.values()]) * 100
        late = np.array([rmse(one, end) / last - 1 for one in mine.values()]) * 100
        covered = np.array([np.mean(one.is_covered) for one in mine.values()])
        yield (
            f"{kind:8} {told.mean():15.3f} {told.min():.3f} {names[told.argmin()]:4} {alerted:.3f}"
            f" {during.mean():+18.1f} % {during.max():+6.1f} % {names[during.argmax()]:4}"
            f" {late.mean():+12.1f} % {late.max():+6.1f} % {names[late.argmax()]:4}"
            f" {covered.mean():13.3f} {covered.min():.3f} {sum(one.alerts for one in mine.values()):7}"
        )


def run(names: Sequence[str], data: Path, count: int, seed: int) -> Iterator[str]:
    tables = {name: read_table(data, f"train_{name}") for name in names}
    fold = {name: folds(table, seed) for name, table in tables.items()}
    figures: dict[str, dict[tuple[str, int], Figures]] = {name: defaultdict(Figures.none) for name in names}
    for out in range(count):
        with tempfile.TemporaryDirectory() as home:
            store = trained(tables, fold, out, Path(home))
            for name, table_of in tables.items():
                rng = np.random.default_rng(out)
                measure(held_out(name, table_of[fold[name] == out], store, rng), figures[name])
    for name in names:
        yield from table(name, figures[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fd", nargs="+", default=["FD001", "FD003"])
    parser.add_argument("--folds", type=int, default=1, help=f"how many of the {FOLDS}")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for sisters in SISTERS:
        if names := [name for name in given.fd if name in sisters]:
            print(*run(names, given.data, given.folds, given.seed), sep="\n", flush=True)


if __name__ == "__main__":
    main()
