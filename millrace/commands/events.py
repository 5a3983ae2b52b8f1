"""Commands on topics and events: topics, replay, deadletters."""

from __future__ import annotations

import asyncio
import getpass
import signal
from collections.abc import Coroutine
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from millrace.commands.common import Json, connected_settings, tell, tell_json, tell_table
from millrace.commands.tables import Map, SkipBad, Skipped, TimeFormat, Zone, described, tell_layouts
from schemas import INPUTS, NOBODY, MillraceError, ReplayBody, dead_letters_of, text_of

if TYPE_CHECKING:
    from millrace.events import Replay, ReplayResult

topics = typer.Typer(name="topics", help="The topics on Kafka.", no_args_is_help=True)
deadletters = typer.Typer(name="deadletters", help="Quarantined input events.", no_args_is_help=True)
Topic = Annotated[str, typer.Argument(help="An input topic: telemetry.v1, telemetry.v1.dlq or telemetry.")]
SHOWN_REASON = 160


class StoppedError(MillraceError):
    title = "Not all events were sent"


def add_to(app: typer.Typer) -> None:
    app.command()(replay)


@topics.command("apply")
def apply(as_json: Json = False) -> None:
    """Create what is missing and bring settings in line; refuses to change the partitions of what exists."""
    from streams.kafka import apply_topics

    changes = asyncio.run(apply_topics(connected_settings()))
    if as_json:
        tell_json([asdict(change) for change in changes])
    elif changes:
        tell_table(["topic", "", ""], [(change.topic, change.action, change.detail) for change in changes])
    else:
        tell("All topics are as they should be.")


@topics.command("list")
def show(as_json: Json = False) -> None:
    """The topics of the contract and how they differ on the broker, if they do."""
    from streams.kafka import list_topics

    found = asyncio.run(list_topics(connected_settings()))
    if as_json:
        tell_json([asdict(status) for status in found])
        return
    tell_table(
        ["topic", "key", "partitions", "replicas", "is", "purpose"],
        [(s.topic, s.key, s.partitions, s.replication, s.difference or "as it should be", s.purpose) for s in found],
    )


