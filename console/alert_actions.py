"""Alert actions: what people do about one alert, or about all that they chose, by one form.

form ─► Actor of the API, alert by alert ─► back to where the person was, with what was done
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import Depends, Form
from fastapi.responses import RedirectResponse, Response

from api import Acting, AlertId, ProblemError, needs
from console.page import build_pages
from schemas import ActionBody, ActionKind, Outcome, Verdict

router = build_pages()
MAY_ACT = [Depends(needs("operate"))]
SHELVED_H = {"1": "one hour", "8": "8 hours", "24": "a day", "168": "a week", "720": "30 days"}
NEEDS_NOTE: dict[str, str] = {
    "commented": "Write the comment first.",
    "shelved": "Say why it is shelved.",
    "closed": "Say why it is closed.",
}


class _Said(NamedTuple):
    """What the form says besides which alerts."""

    kind: ActionKind
    by: str
    note: str
    hours: float
    assignee: str
    outcome: Outcome | None


async def _said(
    kind: Annotated[ActionKind, Form()],
    by: Annotated[str, Form(max_length=200)] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
    hours: Annotated[float, Form(gt=0, le=720)] = 8.0,
    assignee: Annotated[str, Form(max_length=200)] = "",
    verdict: Annotated[Verdict | None, Form()] = None,
    found: Annotated[str, Form(max_length=2000)] = "",
    replaced: Annotated[str, Form(max_length=2000)] = "",
) -> _Said:
    if kind in NEEDS_NOTE and not note.strip():
        raise ProblemError("invalid-request", NEEDS_NOTE[kind])
    if kind == "outcome" and verdict is None:
        raise ProblemError("invalid-request", "Say whether the alarm was true.")
    outcome = verdict and Outcome(verdict=verdict, found=found.strip() or None, replaced=replaced.strip() or None)
    return _Said(kind, by.strip(), note, hours, assignee.strip(), outcome)


@router.post("/alerts/act", dependencies=MAY_ACT)
def act(
    actor: Acting,
    said: Annotated[_Said, Depends(_said)],
    alert: Annotated[list[AlertId] | None, Form(max_length=200)] = None,
    back: Annotated[str, Form(max_length=1000)] = "/alerts",
) -> Response:
    """Who it was says the key, or the form where there are no keys. Of several, those that are cleared already are left
    as they are, and told."""
    if not alert:
        raise ProblemError("invalid-request", "No alert was chosen: tick those that are meant.")
    done = 0
    for one in alert:
        try:
            _act(actor, one, said)
            done += 1
        except ProblemError as error:
            if error.kind.slug != "not-open" or len(alert) == 1:
                raise
    target = back if back.startswith("/alerts") else "/alerts"
    joint = "&" if "?" in target else "?"
    return RedirectResponse(f"{target}{joint}done={done}&kind={said.kind}&left={len(alert) - done}", 303)


def _act(actor: Acting, alert_id: str, said: _Said) -> None:
    body = ActionBody(by=said.by or None)
    match said.kind:
        case "shelved":
            # to the minute: the same form sent twice says the same
            until = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=said.hours, minutes=1)
            actor.act(alert_id, said.kind, body, said.note, until=min(until, datetime.now(UTC) + timedelta(days=30)))
        case "assigned":
            actor.act(alert_id, said.kind, body, assignee=said.assignee or None)
        case "outcome":
            actor.act(alert_id, said.kind, body, outcome=said.outcome)
        case _:
            actor.act(alert_id, said.kind, body, said.note)
