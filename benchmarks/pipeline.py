"""Events per second and latency of the deployed agents, beside bare aiokafka and stock Faust, all in one run.

simulated events ─► Kafka ─► `millrace worker --role edge`, and the peers on the same topics ─► a table with ratios

    python -m benchmarks.pipeline [--readings 200000] [--clicks 20000] [--assets 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.world import START, clicks, fill, metrics, readings, tell_items, train, worker
from millrace.kafka import Broker
from schemas import CLICKS, RECOMMENDATIONS, SCORES, TELEMETRY, Settings
from streams.kafka import EventProducer, apply_topics

READY_S = 120.0


# ---- throughput


class Rate(NamedTuple):
    """Events a second, and what one of them costs."""

    events_s: float
    cpu_us: float


async def throughput(settings: Settings, agent: str, topic: str, count: int) -> Rate:
    """Events of the topic that a new worker applies, from the first tenth to the last."""
    names = f'millrace_records_total{{agent="{agent}",topic="{topic}"', "process_cpu_seconds_total"
    with worker(settings, "edge") as (url, _):
        deadline, first = time.monotonic() + READY_S + count / 500, None
        while (seen := metrics(url, *names))[0] < count:
            if first is None and seen[0] >= count / 10:
                first = (*seen, time.perf_counter())
            if time.monotonic() > deadline:
                raise SystemExit(f"{agent}: {seen[0]:.0f} of {count} events; see {settings.home / 'edge.log'}")
            await asyncio.sleep(0.1)  # each look costs the worker 3 ms
        end = time.perf_counter()
    assert first is not None
    done = seen[0] - first[0]
    return Rate(done / (end - first[2]), (seen[1] - first[1]) / done * 1e6)


async def bare_aiokafka(settings: Settings, topic: str, count: int) -> Rate:
    """Records that a plain consumer fetches."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        for partition, first_offset in (await consumer.beginning_offsets(partitions)).items():
            consumer.seek(partition, first_offset)
        seen, first, cpu = 0, 0.0, 0.0
        while seen < count:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=1000)
            if not seen:
                first, cpu = time.perf_counter(), time.process_time()
            seen += sum(map(len, fetched.values()))
        return Rate(count / (time.perf_counter() - first), (time.process_time() - cpu) / count * 1e6)
    finally:
        await consumer.stop()


def stock_faust(settings: Settings, topic: str, count: int) -> Rate:
    """Events of stock Faust's `async for event`, decoding JSON and counting."""
    peer = Path(__file__).with_name("stock_faust.py")
    own = {"TOPIC": topic, "BROKER": settings.kafka, "COUNT": str(count)}
    result = subprocess.run(
        [sys.executable, peer], env={**os.environ, **own}, capture_output=True, text=True, check=False
    )
    try:
        return Rate(*map(float, result.stdout.split()[-2:]))
    except (ValueError, TypeError):
        raise SystemExit(f"stock Faust did not finish: {result.stdout[-500:]} {result.stderr[-2000:]}") from None


# ---- latency


