"""Notifications: the channels and how they are, what was told, what waits, and what failed, to be tried again.

Store.reading ─► page;  form ─► the API's retry ─► back to the page
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from api import Database, from_cursor, needs, retry_notification, to_cursor
from console.page import build_pages, link, show
from schemas import Id, Name, NotificationState

router = build_pages()
PAGE = 50


@router.get("/notifications")
def list_notifications(
    request: Request,
    store: Database,
    state: Annotated[NotificationState | None, Query()] = None,
    channel: Annotated[Name | None, Query()] = None,
    after: Annotated[str | None, Query(max_length=500)] = None,
    retried: Annotated[bool, Query(description="one was just let be sent again")] = False,
) -> Response:
    """The channels, and the notifications, the last decided first."""
    key = from_cursor("notifications", after)
    with store.reading() as reader:
        found = reader.notifications(state, channel, key and key[0], PAGE + 1)
        channels = reader.notification_channels()
    chosen = {"state": state, "channel": channel}
    more = to_cursor("notifications", found[PAGE - 1][0]) if len(found) > PAGE else None
    return show(
        request, "notifications.html", notifications=[body for _, body in found[:PAGE]], channels=channels,
        chosen=chosen, retried=retried, next=link("/notifications", **chosen, after=more) if more else None,
    )  # fmt: skip


@router.post("/notifications/retry", dependencies=[Depends(needs("operate"))])
def retry(store: Database, notification_id: Annotated[Id, Form()]) -> Response:
    """Let a failed one be sent again."""
    retry_notification(notification_id, store)
    return RedirectResponse(link("/notifications", state="failed", retried="true"), 303)
