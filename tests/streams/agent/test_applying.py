"""A turn that goes wrong by a fault of ours: each of its partitions is opened again, and no lock stays behind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiokafka import ConsumerRecord

from models.stages import StageClock
from schemas import Settings, UnavailableError
from streams.agent.applying import Applying
from streams.agent.handler import Outcome
from streams.agent.outbox import Outbox
from streams.agent.ownership import Batch, Partition, Phase
from streams.agent.rows import empty_state
from streams.agent.sending import Sending
from streams.agent.trying import Trial, Try
from streams.metrics import BatchMetrics
from tests.streams.agent.trivial import Trivial

TOPIC = "trivial.v1"


class Told:
    """What an owner is told of partitions."""

    def __init__(self) -> None:
        self.failures: list[tuple[int, str]] = []

    def renew(self, part: Partition, cause: str) -> None:
        self.failures.append((part.number, cause))

    def failed(self, part: Partition, cause: str, error: BaseException) -> None:
        self.failures.append((part.number, cause))

    def distrust(self) -> None:
        self.failures.append((-1, "distrust"))


class Faulty(Trial):
    def handle_all(self, tries: Sequence[Try]) -> list[Outcome | UnavailableError]:
        raise RuntimeError(f"a fault of ours in {len(tries)}")


def batch(number: int) -> Batch:
    part = Partition(number, empty_state(number, Trivial().layouts()), positions={TOPIC: 0})
    part.opened()
    part.resume()
    record = ConsumerRecord(TOPIC, number, 0, 0, 0, b"key", b'{"value": 1}', None, 1, 1, ())
    return Batch(part, part.epoch, {TOPIC: 0}, {TOPIC: 1}, [record])


@pytest.mark.parametrize(("trial", "failures"), [(Faulty, [(0, "bug"), (1, "bug")]), (Trial, [])])
async def test_a_fault_of_ours_opens_the_partitions_of_the_turn_again(
    trial: type[Trial], failures: list[tuple[int, str]]
) -> None:
    settings, handler, told = Settings(kafka="127.0.0.1:1"), Trivial(every=10**9), Told()
    outbox = Outbox(settings, handler.name, StageClock())
    sending = Sending(settings, handler, "changelog", outbox)
    applying = Applying(told, trial(handler, outbox.check), sending, BatchMetrics(handler.name), None)
    batches = [batch(0), batch(1)]
    await applying.apply(batches)
    assert told.failures == failures
    expected = (Phase.DOUBTFUL, {TOPIC: 0}) if failures else (Phase.READY, {TOPIC: 1})
    assert [(one.part.phase, one.part.positions) for one in batches] == [expected] * 2
    assert not any(one.part.applying.locked() for one in batches)