async def latency(
    settings: Settings, topic: str, output: str, events: Iterator[dict[str, Any]], rate: float, seconds: float
) -> np.ndarray:
    """Milliseconds from the call of the producer to the decision in a consumer's hands, at `rate` events a second."""
    sent: dict[str, float] = {}
    delays: list[float] = []
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, fetch_max_wait_ms=5)
    await consumer.start()
    consumer.assign([TopicPartition(output, number) for number in range(settings.partitions)])
    await consumer.seek_to_end()

    async def listen() -> None:
        async for record in consumer:
            event_id = orjson.loads(record.value)["caused_by"]["event_id"]
            if event_id in sent:
                delays.append((time.perf_counter() - sent.pop(event_id)) * 1e3)

    listening = asyncio.ensure_future(listen())
    async with EventProducer(settings) as producer:
        begin = time.perf_counter()
        for number, event in enumerate(itertools.islice(events, int(rate * seconds))):
            await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            now = event | {"event_time": int(time.time() * 1000)}  # that of the simulation would soon lie too far ahead
            sent[event["event_id"]] = time.perf_counter()
            await producer.push(topic, now)
        deadline = time.perf_counter() + 10
        while sent and time.perf_counter() < deadline:
            await asyncio.sleep(0.02)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await consumer.stop()
    if sent:
        print(f"{len(sent)} of {int(rate * seconds)} events were not answered within 10 s", file=sys.stderr)
    return np.array(delays[len(delays) // 5 :])  # the first fifth warms up


async def latencies(settings: Settings, assets: int) -> dict[str, np.ndarray]:
    with worker(settings, "edge") as (url, _):
        deadline = time.monotonic() + READY_S
        while metrics(url, "millrace_worker_ready") < [1.0]:
            if time.monotonic() > deadline:
                raise SystemExit(f"the worker is not ready; see {settings.home / 'edge.log'}")
            await asyncio.sleep(0.1)
        later = time.time()
        found = {}
        for rate in (100, 1000):
            more = (e | {"event_id": f"{rate}-{e['event_id']}"} for e in readings(assets, later + rate))
            found[f"reading -> score, {rate}/s"] = await latency(settings, TELEMETRY, SCORES, more, rate, 10)
        for rate in (50, 200, 1000):
            more = (e | {"event_id": f"{rate}-{e['event_id']}"} for e in clicks(later + rate))
            found[f"click -> recommendation, {rate}/s"] = await latency(
                settings, CLICKS, RECOMMENDATIONS, more, rate, 10
            )
        return found


# ---- report


async def measure(settings: Settings, topic: str, agent: str, count: int, rates: dict[str, Rate]) -> None:
    """Put the rates of the topic's agent and of its peers into `rates`."""
    rates[f"{topic} aiokafka, fetching only"] = await bare_aiokafka(settings, topic, count)
    rates[f"{topic} stock Faust, decoding only"] = stock_faust(settings, topic, min(count, 50_000))
    rates[f"{topic} millrace edge, all of it"] = await throughput(settings, agent, topic, count)


async def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    await apply_topics(settings)
    train(settings)
    rates: dict[str, Rate] = {}
    # one after the other: a worker has both agents, and each is measured while the other has nothing to do
    await fill(settings, TELEMETRY, readings(options.assets, START), options.readings)
    await measure(settings, TELEMETRY, "maintain", options.readings, rates)
    await tell_items(settings)
    await fill(settings, CLICKS, clicks(START), options.clicks)
    await measure(settings, CLICKS, "recommend", options.clicks, rates)
    return {"events/s": rates, "latency": await latencies(settings, options.assets)}


def report(result: dict[str, Any]) -> None:
    print(
        f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n"
    )
    print("| path | events/s | CPU us an event | against stock Faust |\n|---|---|---|---|")
    rates = result["events/s"]
    for name, rate in rates.items():
        peer = rates[f"{name.split()[0]} stock Faust, decoding only"]
        print(f"| {name} | {rate.events_s:,.0f} | {rate.cpu_us:,.1f} | {rate.events_s / peer.events_s:.2f} |")
    print("\n| latency | p50 ms | p90 | p99 | events |\n|---|---|---|---|---|")
    for name, delays in result["latency"].items():
        low, mid, high = np.percentile(delays, (50, 90, 99)) if len(delays) else (np.nan,) * 3
        print(f"| {name} | {low:.1f} | {mid:.1f} | {high:.1f} | {len(delays)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--clicks", type=int, default=20_000)
    parser.add_argument("--assets", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        settings = Settings(home=Path(folder) / "home", kafka=broker.bootstrap, partitions=4)
        result = asyncio.run(run(options, settings))
    report(result)
    if options.json:
        plain = {name: np.percentile(d, (50, 90, 99)).tolist() for name, d in result["latency"].items()}
        options.json.write_text(json.dumps(result | {"latency": plain}, indent=1))


if __name__ == "__main__":
    main()
