"""Notifications: what was told of alerts and to whom, what waits and what failed, and that it be tried again.

Store.reading ─► bodies;  retry ─► Store ─► the notify worker
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query

from api.access import needs
from api.cursors import from_cursor, page_of, to_cursor
from api.problems import ProblemError
from api.shared import After, Database, Limit, build_router, shown
from schemas import Id, Name, NotificationBody, NotificationChannelBody, NotificationState, Page

router = build_router("alerts")
NotificationId = Annotated[Id, Path()]
MAY_RETRY = [Depends(needs("operate"))]


@router.get("/notifications", responses=shown("Page[NotificationBody]"))
def list_notifications(
    store: Database,
    state: Annotated[NotificationState | None, Query()] = None,
    channel: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[NotificationBody]:
    """Notifications of alerts, the last decided first, as far back as MILLRACE_RETENTION_NOTIFICATIONS_DAYS.

    `failed`: the channel refused it for good, or took it at no try; `reason` says why, and it can be retried.
    """
    key = from_cursor("notifications", after)
    with store.reading() as reader:
        found = reader.notifications(state, channel, key and key[0], limit + 1)
    page = page_of(found, limit, lambda one: to_cursor("notifications", one[0]))
    return Page(items=[body for _, body in page.items], next=page.next)


@router.get("/notifications/channels", responses=shown("Page[NotificationChannelBody]"))
def list_notification_channels(store: Database) -> Page[NotificationChannelBody]:
    """The channels that notify workers serve, with what waits and what failed. All of them: there are few."""
    with store.reading() as reader:
        return Page(items=reader.notification_channels())


@router.get("/notifications/{notification_id:id}", responses=shown("NotificationBody", "unknown-notification"))
def get_notification(notification_id: NotificationId, store: Database) -> NotificationBody:
    """A notification, and what became of it."""
    with store.reading() as reader:
        found = reader.notification(notification_id)
    if found is None:
        raise _is_unknown(notification_id)
    return found


@router.post(
    "/notifications/{notification_id:id}/retry",
    dependencies=MAY_RETRY,
    responses=shown("NotificationBody", "unknown-notification", "not-failed"),
)
def retry_notification(notification_id: NotificationId, store: Database) -> NotificationBody:
    """Let one that failed be sent again, under the same id, once its cause is mended."""
    is_retried = store.retry_notification(notification_id, datetime.now(UTC))
    if is_retried is None:
        raise _is_unknown(notification_id)
    found = get_notification(notification_id, store)
    if not is_retried:
        raise ProblemError("not-failed", f"The notification {notification_id} is {found.state}.")
    return found


def _is_unknown(notification_id: str) -> ProblemError:
    return ProblemError("unknown-notification", f"There is no notification {notification_id}.")
