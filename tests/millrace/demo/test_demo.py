"""The service as a newcomer meets it: `millrace demo` from nothing, Ctrl-C, and once more with what is there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.held_out import read_held_out
from models.registry import ModelStore

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]  # its own Kafka; five waits of up to START_S
START_S, STOP_S = 120.0, 10.0


class Demo:
    """One `millrace demo` in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.output = home, home.with_suffix(".txt")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "millrace", "demo"], stdout=output, stderr=output,
                env=environment | {"MILLRACE_HOME": str(home), "MILLRACE_API_PORT": "0"},
            )  # fmt: skip

    def said(self) -> str:
        return self.output.read_text()

    def until(self, found: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + START_S
        while not (value := found()):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"{what}: not within {START_S} s\n{self.said()}"
            time.sleep(0.1)
        return value

    def run_file(self) -> dict[str, Any]:
        return self.until(lambda: self._read_run() if self._read_run().get("ready") else None, "ready")

    def _read_run(self) -> dict[str, Any]:
        file = self.home / "run.json"
        return json.loads(file.read_bytes()) if file.exists() else {}

    def stop(self) -> float:
        """Ctrl-C; returns how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(2 * STOP_S) == 0, self.said()
        return time.monotonic() - began


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Demo]]:
    demos: list[Demo] = []

    def make() -> Demo:
        demos.append(Demo(tmp_path / "home"))
        return demos[-1]

    yield make
    for demo in demos:
        demo.process.kill()  # what it started ends with it
        demo.process.wait()


def assets(api: str) -> dict[str, str]:
    """Asset -> when it was first scored."""
    items = httpx2.get(f"{api}/v1/assets").json()["items"]
    return {item["asset_id"]: item["first_seen"] for item in items}


def children(demo: Demo, words: str) -> list[int]:
    """Processes of the demo whose command line has these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == demo.process.pid and words in (folder / "cmdline").read_text().replace("\0", " "):
                found.append(int(folder.name))
    return found


def look_around(demo: Demo, api: str) -> None:
    """The console and the routes that need a worker, on the real thing: click as a new user, and the list is there."""
    user = "/v1/users/somebody new/recommendations"
    with httpx2.Client(base_url=api, timeout=10, headers={"Origin": api}) as client:
        assert "Recommended" in client.get("/").text
        clicked = demo.until(lambda: client.get("/v1/items/trending").json()["items"], "what is trending")[0]["item_id"]
        sent = client.post("/shop/click", data={"user": "somebody new", "item": clicked})
        assert (sent.status_code, sent.headers["location"]) == (303, "/shop/users/somebody%20new")
        found = demo.until(lambda: (body := client.get(user).json()).get("caused_by") and body, "the list of the click")
        assert clicked in client.get(sent.headers["location"]).text
        listed = [item["item_id"] for item in found["items"]]
        scored = client.get("/v1/assets").json()["items"][0]["latest_scores"][0]
        for cause in (found["caused_by"], scored["caused_by"]):
            event = client.get(f"/events/{cause['topic']}/{cause['partition']}/{cause['offset']}")
            assert event.status_code == 200, event.text
            assert " ms</strong> after it came" in event.text
            assert "ms before it came to its topic" in event.text
            assert "what is an average says so" in event.text
        asked = {"user_id": "somebody new", "items": [*listed[:5], "never"], "explain": True}
        demo.until(lambda: client.post("/v1/rank", json=asked).status_code == 200, "a worker that ranks")
        ranked = client.post("/v1/rank", json=asked).json()
        assert {item["item_id"] for item in ranked["items"]} <= set(listed[:5])
        assert ranked["left_out"][-1] == {"item_id": "never", "reason": "unknown"}
        tried = client.post("/try/reading", data={"asset": scored["asset_id"]})
        assert tried.status_code == 200, tried.text


def test_from_nothing_to_decisions_and_on_after_ctrl_c(start: Callable[[], Demo]) -> None:
    demo = start()
    run = demo.run_file()
    assert set(run) >= {"kafka", "api", "pid", "ready"}
    assert run["pid"] == demo.process.pid
    first = demo.until(lambda: assets(run["api"]), "scores")
    demo.until(lambda: "Recommended to" in demo.said(), "a recommendation")

    said = demo.said()
    assert said.index(f"Console {run['api']}/: open it now") < said.index("The shop and the plant are live")
    look_around(demo, run["api"])

    (edge,) = demo.until(lambda: children(demo, "worker --role edge"), "an edge worker")
    os.kill(edge, signal.SIGKILL)
    demo.until(lambda: "edge ended with -9" in demo.said(), "told that the edge worker died")
    demo.until(lambda: children(demo, "worker --role edge") not in ([], [edge]), "another edge worker")
    kafka = children(demo, "kafka.Kafka")
    assert demo.stop() < STOP_S
    assert not (demo.home / "run.json").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in kafka)

    pump = ModelStore(demo.home / "models").load("pump")
    assert read_held_out(demo.home / "demo" / "pump.parquet", pump.manifest).is_labelled.any()  # for models optimise

    again = start()
    run = again.run_file()
    assert assets(run["api"]).items() >= first.items()  # what was decided before is still there
    again.until(lambda: again.said().count("The first scores are in the API") == 2, "new scores")
    assert again.stop() < STOP_S
    assert again.said().count("Simulating the history") == 1  # the models were kept
