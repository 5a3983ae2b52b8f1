"""Commands that start and check the service: demo, up, broker, worker, api, db, doctor."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Annotated, Literal

import typer

from millrace.commands.common import Json, connected_settings, tell, tell_json, tell_table, with_kafka_of_home
from millrace.logs import configure_logs
from schemas import MillraceError, SettingsError, load_settings

WATCH_S = 0.5
database = typer.Typer(name="db", help="The database.", no_args_is_help=True)


class DoctorError(MillraceError):
    title = "Not all is well"


def add_to(app: typer.Typer) -> None:
    for command in (demo, up, broker, worker, api):
        app.command()(command)
    app.command("api-key")(api_key)
    app.add_typer(database)
    app.command()(doctor)


def demo(
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier demos left in MILLRACE_HOME.")] = False,
) -> None:
    """Everything from nothing: Kafka, a simulated shop and plant, training, workers, API. Ctrl-C ends it."""
    from millrace.demo import run_demo

    asyncio.run(run_demo(load_settings(), tell, fresh=fresh))


def up(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Of the API, else MILLRACE_API_PORT.")] = None,
) -> None:
    """The service: Kafka unless MILLRACE_KAFKA names one, topics, database, workers, API. Ctrl-C ends it."""
    from millrace.service import run_up

    settings = load_settings()
    if port is not None:
        settings = settings.model_copy(update={"api_port": port})
    asyncio.run(run_up(settings, tell))


def broker() -> None:
    """The embedded Kafka alone, in the foreground. Ctrl-C ends it; its data stay in MILLRACE_HOME/kafka."""
    from millrace.kafka import Broker

    settings = load_settings()
    if settings.kafka:
        raise SettingsError(
            f"MILLRACE_KAFKA={settings.kafka} names an existing Kafka, so the embedded one is not wanted.",
            "Unset MILLRACE_KAFKA to start the embedded one.",
        )
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with Broker(settings.home / "kafka", settings.kafka_port, settings.kafka_jars) as running:
        tell(f"Kafka is ready on {running.bootstrap}, for this machine only")
        tell(f"Data and log  {running.folder}")
        while not stopping.wait(WATCH_S):
            running.check()
        tell("Stopping.")


def worker(
    role: Annotated[
        Literal["edge", "sink", "notify"],
        typer.Option(help="edge decides, sink writes to the database, notify tells people of alerts"),
    ],
) -> None:
    """One worker process. SIGTERM or Ctrl-C ends it within 10 s, with all finished work saved."""
    if role == "notify":
        _run_notify()
        return
    from streams.app import run_role

    settings = connected_settings()
    configure_logs(settings.log_level)
    run_role(role, settings)


def _run_notify() -> None:
    """Of Kafka it needs nothing: what happened is in the database."""
    from notify import run_notify

    settings = load_settings()
    configure_logs(settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    run_notify(settings, stopping)


def api() -> None:
    """One API server. Kafka is that of MILLRACE_KAFKA, else the one that runs in MILLRACE_HOME, if any; without one it
    reads, and takes no events. SIGTERM or Ctrl-C ends it."""
    from api import serve
    from console import install

    settings = with_kafka_of_home(load_settings())
    configure_logs(settings.log_level)
    publisher = keeper = None
    if settings.kafka:
        from millrace.events import KafkaPublisher
        from millrace.promotion import HomeKeeper

        publisher, keeper = KafkaPublisher(settings), HomeKeeper(settings)
    address = f"http://{settings.api_host}"
    serve(settings, lambda port: tell(f"The API answers on {address}:{port}/"), publisher, install, keeper)


def api_key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        Literal["read", "write", "operate", "admin"],
        typer.Option(help="write sends events, operate reads and acknowledges alerts"),
    ] = "read",
) -> None:
    """Make an API key: its hash goes into MILLRACE_API_KEYS_FILE, the key itself is shown this once."""
    from api import make_key

    file = load_settings().api_keys_file
    if file is None:
        raise SettingsError("MILLRACE_API_KEYS_FILE names no file for the key.", "Set it to a file; it may be new.")
    tell(make_key(file, name, scope))


@database.callback()
def _group() -> None:
    """Typer takes a group of one command for the command itself, unless the group has a function."""


@database.command("upgrade")
def upgrade() -> None:
    """Bring the tables to the newest revision; does nothing when they are."""
    import storage

    url = load_settings().database()
    storage.upgrade(url)
    tell("The database is at the newest revision.")


def doctor(as_json: Json = False) -> None:
    """Check this machine and everything that the service needs, each with the cure."""
    from millrace.service import examine

    findings = asyncio.run(examine(load_settings()))
    if as_json:
        tell_json([{"check": f.check, "state": f.state, "detail": f.detail, "cure": f.cure} for f in findings])
    else:
        tell_table(["", "check", "found"], [(f.state, f.check, f.detail) for f in findings])
        for finding in findings:
            if finding.cure:
                tell(f"{finding.check}: {finding.cure}")
    if failed := [f.check for f in findings if f.state == "failed"]:
        raise DoctorError(f"Failed: {', '.join(failed)}.", "" if as_json else "The cures are above.")
