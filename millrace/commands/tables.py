"""`millrace validate`, and how the files of `replay`, `train` and `validate` are described on the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.common import Json, tell, tell_error_line, tell_json
from schemas import load_settings

if TYPE_CHECKING:
    from millrace.events import EventFile, Read, Validation

Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=Column,...",
        help="Which column is what: time=Timestamp,asset_id=Machine,asset_class='pump'; sensor=,value= of long tables; "
        "kind.failure=Ausfall for a word; component= where no column is it; time=now; @FILE for a saved mapping. "
        "The rest is guessed.",
    ),
]
Zone = Annotated[str, typer.Option("--zone", help="Of times that name none, such as Europe/Berlin; else UTC.")]
TimeFormat = Annotated[str, typer.Option("--time-format", help="As strptime has it, where it cannot be guessed.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that are no events, and count them.")]


def described(file: Path | str, topic: str | None, said: list[str] | None, zone: str, time_format: str) -> EventFile:
    """A file as its options describe it. A zone or format alone is added to what is saved beside the file."""
    from millrace.events import EventFile
    from millrace.tables import mapping_file_of, parse_mapping

    texts = list(said or [])
    saved = mapping_file_of(Path(file))
    if not texts and (zone or time_format) and saved.is_file():
        texts = [f"@{saved}"]
    return EventFile(Path(file), topic, parse_mapping(texts, topic, zone, time_format))


def tell_layouts(sources: Iterable[EventFile]) -> None:
    """How each table among them is read, a line on stderr."""
    from millrace.events import layout_of_file

    for source in sources:
        if (layout := layout_of_file(source)) is not None:
            tell_error_line(f"{source.file} is read as {layout.topic}: {'; '.join(layout.lines())}")


class Skipped:
    """Counts the rows that `--skip-bad` leaves out, and tells the first of each file."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, source: EventFile, read: Read) -> None:
        name = str(source.file)
        if not self.counts[name]:
            tell_error_line(f"{name}, line {read.number} is left out: {read.why}")
        self.counts[name] += 1

    def tell(self) -> None:
        for name, count in self.counts.items():
            tell_error_line(f"{name}: {count:,} rows that are no events were left out")


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, Parquet or JSON Lines; .gz, .zst.")],
    topic: Annotated[str | None, typer.Option(help="Of the events, such as telemetry.v1; else guessed.")] = None,
    said: Map = None,
    zone: Zone = "",
    time_format: TimeFormat = "",
    save: Annotated[bool, typer.Option("--save", help="Keep --map and --zone in FILE.map.toml for later.")] = False,
    as_json: Json = False,
) -> None:
    """Read files as `replay` and `train` would, and say what is in them: PASS, WARN or FAIL for each rule, with rows.

    FAIL: such rows would be dead letters. Nothing is sent. Exit status 1 if anything fails.
    """
    from millrace.events import Validation, layout_of_file, read_file
    from millrace.tables import mapping_file_of

    has_passed, found = True, []
    for file in files:
        source = described(file, topic, said, zone, time_format)
        layout, validation = layout_of_file(source), Validation(load_settings())
        for read in read_file(source):
            validation.take(read)
        lines = layout.lines() if layout is not None else ["our own events: nothing to map"]
        if save and layout is not None:
            mapping_file_of(file).write_text(source.said().text(), encoding="utf-8")
        has_passed &= validation.has_passed
        found.append({"file": str(file), "columns": lines, **validation.as_json()})
        if not as_json:
            _tell(file, lines, validation, mapping_file_of(file) if save and layout is not None else None)
    if as_json:
        tell_json(found)
    if not has_passed:
        raise typer.Exit(1)


def _served() -> set[str]:
    """Names of the models that have a champion in this MILLRACE_HOME."""
    from models.registry import ModelStore

    aliases = ModelStore(load_settings().home / "models").aliases().models
    return {name for name, of in aliases.items() if "champion" in of}


def _tell(file: Path, lines: list[str], validation: Validation, saved: Path | None) -> None:
    events = ", ".join(f"{count:,} for {topic}" for topic, count in validation.events.items()) or "none"
    tell(f"{file}: events: {events}")
    for line in lines:
        tell(f"  {line}")
    for rule in validation.rules:
        tell(f"{rule.verdict}  {rule.title}{f': {rule.broken:,} times' if rule.broken else ''}")
        for example in rule.examples:
            tell(f"      {example}")
    for fact in validation.facts():
        tell(fact)
    for name in sorted(validation.classes.keys() - _served()):
        tell(
            f"{name}: no model serves this class here yet. A history to train from needs none; what is sent before one "
            "serves is kept and shown, and has no score"
        )
    if saved is not None:
        tell(f"Saved: {saved}; `replay` and `train` read it, and --map @{saved} reads it for other files.")
