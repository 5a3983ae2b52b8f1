"""Worker processes of one installation, as an operator starts them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable

from schemas import Settings

TIMEOUT_S = 90.0


class Workers:
    """Worker processes of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.log = settings, settings.home / "workers.log"
        self.environment = os.environ | {
            f"MILLRACE_{name.upper()}": str(getattr(settings, name)) for name in settings.model_fields_set
        }
        self.environment["MILLRACE_SESSION_TIMEOUT_S"] = "6"  # the least that Kafka allows
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, role: str, **more: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "millrace", "worker", "--role", role]
            worker = subprocess.Popen(command, env=self.environment | more, stdout=log, stderr=log)
        self.running.append(worker)
        return worker

    def end(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.wait()

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {TIMEOUT_S} s\n{self.log.read_text()[-6000:]}"
            await asyncio.sleep(0.05)
