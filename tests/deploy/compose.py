"""What docker-compose.yml says, as processes of this machine: the same commands, environment, order and health checks.

services ─► by their dependencies ─► image of Kafka, of PostgreSQL: those of the tests │ ours: `millrace <command>`

Names of hosts and ports of containers become 127.0.0.1 and free ports, folders of volumes folders of the test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from millrace.kafka import Broker, free_port
from millrace.kafka import broker as broker_module
from tests.support.postgres import Postgres

ROOT = Path(__file__).parents[2]
OF_IMAGES = ("KAFKA_NODE_ID", "KAFKA_LOG_DIRS", "KAFKA_CONTROLLER_QUORUM_VOTERS")  # our broker sets them for its folder


class Stack:
    """The services without a profile, started by `up`."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder, self.postgres = folder, postgres
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        self.services: dict[str, dict[str, Any]] = {
            name: service for name, service in compose["services"].items() if "profiles" not in service
        }
        self.secrets = {f"/run/secrets/{name}": folder / name for name in compose["secrets"]}
        for place in self.secrets.values():
            place.write_text((ROOT / "deploy" / place.name).read_text())
        self.ports: dict[tuple[str, str], int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started: list[str] = []

    def port(self, service: str, inside: str) -> int:
        """The port here for a port of a container; other services of the same port have other ones."""
        return self.ports.setdefault((service, inside), free_port())

    @contextmanager
    def up(self) -> Iterator[Stack]:
        with ExitStack() as stack:
            stack.callback(self._end)
            waiting = dict(self.services)
            while waiting:
                ready = [name for name, one in waiting.items() if waiting.keys().isdisjoint(one.get("depends_on", {}))]
                assert ready, f"in a circle: {sorted(waiting)}"
                for name in ready:
                    self._wait(waiting.pop(name).get("depends_on", {}))
                    self._start(name, stack)
                    self.started.append(name)
            for name, service in self.services.items():
                if "healthcheck" in service:
                    self._until_healthy(name)
            yield self

    # -- a service

    def _start(self, name: str, stack: ExitStack) -> None:
        service = self.services[name]
        if name == "kafka":
            stack.enter_context(self._kafka(service["environment"]))
        elif name == "postgres":
            database, user = service["environment"]["POSTGRES_DB"], service["environment"]["POSTGRES_USER"]
            assert user == "millrace", "as the tests' own server has it"
            self.postgres.execute(f"drop database if exists {database}")
            self.postgres.execute(f"create database {database}")
            stack.callback(self.postgres.execute, f"drop database {database} with (force)")
        else:
            self.processes[name] = self.run(name, service["command"])

    def run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """`millrace <command>` with the environment of a service."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "millrace", *command],
                env=self.environment(name), cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip

    def environment(self, name: str) -> dict[str, str]:
        own = {variable: value for variable, value in os.environ.items() if not variable.startswith("MILLRACE_")}
        return own | {key: self._here(name, value) for key, value in self.services[name]["environment"].items()}

    def _here(self, name: str, text: str) -> str:
        text = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text)  # as Compose does where nothing is set
        text = re.sub(r"^postgresql\+psycopg://.*/(\w+)$", lambda m: self.postgres.url(m[1]), text)
        text = text.replace("kafka:9092", f"127.0.0.1:{self.port('kafka', '9092')}").replace("0.0.0.0", "127.0.0.1")
        if text.startswith("/"):
            return str(self.secrets.get(text, self.folder / Path(text).name))
        return str(self.port(name, text)) if re.fullmatch(r"\d{4,5}", text) else text

    @contextmanager
    def _kafka(self, environment: dict[str, Any]) -> Iterator[None]:
        """The settings of the image are those of Kafka, KAFKA_LOG_DIRS for log.dirs."""
        plain = broker_module.broker_properties
        broker = Broker(self.folder / "kafka", port=self.port("kafka", "9092"))

        def here(match: re.Match[str]) -> str:
            return f"//127.0.0.1:{self.port('kafka', match[1])}"

        def properties(node: int, port: int, controller_port: int, data: Path) -> dict[str, object]:
            self.ports["kafka", "9093"] = controller_port
            said = {
                key.removeprefix("KAFKA_").lower().replace("_", "."): re.sub(r"//[\w.]*:(\d+)", here, str(value))
                for key, value in environment.items()
                if key not in OF_IMAGES
            }
            return plain(node, port, controller_port, data) | said

        broker_module.broker_properties = properties
        try:
            broker.start()
        finally:
            broker_module.broker_properties = plain
        try:
            yield
        finally:
            broker.stop()

    # -- waiting

    def _wait(self, needs: dict[str, dict[str, str]]) -> None:
        for need, condition in needs.items():
            if condition["condition"] == "service_completed_successfully":
                assert self.processes[need].wait(120) == 0, self.log(need)
            else:
                assert condition["condition"] == "service_healthy"
                self._until_healthy(need)

    def _until_healthy(self, name: str) -> None:
        check = self.services[name]["healthcheck"]
        times = {key: float(check.get(key, "0s").removesuffix("s")) for key in ("interval", "start_period", "timeout")}
        limit_s = times["start_period"] + check["retries"] * (times["interval"] + times["timeout"])
        what = f"{name} is not healthy within {limit_s} s\n"
        until(lambda: self._is_healthy(name, check["test"]), limit_s, lambda: what + self.log(name))

    def _is_healthy(self, name: str, test: list[str]) -> bool:
        if name not in self.processes:  # Broker and Postgres have waited until they answer
            return name in self.started
        kind, program, *arguments = test
        assert (kind, program) == ("CMD", "python")
        arguments = [re.sub(r":(\d{4,5})/", lambda m: f":{self.port(name, m[1])}/", argument) for argument in arguments]
        assert self.processes[name].poll() is None, self.log(name)
        return subprocess.run([sys.executable, *arguments], capture_output=True, check=False).returncode == 0

    def log(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text()[-4000:] if file.exists() else ""

    def _end(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            process.wait(15)  # stop_grace_period


def until(holds: Callable[[], bool], limit_s: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)
