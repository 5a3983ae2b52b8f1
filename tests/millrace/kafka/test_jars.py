"""The jars of the embedded Kafka, fetched for real: one small one each time."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from millrace.kafka.jars import LOCK, JarsError, default_folder, fetch_jars, missing_jars, read_lock

SMALL = "org.jspecify:jspecify:1.0.0"


@pytest.fixture
def small_lock(tmp_path: Path) -> Path:
    lock = tmp_path / "small.lock"
    lock.write_text(next(line for line in LOCK.read_text().splitlines(keepends=True) if line.startswith(SMALL)))
    return lock


def test_the_lock_names_one_kafka_and_its_log() -> None:
    jars = read_lock()
    assert len({jar.file for jar in jars}) == len(jars)
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert {jar.version for jar in jars if jar.group == "org.apache.logging.log4j"} == {"2.25.4"}
    assert not [jar for jar in jars if "connect" in jar.artifact or "jetty" in jar.artifact]


def test_the_cache_is_shared_and_follows_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = default_folder()
    assert folder.parent == tmp_path / "millrace"
    assert folder.name.startswith("kafka-")


def test_a_truncated_jar_is_noticed_and_fetched_again(
    tmp_path: Path, small_lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "jars"
    [path] = fetch_jars(folder, small_lock)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    (folder / "mine.txt").write_text("left alone")
    assert [jar.file for jar in missing_jars(folder, small_lock)] == [path.name]
    assert fetch_jars(folder, small_lock) == [path]
    assert path.read_bytes() == whole
    assert {file.name for file in folder.iterdir()} == {".lock", path.name, "mine.txt"}
    monkeypatch.setitem(sys.modules, "jgo.maven", None)  # complete: no client, no network
    assert fetch_jars(folder, small_lock) == [path]


def test_a_jar_unlike_the_lock_is_refused(tmp_path: Path, small_lock: Path) -> None:
    small_lock.write_text(f"{SMALL} {'0' * 64}\n")
    with pytest.raises(
        JarsError, match=rf"{SMALL} is not to be had: its sha256 is [0-9a-f]{{64}}, but the lock says 0"
    ):
        fetch_jars(tmp_path / "jars", small_lock)
    assert [file.name for file in (tmp_path / "jars").iterdir()] == [".lock"]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # jgo leaves the 404 answer open
def test_a_jar_that_does_not_exist_tells_the_ways_out(tmp_path: Path, small_lock: Path) -> None:
    small_lock.write_text(f"org.jspecify:jspecify:0.0.0-none {'0' * 64}\n")
    with pytest.raises(JarsError, match="MILLRACE_KAFKA=host:port"):
        fetch_jars(tmp_path / "jars", small_lock)
    gc.collect()
