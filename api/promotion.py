"""Promotion: which version of a model serves, and which is tried, changed over HTTP by those who may.

alias, version ─► ModelKeeper (verify, sign, publish) ─► what the alias points to now
"""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import Body, Depends, Path

from api.access import Caller, needs
from api.problems import ProblemError, responses
from api.publisher import Keeper, ModelKeeper, not_sent
from api.shared import build_router, shown
from schemas import (
    BODY_EXAMPLES,
    AliasBody,
    AliasRecord,
    ModelError,
    Name,
    PromoteBody,
    SettingsError,
    UnavailableError,
)

log = structlog.get_logger(__name__)
router = build_router("operation")
ModelName = Annotated[Name, Path(description="name of a model")]
ANYBODY = "anybody"  # where no keys are set
ADMIN = [Depends(needs("admin"))]
REFUSED = responses("model-refused", "broker-unavailable")


@router.post("/models/{name}/promote", dependencies=ADMIN, responses={**shown("AliasBody", "too-large"), **REFUSED})
async def promote_model(
    name: ModelName,
    body: Annotated[PromoteBody, Body(examples=[BODY_EXAMPLES["PromoteBody"]])],
    keeper: Keeper,
    caller: Caller,
) -> AliasBody:
    """Let a version serve, or with the alias `challenger` be scored in the shadow beside the champion.

    Its files are verified first. Workers change over between two batches; `GET /v1/models` tells which do, and why one
    does not.
    """
    return await moved(keeper, caller, name, body)


@router.post("/models/{name}/rollback", dependencies=ADMIN, responses={**shown("AliasBody"), **REFUSED})
async def rollback_model(name: ModelName, keeper: Keeper, caller: Caller) -> AliasBody:
    """Let the version serve again that served before."""
    return await moved(keeper, caller, name, None)


async def moved(keeper: ModelKeeper, caller: str | None, name: str, to: PromoteBody | None) -> AliasBody:
    """Where the alias points now; None: to the champion before.

    Raises:
        ProblemError: it was not moved.
    """
    by = caller or ANYBODY
    try:
        record: AliasRecord
        if to is None:
            record = await keeper.rollback(name, "champion", by)
        else:
            record = await keeper.promote(name, to.version, to.alias, by)
    except (ModelError, SettingsError) as error:
        raise ProblemError("model-refused", f"{error.detail} {error.advice}") from error
    except UnavailableError as error:
        raise not_sent("The alias was not moved", error) from error
    log.info("an alias was moved", name=name, alias=record.alias, version=record.version, by=by)
    return AliasBody(name=name, alias=record.alias, version=record.version)
