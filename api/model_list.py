"""Model list: what is in the folder of models, read from its JSON alone, so that the API needs no forest library, and
what the edge workers say that they run.

MILLRACE_HOME/models/<name>/<version>/{manifest.json, card.md}, aliases.json, alias_changes.jsonl,
workers' status ─► ModelBody
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from schemas import (
    AliasChange,
    Aliases,
    Manifest,
    ModelBody,
    RefusalBody,
    RunningBody,
    VersionBody,
    WorkerStatus,
    text_of,
)

log = structlog.get_logger(__name__)
MOST_CHANGES = 50  # of the aliases of a model
MOST_LINES = 5000  # of all changes of a home that are looked at: the newest


def read_models(folder: Path, workers: Sequence[WorkerStatus] = ()) -> list[ModelBody]:
    """Models by name, their versions newest first. What cannot be read is logged and left out.

    A model that workers run or refuse and that is not in the folder has no versions.
    """
    aliases, changes = _read_aliases(folder / "aliases.json"), read_changes(folder / "alias_changes.jsonl")
    versions: dict[str, list[VersionBody]] = {name: [] for name in _named_by(workers)}
    for path in sorted(folder.glob("*/*/manifest.json")):
        try:
            manifest = _manifest(path, path.stat().st_mtime_ns)
        except (OSError, ValidationError) as error:
            log.warning("a model cannot be listed", manifest=str(path), error=text_of(error))
            continue
        versions.setdefault(manifest.name, []).append(_version(manifest, path.with_name("card.md"), workers))
    return [
        ModelBody(
            name=name,
            aliases=aliases.models.get(name, {}),
            previous={alias: before[0] for alias, before in aliases.history.get(name, {}).items() if before},
            versions=sorted(found, key=lambda version: (version.created_at, version.version), reverse=True),
            changes=[change for change in changes if change.name == name][:MOST_CHANGES],
            refused=_refused(name, workers),
            comparisons=[c for status in workers for c in status.comparisons if c.name == name],
        )
        for name, found in sorted(versions.items())
    ]


@lru_cache(maxsize=1000)
def _manifest(path: Path, _changed_ns: int) -> Manifest:
    """Read once for each change: pages ask for all of them."""
    return Manifest.model_validate_json(path.read_bytes())


def _named_by(workers: Iterable[WorkerStatus]) -> set[str]:
    running = {running.name for status in workers for running in status.running}
    return running | {refusal.name for status in workers for refusal in status.refused}


def _refused(name: str, workers: Iterable[WorkerStatus]) -> list[RefusalBody]:
    return [
        RefusalBody(worker=status.worker, **refusal.model_dump(exclude={"name"}))
        for status in workers
        for refusal in status.refused
        if refusal.name == name
    ]


def _version(manifest: Manifest, card: Path, workers: Iterable[WorkerStatus]) -> VersionBody:
    return VersionBody(
        version=manifest.version,
        kind=manifest.kind,
        created_at=manifest.created_at,
        asset_class=manifest.asset_class.name if manifest.asset_class else None,
        training=manifest.training,
        metrics=manifest.metrics,
        made_from=manifest.optimised.from_version if manifest.optimised else None,
        regimes=_regimes(manifest),
        labels=dict(manifest.asset_class.labels) if manifest.asset_class else {},
        card=card.read_text() if card.is_file() else None,
        running_on=[
            RunningBody(worker=status.worker, **running.model_dump(exclude={"name", "version"}))
            for status in workers
            for running in status.running
            if (running.name, running.version) == (manifest.name, manifest.version)
        ],
    )


def _regimes(manifest: Manifest) -> list[dict[str, float]]:
    """What is typical of each operating regime: its centroid, in the units of the variables. Empty: it has one."""
    learned: Any = manifest.learned.get("preparation") or {}
    centroids = learned.get("centroids") or []
    if manifest.asset_class is None or len(centroids) < 2:
        return []
    return [
        {
            name: centre + scale * place
            for name, centre, scale, place in zip(
                manifest.asset_class.regime, learned["centre"], learned["scale"], centroid, strict=True
            )
        }
        for centroid in centroids
    ]


def read_changes(path: Path) -> list[AliasChange]:
    """What was changed of aliases, the newest first. A line that cannot be read (the disk was full) is left out.

    One change may be there twice: as a worker followed it, and as whoever decided it says.
    """
    found: dict[tuple[str, str, datetime], AliasChange] = {}
    try:
        with path.open("rb") as file:
            lines = deque(file, MOST_LINES)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("the changes of aliases cannot be read", path=str(path), error=str(error))
        return []
    for line in lines:
        try:
            change = AliasChange.model_validate_json(line)
        except ValidationError as error:
            log.warning("a change of an alias cannot be read", path=str(path), error=text_of(error))
            continue
        key = (change.name, change.alias, change.changed_at)
        known = found.get(key)
        found[key] = known.model_copy(update={"by": known.by or change.by}) if known else change
    return sorted(found.values(), key=lambda change: change.changed_at, reverse=True)


def _read_aliases(path: Path) -> Aliases:
    try:
        return Aliases.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Aliases()
    except (OSError, ValidationError) as error:
        log.warning("the aliases cannot be read", path=str(path), error=text_of(error))
        return Aliases()