def replay(
    files: Annotated[
        list[str], typer.Argument(metavar="TOPIC FILE...", help="Pairs; or one FILE whose rows tell what they are.")
    ],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events a second.")] = None,
    speed: Annotated[float | None, typer.Option(min=0.000001, help="Times as fast as they happened.")] = None,
    at_once: Annotated[bool, typer.Option("--max", help="As fast as Kafka takes them; the default.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="From the beginning, not from where it ended.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Send lines as they are, without a look at the schema.")] = False,
    said: Map = None,
    zone: Zone = "",
    time_format: TimeFormat = "",
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Push events from CSV, Parquet or JSON Lines files (.gz, .zst), several merged by event time.

    `millrace validate FILE` shows first how a table is read. Run again after an interruption, it goes on where it
    ended.
    """
    from millrace.events import Pace, Replay

    if sum([rate is not None, speed is not None, at_once]) > 1:
        raise typer.BadParameter("is one of --rate, --speed and --max", param_hint="pace")
    sources = [described(file, topic, said, zone, time_format) for topic, file in _pairs(files)]
    if not raw:
        tell_layouts(sources)
    skipped_rows = Skipped()
    skip = skipped_rows if skip_bad else None
    work = Replay(connected_settings(), sources, Pace(rate, speed), is_checked=not raw, skip=skip)
    done = asyncio.run(_with_progress(work, restart=restart))
    skipped_rows.tell()
    if as_json:
        tell_json(asdict(done))
        return
    skipped = f" ({done.skipped:,} had been sent before; --restart sends them again)" if done.skipped else ""
    tell(f"{done.sent:,} events in {done.seconds:.1f} s, {done.sent / max(done.seconds, 1e-9):,.0f} a second{skipped}")


async def _with_progress(work: Replay, *, restart: bool) -> ReplayResult:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.fields[sent]:,} events"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=sum(source.file.stat().st_size for source in work.sources), sent=0)
        work.report = lambda read: progress.update(task, advance=read, sent=work.sent)
        try:
            return await _until_signal(work.run(restart=restart))
        except asyncio.CancelledError:
            again = "Run the same command again: it goes on from there."
            raise StoppedError(f"A signal ended the replay after {work.sent:,} events of this run.", again) from None
        finally:
            progress.update(task, sent=work.sent)


async def _until_signal(work: Coroutine[Any, Any, ReplayResult]) -> ReplayResult:
    """Ctrl-C and SIGTERM cancel the work, which then saves its position."""
    running = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    return await running


def _pairs(files: list[str]) -> list[tuple[str | None, str]]:
    """Topic and file of each; of one FILE alone no topic."""
    if len(files) == 1:
        return [(None, files[0])]
    if len(files) % 2:
        raise typer.BadParameter("are pairs of TOPIC and FILE, or one FILE", param_hint="arguments")
    if wrong := [topic for topic in files[::2] if topic not in INPUTS]:
        raise typer.BadParameter(
            f"are pairs of TOPIC and FILE, or one FILE whose rows tell what they are; {wrong[0]!r} stands where a "
            f"topic is to stand, one of {', '.join(INPUTS)}", param_hint="arguments",
        )  # fmt: skip
    return list(zip(files[::2], files[1::2], strict=True))


@deadletters.command("list")
def list_(
    topic: Topic,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """What is quarantined, and why; the newest last."""
    from streams.quarantine import input_topic, list_letters

    topic = input_topic(topic)
    letters = asyncio.run(list_letters(connected_settings(), topic))
    if as_json:
        tell_json([asdict(letter) for letter in letters[-limit:]])
        return
    if letters:
        tell_table(
            ["quarantined", "was at", f"on {dead_letters_of(topic)}", "key", "bytes", "put back", "reason", "value"],
            [
                (
                    letter.quarantined_at, f"{letter.partition}:{letter.offset}",
                    f"{letter.quarantine_partition}/{letter.quarantine_offset}", letter.key, letter.bytes,
                    "yes" if letter.is_replayed else "", _short(letter.reason), _short(letter.excerpt),
                )
                for letter in letters[-limit:]
            ],
        )  # fmt: skip
    still_there = sum(not letter.is_replayed for letter in letters)
    tell(f"{len(letters):,} dead letters of {topic}, {still_there:,} not put back")
    if letters:
        tell(f"/v1/dead-letters/{topic}/PARTITION/OFFSET of the API takes the place on {dead_letters_of(topic)}")


@deadletters.command("replay")
def replay_letters(
    topic: Topic,
    reason: Annotated[
        str | None, typer.Option(help="Only those of this reason; quoted values and numbers in it do not count.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, help="Of the quarantine, with --offset: only this one.")
    ] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="Of the quarantine, with --partition.")] = None,
    by: Annotated[str | None, typer.Option(help="Who does it; none: the user of this machine.")] = None,
    as_json: Json = False,
) -> None:
    """Put the letters back onto their topic, each once; those that still cannot be handled come back as new ones."""
    from streams.quarantine import input_topic, replay_letters

    topic = input_topic(topic)
    try:
        asked = ReplayBody(topic=topic, reason=reason, partition=partition, offset=offset, by=by or getpass.getuser())
    except ValidationError as error:
        raise typer.BadParameter(text_of(error), param_hint="--reason, --partition, --offset") from None
    done = asyncio.run(replay_letters(connected_settings(), topic, asked.letters, asked.by or NOBODY))
    if as_json:
        tell_json(asdict(done))
        return
    cut = f"; {done.truncated:,} were too large for the quarantine to hold and stay there" if done.truncated else ""
    gone = f"; {done.deleted:,} were deleted by retention before they were put back" if done.deleted else ""
    tell(f"{done.sent:,} put back onto {topic}{cut}{gone}")


def _short(text: str) -> str:
    line = text.strip().splitlines()[-1] if text.strip() else ""
    return line if len(line) <= SHOWN_REASON else line[: SHOWN_REASON - 1] + "…"
