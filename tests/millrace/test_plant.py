"""docs/plant.md, followed to the letter: a plant's CSV becomes an alert that the API serves."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import numpy as np
import pytest

from millrace.kafka import free_port
from schemas import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.long]
PAGE = (Path(__file__).parents[2] / "docs" / "plant.md").read_text()
HEAD = re.search(r"^Zeitstempel.*$", PAGE, re.MULTILINE)[0]  # type: ignore[index]
LOG_HEAD = re.search(r"^Datum.*$", PAGE, re.MULTILINE)[0]  # type: ignore[index]
START = datetime(2026, 1, 5, 6, 0)
Rows = list[tuple[datetime, str]]


def reading(random: np.random.Generator, at: datetime, machine: str, kind: str, wear: float) -> str:
    """A row of the table; one cell in fifty is empty or no number."""
    speed, bend = float(random.choice([1000, 1480])), wear**1.5
    values = [
        40 + speed / 100 + 12 * bend + random.normal(0, 1), 2 + 4 * bend + random.normal(0, 0.3),
        6 - 2 * bend + random.normal(0, 0.3), 98 + random.normal(0, 1), 7.0, speed,
    ]  # fmt: skip
    cells = [f"{value:.2f}".replace(".", ",") for value in values]
    if random.random() < 0.05:
        cells[random.integers(3)] = str(random.choice(["", "n/a"]))
    return ";".join([f"{at:%d.%m.%Y %H:%M:%S}", machine, kind, *cells, "Müller"])


def life(random: np.random.Generator, machine: str, kind: str, begin: datetime, until: float = 1.0) -> Rows:
    """About a hundred hours at irregular times, with a gap, up to a share of the life."""
    hours, at, rows = float(random.uniform(75, 130)), 0.0, []
    gap = random.uniform(0.2, 0.6) * hours
    while at < hours * until:
        rows.append(
            (begin + timedelta(hours=at), reading(random, begin + timedelta(hours=at), machine, kind, at / hours))
        )
        at += random.uniform(0.6, 1.5)
        if gap is not None and at > gap:
            at, gap = at + 4, float("inf")
    return [*rows, (begin + timedelta(hours=hours), "")]


def write_plant(folder: Path) -> None:
    """The files of the page: machines with three lives each, and today's, of which one wears out."""
    random = np.random.default_rng(5)
    history: Rows = []
    log: Rows = []
    for kind in ("pump", "fan"):
        for number in range(1, 7):
            machine, begin = f"{kind[0].upper()} {number}", START
            for _ in range(3):
                *rows, (end, _) = life(random, machine, kind, begin)
                history += rows
                begin = end + timedelta(minutes=40)
                log.append((end, f"{end:%d.%m.%Y %H:%M:%S};{machine};{kind};Ausfall"))
                log.append((begin, f"{begin:%d.%m.%Y %H:%M:%S};{machine};{kind};Getauscht"))
    late = START + timedelta(days=60)
    today = life(random, "P 77", "pump", late, 0.97)[:-1] + life(random, "F 78", "fan", late, 0.3)[:-1]
    for name, head, rows in (("history", HEAD, history), ("log", LOG_HEAD, log), ("today", HEAD, today)):
        text = "\n".join([head, *(row for _, row in sorted(rows))]) + "\n"
        (folder / f"{name}.csv").write_bytes(text.encode("latin-1"))
    pump = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]  # type: ignore[index]
    (folder / "pump.toml").write_text(pump)
    (folder / "fan.toml").write_text(pump.replace('"pump"', '"fan"'))


def commands() -> list[list[str]]:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert {line.split()[0] for line in lines} == {".venv/bin/millrace"}, "as the README calls it"
    found = [shlex.split(line)[1:] for line in lines]
    assert len(found) == 5, "five commands, as the page says"
    return found


@contextmanager
def running(arguments: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "millrace", *arguments], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_five_commands_from_a_csv_to_an_alert(settings: Settings, tmp_path: Path) -> None:
    write_plant(tmp_path)
    port = free_port()
    environment = os.environ | {
        "MILLRACE_HOME": str(tmp_path / "home"), "MILLRACE_KAFKA": settings.kafka,
        "MILLRACE_TOPIC_PREFIX": settings.topic_prefix, "MILLRACE_ALLOW_UNSIGNED_MODELS": "true",
        "MILLRACE_PARTITIONS": "2",
    }  # fmt: skip
    before, told = dict(environment), []
    del before["MILLRACE_KAFKA"]  # as on a machine where nothing runs yet
    *first, up, replay = commands()
    for arguments in first:
        done = subprocess.run(
            [sys.executable, "-m", "millrace", *arguments],
            cwd=tmp_path, env=before, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        told.append(done.stdout)
    assert "Temp. Lager A [°C]: in" in told[0]
    assert "18 failures of whole assets" in told[1]
    with (
        running([*up, "--port", str(port)], tmp_path, environment),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        ready = tmp_path / "home" / "run.json"
        until(lambda: ready.exists() and '"ready": true' in ready.read_text(), tmp_path)
        sent = [sys.executable, "-m", "millrace", *replay, "--json"]
        subprocess.run(sent, cwd=tmp_path, env=environment, check=True, capture_output=True)
        alerts: list[dict[str, object]] = []

        def served() -> bool:
            alerts[:] = client.get("/v1/alerts").json()["items"]
            return bool(alerts)

        until(served, tmp_path)
        assert {alert["asset_id"] for alert in alerts} == {"P 77"}
        assert "models list" in (tmp_path / "up.log").read_text(), "it says what to try next"
        assert client.get("/v1/assets/P%2077").json()["asset_class"] == "pump"


def until(holds: object, folder: Path) -> None:
    deadline = time.monotonic() + 240
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, (folder / "up.log").read_text()
        time.sleep(0.1)
