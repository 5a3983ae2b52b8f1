"""Alert actions: what people do about an alert, each kept with who and when, and told to streams and actions.v1.

body, who the key says it is ─► Store.act ─► the alert as it stands now

All are idempotent: what is said already changes nothing. With the header `Idempotency-Key` a request that is sent again
is known even where somebody else acted in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Body, Depends, Header, Request

from api.access import Caller, needs
from api.alerts import AlertId
from api.problems import ProblemError, not_kept, responses
from api.publisher import ActionTeller
from api.shared import Database, build_router, shown
from schemas import (
    BODY_EXAMPLES,
    SHELF_ENDED,
    AcknowledgeBody,
    ActionBody,
    ActionKind,
    AlertDetail,
    AssignBody,
    CloseBody,
    CommentBody,
    FieldError,
    Outcome,
    SayOutcomeBody,
    ShelveBody,
    UnavailableError,
    UnshelveBody,
)
from storage import ActionRequest, KeyReusedError, NotOpenError, Store

LONGEST_SHELF = timedelta(days=30)
NAMES: dict[ActionKind, str] = {
    "acknowledged": "The acknowledgement", "commented": "The comment", "assigned": "The assignment",
    "shelved": "The shelving", "unshelved": "The end of the shelving", "closed": "The closing",
    "outcome": "The outcome",
}  # fmt: skip
router = build_router("alerts")
MAY_ACT = [Depends(needs("operate"))]
SHOWN = shown("AlertDetail", "unknown-alert", "too-large", "key-reused")
SHOWN_OPEN = {**SHOWN, **responses("not-open")}
Said = TypeVar("Said", bound=ActionBody)


class Actor:
    """Who sent the request, and where what they do is kept."""

    def __init__(self, store: Store, teller: ActionTeller | None, caller: str | None, request_key: str | None) -> None:
        self._store, self._teller, self._caller, self._request_key = store, teller, caller, request_key
        self.changes = 0  # actions that were not said already

    def _count(self) -> None:
        self.changes += 1

    def act(
        self, alert_id: str, kind: ActionKind, body: ActionBody, note: str | None = None, **what: Any
    ) -> AlertDetail:
        """Do it.

        Args:
            note: the comment or the reason, see `ActionRequest`, as is `what`.

        Raises:
            ProblemError: nobody says who it is, there is no such alert, it is not open, or the database is away.
        """
        by = self._caller or body.by
        if by is None:
            raise _is_wrong("body.by", "is needed where the API has no keys: say who it is")
        if by.casefold() == SHELF_ENDED:
            raise _is_wrong("body.by", f"may not be {by}: that is the service itself")
        asked = ActionRequest(kind, by, note or None, request_key=self._request_key, **what)
        try:
            alert = self._store.act(alert_id, asked, self._count)
        except NotOpenError as error:
            raise ProblemError("not-open", str(error)) from error
        except KeyReusedError as error:
            raise ProblemError("key-reused", str(error)) from error
        except UnavailableError as error:
            raise not_kept(NAMES[kind], error) from error
        if alert is None:
            raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
        if self._teller is not None:
            self._teller.nudge()
        return alert


def _is_wrong(field: str, message: str) -> ProblemError:
    return ProblemError("invalid-request", f"{field}: {message}.", [FieldError(field=field, message=message)])


async def _actor(
    request: Request,
    store: Database,
    caller: Caller,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="tells a request that is sent again as one")
    ] = None,
) -> Actor:
    return Actor(store, request.app.state.teller, caller, idempotency_key)


Acting = Annotated[Actor, Depends(_actor)]


def _example(body: str) -> Any:
    return Body(examples=[BODY_EXAMPLES[body]])


@router.post("/alerts/{alert_id:id}/acknowledge", dependencies=MAY_ACT, responses=SHOWN)
def acknowledge_alert(
    alert_id: AlertId, body: Annotated[AcknowledgeBody, _example("AcknowledgeBody")], actor: Acting
) -> AlertDetail:
    """Note that someone has seen the alert: who that is says the key, or, where the API has no keys, `by`.

    The first acknowledgement stands. This and all other actions are told on the live stream and on `actions.v1`.
    """
    return actor.act(alert_id, "acknowledged", body, body.comment)


@router.post("/alerts/{alert_id:id}/comment", dependencies=MAY_ACT, responses=SHOWN)
def comment_alert(
    alert_id: AlertId, body: Annotated[CommentBody, _example("CommentBody")], actor: Acting
) -> AlertDetail:
    """Add a comment. Without an `Idempotency-Key`, the same person's same comment is one where nothing came between."""
    return actor.act(alert_id, "commented", body, body.comment)


