"""Search: from what somebody has, an id, a word or the place of an event, to its page, or to a list of what fits.

text ─► place of an event? ─► ids that are just so ─► words ─► the one page, or a list
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from api import Database
from console.page import build_pages, part, show
from schemas import INPUTS, dead_letters_of
from storage import AlertFilter, AssetFilter, ItemFilter, Reader, parse_words

router = build_pages()
MOST = 10  # of each kind
_PLACE = re.compile(r"([A-Za-z0-9_.-]{1,100})[\s/:]+(\d{1,9})[\s/:]+(\d{1,18})")


class Hit(NamedTuple):
    """Something that fits."""

    kind: str
    address: str
    name: str
    more: str = ""


@router.get("/search")
def find(request: Request, store: Database, q: Annotated[str, Query(max_length=300)] = "") -> Response:
    """To the page where one thing fits; else what fits, those with this very id first."""
    text = q.replace("\0", "").strip()
    if (place := _place(text)) is not None:
        return RedirectResponse(place, 303)
    with store.reading() as reader:
        same = _same(reader, text) if text and len(text) <= 200 else []
        known = {hit.address for hit in same}
        like = [hit for hit in _like(reader, text) if hit.address not in known]
    only = same if same else like
    if len(only) == 1:
        return RedirectResponse(only[0].address, 303)
    return show(request, "search.html", text=text, same=same, like=like)


def _place(text: str) -> str | None:
    """Of an event on an input topic, or of a dead letter."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    topic, partition, offset = found[1], int(found[2]), int(found[3])
    for name in INPUTS:
        if topic == dead_letters_of(name):
            return f"/streams/dead-letters/{name}/{partition}/{offset}"
        if topic in (name, name.partition(".")[0]):
            return f"/events/{name}/{partition}/{offset}"
    return None


def _same(reader: Reader, text: str) -> list[Hit]:
    """What has this text as its id."""
    assets = [Hit("asset", _asset(name, text), text, name) for name in reader.classes_of(text)]
    item = reader.items_of([text]).get(text)
    users = [Hit("user", f"/shop/users/{part(text)}", text)] if _is_user(reader, text) else []
    items = [Hit("item", f"/shop/items/{part(text)}", item.title or text, text)] if item else []
    alert = reader.alert(text)
    alerts = [Hit("alert", f"/alerts/{part(text)}", f"{alert.failure_mode} of {alert.asset_id}")] if alert else []
    return [*assets, *users, *items, *alerts]


def _is_user(reader: Reader, text: str) -> bool:
    return reader.recommendation(text) is not None or bool(reader.clicks(text, 1))


def _like(reader: Reader, text: str) -> list[Hit]:
    """What has words that begin so."""
    words = parse_words(text)
    if not words:
        return []
    assets = reader.assets(AssetFilter(words=words), None, MOST)
    items = reader.items(ItemFilter(words), None, MOST)
    alerts = reader.alerts(AlertFilter("raised", words=words), None, MOST)
    return [
        *(Hit("asset", _asset(one.asset_class, one.asset_id), one.asset_id, one.asset_class) for one in assets),
        *(Hit("item", f"/shop/items/{part(one.item_id)}", one.title or one.item_id, one.item_id) for one in items),
        *(
            Hit("alert", f"/alerts/{part(one.alert_id)}", f"{one.failure_mode} of {one.asset_id}", one.severity)
            for one in alerts
        ),
    ]


def _asset(asset_class: str, asset_id: str) -> str:
    return f"/assets/{part(asset_class)}/{part(asset_id)}"
