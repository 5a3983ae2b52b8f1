"""Action bodies: what people say when they act on an alert. Each is a body of one route of the API.

POST /v1/alerts/{alert_id}/<action> ─► body ─► `Action` on actions.v1
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import NO_CONTROL, EventTime, Frozen
from schemas.outputs import Verdict

_STRIPPED = StringConstraints(strip_whitespace=True)
Person = Annotated[str, _STRIPPED, Field(min_length=1, max_length=200, pattern=NO_CONTROL)]
Note = Annotated[str, _STRIPPED, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, _STRIPPED, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class ActionBody(Frozen):
    """Who acts."""

    by: Person | None = Field(
        None, description="who it is, where the API has no keys; with keys it is the name of the key"
    )


class AcknowledgeBody(ActionBody):
    comment: Note | None = None


class CommentBody(ActionBody):
    comment: Reason


class ShelveBody(ActionBody):
    reason: Reason
    until: EventTime = Field(description="when it comes back by itself: in the future, within 30 days")


class UnshelveBody(ActionBody):
    reason: Note | None = None


class CloseBody(ActionBody):
    reason: Reason


class AssignBody(ActionBody):
    assignee: Person | None = Field(description="who looks after it from now on; null: nobody")


class SayOutcomeBody(ActionBody):
    verdict: Verdict = Field(description="whether the machine really was in trouble")
    found: Note | None = Field(None, description="what was found at the machine")
    replaced: Note | None = Field(None, description="what was replaced or mended")
