"""The work by stock Faust: an agent, a table with the rows of the assets and its changelog, a topic of scores."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import faust

from benchmarks.peers.work import SCORES, TOPIC, work_of_environment

app = faust.App(
    f"peer-faust-{os.getpid()}",
    broker=f"kafka://{os.environ['BROKER']}",
    datadir=tempfile.mkdtemp(),
    web_enabled=False,
    topic_disable_leader=True,
    topic_partitions=int(os.environ["PARTITIONS"]),
    consumer_auto_offset_reset="earliest",
    key_serializer="raw",
    value_serializer="raw",
)
readings = app.topic(TOPIC, key_type=bytes, value_type=bytes)
scores = app.topic(SCORES, key_type=bytes, value_type=bytes)
assets = app.Table("assets", key_type=bytes, value_type=bytes)
work = work_of_environment()


@app.agent(readings)
async def score(stream: Any) -> None:
    async for asset, value in stream.items():
        assets[asset], told = work.one(value, assets.get(asset))
        await scores.send(key=asset, value=told)


if __name__ == "__main__":
    app.finalize()
    worker = faust.Worker(app, loglevel="error", quiet=True, redirect_stdouts=False)
    worker.spinner = None  # it would write between our words
    worker.execute_from_commandline()
