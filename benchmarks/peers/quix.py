"""The work by Quix Streams: a dataframe, its state with the rows of the assets and a changelog, a topic of scores."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from quixstreams import Application

from benchmarks.peers.work import SCORES, TOPIC, work_of_environment

app = Application(
    broker_address=os.environ["BROKER"],
    consumer_group=f"peer-quix-{os.getpid()}",
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(),
    loglevel="WARNING",
)
work = work_of_environment()


def score(value: bytes, state: Any) -> bytes:
    row, told = work.one(value, state.get_bytes("row"))
    state.set_bytes("row", row)
    return told


readings = app.topic(TOPIC, value_deserializer="bytes", key_deserializer="bytes")
scores = app.topic(SCORES, value_serializer="bytes", key_serializer="bytes")
app.dataframe(readings).apply(score, stateful=True).to_topic(scores)

if __name__ == "__main__":
    app.run()
