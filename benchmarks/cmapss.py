"""C-MAPSS: remaining useful life of turbofans (Saxena et al. 2008; NASA, public domain).

events FD001 DATA OUT ─► FD001.toml, FD001-{train,test}.jsonl ─► millrace train | replay ─► evaluate

    python -m benchmarks.cmapss events FD001 DATA OUT       the files of one subset as events
    python -m benchmarks.cmapss train OUT FD001 FD003       train sister subsets together; models go to OUT/models
    python -m benchmarks.cmapss predict OUT FD001           score the test readings offline: OUT/FD001-predictions.csv
    python -m benchmarks.cmapss served OUT FD001 SCORES     the same file from what a running service said on scores.v1
    python -m benchmarks.cmapss evaluate OUT FD001 DATA     figures at the last cycle of each test unit

DATA holds train_FD001.txt, test_FD001.txt and, for evaluate, RUL_FD001.txt, each plain or as .gz.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import orjson

from models.maintenance import AssetEvent, AssetModel
from models.maintenance.training import train
from models.registry import ModelStore
from schemas import AssetClass, Maintenance, Telemetry, parse_asset_class, rfc3339

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
CAP = 125.0
UNIT = timedelta(hours=1)
REGIME = ["setting1", "setting2", "setting3"]
SENSORS = [f"s{number}" for number in range(1, 22)]
ASSET_CLASS = """\
# Turbofan engines, subset {name} of C-MAPSS: one reading a flight cycle.
name = "{name}"
sensors = {sensors}
regime = {regime}
unit = "cycle"
unit_seconds = {unit_s}

