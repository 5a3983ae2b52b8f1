"""`millrace models migrate`: folders of models that an earlier Millrace wrote, in the present format."""

from __future__ import annotations

from typing import Annotated

import typer

from millrace.commands.common import tell
from schemas import ModelError, load_settings


def migrate(
    drop_signatures: Annotated[
        bool, typer.Option("--drop-signatures", help="Leave what was signed unsigned, instead of signing it again.")
    ] = False,
) -> None:
    """Bring folders of the first format to the present one. What was signed is signed again with
    MILLRACE_MODEL_PRIVATE_KEY. May be run at any time, and again."""
    from models.registry import Signer, Trust, load_key, migrate_folders

    settings = load_settings()
    key = load_key(settings.model_private_key) if settings.model_private_key else None
    folder = settings.home / "models"
    done, failed = 0, []
    for one in migrate_folders(folder, Signer(key, Trust.from_settings(settings), drop_signatures)):
        name = f"{one.name} {one.version}"
        if one.error:
            failed.append(name)
        done += not one.error
        tell(f"{name}: left as it was. {one.error}" if one.error else f"{name}: migrated, {one.outcome}.")
    tell(f"{done} migrated in {folder.absolute()}.")
    if failed:
        raise ModelError(
            f"{len(failed)} could not be migrated and are as they were: {', '.join(failed)}.",
            "Mend what is said above, and run it again; or remove the folders if nobody needs them.",
        )
