"""Few lives: what a model of so many engines is worth, on C-MAPSS training engines that it has not seen.

train_FD001 ─► a draw of n engines ─► millrace train ─► the other engines, scored by the model that serves ─► table

    python -m benchmarks.few_lives FD001 DATA 3 5 8 12 --draws 6

Judged as training judges: readings of the last part of a life, each life weighing the same. `coverage` is of the
nominal 90 % interval, `least` that of the worst draw. The test files are not read.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.cmapss import CAP, EPOCH, UNIT, asset_class_text, events, read_table
from models.maintenance import AssetEvent, AssetModel
from models.maintenance.training import train
from models.registry import ModelStore
from schemas import Maintenance, Telemetry, parse_asset_class

JUDGED_FROM, FIRST_JUDGED = 1.16 * CAP, 20  # cycles, as in training


def judge(model: AssetModel, history: Sequence[AssetEvent]) -> tuple[float, float, float]:
    """RMSE, coverage and width of the interval over the lives of a history, cut off before their failures."""
    readings = [event for event in history if isinstance(event, Telemetry)]
    names = {name: slot for slot, name in enumerate(sorted({event.asset_id for event in readings}))}
    slots = np.array([names[event.asset_id] for event in readings])
    cycle = np.array([(event.event_time - EPOCH) / UNIT for event in readings])
    rows, made = np.zeros(len(names), model.dtype), []
    for start in range(0, len(readings), 1000):
        some = slice(start, start + 1000)
        found = model.step(rows, slots[some], model.encode(readings[some]))
        made.append(np.column_stack([found.value[:, 0], found.low[:, 0], found.high[:, 0]]))
    value, low, high = np.vstack(made).T
    end = np.zeros(len(names))
    np.maximum.at(end, slots, cycle)
    left = end[slots] - cycle
    judged = (left <= JUDGED_FROM) & (cycle > FIRST_JUDGED) & np.isfinite(value)
    left = np.minimum(left, CAP)
    weight = 1 / np.bincount(slots[judged])[slots[judged]]
    is_inside = (low <= left + 1e-9) & (left <= high + 1e-9)
    squared, covered, width = (
        float(np.average(column[judged], weights=weight)) for column in ((value - left) ** 2, is_inside, high - low)
    )
    return squared**0.5, covered, width


def run(name: str, data: Path, sizes: Sequence[int], draws: int) -> None:
    asset_class = parse_asset_class(asset_class_text(name))
    history = [
        (Maintenance if "kind" in event else Telemetry).model_validate(event)
        for event in events(name, read_table(data, f"train_{name}"), is_train=True)
    ]
    engines = sorted({event.asset_id for event in history})
    print(f"{name}, {draws} draws of each size, {datetime.now(UTC):%Y-%m-%d}")
    print("| engines | RMSE | coverage | least | width |\n|---|---|---|---|---|")
    for size in sizes:
        found = []
        for draw in range(draws):
            chosen = set(np.random.default_rng(draw).choice(engines, size, replace=False))
            mine = [event for event in history if event.asset_id in chosen]
            with tempfile.TemporaryDirectory() as home:
                store = ModelStore(Path(home))
                [manifest] = train([(asset_class, [mine])], store)
                model = AssetModel(store.load(name, manifest.version))
            found.append(judge(model, [event for event in history if event.asset_id not in chosen]))
        rmse, coverage, width = np.array(found).T
        print(
            f"| {size} | {rmse.mean():.1f} | {coverage.mean():.2f} | {coverage.min():.2f} | {width.mean():.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("data", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--draws", type=int, default=6)
    given = parser.parse_args()
    run(given.name, given.data, given.sizes, given.draws)
