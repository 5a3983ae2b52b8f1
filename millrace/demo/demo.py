"""`millrace demo`: everything from nothing, with a simulated shop and plant.

history ─► train (the user's own commands) beside Kafka, sink, API ─► edge ─► live events ─► what happened, told

The history goes to files under MILLRACE_HOME/demo; the clicks of its end are pushed to Kafka as well, so that the
catalogue view is not empty when the first visitor comes. A second start finds models, topics and database and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import orjson

from millrace.demo.asset_classes import ASSET_CLASSES
from millrace.demo.narration import events_of, told
from millrace.demo.simulate import Event, Plant, Shop
from millrace.service import (
    StartError,
    Supervisor,
    Tell,
    program,
    stop_signals,
    told_while_waiting,
    until_stopped,
)
from schemas import CLICKS, ITEMS, Settings, rfc3339

HISTORY_SHOP_S = 1800.0  # about 18,000 clicks
WARM_UP_CLICKS = 3000
HISTORY_PLANT_CYCLES = 500
HISTORY_PUMPS, HISTORY_PRESSES = 24, 20  # of which a fifth is held out
PUMPS_RAN_S = (
    75.0  # before the first start: a life is 120 cycles of a second at least, and people wait a minute for an alert
)
OWN_FOLDERS = ("kafka", "models", "demo", "snapshots", "replay", "faust", "logs")
Push = Callable[[Event], Awaitable[object]]
Found = TypeVar("Found")


def forget(home: Path) -> None:
    """`--fresh`: remove what Millrace keeps in its home, and nothing else."""
    for name in OWN_FOLDERS:
        shutil.rmtree(home / name, ignore_errors=True)
    for file in home.glob("millrace.db*"):
        file.unlink()


class Demo:
    """One run of the demo on top of a supervisor."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self.began, self.begin = time.monotonic(), rfc3339(datetime.now(UTC))
        self._tell = tell
        self.supervisor = Supervisor(settings, self.tell)
        self.folder = self.supervisor.home / "demo"
        self.visitor = ""
        self.first_raised: dict[str, float] = {}
        self.training: dict[str, asyncio.subprocess.Process] = {}

    def tell(self, line: str) -> None:
        self._tell(f"[{time.monotonic() - self.began:5.1f} s] {line}")

    async def run(self) -> None:
        supervisor = self.supervisor
        with stop_signals(supervisor.stopping):
            try:
                shop = Shop(seed=7).events(time.time() - HISTORY_SHOP_S)
                past = list(takewhile(lambda event: event.time < time.time(), shop))
                is_first = not (supervisor.home / "models" / "aliases.json").exists()
                if is_first:
                    self._write_history(past)
                    await self._train("recommender", "shop.jsonl", "--profile", "shop")
                    await self._train("maintenance", "pump.toml", "--events", "plant.jsonl")
                supervisor.start_broker()
                await supervisor.prepare()
                await supervisor.start_sink_and_api()
                if not await until_stopped(supervisor, supervisor.wait_for("api")):
                    return
                self.tell(f"Console {supervisor.api}/: open it now, it fills as soon as events flow")
                # the pumps' model first: scores can flow while the others are still being trained
                if is_first and not await until_stopped(supervisor, self._first_model()):
                    return
                await supervisor.start_edge()
                if await until_stopped(supervisor, supervisor.wait_ready()):
                    await self._live(past if is_first else [], shop)
            finally:
                self.tell("Stopping.")
                for process in self.training.values():
                    if process.returncode is None:
                        process.terminate()
                await supervisor.stop()

    # -- training

    def _write_history(self, past: list[Event]) -> None:
        self.tell("Simulating the history of a shop and a plant")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_lines(self.folder / "shop.jsonl", past)
        plant = Plant(seed=11, pumps=HISTORY_PUMPS, presses=HISTORY_PRESSES, name="old-")
        start = time.time() - HISTORY_PLANT_CYCLES
        write_lines(self.folder / "plant.jsonl", takewhile(lambda event: event.time < time.time(), plant.events(start)))
        for name, text in ASSET_CLASSES.items():
            (self.folder / f"{name}.toml").write_text(text)

    async def _train(self, *arguments: str) -> None:
        """Start `millrace train`, as anybody would; its words go to a log. Held-out rows are for `models optimise`."""
        name = "recommender" if arguments[0] == "recommender" else Path(arguments[1]).stem
        arguments = (*arguments, "--held-out", f"{name}.parquet")
        self.tell(f"millrace train {' '.join(arguments)} --promote")
        log = self.supervisor.home / "logs" / f"train-{arguments[0]}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            self.training[" ".join(arguments[:2])] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "millrace", "train", *arguments, "--promote",
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder,
                env={**os.environ, "MILLRACE_HOME": str(self.supervisor.home)}, start_new_session=True,
            )  # fmt: skip

    async def _first_model(self) -> None:
        what = "Training on the history"
        async with told_while_waiting(self.tell, lambda: what):
            await self._until_trained("maintenance pump.toml")

    async def _until_trained(self, name: str) -> None:
        if status := await self.training[name].wait():
            raise StartError(
                f"`millrace train {name} ...` ended with {status}.",
                f"Its words are in {self.supervisor.home / 'logs'}, in the files train-*.log.",
            )

    async def _train_the_rest(self) -> None:
        """Once the live pumps are scored: the presses, the ranker, which the running edge worker then takes over."""
        if self.training:
            await self._train("maintenance", "press.toml", "--events", "plant.jsonl")
            for name in self.training:
                await self._until_trained(name)
            self.tell("All models are trained; the edge worker takes them over between two events")
            async with httpx2.AsyncClient(base_url=self.supervisor.api) as client:
                await until(client, lambda: "/v1/models", all_run)
            self.tell("The ranker and the presses' model serve")
            rows = self.folder / "pump.parquet"
            self.tell(f"Try    {program(self.supervisor.home)} models optimise pump --rows {rows} --loss 2%")

    # -- live

    async def _live(self, past: list[Event], shop: Iterator[Event]) -> None:
        from streams.kafka import EventProducer

        supervisor = self.supervisor
        supervisor.tell_addresses()
        async with EventProducer(supervisor.settings) as producer:

            async def push(event: Event) -> None:
                await producer.push(event.topic, event.value)

            for event in warm_up(past):
                await push(event)
            await producer.flush()
            self.tell("The shop and the plant are live: about 10 clicks and 10 readings a second")
            pumps = lives(Plant(seed=int(time.time()), pumps=8, presses=0), PUMPS_RAN_S if past else 0.0)
            work = [self._paced(shop, push), self._paced(pumps, push), self._presses(push), self._narrate()]
            await run_all([*work, supervisor.watch()])

    async def _presses(self, push: Push) -> None:
        await self._train_the_rest()
        await self._paced(lives(Plant(seed=int(time.time()), pumps=0, presses=4)), push)

    async def _paced(self, events: Iterator[Event], push: Push) -> None:
        """Push each event when its time has come."""
        for event in events:
            wait_s = event.time - time.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self.visitor = self.visitor or event.value.get("user_id", "")
            if event.value.get("kind") == "failure":
                self._tell_failure(event)
            await push(event)

    def _tell_failure(self, event: Event) -> None:
        mode = f"{event.key} {event.value.get('component', '')}".strip()
        raised = self.first_raised.pop(mode, None)
        lead = "no alert was open" if raised is None else f"the alert came {event.time - raised:.0f} cycles before"
        self.tell(f"{mode} failed: {lead}")

    async def _narrate(self) -> None:
        """Tell the first decisions, then every alert, as any consumer of the API would see them."""
        async with httpx2.AsyncClient(base_url=self.supervisor.api, timeout=httpx2.Timeout(5, read=None)) as client:
            await self._first_decisions(client)
            while True:
                try:
                    await self._follow_alerts(client)
                except httpx2.HTTPError:
                    await asyncio.sleep(1)  # the API is being started again

    async def _first_decisions(self, client: httpx2.AsyncClient) -> None:
        begin = self.begin  # an earlier run has left decisions too
        assets = await until(
            client,
            lambda: "/v1/assets",
            lambda answer: [asset["asset_id"] for asset in answer["items"] if asset["last_seen"] >= begin],
        )
        self.tell(f"The first scores are in the API: {self.supervisor.api}/v1/assets/{assets[0]}")
        answer = await until(
            client,
            lambda: f"/v1/users/{self.visitor}/recommendations",
            lambda answer: answer if answer["recommendation_id"] and answer["event_time"] >= begin else None,
        )
        names = ", ".join(item["item_id"] for item in answer["items"][:4])
        self.tell(f"Recommended to {self.visitor} by the {answer['strategy']}: {names}, ...")
        self._tell_what_to_try()

    async def _follow_alerts(self, client: httpx2.AsyncClient) -> None:
        async with client.stream("GET", "/v1/alerts/stream") as response:
            async for kind, data in events_of(response.aiter_lines()):
                line, raised = told(kind, data)
                if raised:
                    self.first_raised.setdefault(raised, time.time())
                self.tell(line)

    def _tell_what_to_try(self) -> None:
        api = self.supervisor.api
        millrace = program(self.supervisor.home)
        self.tell(f"Try    {api}/ in a browser, and {api}/shop/users/{self.visitor}: click, and the list changes")
        self.tell(f"       curl {api}/v1/users/{self.visitor}/recommendations")
        self.tell(f"       curl {api}/v1/alerts")
        self.tell(f"       {millrace} send click --user me --item books-003")
        like = "--asset pump-01 --like last --set bearing_temperature=90"
        self.tell(f"       {millrace} send telemetry {like}")
        self.tell("Ctrl-C ends everything; the next start goes on from here")


