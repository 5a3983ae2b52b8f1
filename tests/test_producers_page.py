"""docs/producers.md: its producers, as they stand there, put events where they belong; those that are here are run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.kafka import default_folder
from schemas import CLICKS, INPUTS, KEY_FIELDS, TOPICS, Settings, topic_name
from streams.agent import decode_topics, partition_of
from streams.kafka import apply_topics
from tests.support.kafka import consume

PAGE = Path(__file__).parents[1] / "docs" / "producers.md"
INSTALL_S, RUN_S = 240, 60


def code(heading: str) -> str:
    part = PAGE.read_text().split(f"### {heading}\n", 1)[1]
    found = re.search(r"```\w+\n(.*?)```", part, re.S)
    assert found is not None
    return found[1]


def run(folder: Path, *command: str, timeout_s: float = RUN_S) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"


def install(folder: Path, *command: str) -> None:
    """Skips where the client cannot be had."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on this machine")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command)} failed here: {done.stderr[-500:]}")


def java(folder: Path, source: str) -> None:
    if shutil.which("javac") is None:
        pytest.skip("javac is not on this machine")
    (folder / "Click.java").write_text(source)
    jars = f"{default_folder()}/*"
    run(folder, "javac", "-cp", jars, "Click.java")
    run(folder, "java", "-cp", f"{jars}:.", "Click")


def python(folder: Path, source: str) -> None:
    (folder / "click.py").write_text(source)
    run(folder, sys.executable, "click.py")


def node(folder: Path, source: str) -> None:
    if not (folder / "node_modules").exists():
        install(folder, "npm", "install", "--no-audit", "--no-fund", "kafkajs@2")
    (folder / "click.js").write_text(source)
    run(folder, "node", "click.js")


def go(folder: Path, source: str) -> None:
    if not (folder / "go.sum").exists():
        install(folder, "go", "mod", "init", "click")
        install(folder, "go", "get", "github.com/twmb/franz-go/pkg/kgo@v1")
    (folder / "main.go").write_text(source)
    run(folder, "go", "run", ".", timeout_s=INSTALL_S)


def kcat(folder: Path, source: str) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not on this machine")
    run(folder, "sh", "-c", source)


def dotnet(folder: Path, source: str) -> None:
    if not (folder / "folder.csproj").exists():
        install(folder, "dotnet", "new", "console", "--name", "folder", "--output", ".")
        install(folder, "dotnet", "add", "package", "Confluent.Kafka")
    (folder / "Program.cs").write_text(source)
    run(folder, "dotnet", "run", timeout_s=INSTALL_S)


CLIENTS: dict[str, Callable[[Path, str], None]] = {
    "Java": java,
    "Python (aiokafka)": python,
    "Python (confluent-kafka)": python,
    "Node (KafkaJS)": node,
    "Go (franz-go)": go,
    ".NET (Confluent.Kafka)": dotnet,
    "kcat": kcat,
}


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
async def test_the_producers_of_the_page_put_events_where_they_belong(
    client: str, settings: Settings, tmp_path: Path
) -> None:
    """For some users, so that not all are right by luck."""
    quick = settings.model_copy(update={"partitions": 7})
    await apply_topics(quick, [topic for topic in TOPICS if topic.name == CLICKS])
    source = code(client).replace("127.0.0.1:9092", str(quick.kafka)).replace(CLICKS, topic_name(quick, CLICKS))
    users = ["ann", "zoe", "user-40817"]
    for user in users:
        folder = tmp_path / user
        folder.mkdir()
        if user != users[0]:  # what was installed and compiled for the first
            shutil.copytree(tmp_path / users[0], folder, dirs_exist_ok=True, symlinks=True)
        CLIENTS[client](folder, source.replace("ann", user))
    records = await consume(quick, [CLICKS], len(users))
    events, dead = decode_topics(records, [CLICKS], quick)
    assert dead == []
    assert sorted(event.user_id for event in events) == sorted(users)
    assert [record.partition for record in records] == [partition_of(record.key, 7) for record in records]


def test_each_client_of_the_page_is_run_where_it_is() -> None:
    assert set(re.findall(r"^### (.+)$", PAGE.read_text(), re.M)) == set(CLIENTS)


def test_the_least_that_a_topic_takes_is_enough() -> None:
    rows = re.findall(r"^\| `(\w+\.v1)` \| `(\w+)` \| `(\{.*?\})`", PAGE.read_text(), re.M)
    assert {topic for topic, _, _ in rows} == set(INPUTS)
    for topic, key, example in rows:
        assert KEY_FIELDS[topic] == key
        least = json.loads(example)
        INPUTS[topic].model_validate_json(example)
        for field in least:
            with pytest.raises(ValueError, match=field):
                INPUTS[topic].model_validate({name: value for name, value in least.items() if name != field})
