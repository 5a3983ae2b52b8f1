"""Azure predictive-maintenance sample, from the log alone: failures of four components of 100 machines.

errors, replacements, failures to July 2015 ─► train ─► the log of all months by the model that serves ─► August

    python -m benchmarks.azure_log DATA OUT      the model goes to OUT/models; figures of August

DATA is as for `benchmarks.azure`; no telemetry is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.azure import ASSET_CLASS, COMPONENTS, HORIZON_S, LOGS, read_rows
from models.maintenance import RAISED, AssetModel, with_moments
from models.maintenance.training import MONTH_S, Failures, judge, train
from models.registry import ModelStore
from schemas import Maintenance, parse_asset_class

NAME = "azure-log"
TEST_FROM = datetime(2015, 8, 1, tzinfo=UTC)
LOG_CLASS = parse_asset_class(
    ASSET_CLASS.replace('name = "azure"', f'name = "{NAME}"')
    .replace('sensors = ["volt", "rotate", "pressure", "vibration"]', "sensors = []")
    .replace('constants = ["model", "age"]\n', "")
)


def entries(data: Path) -> Iterator[Maintenance]:
    for name, (kind, field, column) in LOGS.items():
        for row in read_rows(data, name):
            at = datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC)
            head = {"event_id": f"{kind}-{row['machineID']}-{row[column]}-{at}", "event_time": at, "kind": kind}
            about = {"asset_id": row["machineID"], "asset_class": NAME, field: row[column]}
            yield Maintenance.model_validate(head | about)


def in_order(events: Iterator[Maintenance]) -> list[Maintenance]:
    """Of one time, what was done comes after what happened."""
    return sorted(events, key=lambda event: (event.event_time, event.kind != "error", event.kind == "replacement"))


def evaluate(model: AssetModel, log: Sequence[Maintenance]) -> None:
    events = with_moments(LOG_CLASS, log)
    assets = {asset: slot for slot, asset in enumerate(sorted({event.asset_id for event in log}))}
    slots = np.array([assets[event.asset_id] for event in events])
    made = model.step(np.zeros(len(assets), model.dtype), slots, model.encode(events))
    times = np.array([event.event_time.timestamp() for event in events])
    span = TEST_FROM.timestamp(), float(times.max())
    counts = np.zeros(3, np.int64)
    for component, name in enumerate(COMPONENTS):
        mine = [one for one in log if one.kind == "failure" and one.component == name and one.event_time >= TEST_FROM]
        at = np.array([one.event_time.timestamp() for one in mine])
        failures = Failures(np.array([assets[one.asset_id] for one in mine]), at, np.zeros(0))
        is_meant = (made.transitions["state"] == RAISED) & (made.transitions["target"] == component)
        raised = made.transitions["event"][is_meant]
        raised = raised[times[raised] >= span[0]]
        judged = judge(slots[raised], times[raised], failures, span, HORIZON_S)
        counts += [judged.failures, judged.found, judged.false]
    months = len(assets) * (span[1] - span[0]) / MONTH_S
    print(f"August: {counts[1]} of {counts[0]} failures found, {counts[2] / months:.3f} false alarms a machine-month")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    log = in_order(entries(given.data))
    store = ModelStore(given.out / "models")
    [manifest] = train([(LOG_CLASS, [[event for event in log if event.event_time < TEST_FROM]])], store)
    print(f"{manifest.training.rows:,} moments, {manifest.training.seconds:.0f} s")
    evaluate(AssetModel(store.load(NAME, manifest.version)), log)


if __name__ == "__main__":
    main()
