"""A trivial stateful agent, run as a process of its own: count, sum and an order-sensitive hash per key.

python -m tests.streams.agent.trivial '{"topics": ["trivial.v1"], ...}'; the settings come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from schemas import ModelError, Settings, UnavailableError, load_settings
from streams.agent.handler import Outcome, Output, Work
from streams.agent.outputs import cloud_event_headers, output_id
from streams.agent.placing import TAKEN, TAKEN_LAYOUT, placed
from streams.agent.rows import Layout, PartitionState
from streams.agent.runtime import Runtime
from streams.serving.swap import between_batches

ROW = np.dtype([("count", "<i8"), ("sum", "<i8"), ("hash", "<u8")])
MASK = (1 << 64) - 1
OUTPUT_TOPIC = "trivial.out.v1"


@dataclass
class Trivial:
    """Outputs for one hash in `every`; raises for events that say `"poison": true`."""

    name: str = "trivial"
    topics: tuple[str, ...] = ("trivial.v1",)
    changelog: str = "trivial.state.v1"
    version: int = 1
    every: int = 10
    large: dict[str, int] = field(default_factory=dict)  # key -> bytes of its outputs
    needs: str = ""  # a file without which it cannot work
    model: str = ""  # that its outputs name
    swaps: str = ""  # a file with the next model's name; "bad" is one that cannot be put to use
    places: bool = False  # are records brought to the partition of their key
    outputs: tuple[str, ...] = (OUTPUT_TOPIC,)

    @property
    def log_topic(self) -> str | None:
        return self.topics[1] if len(self.topics) > 1 else None

    def event_time(self, record: Any) -> float | None:
        return float(record.timestamp)

    def layouts(self) -> Mapping[str, Layout]:
        return {"totals": Layout(ROW, self.version), "seen": Layout(np.dtype("<i8"), 1), TAKEN: TAKEN_LAYOUT}

    def handle(self, state: PartitionState, records: Sequence[Any]) -> Outcome:
        outcome = Outcome()
        if self.places:
            records, outcome = placed(state, records, self.name, Settings())
        totals, seen = state.tables["totals"], state.tables["seen"]
        slots = totals.slots([record.key for record in records])
        seen.touch(seen.slots([record.key for record in records]))
        if self.needs and not Path(self.needs).exists():
            raise UnavailableError(f"{self.needs} is not there.")
        for record, slot in zip(records, slots, strict=True):
            event = json.loads(record.value)
            row = totals.array[slot]
            row["count"] += 1
            row["sum"] += event["value"]
            row["hash"] = mix(int(row["hash"]), record.topic, record.offset, event["value"])
            seen.array[seen.find(record.key)] += 1
            if event.get("poison"):
                raise ValueError(f"poison at {record.offset}")
            if row["hash"] % self.every == 0:
                origin = state.origin(self.contract_name(record.topic))
                outcome.outputs.append(self.output(record, int(row["count"]), int(row["sum"]), origin))
        totals.touch(slots)
        return outcome

    def handle_all(self, work: Sequence[Work]) -> list[Outcome]:
        return [self.handle(state, records) for state, records in work]

    def output(self, record: Any, count: int, total: int, origin: str = "") -> Output:
        cause = {"topic": self.contract_name(record.topic), "offset": record.offset}
        model = {"model": self.model} if self.model else {}
        value = json.dumps({"key": record.key.decode(), "count": count, "sum": total, "caused_by": cause} | model)
        value += " " * self.large.get(record.key.decode(), 0)
        ce_id = output_id(origin or self.contract_name(record.topic), record.partition, record.offset, "total")
        headers = cloud_event_headers(ce_id, "trivial.total", record.topic, datetime(2026, 1, 1, tzinfo=UTC))
        return Output(OUTPUT_TOPIC, record.key, value.encode(), headers)

    def contract_name(self, topic: str) -> str:
        return next(name for name in self.topics if topic.endswith(name))


def mix(value: int, topic: str, offset: int, added: int) -> int:
    """Depends on the order of everything that was applied."""
    return (value * 1000003 ^ (offset * 2654435761 + added + len(topic))) & MASK


async def swap_when_told(runtime: Runtime, handler: Trivial) -> None:
    """Follows the file as a reader of models follows its topic; says what came of it."""

    def change(states: list[PartitionState]) -> None:
        if named == "bad":
            raise ModelError("it cannot be used")
        handler.model = named
        print(f"{named} serves, with {len(states)} partitions in use", flush=True)

    while True:
        named = Path(handler.swaps).read_text() if Path(handler.swaps).exists() else handler.model
        if named not in ("", handler.model):
            try:
                await between_batches(runtime, change)
            except ModelError as error:
                print(f"{named} is refused: {error}", flush=True)
                Path(handler.swaps).unlink()
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    from streams.worker import build_agent, build_app, run_worker

    options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    options["topics"] = tuple(options.get("topics", ("trivial.v1",)))
    settings = load_settings()

    def build() -> Any:
        app = build_app("trivial", settings)
        handler = Trivial(**options)
        runtime = build_agent(app, settings, handler)
        if handler.swaps:
            app.task(lambda: swap_when_told(runtime, handler))
        return app

    run_worker(build, settings)
