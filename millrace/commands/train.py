"""`millrace train`: models from files of events, or from what the topics hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.common import connected_settings, tell, tell_error_line
from millrace.commands.fitness import complaints_of, said_of
from millrace.commands.models import publish_and_promote, where_kafka_is
from millrace.commands.progress import Stages
from millrace.commands.tables import Map, SkipBad, Skipped, TimeFormat, Zone, described, tell_layouts
from schemas import (
    CLICKS,
    ITEMS,
    MAINTENANCE,
    TELEMETRY,
    AssetClass,
    InputEvent,
    Manifest,
    MillraceError,
    SettingsError,
    load_settings,
    parse_asset_class,
)

if TYPE_CHECKING:
    from millrace.events import EventFile
    from models.registry import ModelStore

app = typer.Typer(name="train", help="Models from events: files, or what the topics hold.", no_args_is_help=True)
BATCH = 1000
LEAST_LIVES = 3  # that training needs
MOST_SHOWN = 8
Files = Annotated[list[Path] | None, typer.Argument(help="Clicks and items: CSV, Parquet or JSON Lines.")]
Events = Annotated[list[Path] | None, typer.Option(help="Telemetry and maintenance log, as files; may be repeated.")]
Classes = Annotated[list[Path], typer.Argument(help="TOML files of asset classes; several share one forest.")]
FromTopics = Annotated[bool, typer.Option("--from-topics", help="Learn from what the topics hold.")]
Promote = Annotated[bool, typer.Option("--promote", help="Make the new version the champion.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Promote it even where it was found to be poor.")]
HeldOut = Annotated[
    Path | None, typer.Option(help="Hold rows out and write them to this Parquet file, for `models optimise`.")
]
Until = Annotated[datetime | None, typer.Option(help="Learn from events before this time only (UTC).")]


@app.command()
def recommender(
    files: Files = None,
    profile: Annotated[str, typer.Option(help="`shop`, `portal` or a TOML file.")] = "",
    from_topics: FromTopics = False,
    until: Until = None,
    promote: Promote = False,
    anyway: Anyway = False,
    held_out: HeldOut = None,
    said: Map = None,
    zone: Zone = "",
    time_format: TimeFormat = "",
    skip_bad: SkipBad = False,
) -> None:
    """Train the recommender on clicks and items. Nothing serves it until it is promoted."""
    from models.recommender.training import train
    from schemas import RECOMMENDER
    from streams.app import read_profile

    chosen = read_profile(profile or load_settings().profile)
    sources = [described(file, None, said, zone, time_format) for file in files or []]
    tell_layouts(sources)
    with Stages() as stages:
        history = HistoryFiles(sources, (CLICKS, ITEMS), from_topics, until, skip_bad)
        events = history.batches()
        manifest = train(events, chosen, _store(), RECOMMENDER, progress=stages.count, held_out=held_out)  # type: ignore[arg-type]
    _finish([manifest], promote, anyway)


@app.command()
def maintenance(
    classes: Classes,
    events: Events = None,
    from_topics: FromTopics = False,
    until: Until = None,
    promote: Promote = False,
    anyway: Anyway = False,
    held_out: HeldOut = None,
    said: Map = None,
    zone: Zone = "",
    time_format: TimeFormat = "",
    skip_bad: SkipBad = False,
) -> None:
    """Train asset classes on telemetry and the maintenance log. Nothing serves them until they are promoted."""
    from models.maintenance.training import train

    asset_classes = [parse_asset_class(_text(path), path) for path in classes]
    for asset_class in asset_classes:
        if "unit_seconds" not in asset_class.model_fields_set:
            tell_error_line(
                f"{asset_class.name}: an hour of event time counts as one {asset_class.unit}, as the file does not say "
                "how long one is; `unit_seconds = 3600` says so, or another length"
            )
    by_class: dict[str, list[Any]] = {asset_class.name: [] for asset_class in asset_classes}
    sources = [described(file, None, said, zone, time_format) for file in events or []]
    tell_layouts(sources)
    with Stages() as stages:
        stages.count("reading the events", 0, None)
        for batch in HistoryFiles(sources, (TELEMETRY, MAINTENANCE), from_topics, until, skip_bad).batches():
            for event in batch:
                by_class.get(event.asset_class, []).append(event)  # type: ignore[attr-defined]  # both inputs have it
        for mine in by_class.values():  # a table may be sorted by asset
            mine.sort(key=lambda event: event.event_time)
        for asset_class in asset_classes:
            check_failures(asset_class, by_class[asset_class.name])
        histories = [(asset_class, _cut(by_class[asset_class.name])) for asset_class in asset_classes]
        manifests = train(histories, _store(), stages.share, held_out)  # type: ignore[arg-type]
    _finish(manifests, promote, anyway)


class HistoryError(MillraceError):
    title = "There is too little to learn from"


def check_failures(asset_class: AssetClass, events: Sequence[Any]) -> None:
    """Whether failures are of what the class asks for, before minutes go by with the readings.

    Raises:
        HistoryError: most failures name a component, but whole assets are asked for; or none names one that is; or
            the assets that failed are not those that sent readings.
    """
    if asset_class.sensors:
        _check_assets(asset_class, events)
    counts = Counter(event.component or "" for event in events if getattr(event, "kind", "") == "failure")
    parts = {name: count for name, count in counts.most_common() if name}
    named = ", ".join(f"{name!r} {count:,}" for name, count in list(parts.items())[:MOST_SHOWN])
    target, of = asset_class.target, f"of asset class {asset_class.name}"
    if target.kind == "rul" and parts and counts[""] < LEAST_LIVES:
        raise HistoryError(
            f"Of {sum(counts.values()):,} failures {of}, {counts['']:,} are of the whole asset, and the target `rul` "
            f"needs {LEAST_LIVES}; the others name a component: {named}. Nothing was trained.",
            "If they are failures of the asset, say that no column is the component: --map component=. Otherwise the "
            'target `kind = "failure_probability"` learns for each component when it fails.',
        )
    if target.kind == "failure_probability" and counts and not parts.keys() & set(target.components):
        what = f"they name {named}" if parts else "they name none"
        raise HistoryError(
            f"No failure {of} is of a component of its target ({', '.join(target.components)}); {what}. "
            "Nothing was trained.",
            "Correct the target's components, or say which column and words they are: --map "
            f'"component=Column,component.{target.components[0]}=Word".',
        )


def _check_assets(asset_class: AssetClass, events: Sequence[Any]) -> None:
    """Whether log and readings name the assets alike: a failure of an asset without readings teaches nothing."""
    read = {event.asset_id for event in events if hasattr(event, "readings")}
    failed = {event.asset_id for event in events if getattr(event, "kind", "") == "failure"}
    strange = sorted(failed - read)
    if not strange or not read:
        return
    told = ", ".join(repr(name) for name in strange[:MOST_SHOWN])
    said = f"{len(strange):,} of {len(failed):,} assets of class {asset_class.name} that failed sent no reading: {told}"
    if len(strange) < len(failed):
        tell_error_line(f"{said}. Their failures teach nothing")
        return
    raise HistoryError(
        f"{said}; readings are of {', '.join(repr(name) for name in sorted(read)[:MOST_SHOWN])}. Nothing was trained.",
        "Give the log the ids that the readings have, letter by letter: a spreadsheet makes 7 of 007.",
    )


@dataclass(frozen=True)
class HistoryFiles:
    """The events to learn from."""

    files: Sequence[EventFile]
    topics: Sequence[str]
    from_topics: bool
    until: datetime | None
    skip_bad: bool = False

    def batches(self) -> Iterator[list[InputEvent]]:
        """Events of the topics in the order of event time."""
        if self.from_topics == bool(self.files):
            found = (
                "Files of events and --from-topics are both given" if self.files else "Nothing says what to learn from"
            )
            raise SettingsError(f"{found}. Nothing was trained.", "Give files of events, or --from-topics.")
        if self.from_topics:
            from streams.history import read_topics

            yield from self._cut_off(read_topics(connected_settings(), self.topics))
        else:
            yield from self._cut_off(_cut(self._from_files()))

    def _from_files(self) -> Iterator[InputEvent]:
        from millrace.events import TRAIN, merged

        skipped = Skipped()
        skip = skipped if self.skip_bad else None
        for row in merged(list(self.files), is_checked=True, purpose=TRAIN, skip=skip):
            if row.topic in self.topics and row.event is not None:
                yield row.event
        skipped.tell()

    def _cut_off(self, batches: Iterable[list[InputEvent]]) -> Iterator[list[InputEvent]]:
        if self.until is None:
            yield from batches
            return
        end = self.until if self.until.tzinfo else self.until.replace(tzinfo=UTC)
        for batch in batches:
            yield [event for event in batch if event.event_time < end]  # type: ignore[attr-defined]  # all have it


def _cut(events: Iterable[InputEvent]) -> Iterator[list[InputEvent]]:
    """Batches of the size that serving would see."""
    batch: list[InputEvent] = []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", "Name the TOML file of a class.") from error


def _store() -> ModelStore:
    from models.registry import ModelStore

    return ModelStore(load_settings().home / "models")


class PoorModelError(MillraceError):
    title = "The model was trained and not promoted"


def _finish(manifests: Sequence[Manifest], promote: bool, anyway: bool) -> None:
    """Raises:
    PoorModelError: one of them is below the limits; the others serve.
    """
    from models.registry import metric_text

    poor = []
    for manifest in manifests:
        measures = ", ".join(f"{name} {metric_text(name, value, 4)}" for name, value in manifest.metrics.items())
        learned_from = f"{manifest.training.events:,} events, {manifest.training.seconds:.0f} s"
        tell(f"{manifest.name} {manifest.version}: {learned_from}")
        tell(f"  {measures}")
        if said := said_of(manifest):
            tell(f"  {said}")
        complaints = complaints_of(manifest)
        if promote and complaints and not anyway:
            poor.append(f"{manifest.name} {manifest.version}: {'; '.join(complaints)}")
        elif promote:
            publish_and_promote(manifest.name, manifest.version, "champion", where_kafka_is())
        else:
            tell(f"  To let it serve: millrace models promote {manifest.name} {manifest.version}")
    if poor:
        raise PoorModelError(
            f"Too poor to serve without a word: {'. '.join(poor)}. What served before goes on.",
            "Give a longer history or sensors that tell more (docs/train.md), or --anyway.",
        )
