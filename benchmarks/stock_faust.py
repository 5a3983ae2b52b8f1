"""The peer: a stock Faust agent that decodes each event and counts it, nothing else. Run by benchmarks/pipeline.py.

TOPIC=... BROKER=... COUNT=... python benchmarks/stock_faust.py  ─► prints events per second and CPU us an event
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from typing import Any

import faust
import orjson


async def measure() -> None:
    wanted = int(os.environ["COUNT"])
    app = faust.App(
        f"stock-{os.getpid()}",
        broker=f"kafka://{os.environ['BROKER']}",
        datadir=tempfile.mkdtemp(),
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(
        os.environ["TOPIC"], value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
    )
    seen, first, cpu, done = 0, 0.0, 0.0, asyncio.Event()

    @app.agent(topic)
    async def count(stream: Any) -> None:
        nonlocal seen, first, cpu
        async for value in stream:
            orjson.loads(value)
            if not seen:
                first, cpu = time.perf_counter(), time.process_time()
            seen += 1
            if seen == wanted:
                cpu_us = (time.process_time() - cpu) / wanted * 1e6
                print(wanted / (time.perf_counter() - first), cpu_us, flush=True)
                done.set()

    worker = faust.Worker(app, loglevel="error", quiet=True, redirect_stdouts=False)
    worker.spinner = None  # it would write between our words
    running = asyncio.ensure_future(worker.start())
    await asyncio.wait({running, asyncio.ensure_future(done.wait())}, timeout=120, return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(measure())
