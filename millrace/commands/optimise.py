"""`millrace models optimise`: a smaller and faster version of a model, at a loss that is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.common import Json, tell, tell_json, tell_table
from millrace.commands.progress import Stages
from schemas import Manifest, load_settings

if TYPE_CHECKING:
    from models.shrink import Found, Variant

PICTURE = "frontier.svg"


def _share(text: str | float) -> float:
    """`0.2%` or `0.002` as a share."""
    try:
        share = float(str(text).removesuffix("%")) / (100.0 if str(text).endswith("%") else 1.0)
    except ValueError:
        share = -1.0
    if not 0.0 <= share < 1.0:
        raise typer.BadParameter(f"{text!r} is no share: write 0.2% or 0.002")
    return share


def optimise(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    rows: Annotated[Path, typer.Option(help="Held-out rows, as `millrace train ... --held-out FILE` writes them.")],
    version: Annotated[str, typer.Argument(help="Or an alias.")] = "champion",
    loss: Annotated[
        float, typer.Option(parser=_share, metavar="SHARE", help="The metric may become so much worse.")
    ] = 0.002,
    picture: Annotated[
        Path | None, typer.Option(help="Where the picture goes, as SVG; the model's folder if not said.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a model smaller and faster, and save it as a version of its own; nothing serves it until it is promoted.

    Shows what can be had: size, time a row, and the loss of the model's metric on held-out rows.
    """
    from millrace.commands.frontier import draw
    from models.held_out import read_held_out
    from models.registry import ModelStore
    from models.shrink import optimise_model, save_optimised

    store = ModelStore(load_settings().home / "models")
    model = store.load(name, version)
    with Stages() as stages:
        stages.count("reading the rows", 0, None)
        held_out = read_held_out(rows, model.manifest)
        found = optimise_model(model, held_out, loss, stages.count)
    if not as_json:
        _tell_frontiers(found)
    title = f"{name} {model.manifest.version}"
    if picture is not None:  # wanted even where nothing can be saved
        draw(found, loss, title, picture)
    saved = save_optimised(store, model, found, loss)
    if picture is None:
        draw(found, loss, title, picture := store.folder / name / saved.version / PICTURE)
    if as_json:
        tell_json({"version": saved.version, "picture": str(picture), "forests": [_json(one) for one in found]})
    else:
        _tell_saved(saved, picture)


def _tell_frontiers(found: list[Found]) -> None:
    for one in found:
        batch, alone = one.row_us
        tell(f"\n{one.role}: {one.metric}; the original scores a row in {batch:.2f} µs of 100, in {alone:.2f} µs alone")
        tell_table(
            [
                "",
                "trees",
                "leaves",
                "of",
                "features",
                "cuts",
                "bytes",
                "of all",
                "time of 100",
                "alone",
                "loss",
                "on other rows",
            ],
            _lines(one),
        )


def _lines(found: Found) -> Iterator[tuple[object, ...]]:
    for variant, told in zip(found.frontier, found.told, strict=True):
        yield (
            "►" if variant is found.chosen else "",
            variant.trees,
            f"{variant.leaves:,}",
            variant.recipe.numbers,
            variant.features,
            f"{variant.cuts:,}",
            f"{len(variant.blob):,}",
            f"{variant.bytes_ratio:.1%}",
            f"{variant.time_ratio:.1%}",
            f"{variant.row_ratio:.1%}",
            f"{variant.loss:+.2%} ± {variant.error:.2%}",
            f"{told.loss:+.2%} ± {told.error:.2%}",
        )


def _tell_saved(saved: Manifest, picture: Path) -> None:
    told = saved.optimised
    assert told is not None
    tell(
        f"\n{saved.name} {saved.version}: {told.bytes_ratio:.1%} of the bytes, {told.time_ratio:.1%} of the time a row "
        f"in batches ({told.row_time_ratio:.1%} alone), loss {told.loss:+.2%} ± {told.loss_error:.2%} on rows that "
        f"took no part in the choice"
    )
    tell(f"Picture: {picture}")
    tell(f"To let it serve: millrace models promote {saved.name} {saved.version}")


def _json(found: Found) -> dict[str, Any]:
    def described(variant: Variant) -> dict[str, Any]:
        told = found.told_of(variant)
        return {
            "trees": variant.trees,
            "leaves": variant.leaves,
            "cuts": variant.cuts,
            "features": variant.features,
            "leaf_type": variant.recipe.numbers,
            "bytes": len(variant.blob),
            "bytes_ratio": variant.bytes_ratio,
            "time_ratio": variant.time_ratio,
            "row_time_ratio": variant.row_ratio,
            "loss_on_choice": variant.loss,
            "loss_on_choice_error": variant.error,
            "loss": told.loss,
            "loss_error": told.error,
            "is_chosen": variant is found.chosen,
        }

    return {
        "role": found.role,
        "metric": found.metric,
        "row_us": found.row_us[0],
        "row_us_alone": found.row_us[1],
        "frontier": [described(variant) for variant in found.frontier],
    }