@router.post("/alerts/{alert_id:id}/assign", dependencies=MAY_ACT, responses=SHOWN)
def assign_alert(alert_id: AlertId, body: Annotated[AssignBody, _example("AssignBody")], actor: Acting) -> AlertDetail:
    """Say who looks after the alert; null: nobody."""
    return actor.act(alert_id, "assigned", body, assignee=body.assignee)


@router.post("/alerts/{alert_id:id}/shelve", dependencies=MAY_ACT, responses=SHOWN_OPEN)
def shelve_alert(alert_id: AlertId, body: Annotated[ShelveBody, _example("ShelveBody")], actor: Acting) -> AlertDetail:
    """Put the failure mode of the asset out of sight until a time, with a reason. It then comes back by itself.

    It holds for the failure mode: where the alert is cleared and another one raised before then, that one is shelved.
    """
    now = datetime.now(UTC)
    if not now < body.until <= now + LONGEST_SHELF:
        raise _is_wrong("body.until", f"must be in the future and within {LONGEST_SHELF.days} days")
    return actor.act(alert_id, "shelved", body, body.reason, until=body.until)


@router.post("/alerts/{alert_id:id}/unshelve", dependencies=MAY_ACT, responses=SHOWN)
def unshelve_alert(
    alert_id: AlertId, body: Annotated[UnshelveBody, _example("UnshelveBody")], actor: Acting
) -> AlertDetail:
    """Bring the failure mode of the asset back into sight before its time."""
    return actor.act(alert_id, "unshelved", body, body.reason)


@router.post("/alerts/{alert_id:id}/close", dependencies=MAY_ACT, responses=SHOWN_OPEN)
def close_alert(alert_id: AlertId, body: Annotated[CloseBody, _example("CloseBody")], actor: Acting) -> AlertDetail:
    """End an open alert by hand, for one that no reading will ever clear.

    The worker of the asset hears of it, over `maintenance.v1`: where the condition still holds, a new alert is raised
    after its on-delay.
    """
    return actor.act(alert_id, "closed", body, body.reason)


@router.post("/alerts/{alert_id:id}/outcome", dependencies=MAY_ACT, responses=SHOWN)
def say_outcome(
    alert_id: AlertId, body: Annotated[SayOutcomeBody, _example("SayOutcomeBody")], actor: Acting
) -> AlertDetail:
    """Say what the alert came to: whether the machine really was in trouble, what was found, what was replaced.

    The last one stands, and all are kept among the actions.
    """
    outcome = Outcome(verdict=body.verdict, found=body.found or None, replaced=body.replaced or None)
    return actor.act(alert_id, "outcome", body, outcome=outcome)


Route = Callable[[str, Any, Actor], AlertDetail]
_ROUTES: dict[ActionKind, tuple[type[ActionBody], Route]] = {
    "acknowledged": (AcknowledgeBody, acknowledge_alert),
    "commented": (CommentBody, comment_alert),
    "assigned": (AssignBody, assign_alert),
    "shelved": (ShelveBody, shelve_alert),
    "unshelved": (UnshelveBody, unshelve_alert),
    "closed": (CloseBody, close_alert),
    "outcome": (SayOutcomeBody, say_outcome),
}


class Acted(NamedTuple):
    """On how many alerts: something was done; it was said already; they are gone or cleared, so nothing was done."""

    done: int
    unchanged: int
    left: int


def act_on(alert_ids: Iterable[str], kind: ActionKind, fields: Mapping[str, Any], actor: Actor) -> Acted:
    """What the routes do, on several alerts; those that are gone or cleared are left as they are.

    Args:
        fields: of the body of the action.

    Raises:
        ValidationError: the fields cannot be used; nothing was done.
        ProblemError: as of `Actor.act`; of a single alert for any reason.
    """
    body_type, route = _ROUTES[kind]
    body, chosen, left = body_type.model_validate(fields), list(dict.fromkeys(alert_ids)), 0
    before = actor.changes
    for alert_id in chosen:
        try:
            route(alert_id, body, actor)
        except ProblemError as error:
            if error.kind.slug not in ("not-open", "unknown-alert") or len(chosen) == 1:
                raise
            left += 1
    done = actor.changes - before
    return Acted(done, len(chosen) - done - left, left)
