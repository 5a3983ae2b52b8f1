"""A worker process and its signals: while it is built, and while its broker is away."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from millrace.kafka import free_port
from schemas import Settings
from storage import upgrade
from tests.support.workers import Workers

BUILDS = """
import time
from schemas import Settings
from streams.worker import run_worker

def build():
    print("builds", flush=True)
    time.sleep(60)  # as kernels compile: the event loop does not run

run_worker(build, Settings(kafka="127.0.0.1:1"))
"""
NOBODY = "127.0.0.1:1"


@pytest.mark.long
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_compiles_ends_at_once(signum: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", BUILDS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"builds\n"
        process.send_signal(signum)
        assert process.wait(10) == -signum


@pytest.mark.long
async def test_a_sink_waits_for_a_broker_that_is_not_there_with_growing_pauses(tmp_path: Path) -> None:
    settings = Settings(kafka=NOBODY, home=tmp_path)
    upgrade(settings.database())
    workers = Workers(settings)
    try:
        process = workers.start("sink")
        await workers.until(lambda: '"in_s": 4.0' in workers.log.read_text(), "the third pause")
        lines = workers.log.read_text().splitlines()
        assert process.poll() is None
        asked = len([line for line in lines if "is asked again" in line])
        assert asked in (5, 6), "each of its two agents at most three times"
        assert len(lines) < 25
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5
    finally:
        workers.end()


@pytest.mark.long
@pytest.mark.parametrize("role", ["edge", "sink"])
async def test_the_counters_of_the_alerts_exist_from_zero_on(tmp_path: Path, role: str) -> None:
    """Before the broker is even there: the first increment of a series that begins with it raises no alert."""
    rules = (Path(__file__).parents[2] / "deploy" / "alerts.yml").read_text()
    asked = {*re.findall(r"(millrace_\w+_total)", rules)}
    of_sink = {"millrace_sink_skipped_total", "millrace_lost_records_total", "millrace_topics_made_anew_total"}
    # those of readings come with the first model of an asset class: tests/streams/test_maintain.py; a class without a
    # model has no name before its events come, and its rule waits for half an hour of them
    elsewhere = {"millrace_api_errors_total", "millrace_readings_beside_total", "millrace_sink_skipped_total",
                 "millrace_notifications_failed_total", "millrace_no_model_events_total"}  # fmt: skip
    wanted = of_sink if role == "sink" else asked - elsewhere
    port = free_port()
    settings = Settings(kafka=NOBODY, home=tmp_path, metrics_port=port)
    upgrade(settings.database())
    workers = Workers(settings)
    try:
        workers.start(role)

        def begun() -> bool:
            try:
                text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
            except httpx2.HTTPError:
                return False
            return wanted <= {*re.findall(r"^(\w+)\{.*\} 0\.0$", text, re.MULTILINE)}

        await workers.until(begun, f"{wanted} at 0")
    finally:
        workers.end()
