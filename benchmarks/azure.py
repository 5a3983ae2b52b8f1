"""Azure predictive-maintenance sample: failures of four components from telemetry, errors and maintenance.

events DATA OUT ─► azure.toml, azure-{train,test}.jsonl ─► millrace train | replay ─► evaluate

    python -m benchmarks.azure events DATA OUT     machines 1-20: January and February to train on, March to test
    python -m benchmarks.azure train OUT           the model goes to OUT/models
    python -m benchmarks.azure predict OUT         the test events offline, after those of the training: OUT/azure-*.csv
    python -m benchmarks.azure served OUT SCORES ALERTS    the same from the values of scores.v1 and alerts.v1
    python -m benchmarks.azure evaluate OUT DATA MODELS    figures of March, by OUT/models or MILLRACE_HOME/models

DATA holds PdM_{errors,maint,failures,machines,telemetry_m1-20_90d}.csv, each plain or as .gz. The state goes on from
training to test: served, replay both files. The maintenance log begins half a year before the telemetry.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.cmapss import read_events
from models.maintenance import RAISED, AssetModel
from models.maintenance.training import MONTH_S, Failures, judge, reading_f1, train
from models.registry import ModelStore
from schemas import parse_asset_class, rfc3339

MACHINES = range(1, 21)
TEST_FROM = datetime(2015, 3, 1, tzinfo=UTC)
JUDGED_FROM = datetime(2015, 3, 2, tzinfo=UTC)
HORIZON_S = 24 * 3600.0
COMPONENTS = ["comp1", "comp2", "comp3", "comp4"]
SENSORS = ["volt", "rotate", "pressure", "vibration"]
ASSET_CLASS = """\
# Machines of the Azure predictive-maintenance sample: one reading an hour, errors and replacements in the log.
name = "azure"
sensors = ["volt", "rotate", "pressure", "vibration"]
constants = ["model", "age"]
errors = ["error1", "error2", "error3", "error4", "error5"]
unit = "hour"
unit_seconds = 3600.0

[target]
kind = "failure_probability"
components = ["comp1", "comp2", "comp3", "comp4"]
horizon = 24
"""
LOGS = {"errors": ("error", "code", "errorID"), "maint": ("replacement", "component", "comp")}
LOGS["failures"] = ("failure", "component", "failure")


def read_rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Rows of PdM_`name`.csv or .csv.gz."""
    plain = folder / f"PdM_{name}.csv"
    with plain.open("rt") if plain.exists() else gzip.open(f"{plain}.gz", "rt") as file:
        yield from csv.DictReader(file)


def _time(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC)


def _event(time: datetime, machine: int, identity: str, more: dict[str, Any]) -> tuple[datetime, int, dict[str, Any]]:
    head = {"event_id": f"azure-{machine:03}-{identity}", "event_time": rfc3339(time)}
    return time, "kind" in more, {**head, "asset_id": f"azure-{machine:03}", "asset_class": "azure", **more}


def readings(data: Path) -> Iterator[tuple[datetime, int, dict[str, Any]]]:
    """(time, 0, event) of the telemetry, in time order."""
    machines = {int(row["machineID"]): row for row in read_rows(data, "machines")}
    rows = [row for row in read_rows(data, "telemetry_m1-20_90d") if int(row["machineID"]) in MACHINES]
    for row in sorted(rows, key=lambda row: (row["datetime"], int(row["machineID"]))):
        machine, time = int(row["machineID"]), _time(row)
        about = {"model": float(machines[machine]["model"][-1]), "age": float(machines[machine]["age"])}
        values = {name: float(row[name]) for name in SENSORS}
        yield _event(time, machine, f"{time:%m%d-%H}", {"readings": values | about})


def log_entries(data: Path) -> Iterator[tuple[datetime, int, dict[str, Any]]]:
    """(time, 1, event) of the errors, replacements and failures, in time order."""
    found = []
    for name, (kind, field, column) in LOGS.items():
        for row in read_rows(data, name):
            time, machine = _time(row), int(row["machineID"])
            if machine in MACHINES:
                identity = f"{kind}-{row[column]}-{time:%Y%m%d-%H}"
                found.append(_event(time, machine, identity, {"kind": kind, field: row[column]}))
    yield from sorted(found, key=itemgetter(0))


def write_events(data: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "azure.toml").write_text(ASSET_CLASS)
    merged = list(heapq.merge(readings(data), log_entries(data), key=itemgetter(0, 1)))
    last = max(time for time, is_log, _ in merged if not is_log)
    for part, chosen in (
        ("train", [event for time, _, event in merged if time < TEST_FROM]),
        ("test", [event for time, _, event in merged if TEST_FROM <= time <= last]),
    ):
        path = out / f"azure-{part}.jsonl"
        path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in chosen))
        print(f"{path}: {sum('readings' in event for event in chosen):,} readings, {len(chosen):,} events")


def run_training(out: Path) -> None:
    asset_class = parse_asset_class((out / "azure.toml").read_text(), out / "azure.toml")
    store = ModelStore(out / "models")
    history = read_events(out / "azure-train.jsonl")
    for manifest in train(
        [(asset_class, history)], store, lambda what, share: print(f"{share:4.0%} {what}", flush=True)
    ):
        store.promote(manifest.name, manifest.version)
        print(manifest.name, manifest.version, {key: round(value, 3) for key, value in manifest.metrics.items()})
        print(dict(zip(COMPONENTS, manifest.learned["levels"], strict=True)))


