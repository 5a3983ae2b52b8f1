"""Training of asset classes from their event log, through the code that serves.

histories ─► AssetLog (lives, labels) ─► train_rul | train_failure ─► packs, proved equal ─► a model folder per class
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from models.compiler import compile_forest, gain_shares
from models.held_out import write_held_out
from models.maintenance import READING, AssetEvent, feature_names_of
from models.maintenance.training.broken import widened_words
from models.maintenance.training.choice import left_out_words
from models.maintenance.training.failure import few_failures_words, train_failure
from models.maintenance.training.fleet import FEW_LIVES, few_words
from models.maintenance.training.forests import Trained
from models.maintenance.training.life import train_rul
from models.maintenance.training.log import AssetLog, read_log
from models.maintenance.training.preparation import TrainingError
from models.progress import ShareProgress
from models.registry import ModelStore
from schemas import AssetClass, Manifest, RulTarget, Training

LIBRARIES = ("lightgbm", "numpy", "treelite")
SHARED = ("sensors", "regime", "constants", "errors", "unit", "target")


def silent(what: str, share: float) -> None:
    """A progress callback that says nothing."""


def train(
    histories: Sequence[tuple[AssetClass, Iterable[Sequence[AssetEvent]]]],
    store: ModelStore,
    progress: ShareProgress = silent,
    held_out: Path | None = None,
) -> list[Manifest]:
    """Train asset classes and save a model folder for each, not yet promoted.

    Args:
        histories: the classes with their events, in batches of any size, in the order in which serving would see
            them. Several classes are sisters: they share one forest, and each has its own preparation. A maintenance
            event of kind `failure` ends a life (of a component, where it names one).
        store: where the model folders go; a model has the name of its class.
        progress: called with what is being done, and the share of the work that is done.
        held_out: where given, the forests learn from four fifths of the assets and the others' rows are written there.

    Raises:
        TrainingError: the history does not fit the class, or there is too little to learn from.
        ModelError: a pack would not score as its forest, or the folder cannot be written.
    """
    began = time.monotonic()
    _check_sisters([asset_class for asset_class, _ in histories])
    logs: list[AssetLog] = []
    for asset_class, batches in histories:
        progress(f"reading the history of {asset_class.name}", 0.05 * len(logs) / len(histories))
        logs.append(read_log(asset_class, batches))
    tells_life, holds_out = isinstance(logs[0].asset_class.target, RulTarget), held_out is not None
    outcome = train_rul(logs, progress, holds_out) if tells_life else train_failure(logs[0], progress, holds_out)
    progress("compiling", 0.9)
    name = "-".join(log.asset_class.name for log in logs)
    packs = {
        role: compile_forest(booster, f"{name}-{role}", outcome.check_rows[role])
        for role, booster in outcome.boosters.items()
    }
    if held_out is not None:
        _write_held_out(held_out, logs[0].asset_class, outcome)
    seconds = time.monotonic() - began
    manifests = [_save(store, log, outcome, place, packs, seconds) for place, log in enumerate(logs)]
    progress("done", 1.0)
    return manifests


def _write_held_out(path: Path, asset_class: AssetClass, outcome: Trained) -> None:
    assert outcome.held_out is not None
    write_held_out(path, feature_names_of(asset_class, outcome.learned[0].preparation), outcome.held_out)


def _check_sisters(classes: Sequence[AssetClass]) -> None:
    if not classes:
        raise TrainingError("No asset class was given. Nothing was trained.", "Name at least one.")
    names = [one.name for one in classes]
    if len(set(names)) < len(names):
        raise TrainingError(f"Asset classes of the same name: {', '.join(names)}.", "Give each one its own name.")
    if len(classes) > 1 and not isinstance(classes[0].target, RulTarget):
        raise TrainingError(
            f"{', '.join(names)} cannot be trained together: only classes whose target is `rul` share a forest.",
            "Train them one by one.",
        )
    for field in SHARED:
        if any(getattr(one, field) != getattr(classes[0], field) for one in classes):
            raise TrainingError(
                f"{', '.join(names)} cannot be trained together: their `{field}` differ. Nothing was trained.",
                "Let the files agree, or train the classes one by one.",
            )


def _save(
    store: ModelStore, log: AssetLog, outcome: Trained, place: int, packs: dict[str, bytes], seconds: float
) -> Manifest:
    asset_class, learned = log.asset_class, outcome.learned[place]
    names = feature_names_of(asset_class, learned.preparation)
    first, last = (datetime.fromtimestamp(float(found(log.batch.time_s)), UTC) for found in (np.min, np.max))
    manifest = Manifest(
        name=asset_class.name,
        version=store.new_version(asset_class.name),
        kind=asset_class.target.kind,
        created_at=datetime.now(UTC),
        features=names,
        packs={},
        asset_class=asset_class,
        learned=learned.to_json(),
        training=Training(
            first_event=first, last_event=last, events=len(log.slots), rows=outcome.rows, seconds=seconds
        ),
        metrics=outcome.metrics[place],
        libraries={library: version(library) for library in LIBRARIES},
    )
    first_role = next(iter(outcome.boosters))
    folder = store.save(manifest, packs, _card(log, outcome, place), gain_shares(outcome.boosters[first_role], names))
    return store.verify(asset_class.name, folder.name).manifest


def _card(log: AssetLog, outcome: Trained, place: int) -> str:
    preparation = outcome.learned[place].preparation
    if not log.asset_class.sensors:
        kept, lacks = len(np.flatnonzero(log.batch.kind != READING)), few_failures_words(outcome.learned[place].without)
        told = (
            f"Asset class `{log.asset_class.name}`, from the log alone: {len(log.assets)} assets, {kept:,} entries, "
            f"{len(log.readings):,} moments to learn from."
        )
        return f"{told}\n\n{lacks}".strip()
    sensors = ", ".join(log.asset_class.sensors[s] for s in preparation.sensors)
    ended = len(np.unique(log.life[np.isfinite(log.remaining)]))
    told = (
        f"Asset class `{log.asset_class.name}`: {len(log.assets)} assets, {len(log.readings):,} readings, {ended} "
        f"lives that end with a failure of the whole asset. {len(preparation.centroids)} operating regimes; "
        f"informative sensors: {sensors}."
    )
    steady = left_out_words(log.asset_class.sensors, outcome.left_out)
    interval = outcome.learned[place].interval
    reaches = widened_words(interval.widened) if interval else ""
    rests_on = few_words(int(outcome.metrics[place].get("cv_lives", FEW_LIVES)))
    lacks = few_failures_words(outcome.learned[place].without)
    return "\n\n".join(part for part in (told, steady, reaches, rests_on, lacks) if part)
