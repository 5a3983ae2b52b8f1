"""The pages by themselves: records in hand instead of a broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from models.recommender import CatalogueView, Recommender
from models.registry import ModelStore
from models.stages import StageClock
from schemas import (
    FEED,
    KEY_FIELDS,
    OUTPUTS,
    RECOMMENDATIONS,
    InputEvent,
    ModelRef,
    Recommendation,
    Settings,
)
from streams.agent import Outbox, Output, PartitionState, empty_state
from streams.kafka import ConsumerRecord
from streams.recommend import Recommend, ServedRanker
from tests.support.world import START, topic_of

SETTINGS = Settings(topic_prefix="p.")


def records_of(events: Sequence[InputEvent], partition: int = 1) -> list[ConsumerRecord]:
    """As the source would hand them over; offsets count within each topic."""
    offsets: dict[str, Iterator[int]] = {}
    made = []
    for event in events:
        topic = topic_of(event)
        number = next(offsets.setdefault(topic, iter(range(10**9))))
        one = record(topic, getattr(event, KEY_FIELDS[topic]), event.model_dump_json().encode(), number, partition)
        one.timestamp = int(event.event_time.timestamp() * 1000)  # type: ignore[attr-defined]  # all inputs have it
        made.append(one)
    return made


def record(topic: str, key: str | None, value: bytes | None, offset: int = 0, partition: int = 1) -> ConsumerRecord:
    return SimpleNamespace(
        topic=f"p.{topic}", partition=partition, offset=offset, key=key.encode() if key else None, value=value,
        timestamp=int(START * 1000) + offset, headers=[("traceparent", b"00-abc-def-01")],
    )  # fmt: skip


def checked(outputs: Sequence[Output], topic: str) -> list[Any]:
    """The outputs of a topic, held against their schema; keys and headers as the contract says."""
    events = []
    for output in outputs:
        if output.topic == topic:
            assert output.value is not None
            event: Any = OUTPUTS[topic].model_validate_json(output.value)
            headers = dict(output.headers)
            assert headers["ce_specversion"] == b"1.0"
            assert headers["content-type"] == b"application/json"
            assert headers["traceparent"] == b"00-abc-def-01"
            assert output.key == (event.user_id if topic == RECOMMENDATIONS else event.asset_id).encode()
            events.append(event)
    return events


def run(handler: Any, records: Sequence[ConsumerRecord], size: int, state: PartitionState | None = None) -> Any:
    """Outputs and dead letters of the records, in batches of `size`, and the state they leave."""
    state = state or empty_state(1, handler.layouts())
    outbox, outputs, dead = Outbox(SETTINGS, handler.name, StageClock()), [], []
    for start in range(0, len(records), size):
        outcome = handler.handle(state, records[start : start + size])
        outbox.check(outcome)  # writes what is in bulk, as a worker does
        outputs += outcome.outputs
        dead += outcome.dead
    return outputs, dead, state


class Shop:
    """The recommend page with the view that its own feed records build, as in a worker."""

    def __init__(self, home: Path, is_trained: bool) -> None:
        model = ModelStore(home / "models").load("recommender")
        assert model.manifest.profile is not None
        self.view = CatalogueView(model.manifest.profile)
        self.recommender = Recommender(model if is_trained else None, model.manifest.profile)
        served = ServedRanker(self.recommender, self.view, ModelRef(name="recommender", version="v"))
        self.page = Recommend(SETTINGS, served)
        self.state = empty_state(1, self.page.layouts())
        self.feed_offset = 0

    def handle(self, records: Sequence[ConsumerRecord]) -> tuple[list[Recommendation], list[Any]]:
        outcome = self.page.handle(self.state, records)
        for output in outcome.outputs:
            if output.topic == FEED:
                assert output.partition == 0
                assert output.value is not None
                self.view.apply(output.value, self.feed_offset)
                self.feed_offset += 1
        return checked(outcome.outputs, RECOMMENDATIONS), outcome.dead