def predict(out: Path) -> None:
    """Scores and raised alerts of the test events by the model that serves, as CSV."""
    model = AssetModel(ModelStore(out / "models").load("azure"))
    rows, slot_of = np.zeros(1000, model.dtype), {}
    scores, alerts = [], []
    for part in ("train", "test"):
        for batch in read_events(out / f"azure-{part}.jsonl", 1000):
            slots = np.array([slot_of.setdefault(event.asset_id, len(slot_of)) for event in batch])
            made = model.step(rows, slots, model.encode(batch))
            times = [rfc3339(event.event_time) for event in batch]
            if part == "test":
                scores += [
                    (event.asset_id, time, *(f"{p:.6f}" for p in value))
                    for event, time, value in zip(batch, times, made.value, strict=True)
                    if not np.isnan(value[0])
                ]
                raised = made.transitions[made.transitions["state"] == RAISED]
                alerts += [(batch[t["event"]].asset_id, times[t["event"]], COMPONENTS[t["target"]]) for t in raised]
    write_decisions(out, scores, alerts)


def served(out: Path, scores: Path, alerts: Path) -> None:
    """The same CSV files from what a running service said of the test events, one JSON object a line."""
    probabilities: dict[tuple[str, str], dict[str, float]] = {}
    for score in map(orjson.loads, scores.read_bytes().splitlines()):
        if score["asset_class"] == "azure" and _epoch(score["event_time"]) >= TEST_FROM.timestamp():
            at = score["asset_id"], score["event_time"]
            probabilities.setdefault(at, {})[score["component"]] = score["value"]
    rows = [(*at, *(f"{found[name]:.6f}" for name in COMPONENTS)) for at, found in sorted(probabilities.items())]
    raised = [
        (alert["asset_id"], alert["event_time"], alert["failure_mode"])
        for alert in map(orjson.loads, alerts.read_bytes().splitlines())
        if alert["asset_class"] == "azure" and alert["sequence"] == 0
    ]
    write_decisions(out, rows, [alert for alert in raised if _epoch(alert[1]) >= TEST_FROM.timestamp()])


def write_decisions(out: Path, scores: list[tuple[str, ...]], alerts: list[tuple[str, ...]]) -> None:
    _write(out / "azure-scores.csv", ("asset_id", "event_time", *COMPONENTS), scores)
    _write(out / "azure-alerts.csv", ("asset_id", "event_time", "component"), alerts)
    print(f"{len(scores):,} readings scored, {len(alerts)} alerts in {out}")


def _write(path: Path, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def figures(
    scores: list[dict[str, str]],
    alerts: list[dict[str, str]],
    failed: dict[str, list[tuple[int, float]]],
    cuts: dict[str, float],
) -> dict[str, float]:
    """Alerts and scores of the judged time against the failures.

    Args:
        failed: component -> (machine, epoch seconds) of all its failures.
        cuts: component -> probability from which a reading says that it fails, for the F1.
    """
    times = np.array([_epoch(row["event_time"]) for row in scores])
    machine = np.array([int(row["asset_id"][-3:]) for row in scores])
    used = times >= JUDGED_FROM.timestamp()
    span = float(times[used].min()), float(times.max())
    counts, leads, f1 = np.zeros(3), [], []
    for component in COMPONENTS:
        owner, when = np.array(failed[component]).reshape(-1, 2).T
        failures = Failures(owner.astype(np.int64), when, np.zeros(0))
        mine = [row for row in alerts if row["component"] == component and _epoch(row["event_time"]) >= span[0]]
        slot = np.array([int(row["asset_id"][-3:]) for row in mine], np.int64)
        found = judge(slot, np.array([_epoch(row["event_time"]) for row in mine]), failures, span, HORIZON_S)
        counts += found.failures, found.found, found.false
        leads.append(found.leads / 3600)
        gap = when[None, :] - times[used][:, None]
        due = ((owner[None, :] == machine[used][:, None]) & (gap >= 0) & (gap <= HORIZON_S)).any(1)
        probability = np.array([float(row[component]) for row in scores])[used]
        f1.append(reading_f1(due, probability, cuts[component]))
    months = len(MACHINES) * (span[1] - span[0]) / MONTH_S
    return {
        "failures": counts[0], "found": counts[1], "false_alarms": counts[2],
        "false_alarms_per_machine_month": counts[2] / months,
        "median_lead_h": float(np.median(np.concatenate(leads))), "hour_f1": float(np.mean(f1)),
    }  # fmt: skip


def evaluate(out: Path, data: Path, models: Path) -> dict[str, float]:
    failed: dict[str, list[tuple[int, float]]] = {component: [] for component in COMPONENTS}
    for row in read_rows(data, "failures"):
        if int(row["machineID"]) in MACHINES:
            failed[row["failure"]].append((int(row["machineID"]), _time(row).timestamp()))
    levels = ModelStore(models).load("azure").manifest.learned["levels"]
    cuts = {name: float(level[0]["on"]) for name, level in zip(COMPONENTS, levels, strict=True)}
    return figures(_read(out / "azure-scores.csv"), _read(out / "azure-alerts.csv"), failed, cuts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, arguments in {
        "events": ("data", "out"), "train": ("out",), "predict": ("out",), "served": ("out", "scores", "alerts"),
        "evaluate": ("out", "data", "models"),
    }.items():  # fmt: skip
        one = commands.add_parser(command)
        for argument in arguments:
            one.add_argument(argument, type=Path)
    given = parser.parse_args()
    if given.command == "events":
        write_events(given.data, given.out)
    elif given.command == "train":
        run_training(given.out)
    elif given.command == "predict":
        predict(given.out)
    elif given.command == "served":
        served(given.out, given.scores, given.alerts)
    else:
        found = evaluate(given.out, given.data, given.models)
        print(" ".join(f"{key} {value:.3f}" for key, value in found.items()))


if __name__ == "__main__":
    main()
