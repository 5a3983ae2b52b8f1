"""A week of a plant with all kinds of trouble, replayed again and again: are the alerts the same?

benchmarks.trouble ─► as it came, minute by minute, with what is said of silence ─► the two topics, whole
                   ─► replayed: at once; in batches of any size, going back to checkpoints; with assets shuffled;
                      on a real broker by workers that are killed ─► each against the first

    python -m benchmarks.week [--days 7] [--pumps 16] [--presses 8] [--kills 8] [--seed 1]

Alerts are compared byte for byte: those of machines and of data, each transition, in the order of each asset. Where
assets are shuffled, events stand elsewhere on the topics, and `caused_by.offset` is left out. Exits with 1 where one
is another. As it came some alerts are other ones: what is at hand is put into the order of event time, and readings
that were kept back, or entries of the log under a wrong clock, came in another one. That is told, and no fault.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import defaultdict
from itertools import takewhile
from pathlib import Path
from typing import Any

import orjson
import structlog

from benchmarks.replays import Told, fill, recorded, replayed, shuffled, worked
from benchmarks.trouble import CYCLE_S, DAY_S, Week
from millrace.demo import ASSET_CLASSES, Plant, stamp
from millrace.kafka import Broker
from models.maintenance import AssetModel
from models.maintenance.training import train
from models.registry import ModelStore
from schemas import INPUTS, Settings, parse_asset_class
from streams.maintain import Maintain

PAST = 1_700_000_000.0  # begin of the history that models learn from
TRAINED_CYCLES = 500
PARTITIONS = 4
SHOWN = 3  # differences


# ---- models


def train_plant(folder: Path) -> None:
    """Champions of the demo's asset classes, of a plant without trouble where a cycle takes a minute."""
    store = ModelStore(folder)
    plant = Plant(3, pumps=24, presses=24, name="past-").events(PAST)
    history: dict[str, list[Any]] = defaultdict(list)
    for event in takewhile(lambda event: event.time < PAST + TRAINED_CYCLES, plant):
        at = stamp(PAST + (event.time - PAST) * CYCLE_S)
        made = INPUTS[event.topic].model_validate(event.value | {"event_time": at})
        history[event.value["asset_class"]].append(made)
    for name, text in ASSET_CLASSES.items():
        asset_class = parse_asset_class(text.replace("unit_seconds = 1.0", f"unit_seconds = {CYCLE_S}"))
        for manifest in train([(asset_class, [history[name]])], store):
            store.promote(manifest.name, manifest.version)


def handler_of(models: Path, settings: Settings) -> Maintain:
    store = ModelStore(models)
    return Maintain(settings, {name: AssetModel(store.load(name)) for name in ASSET_CLASSES})


# ---- compared


def without_offsets(alerts: Told) -> Told:
    def without(value: bytes) -> bytes:
        event = orjson.loads(value)
        del event["caused_by"]["offset"]
        return orjson.dumps(event)

    return {asset: [without(value) for value in values] for asset, values in alerts.items()}


def differences(expected: Told, found: Told) -> list[str]:
    """Of each asset that was told otherwise, the first alert that is another one."""
    lines = []
    for asset in sorted(expected.keys() | found.keys()):
        both = expected.get(asset, []), found.get(asset, [])
        if both[0] != both[1]:
            at = next((n for n, (a, b) in enumerate(zip(*both, strict=False)) if a != b), min(map(len, both)))
            said = [values[at].decode() if at < len(values) else "nothing" for values in both]
            lines.append(f"{asset}, alert {at} of {len(both[0])}\n  expected {said[0]}\n  found    {said[1]}")
    return lines


class Comparison:
    """Replays against the first of them, told line by line."""

    def __init__(self, expected: Told) -> None:
        self.expected, self._is_same = expected, True
        self._began = time.monotonic()
        print("| replay | alerts | assets told otherwise | s |\n|---|---|---|---|")

    def tell(self, name: str, found: Told, *, is_shuffled: bool = False, is_fault: bool = True) -> None:
        both = [without_offsets(one) if is_shuffled else one for one in (self.expected, found)]
        lines, seconds = differences(*both), time.monotonic() - self._began
        print(f"| {name} | {count_of(found):,} | {len(lines)} | {seconds:.1f} |", flush=True)
        if is_fault and lines:
            self._is_same = False
            print("\n".join(lines[:SHOWN]), file=sys.stderr, flush=True)
        self._began = time.monotonic()

    @property
    def exit_code(self) -> int:
        return 0 if self._is_same else 1


def count_of(alerts: Told) -> int:
    return sum(map(len, alerts.values()))


def run(options: argparse.Namespace, folder: Path) -> int:
    models, chance = folder / "models", random.Random(options.seed)
    settings = Settings(home=folder / "home", partitions=PARTITIONS, allow_unsigned_models=True)
    train_plant(models)
    maintain = handler_of(models, settings)
    week = Week(options.seed, time.time() - (options.days + 1) * DAY_S, options.days, options.pumps, options.presses)
    sent, came = recorded(week, maintain, settings)
    print(f"{len(sent):,} records, {sum(map(len, week.troubles.values())):,} troubles of {len(week.troubles)} assets\n")
    lines = Comparison(replayed(sent, maintain, settings))
    lines.tell("at once", lines.expected)
    lines.tell("as it came", came, is_fault=False)
    lines.tell("in batches of any size", replayed(sent, maintain, settings, chance))
    lines.tell("the same, back to checkpoints", replayed(sent, maintain, settings, chance, options.kills * 10))
    mixed = replayed(shuffled(sent, chance), maintain, settings, chance, options.kills * 10)
    lines.tell("the same, assets shuffled", mixed, is_shuffled=True)
    with Broker(folder / "kafka") as broker:
        for number, is_shuffled in enumerate((False, False, True)):
            home, prefix = settings.home / str(number), f"week{number}."
            own = settings.model_copy(update={"kafka": broker.bootstrap, "home": home, "topic_prefix": prefix})
            asyncio.run(fill(own, shuffled(sent, chance) if is_shuffled else sent))
            found = asyncio.run(worked(own, models, count_of(lines.expected), chance, options.kills))
            name = f"on a broker, {options.kills} times kill -9{', assets shuffled' if is_shuffled else ''}"
            lines.tell(name, found, is_shuffled=is_shuffled)
    return lines.exit_code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--pumps", type=int, default=16)
    parser.add_argument("--presses", type=int, default=8)
    parser.add_argument("--kills", type=int, default=8, help="times that a worker is killed in each replay on a broker")
    parser.add_argument("--seed", type=int, default=1)
    level = structlog.make_filtering_bound_logger(logging.ERROR)  # each trouble has a line of its own
    structlog.configure(wrapper_class=level)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # topics that were made a moment ago have no leader yet
    with tempfile.TemporaryDirectory(prefix="millrace-week-") as folder:
        return run(parser.parse_args(), Path(folder))


if __name__ == "__main__":
    sys.exit(main())
