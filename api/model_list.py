"""Model list: what is in the folder of models, read from its JSON alone, so that the API needs no forest library.

MILLRACE_HOME/models/<name>/<version>/{manifest.json, card.md}, aliases.json ─► ModelBody
"""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import ValidationError

from schemas import Aliases, Manifest
from schemas.bodies import ModelBody, VersionBody

log = structlog.get_logger(__name__)


def read_models(folder: Path) -> list[ModelBody]:
    """Models by name, their versions newest first. What cannot be read is logged and left out."""
    aliases = _read_aliases(folder / "aliases.json")
    versions: dict[str, list[VersionBody]] = {}
    for path in sorted(folder.glob("*/*/manifest.json")):
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("a model cannot be listed", manifest=str(path), error=str(error))
            continue
        versions.setdefault(manifest.name, []).append(_version(manifest, path.with_name("card.md")))
    return [
        ModelBody(
            name=name,
            aliases=aliases.models.get(name, {}),
            versions=sorted(found, key=lambda version: (version.created_at, version.version), reverse=True),
        )
        for name, found in sorted(versions.items())
    ]


def _version(manifest: Manifest, card: Path) -> VersionBody:
    return VersionBody(
        version=manifest.version,
        kind=manifest.kind,
        created_at=manifest.created_at,
        asset_class=manifest.asset_class.name if manifest.asset_class else None,
        training=manifest.training,
        metrics=manifest.metrics,
        card=card.read_text() if card.is_file() else None,
    )


def _read_aliases(path: Path) -> Aliases:
    try:
        return Aliases.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Aliases()
    except (OSError, ValidationError) as error:
        log.warning("the aliases cannot be read", path=str(path), error=str(error))
        return Aliases()
