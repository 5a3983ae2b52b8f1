"""Model list: what is in the folder of models, read from its JSON alone, so that the API needs no forest library, and
what the edge workers say that they run.

MILLRACE_HOME/models/<name>/<version>/{manifest.json, card.md}, aliases.json, workers' status ─► ModelBody
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from schemas import Aliases, Manifest, ModelBody, RefusalBody, RunningBody, VersionBody, WorkerStatus, text_of

log = structlog.get_logger(__name__)


def read_models(folder: Path, workers: Sequence[WorkerStatus] = ()) -> list[ModelBody]:
    """Models by name, their versions newest first. What cannot be read is logged and left out.

    A model that workers run or refuse and that is not in the folder has no versions.
    """
    aliases = _read_aliases(folder / "aliases.json")
    versions: dict[str, list[VersionBody]] = {name: [] for name in _named_by(workers)}
    for path in sorted(folder.glob("*/*/manifest.json")):
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
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
            refused=_refused(name, workers),
            comparisons=[c for status in workers for c in status.comparisons if c.name == name],
        )
        for name, found in sorted(versions.items())
    ]


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
        card=card.read_text() if card.is_file() else None,
        running_on=[
            RunningBody(worker=status.worker, **running.model_dump(exclude={"name", "version"}))
            for status in workers
            for running in status.running
            if (running.name, running.version) == (manifest.name, manifest.version)
        ],
    )


def _read_aliases(path: Path) -> Aliases:
    try:
        return Aliases.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Aliases()
    except (OSError, ValidationError) as error:
        log.warning("the aliases cannot be read", path=str(path), error=text_of(error))
        return Aliases()
