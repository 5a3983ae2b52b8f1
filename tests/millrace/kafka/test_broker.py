"""The embedded Kafka as its owner sees it: start, crash, restart, conflicts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownError

from millrace.kafka import broker as broker_module
from millrace.kafka import probe
from millrace.kafka.broker import Broker, BrokerError, running_broker
from schemas import CLICKS, ITEMS, Settings, topic_name
from streams.kafka import client_options
from tests.support import consume, create_topics, produce

pytestmark = pytest.mark.kafka


def wait_until(holds: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


async def test_a_crash_is_told_and_records_and_port_survive_it(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "kafka")
    assert running_broker(broker.folder) is None
    broker.start()
    try:
        broker.check()
        assert running_broker(broker.folder) == broker.bootstrap
        with pytest.raises(ConnectionRefusedError):  # only 127.0.0.1 itself is listened on
            socket.create_connection(("127.0.0.2", broker.port), timeout=2)
        settings = Settings(kafka=broker.bootstrap, home=tmp_path, partitions=1)
        await create_topics(settings, CLICKS)
        await produce(settings, CLICKS, [("u", b"1"), ("u", b"2")])

        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        os.waitid(os.P_PID, broker.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(BrokerError, match="Kafka ended with signal SIGKILL"):
            broker.check()
        port = broker.port
        broker.stop()
        broker.start()
        assert broker.port == port
        records = await consume(settings, CLICKS, until=2)
        assert [record.value for record in records] == [b"1", b"2"]
    finally:
        broker.stop()
    with pytest.raises(BrokerError, match="not started"):
        broker.check()
    assert "shut down completed" in broker.log.read_text()  # SIGTERM was enough


def test_conflicts_are_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"cannot listen on 127.0.0.1:{port}.*MILLRACE_KAFKA_PORT"):
            Broker(tmp_path / "kafka", port).start()

        # Another program takes the kept port after we looked: Kafka itself notices, another port is chosen.
        (tmp_path / "kafka" / "broker.json").write_text(json.dumps({"cluster": "AAAAAAAAAAAAAAAAAAAAAA", "port": port}))
        monkeypatch.setattr(probe, "obstacle", lambda *_: "")
        with Broker(tmp_path / "kafka") as broker:
            assert broker.port != port
            monkeypatch.setattr(broker_module, "LOCK_TIMEOUT_S", 0.2)
            with pytest.raises(BrokerError, match="Another Kafka is running"):
                Broker(tmp_path / "kafka").start()
            broker.check()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match="cannot be written"):
        Broker(tmp_path / "file" / "kafka").start()


def test_it_ends_with_its_starter_and_frees_the_folder(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from millrace.kafka.broker import Broker; "
        "print(Broker(Path(sys.argv[1])).start().pid, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    with Broker(tmp_path) as broker:  # waits for the old one to end
        assert broker.pid != pid
        wait_until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_works_with_the_jars_of_the_lock(settings: Settings, codec: str) -> None:
    """On a compacted topic: the broker itself unpacks the batches, to see that every record has a key."""
    await create_topics(settings, ITEMS)
    producer = AIOKafkaProducer(**client_options(settings), compression_type=codec)
    await producer.start()
    try:
        await producer.send_and_wait(topic_name(settings, ITEMS), b"1" * 10_000, b"key")
        with pytest.raises(UnknownError):  # INVALID_RECORD
            await producer.send_and_wait(topic_name(settings, ITEMS), b"no key" * 1000)
    finally:
        await producer.stop()
    [record] = await consume(settings, ITEMS, until=1)
    assert record.value == b"1" * 10_000
