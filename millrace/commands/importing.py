"""`millrace models import`: a forest that was trained elsewhere becomes a version of a model.

FILE ─► its features by name ─► pack, proved equal ─► the version that it is like, with that pack ─► a new version
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.common import tell
from schemas import Manifest, ModelError, load_settings

if TYPE_CHECKING:
    import numpy as np

    from models.registry import Model


def import_(
    file: Annotated[Path, typer.Argument(help="LightGBM's text, XGBoost's JSON or UBJSON, or a pack.")],
    name: Annotated[str, typer.Argument(help="Name of the model that it will be a version of.")],
    like: Annotated[str, typer.Option(help="Version or alias that it is like in all but the forest.")] = "champion",
    role: Annotated[str, typer.Option(help="Which of its forests is replaced.")] = "",
    features: Annotated[Path | None, typer.Option(help="Names of its features, a line each, in its order.")] = None,
    rows: Annotated[Path | None, typer.Option(help="Held-out rows for the proof, as --held-out writes them.")] = None,
) -> None:
    """Make a version of a forest trained elsewhere, on rows with the features of a model (`train ... --held-out`).

    The forest may use some of the features, in any order. Nothing serves it until it is promoted.
    """
    from models.compiler import import_forest
    from models.registry import ModelStore

    store = ModelStore(load_settings().home / "models")
    model = store.load(name, like)
    manifest, replaced = model.manifest, _role(model.manifest, role)
    found = import_forest(
        file, f"{name}-{replaced}", manifest.features, _names(features), _check_rows(manifest, replaced, rows)
    )
    packs = {one: (model.folder / pack.file).read_bytes() for one, pack in manifest.packs.items()}
    _check_fits(model, replaced, found.blob)
    version = store.new_version(name)
    made = manifest.model_copy(
        update={"version": version, "created_at": datetime.now(UTC), "metrics": {}, "importance": {}, "optimised": None}
    )
    told = (
        f"Its forest `{replaced}` was trained elsewhere and imported from {file.name} ({found.library}, "
        f"{len(found.names) or len(manifest.features)} features). All else is that of version {manifest.version}, and "
        "what is said below of the events is of that version. Nothing was measured."
    )
    store.save(made, {**packs, replaced: found.blob}, told)
    tell(f"{name} {version}: the forest `{replaced}` of {file}, all else as in {manifest.version}")
    tell(f"To compare it first: millrace models promote {name} {version} --alias challenger")


def _role(manifest: Manifest, wanted: str) -> str:
    """The forest that is meant; where there is one alone it need not be named.

    Raises:
        ModelError: there is no such forest, or several.
    """
    roles = list(manifest.packs)
    chosen = wanted or ("score" if "score" in roles else roles[0] if len(roles) == 1 else "")
    if chosen not in roles:
        what = f"has no forest {wanted!r}" if wanted else "has several forests, or none"
        raise ModelError(
            f"{manifest.name} {manifest.version} {what}: {', '.join(roles) or 'none'}. Nothing was saved.",
            "Name one: --role ROLE.",
        )
    return chosen


def _names(file: Path | None) -> list[str] | None:
    if file is None:
        return None
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ModelError(f"The names of the features in {file} cannot be read: {error}.", "A name a line.") from error


def _check_rows(manifest: Manifest, role: str, rows: Path | None) -> np.ndarray:
    """Held-out rows where they are given; else the golden rows of the forest that is replaced."""
    import numpy as np

    from models.held_out import read_held_out

    if rows is not None:
        return read_held_out(rows, manifest).rows
    golden = np.frombuffer(base64.b64decode(manifest.golden[role].rows), "<f4")
    return golden.reshape(-1, manifest.packs[role].features)


def _check_fits(model: Model, role: str, blob: bytes) -> None:
    """Raises:
    ModelError: its scores are of another kind than those that it replaces.
    """
    from models.packs import read_pack

    ours, _ = read_pack((model.folder / model.manifest.packs[role].file).read_bytes())
    theirs, _ = read_pack(blob)
    is_ranking = model.manifest.kind == "recommender"  # only the order counts
    if theirs.outputs != ours.outputs or (theirs.link != ours.link and not is_ranking):
        raise ModelError(
            f"The forest has {theirs.outputs} outputs with link {theirs.link}; {model.manifest.name} takes "
            f"{ours.outputs} with link {ours.link}. Nothing was saved.",
            "Train it with an objective of that kind: a life by squared error, a probability by log loss.",
        )
