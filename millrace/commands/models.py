"""`millrace models`: the versions of the models in MILLRACE_HOME, and which of them serve.

publish, promote, rollback, withdraw ─► signed, where a key is ─► models.v1, where a Kafka is ─► MILLRACE_HOME
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.common import Json, connected_settings, tell, tell_json, tell_table
from millrace.commands.importing import import_
from millrace.commands.migrate import migrate
from millrace.commands.optimise import optimise
from millrace.promotion import Promotion
from schemas import (
    Alias,
    Manifest,
    MillraceError,
    Settings,
    SettingsError,
    UnavailableError,
    load_settings,
)

if TYPE_CHECKING:
    from models.registry import ModelStore
    from schemas import AliasRecord
    from streams.serving import WorkerAnswer


class PromotionError(MillraceError):
    title = "A worker did not follow"


app = typer.Typer(name="models", help="Trained models: versions, and which of them serve.", no_args_is_help=True)
app.command()(optimise)
app.command()(migrate)
app.command("import")(import_)
Name = Annotated[str, typer.Argument(help="Name of the model.")]
As = Annotated[Alias, typer.Option("--alias", help="`champion` serves; `challenger` is compared in the shadow.")]


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
    if old := sum(manifest.format == 1 for manifest, _ in rows):
        tell(f"{old} of them are of the first format: `millrace models migrate`.")


@app.command()
def show(
    name: Name,
    version: Annotated[str, typer.Argument(help="Or an alias.")] = "champion",
    as_json: Json = False,
) -> None:
    """The card of a version, what is inside its packs, its features by importance, which workers run the model and how
    its challenger differs, after verifying its files."""
    from millrace.commands.model_page import page_facts, tell_page
    from millrace.commands.model_status import read_status

    model, workers = _store().load(name, version), read_status(load_settings())
    if as_json:
        tell_json(page_facts(model) | {"workers": [status.model_dump(mode="json") for status in workers]})
    else:
        tell_page(model, workers)


@app.command()
def publish(
    name: Name,
    version: Annotated[str, typer.Argument(help="Or an alias.")] = "champion",
    alias: Annotated[Alias | None, typer.Option(help="Point this alias to it too.")] = None,
) -> None:
    """Sign a version and put it on models.v1, where all edge workers take it from and keep it."""
    settings, store = connected_settings(), _store()
    found = store.verify(name, version).manifest.version
    if alias is not None:
        publish_and_promote(name, found, alias, settings)
        return
    asyncio.run(Promotion(store, settings).publish(name, found))
    tell(f"{name} {found} is on models.v1. To let it serve: millrace models promote {name} {found}")


@app.command()
def promote(name: Name, version: Annotated[str, typer.Argument()], alias: As = "champion") -> None:
    """Let a version serve, or be compared (`--alias challenger`), after verifying its files."""
    publish_and_promote(name, version, alias, where_kafka_is())


@app.command()
def rollback(name: Name, alias: As = "champion") -> None:
    """Let the version before the present one serve again."""
    settings = where_kafka_is()
    record = asyncio.run(Promotion(_store(), settings).rollback(name, alias))
    tell(f"{name} {record.version} is the {alias} again.")
    _tell_what_workers_did(settings, record)


@app.command()
def withdraw(name: Name, alias: As = "challenger") -> None:
    """End a challenger."""
    asyncio.run(Promotion(_store(), where_kafka_is()).withdraw(name, alias))
    tell(f"{name} has no {alias} any more. `millrace models show {name}` tells which workers know.")


@app.command()
def sign(name: Name, version: Annotated[str, typer.Argument(help="Or an alias.")]) -> None:
    """Sign a version with MILLRACE_MODEL_PRIVATE_KEY: its SHA256SUMS.sig is written, nothing is published."""
    from models.registry import load_key, public_text

    settings, store = load_settings(), _store()
    if settings.model_private_key is None:
        raise SettingsError(
            "There is no key to sign with: MILLRACE_MODEL_PRIVATE_KEY is empty. Nothing was signed.",
            "Set it to a key of `millrace models keygen`.",
        )
    key, found = load_key(settings.model_private_key), store.verify(name, version).manifest.version
    store.sign(name, found, key)
    tell(f"{name} {found} is signed by {public_text(key)}.")


@app.command()
def keygen(file: Annotated[Path, typer.Argument(help="Where the private key goes.")]) -> None:
    """Make a key that signs models; prints the public one, which the workers need."""
    from models.registry import generate_key

    public = generate_key(file)
    tell(f"Private key: {file}. Keep it where models are published: MILLRACE_MODEL_PRIVATE_KEY={file}")
    tell(f"For the workers: MILLRACE_MODEL_PUBLIC_KEYS={public}")


def publish_and_promote(name: str, version: str, alias: Alias, settings: Settings | None) -> None:
    """Point an alias to a version, here and, where a Kafka is, for all workers.

    Raises:
        ModelError: the version cannot be used, or is not signed and no key is there; nothing was moved.
        UnavailableError: Kafka does not answer; nothing was moved.
        PromotionError: a worker did not follow.
    """
    record = asyncio.run(Promotion(_store(), settings).promote(name, version, alias))
    tell(f"{name} {version} is the {alias}.")
    _tell_what_workers_did(settings, record)


def where_kafka_is() -> Settings | None:
    """Settings with a Kafka; none: no Kafka was named, and no embedded one runs."""
    try:
        return connected_settings()
    except UnavailableError:
        return None


def _tell_what_workers_did(settings: Settings | None, record: AliasRecord) -> None:
    """Raises:
    PromotionError: a worker that lives does not run the version.
    """
    from streams.serving import answers_of_workers

    if settings is None:
        tell("No Kafka runs here: workers of this MILLRACE_HOME take it at their next start.")
        return
    answers = asyncio.run(answers_of_workers(settings, record))
    if not answers:
        tell("No edge worker runs: they take it when they start.")
    for answer in answers:
        so = "has not told that it runs it" if answer.is_silent else "does not run it"
        tell(f"{answer.worker} runs it." if not answer.reason else f"{answer.worker} {so}: {answer.reason}")
    if any(answer.reason for answer in answers):
        raise _not_followed(record, answers)


def _not_followed(record: AliasRecord, answers: Sequence[WorkerAnswer]) -> PromotionError:
    refused = [answer.worker for answer in answers if answer.reason and not answer.is_silent]
    silent = [answer.worker for answer in answers if answer.is_silent]
    what = f"of {len(answers)} edge workers"
    told = [f"The {record.alias} of {record.name} is moved to {record.version} all the same."]
    if silent:
        told.insert(0, f"{len(silent)} {what} did not answer yet: {', '.join(silent)}. They change over when they can.")
    if refused:
        told.insert(0, f"{len(refused)} {what} refused: {', '.join(refused)}. They go on with what they ran.")
    mend = (
        "Mend what they say, then promote again"
        if refused
        else f"`millrace models show {record.name}` lists who runs what"
    )
    back = "rollback" if record.alias == "champion" else "withdraw"
    return PromotionError(" ".join(told), f"{mend}; or take it back: `millrace models {back} {record.name}`.")


def _store() -> ModelStore:
    from models.registry import ModelStore

    return ModelStore(load_settings().home / "models")


def _aliases(aliases: dict[Any, dict[Any, str]], manifest: Manifest) -> list[str]:
    return [alias for alias, version in aliases.get(manifest.name, {}).items() if version == manifest.version]


def _measures(manifest: Manifest) -> str:
    from models.registry import metric_text

    return ", ".join(f"{name} {metric_text(name, value, 4)}" for name, value in manifest.metrics.items())
