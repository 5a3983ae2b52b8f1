"""`millrace`: the command line. Exit status 0: done, 1: failed, 2: wrong usage.

arguments ─► command ─► the room that does it ─► result on stdout, or title, detail and advice of the error on stderr
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from itertools import takewhile
from typing import Annotated

import typer

from millrace.commands import bench, events, models, notify, send, service, tables, tell, tell_error, trace, train
from millrace.logs import silence_logs
from schemas import MillraceError


class UnforeseenError(MillraceError):
    title = "Millrace failed in a way that it should not"


app = typer.Typer(
    name="millrace",
    help="Events in, decisions out: recommendations and predictive maintenance on Kafka.",
    epilog="Settings are environment variables MILLRACE_*: see docs/reference.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        tell(version("millrace"))
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    if not debug:
        silence_logs()


service.add_to(app)
app.add_typer(events.topics)
app.add_typer(send.app)
events.add_to(app)
app.command()(tables.validate)
app.add_typer(train.app)
app.add_typer(models.app)
app.add_typer(events.deadletters)
app.add_typer(notify.app)
trace.add_to(app)
bench.add_to(app)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    is_debugged = "--debug" in takewhile(lambda argument: argument.startswith("-"), arguments)
    try:
        app(args=list(arguments), prog_name="millrace")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except Exception as error:
        if is_debugged:
            raise
        tell_error(error if isinstance(error, MillraceError) else _unforeseen(error))
        return 1
    return 0


def _unforeseen(error: Exception) -> UnforeseenError:
    return UnforeseenError(
        f"{type(error).__name__}: {error}.", "Run the same with `millrace --debug ...` and report what it shows."
    )


def main() -> None:
    sys.exit(run(sys.argv[1:]))
