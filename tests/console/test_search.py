"""From what somebody has, an id, words or the place of an event, to its page or to a list of what fits."""

from __future__ import annotations

import httpx2
import pytest

from storage import Store
from tests.console.test_pages import Reader
from tests.storage.test_kept import item
from tests.support.decisions import score


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("p1", "/assets/pump/p1"), (" ann ", "/shop/users/ann"), ("sku-1", "/shop/items/sku-1"),
        ("a-1", "/alerts/a-1"), ("clicks.v1/2/40817", "/events/clicks.v1/2/40817"), ("shoe 3", "/shop/items/sku-3"),
        ("telemetry 0 7", "/events/telemetry.v1/0/7"), ("clicks.v1.dlq:0:3", "/streams/dead-letters/clicks.v1/0/3"),
        ("plant/1/2", "/assets/pump/plant%2F1%2F2"), ("..", "/assets/pump/%1F.."),
    ],
)  # fmt: skip
def test_search_goes_to_the_page(console: httpx2.Client, store: Store, text: str, address: str) -> None:
    store.write([score(900, "plant/1/2"), score(901, "..")], [])
    answer = console.get("/search", params={"q": text})
    assert (answer.status_code, answer.headers["location"]) == (303, address)


def test_search_lists_what_fits(console: httpx2.Client, store: Store) -> None:
    store.write([item("p1", title="Pump one"), score(900, "p1", asset_class="press")], [])
    both = Reader(console.get("/search?q=p1").text)
    assert {"/assets/pump/p1", "/assets/press/p1", "/shop/items/p1"} <= set(both.addresses)
    words = Reader(console.get("/search?q=shoe").text)
    assert {f"/shop/items/sku-{n}" for n in range(5)} <= set(words.addresses)
    assert "Nothing" in Reader(console.get("/search?q=zebra").text).words
    assert console.get("/search", params={"q": "x" * 300}).status_code == 200
    assert console.get("/search", params={"q": "x" * 301}).status_code == 422
