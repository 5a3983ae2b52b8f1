"""Millrace beside other stream libraries that do the same work on readings, all in one run.

simulated readings ─► Kafka ─► the edge worker, and each peer in turn: state, features, forests, scores ─► a table

    python -m benchmarks.same_work [--readings 200000] [--peer-readings 20000] [--assets 2000]

The peers (benchmarks/peers) use Millrace's own features, LightGBM's predict, and keep the rows of the assets as their
library does it. Quix Streams has an environment of its own, made from benchmarks/quix.lock under build/same_work.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.peers.work import SCORES
from benchmarks.pipeline import Rate, throughput
from benchmarks.scoring import environment as own_python
from benchmarks.world import PUMPS, ROOT, START, environment, fill, readings, train
from millrace.bench.tables import cpu_name
from millrace.kafka import Broker
from schemas import TELEMETRY, Settings
from streams.kafka import apply_topics

PEERS = {
    "stock_faust": "stock Faust",
    "quix": "Quix Streams",
    "own_loop": "a loop on aiokafka, in batches, state in memory",
}
PATIENCE_S = 240.0


def python_of(peer: str) -> str:
    if peer != "quix":
        return sys.executable
    return own_python(ROOT / "benchmarks" / "quix.lock", ROOT / "build" / "same_work")


def measured(settings: Settings, peer: str, count: int) -> Rate | None:
    """What the peer says of itself; None: it could not be measured, and why was printed."""
    try:
        python = python_of(peer)
    except subprocess.CalledProcessError as error:
        print(f"{PEERS[peer]} is left out: it cannot be installed here ({error})", file=sys.stderr)
        return None
    more = {"BROKER": settings.kafka, "PARTITIONS": str(settings.partitions), "COUNT": str(count)}
    log = settings.home / f"{peer}.log"
    process = subprocess.Popen(
        [python, "-m", f"benchmarks.peers.{peer}"],
        env=environment(settings, HOME_OF_PEER=str(settings.home), **more), stdout=subprocess.PIPE,
        stderr=log.open("wb"), text=True,
    )  # fmt: skip
    late = threading.Timer(PATIENCE_S, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("measured"):
                return Rate(*map(float, line.split()[1:]))
    finally:
        late.cancel()
        process.kill()
        process.wait()
    print(f"{PEERS[peer]} is left out: it ended early. {log.read_text()[-2000:]}", file=sys.stderr)
    return None


async def run(options: argparse.Namespace, settings: Settings) -> dict[str, Rate]:
    await apply_topics(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(SCORES, settings.partitions, 1)])
    await admin.close()
    train(settings, [PUMPS], [sys.executable, "-m", "benchmarks.peers.train", str(settings.home / "forests")])
    await fill(settings, TELEMETRY, readings(options.assets, START), options.readings)
    rates = {"Millrace": await throughput(settings, "maintain", TELEMETRY, options.readings)}
    for peer in options.peers.split(","):
        found = measured(settings, peer, min(options.peer_readings, options.readings))
        if found is not None:
            rates[PEERS[peer]] = found
    return rates


def report(rates: dict[str, Rate]) -> str:
    own_rate = rates["Millrace"]
    lines = [
        f"{cpu_name()}, {os.cpu_count()} cores\n",
        "| readings to scores | events/s | CPU us an event | Millrace is |",
        "|---|---|---|---|",
    ]
    for name, rate in rates.items():
        times = f"{own_rate.events_s / rate.events_s:.1f} times faster" if name != "Millrace" else ""
        lines.append(f"| {name} | {rate.events_s:,.0f} | {rate.cpu_us:,.1f} | {times} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--peer-readings", type=int, default=20_000, help="of these the peers take so many")
    parser.add_argument("--assets", type=int, default=2000)
    parser.add_argument("--peers", default=",".join(PEERS), help="some of " + ", ".join(PEERS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        settings = Settings(home=Path(folder) / "home", kafka=broker.bootstrap, partitions=4)
        print(report(asyncio.run(run(options, settings))))


if __name__ == "__main__":
    main()
