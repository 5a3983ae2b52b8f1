"""A batch whose bytes are not as they were written: it waits, others do not, and nothing is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.kafka import Broker
from schemas import Settings, topic_name
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import Trivial

pytestmark = pytest.mark.kafka
AT_MS = 1_700_000_000_000
COUNT = 60


def flip_last_byte(file: Path) -> None:
    """Of the records in a segment; the broker does not look at them when it hands them out."""
    written = file.read_bytes().rstrip(b"\0")
    with file.open("r+b") as segment:
        segment.seek(len(written) - 1)
        segment.write(bytes([written[-1] ^ 1]))


async def test_records_that_cannot_be_read_wait_and_hold_no_other_partition_up(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        settings = Settings(
            kafka=broker.bootstrap, home=tmp_path, partitions=3, max_batch_records=20, checkpoint_interval_s=0.3
        )
        trial = Trial(settings, Trivial(every=1))
        try:
            await trial.create_topics()
            for partition in range(3):
                events = ((partition, b"key", {"value": n}, AT_MS + n) for n in range(COUNT))
                await trial.produce("trivial.v1", events)
            name = topic_name(settings, "trivial.v1")
            [segment] = (tmp_path / "kafka" / "data").glob(f"{name}-1/*.log")
            flip_last_byte(segment)
            worker = trial.start()

            async def are_others_applied() -> bool:
                _, committed = await trial._ends_and_committed()
                by_number = {tp.partition: offset for tp, offset in committed.items()}
                return by_number.get(0) == by_number.get(2) == COUNT

            await trial.until(are_others_applied)
            assert "records cannot be read" in trial.logs()
            await trial.produce("trivial.v1", ((0, b"key", {"value": n}, AT_MS + COUNT + n) for n in range(COUNT)))
            flip_last_byte(segment)  # the disk is mended
            await trial.until_applied()
            trial.stop(worker)
            await trial.assert_undisturbed()
        finally:
            trial.end()
