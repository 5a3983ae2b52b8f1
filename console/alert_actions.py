"""Alert actions: what people do about one alert, or about all that they chose, by one form.

form ─► Actor of the API, alert by alert ─► back to where the person was, with what was done
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api import Acting, AlertId, ProblemError, act_on, needs
from console.page import build_pages
from schemas import ActionKind

router = build_pages()
MAY_ACT = [Depends(needs("operate"))]
SHELVED_H = {"1": "one hour", "8": "8 hours", "24": "a day", "168": "a week", "720": "30 days"}
NEEDED: dict[str, str] = {
    "comment": "Write the comment first.",
    "reason": "Say why: it was left out.",
    "verdict": "Say whether the alarm was true.",
    "by": "Say who you are: your name was left out.",
}


class _Said(NamedTuple):
    """What the form says besides which alerts: the action and the fields of its body."""

    kind: ActionKind
    fields: dict[str, object]


async def _said(
    kind: Annotated[ActionKind, Form()],
    by: Annotated[str, Form(max_length=200)] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
    hours: Annotated[float, Form(gt=0, le=720)] = 8.0,
    assignee: Annotated[str, Form(max_length=200)] = "",
    verdict: Annotated[str, Form(max_length=20)] = "",
    found: Annotated[str, Form(max_length=2000)] = "",
    replaced: Annotated[str, Form(max_length=2000)] = "",
) -> _Said:
    now = datetime.now(UTC)
    fields: dict[ActionKind, dict[str, object]] = {
        "acknowledged": {"comment": note},
        "commented": {"comment": note},
        "assigned": {"assignee": assignee.strip() or None},
        # to the minute: the same form sent twice says the same
        "shelved": {"reason": note, "until": _until(now, hours)},
        "unshelved": {"reason": note},
        "closed": {"reason": note},
        "outcome": {"verdict": verdict, "found": found, "replaced": replaced},
    }
    return _Said(kind, fields[kind] | {"by": by.strip() or None})


def _until(now: datetime, hours: float) -> datetime:
    return min(now.replace(second=0, microsecond=0) + timedelta(hours=hours, minutes=1), now + timedelta(days=30))


@router.post("/alerts/act", dependencies=MAY_ACT)
def act(
    actor: Acting,
    said: Annotated[_Said, Depends(_said)],
    alert: Annotated[list[AlertId] | None, Form(max_length=200)] = None,
    back: Annotated[str, Form(max_length=8000)] = "/alerts",
) -> Response:
    """Who it was says the key, or the form where there are no keys. Of several, those that are cleared or gone are left
    as they are, and told."""
    if not alert:
        raise ProblemError("invalid-request", "No alert was chosen: tick those that are meant.")
    try:
        acted = act_on(alert, said.kind, said.fields, actor)
    except ValidationError as error:
        missing = next((NEEDED[name] for name in NEEDED if any(name in one["loc"] for one in error.errors())), None)
        raise (ProblemError("invalid-request", missing) if missing and _is_left_out(error) else error) from error
    target = back if back == "/alerts" or back.startswith(("/alerts?", "/alerts/")) else "/alerts"
    joint = "&" if "?" in target else "?"
    unchanged = {"unchanged": acted.unchanged} if acted.unchanged else {}
    told = urlencode({"done": acted.done, "kind": said.kind, "left": acted.left, **unchanged})
    return RedirectResponse(f"{target}{joint}{told}", 303)


def _is_left_out(error: ValidationError) -> bool:
    return all(one["type"] in ("string_too_short", "literal_error", "missing") for one in error.errors())
