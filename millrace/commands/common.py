"""What all commands share: settings, where Kafka is, and how results and errors are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from schemas import MillraceError, Settings, UnavailableError, load_settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
PIPE_WIDTH = 240  # off a terminal nothing is cut to 80 columns


def connected_settings() -> Settings:
    """Settings with an address of Kafka: MILLRACE_KAFKA, or the embedded one that runs in MILLRACE_HOME.

    Raises:
        SettingsError: a variable cannot be used.
        UnavailableError: neither is there.
    """
    settings = with_kafka_of_home(load_settings())
    if not settings.kafka:
        raise UnavailableError(
            f"MILLRACE_KAFKA is empty and no embedded Kafka runs in {settings.home.absolute()}.",
            "Start the service with `millrace up`; or set MILLRACE_KAFKA=host:port, or MILLRACE_HOME to the folder of "
            "a running service.",
        )
    return settings


def with_kafka_of_home(settings: Settings) -> Settings:
    """With the address of the embedded Kafka that runs in MILLRACE_HOME, where MILLRACE_KAFKA names none."""
    if settings.kafka:
        return settings
    from millrace.kafka import running_broker

    return settings.model_copy(update={"kafka": running_broker(settings.home / "kafka") or ""})


def tell(text: str) -> None:
    """A line on stdout, seen at once even through a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell_error_line(text: str) -> None:
    """A line on stderr, beside what goes to scripts."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def tell_json(value: Any) -> None:
    tell(json.dumps(value, indent=2, default=str))


def tell_table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: bool = False) -> None:
    """A table on stdout; with `numbers`, all columns but the first are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and place else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=PIPE_WIDTH)
    console.print(table)


def tell_error(error: MillraceError) -> None:
    """Title, detail and advice on stderr."""
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    console.print(error.title, style="bold red")
    console.print(error.detail)
    if error.advice:
        console.print(error.advice, style="green")
