"""Optimise: a smaller and faster version of a model, and what it loses on held-out rows.

Model, HeldOut ─► for each forest: Search ─► frontier, chosen variant ─► save_optimised ─► a new version, not promoted

Leaves are fitted anew on rows of their own, without labels. The rows with labels are halved by query or asset: variants
are compared on the first half; what is chosen must be within the loss that is allowed on both, and the loss on the
second is what the manifest tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from models.held_out import HeldOut
from models.progress import CountProgress
from models.registry import Model, ModelStore
from models.shrink.judge import Judge
from models.shrink.search import Found, Search
from schemas import Manifest, ModelError, Optimised

LIBRARIES = ("numpy", "scipy")


def optimise_model(
    model: Model,
    held_out: HeldOut,
    allowed: float,
    progress: CountProgress = lambda *_: None,
) -> list[Found]:
    """The frontier of each forest of a model, and the cheapest variant within the allowed loss.

    Args:
        allowed: loss of the metric as a share of the original's, such as 0.002.
        progress: called with the stage, how many variants were tried and out of how many at most.

    Raises:
        ModelError: the model has no forest.
    """
    manifest = model.manifest
    if not manifest.packs:
        raise ModelError(
            f"{manifest.name} {manifest.version} has no forest: a list made by hand serves. There is nothing to "
            "optimise.",
            "Train with more events.",
        )
    parts = held_out.parts()
    return [
        Search(role, blob, [Judge(manifest, role, part) for part in parts], progress).found(allowed)
        for role, blob in packs_of(model).items()
    ]


def packs_of(model: Model) -> dict[str, bytes]:
    """Role -> pack, as it lies in the folder of a model that was loaded (and thereby verified)."""
    return {role: (model.folder / pack.file).read_bytes() for role, pack in model.manifest.packs.items()}


def save_optimised(store: ModelStore, model: Model, found: Sequence[Found], allowed: float) -> Manifest:
    """Saves the chosen variants as a version of their own; forests of which none was chosen stay as they are.

    Raises:
        ModelError: none was chosen at all, or the folder cannot be written. Nothing was saved.
    """
    manifest = model.manifest
    chosen = {one.role: one.chosen for one in found if one.chosen is not None}
    if not chosen:
        raise ModelError(
            f"No smaller {manifest.name} loses at most {allowed:.3%} of its metric on both halves of the rows. "
            "Nothing was written.",
            "Allow more with --loss, or give more rows: the table tells the standard errors.",
        )
    packs = packs_of(model) | {role: variant.blob for role, variant in chosen.items()}
    optimised = Manifest.model_validate(
        manifest.model_dump()
        | {
            "version": f"{store.new_version(manifest.name)}-opt",
            "created_at": datetime.now(UTC),
            "metrics": _metrics(found),
            "libraries": manifest.libraries | {library: version(library) for library in LIBRARIES},
            "optimised": summary(manifest, found),
        }
    )
    folder = store.save(optimised, packs, _card(optimised))
    return store.verify(manifest.name, folder.name).manifest


def summary(manifest: Manifest, found: Sequence[Found]) -> Optimised:
    """What was gained and lost in all: bytes and times of all forests together, the loss of the worst."""
    kept = [(one, one.chosen or one.original) for one in found]
    worst = max((one.told_of(variant) for one, variant in kept), key=lambda told: told.loss)
    sizes = [len(one.original.blob) for one in found]
    return Optimised(
        from_version=manifest.version,
        loss=worst.loss,
        loss_error=worst.error,
        loss_on_choice=max(variant.loss for _, variant in kept),
        bytes_ratio=sum(len(variant.blob) for _, variant in kept) / sum(sizes),
        time_ratio=_weighted([one.row_us[0] for one in found], [variant.time_ratio for _, variant in kept]),
        row_time_ratio=_weighted([one.row_us[1] for one in found], [variant.row_ratio for _, variant in kept]),
        forests={one.role: f"{variant} (before: {one.original})" for one, variant in kept},
    )


def _weighted(weights: Sequence[float], ratios: Sequence[float]) -> float:
    return sum(weight * ratio for weight, ratio in zip(weights, ratios, strict=True)) / sum(weights)


def _metrics(found: Sequence[Found]) -> dict[str, float]:
    """Of each forest what it measures on the rows that took no part in the choice, and what the original did."""
    metrics: dict[str, float] = {}
    for one in found:
        told = one.told_of(one.chosen or one.original)
        prefix = "" if one.role == "score" else f"{one.role.removeprefix('score-')}_"
        metrics |= {f"{prefix}{name}": value for name, value in told.figures.items()}
        metrics |= {f"{prefix}{name}_before": value for name, value in told.figures_before.items()}
    return metrics


def _card(manifest: Manifest) -> str:
    told = manifest.optimised
    assert told is not None
    forests = "\n".join(f"* `{role}`: {what}" for role, what in told.forests.items())
    return (
        f"Made smaller from version {told.from_version}, which has the figures of the training: {told.bytes_ratio:.1%} "
        f"of its bytes, {told.time_ratio:.1%} of its time a row in batches of 100, {told.row_time_ratio:.1%} for a row "
        f"that comes alone. It loses {told.loss:.2%} (standard error {told.loss_error:.2%}) of the metric on held-out "
        f"rows that took no part in the choice, {told.loss_on_choice:.2%} on those by which it was chosen.\n\n{forests}"
    )
