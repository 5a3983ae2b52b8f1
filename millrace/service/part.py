"""One child process of the supervisor: launch ─► ready ─► ended (and launched again) ─► stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from schemas import MillraceError

STOP_TIMEOUT_S = 6.0  # with the broker's own stop within the 10 s that are promised
MOST_LOG_BYTES = 20_000_000  # of a log file, and of the one before it
LONG_ENOUGH_S = 60.0  # a part that lived this long starts with a fresh back-off


class StartError(MillraceError):
    title = "The service did not start"


@dataclass
class Part:
    """`millrace <arguments>` as a child with a log file of its own.

    `ready_url` answers 200, with `ready_text` in the answer, once the part serves.
    """

    name: str
    arguments: list[str]
    log: Path
    ready_url: str
    ready_text: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    is_ready: bool = False
    started: float = 0.0
    log_start: int = 0  # where the words of this launch begin
    backoff_s: float = 1.0

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.returncode is not None

    async def launch(self) -> None:
        with self.log.open("ab") as log:
            self.log_start = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "millrace", *self.arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | self.environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which ends the parts in order
                preexec_fn=_die_with_parent,
            )  # fmt: skip
        self.started, self.is_ready = time.monotonic(), False

    async def check_ready(self, client: httpx2.AsyncClient) -> None:
        """Ask whether the part serves.

        Raises:
            StartError: it has ended instead; with the end of its log.
        """
        if self.has_ended:
            assert self.process is not None
            raise StartError(f"{self.name} ended with {self.process.returncode}.{self.last_words()}")
        try:
            response = await client.get(self.ready_url)
        except httpx2.HTTPError:
            return
        self.is_ready = response.status_code == httpx2.codes.OK and self.ready_text in response.text

    def next_backoff(self) -> float:
        """Seconds to wait before the next launch: 1, 2, 4, ... 30."""
        if time.monotonic() - self.started > LONG_ENOUGH_S:
            self.backoff_s = 1.0
        wait_s, self.backoff_s = self.backoff_s, min(2 * self.backoff_s, 30.0)
        return wait_s

    def bound_log(self) -> None:
        """Move what is in a log that has grown too long to `<name>.log.1`, whose own content goes.

        The child goes on writing: the file is open for appending, so it begins again at 0.
        """
        try:
            if self.log.stat().st_size > MOST_LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_name(f"{self.log.name}.1"))
                os.truncate(self.log, 0)
                self.log_start = 0
        except OSError:  # gone, or the disk is full: no reason to end anything
            with contextlib.suppress(OSError):
                self.log.touch()

    async def stop(self) -> bool:
        """SIGTERM, and SIGKILL when that is not obeyed in time. Returns whether it ended by itself."""
        if self.process is None or self.has_ended:
            return True
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            return False
        return True

    def last_words(self) -> str:
        try:
            content = self.log.read_bytes()
        except OSError as error:
            return f" {self.log} cannot be read: {error.strerror}."
        lines = content[self.log_start :].decode(errors="replace").splitlines()[-15:]
        return "\n".join([f" The end of {self.log}:", *lines])


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: no orphans, however the supervisor ends