[target]
kind = "rul"
cap = {cap}
"""


def read_table(folder: Path, name: str) -> np.ndarray:
    """(n, columns) of `name`.txt or `name`.txt.gz."""
    plain = folder / f"{name}.txt"
    if plain.exists():
        return np.loadtxt(plain, ndmin=2)
    with gzip.open(folder / f"{name}.txt.gz", "rt") as lines:
        return np.loadtxt(lines, ndmin=2)


def asset_class_text(name: str) -> str:
    quoted = {"sensors": SENSORS, "regime": REGIME}
    lists = {key: orjson.dumps(value).decode() for key, value in quoted.items()}
    return ASSET_CLASS.format(name=name, unit_s=UNIT.total_seconds(), cap=CAP, **lists)


def events(name: str, table: np.ndarray, is_train: bool) -> Iterator[dict[str, object]]:
    """Events in time order: unit u begins its first cycle at EPOCH, one cycle takes one UNIT."""
    part = "train" if is_train else "test"
    last = {unit: table[table[:, 0] == unit, 1].max() for unit in np.unique(table[:, 0])}
    for row in table[np.lexsort((table[:, 0], table[:, 1]))]:
        unit, cycle = int(row[0]), int(row[1])
        head = {
            "event_time": rfc3339(EPOCH + cycle * UNIT),
            "asset_id": f"{name}-{part}-{unit:03}",
            "asset_class": name,
        }
        identity = f"{name}-{part}-{unit:03}-{cycle:03}"
        readings = dict(zip([*REGIME, *SENSORS], row[2:26].tolist(), strict=True))
        yield {"event_id": identity, **head, "readings": readings}
        if is_train and cycle == last[row[0]]:
            yield {"event_id": f"{identity}-failure", **head, "kind": "failure"}


def write_events(name: str, data: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.toml").write_text(asset_class_text(name))
    for part in ("train", "test"):
        table = read_table(data, f"{part}_{name}")
        path = out / f"{name}-{part}.jsonl"
        with path.open("wb") as file:
            for event in events(name, table, part == "train"):
                file.write(orjson.dumps(event) + b"\n")
        print(f"{path}: {len(table):,} readings of {len(np.unique(table[:, 0]))} units")


def read_events(path: Path, size: int = 5000) -> Iterator[list[AssetEvent]]:
    """Checked events of a JSON Lines file, in batches."""
    with path.open("rb") as lines:
        while batch := [_event(line) for line in islice(lines, size)]:
            yield batch


def _event(line: bytes) -> AssetEvent:
    value = orjson.loads(line)
    return Maintenance.model_validate(value) if "kind" in value else Telemetry.model_validate(value)


def read_class(out: Path, name: str) -> AssetClass:
    return parse_asset_class((out / f"{name}.toml").read_text(), out / f"{name}.toml")


def run_training(out: Path, names: list[str]) -> None:
    histories = [(read_class(out, name), read_events(out / f"{name}-train.jsonl")) for name in names]
    store = ModelStore(out / "models")
    for manifest in train(histories, store, lambda what, share: print(f"{share:4.0%} {what}", flush=True)):
        store.promote(manifest.name, manifest.version)
        print(manifest.name, manifest.version, {key: round(value, 3) for key, value in manifest.metrics.items()})


def predict(out: Path, name: str) -> dict[str, tuple[float, float, float]]:
    """Value, low and high at the last reading of each test unit, scored by the model that serves; written as CSV."""
    model = AssetModel(ModelStore(out / "models").load(name))
    rows = np.zeros(10_000, model.dtype)
    slot_of: dict[str, int] = {}
    last: dict[str, tuple[float, float, float]] = {}
    for batch in read_events(out / f"{name}-test.jsonl", 1000):
        slots = np.array([slot_of.setdefault(event.asset_id, len(slot_of)) for event in batch])
        made = model.step(rows, slots, model.encode(batch))
        for event, value, low, high in zip(batch, made.value[:, 0], made.low[:, 0], made.high[:, 0], strict=True):
            last[event.asset_id] = float(value), float(low), float(high)
    write_predictions(out, name, last)
    return last


def served(out: Path, name: str, scores: Path) -> dict[str, tuple[float, float, float]]:
    """The last score of each test unit of the subset, from the values of `scores.v1`, one JSON object a line."""
    newest: dict[str, tuple[str, tuple[float, float, float]]] = {}
    with scores.open("rb") as lines:
        for score in map(orjson.loads, lines):
            unit, time = score["asset_id"], score["event_time"]
            if unit.startswith(f"{name}-test-") and time >= newest.get(unit, ("",))[0]:
                newest[unit] = time, (score["value"], score["low"], score["high"])
    last = {unit: found for unit, (_, found) in newest.items()}
    write_predictions(out, name, last)
    return last


def write_predictions(out: Path, name: str, last: dict[str, tuple[float, float, float]]) -> None:
    with (out / f"{name}-predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["asset_id", "value", "low", "high"])
        writer.writerows([asset, *(f"{number:.4f}" for number in last[asset])] for asset in sorted(last))


def figures(last: dict[str, tuple[float, float, float]], truth: np.ndarray, cap: float = CAP) -> dict[str, float]:
    """Error and interval of predictions, units in the order of their ids, against the true life capped at `cap`.

    PHM score: sum of exp(-e / 13) - 1 for early, exp(e / 10) - 1 for late predictions (Saxena et al. 2008).
    """
    value, low, high = np.array([last[asset] for asset in sorted(last)]).T
    true = np.minimum(truth, cap)
    error = value - true
    return {
        "rmse": float(np.sqrt((error**2).mean())),
        "phm_score": float(np.where(error < 0, np.expm1(-error / 13), np.expm1(error / 10)).sum()),
        "coverage": float(((low <= true + 1e-9) & (true <= high + 1e-9)).mean()),
        "interval_width": float((high - low).mean()),
    }


def read_predictions(path: Path) -> dict[str, tuple[float, float, float]]:
    with path.open(newline="") as file:
        return {
            row["asset_id"]: (float(row["value"]), float(row["low"]), float(row["high"]))
            for row in csv.DictReader(file)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, arguments in {
        "events": ("subset", "data", "out"), "train": ("out", "subsets"), "predict": ("out", "subset"),
        "served": ("out", "subset", "scores"), "evaluate": ("out", "subset", "data"),
    }.items():  # fmt: skip
        one = commands.add_parser(command)
        for argument in arguments:
            kind = Path if argument in ("data", "out", "scores") else str
            one.add_argument(argument, type=kind, **({"nargs": "+"} if argument == "subsets" else {}))
    given = parser.parse_args()
    if given.command == "events":
        write_events(given.subset, given.data, given.out)
    elif given.command == "train":
        run_training(given.out, given.subsets)
    elif given.command == "predict":
        print(f"{len(predict(given.out, given.subset))} units: {given.out / f'{given.subset}-predictions.csv'}")
    elif given.command == "served":
        print(f"{len(served(given.out, given.subset, given.scores))} units")
    else:
        truth = read_table(given.data, f"RUL_{given.subset}")[:, 0]
        found = figures(read_predictions(given.out / f"{given.subset}-predictions.csv"), truth)
        print(given.subset, " ".join(f"{key} {value:.3f}" for key, value in found.items()))


if __name__ == "__main__":
    main()