async def run_all(work: list[Coroutine[Any, Any, None]]) -> None:
    """Run until the first of them ends, which is the watch when all is well; then end the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def lives(plant: Plant, ran_s: float = 0.0) -> Iterator[Event]:
    """Where its assets stand, then what they tell, from so many seconds ago on."""
    began = time.time() - ran_s
    return chain(plant.places(began), plant.events(began))


def warm_up(past: list[Event]) -> Iterable[Event]:
    """All items, and the last clicks."""
    clicks = [event for event in past if event.topic == CLICKS]
    items = [event for event in past if event.topic == ITEMS]
    return [*items, *clicks[-WARM_UP_CLICKS:]]


def write_lines(file: Path, events: Iterable[Event]) -> None:
    with file.open("wb") as lines:
        lines.writelines(orjson.dumps(event.value, option=orjson.OPT_APPEND_NEWLINE) for event in events)


def all_run(models: dict[str, Any]) -> bool:
    """Whether the edge worker runs the champion of every model."""
    return all(
        any(running["alias"] == "champion" for version in model["versions"] for running in version["running_on"])
        for model in models["items"]
    )


async def until(
    client: httpx2.AsyncClient, path: Callable[[], str], wanted: Callable[[dict[str, Any]], Found | None]
) -> Found:
    """Ask the API again and again until something wanted is in the answer."""
    while True:
        with contextlib.suppress(httpx2.HTTPError):
            response = await client.get(path())
            if response.is_success and (found := wanted(response.json())):
                return found
        await asyncio.sleep(0.2)


async def run_demo(settings: Settings, tell: Tell, *, fresh: bool) -> None:
    """`millrace demo`, until Ctrl-C or SIGTERM. With `fresh`, what earlier demos left in MILLRACE_HOME is removed."""
    if fresh:
        forget(settings.home)
    await Demo(settings, tell).run()
