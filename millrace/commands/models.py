"""`millrace models`: the versions of the models in MILLRACE_HOME and which of them serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.common import Json, tell, tell_json, tell_table
from millrace.commands.optimise import optimise
from schemas import Manifest, load_settings

if TYPE_CHECKING:
    from models.store import ModelStore

app = typer.Typer(name="models", help="Trained models: versions, and which of them serve.", no_args_is_help=True)
app.command()(optimise)
Name = Annotated[str, typer.Argument(help="Name of the model.")]
RESTART = "Workers load champions at their start: restart the edge workers."


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All versions, oldest first, with their aliases and their measures on held-out events."""
    store = _store()
    aliases = store.aliases().models
    rows = [(manifest, _aliases(aliases, manifest)) for manifest in store.versions()]
    if as_json:
        tell_json([manifest.model_dump(mode="json") | {"aliases": names} for manifest, names in rows])
        return
    if not rows:
        tell(f"No models in {store.folder.absolute()} yet: `millrace train` makes them.")
        return
    tell_table(
        ["name", "version", "kind", "alias", "events", "measures"],
        [(m.name, m.version, m.kind, ", ".join(names), f"{m.training.events:,}", _measures(m)) for m, names in rows],
    )


@app.command()
def show(name: Name, version: Annotated[str, typer.Argument(help="Or an alias.")] = "champion") -> None:
    """The card of a version, after verifying its files."""
    model = _store().load(name, version)
    tell((model.folder / "card.md").read_text().rstrip())
    tell(f"\nFolder: {model.folder.absolute()}")


@app.command()
def promote(name: Name, version: Annotated[str, typer.Argument()]) -> None:
    """Let a version serve, after verifying its files."""
    _store().promote(name, version)
    tell(f"{name} {version} is the champion. {RESTART}")


@app.command()
def rollback(name: Name) -> None:
    """Let the version before the present champion serve again."""
    version = _store().rollback(name)
    tell(f"{name} {version} is the champion again. {RESTART}")


def _store() -> ModelStore:
    from models.store import ModelStore

    return ModelStore(load_settings().home / "models")


def _aliases(aliases: dict[Any, dict[Any, str]], manifest: Manifest) -> list[str]:
    return [alias for alias, version in aliases.get(manifest.name, {}).items() if version == manifest.version]


def _measures(manifest: Manifest) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items())
