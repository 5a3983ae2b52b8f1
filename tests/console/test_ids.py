"""Whatever an id holds, the links of the pages and the API reach it: dots, slashes, percent signs, spaces, letters."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markupsafe import escape
from playwright.sync_api import Page, expect

from api import id_part
from console.page import seen
from storage import Store
from tests.console.test_pages import Reader
from tests.storage.test_kept import item
from tests.support.decisions import alert, recommendation, score

# what is no character is in no id; api/problems.py uses one of these
IDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=40)
ODD = [".", "..", "a/b", "a//b/", "/", "%2F", "%", "%1F.", "a%2e", "\\", "?q=1", "#x", "a b", " ", "+", "&", ";",
       "ä/ü", "\u2028", "trend", "similar", "scores", "x/recommendations", "...", "./..", "../../v1"]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(IDS)
def test_links_of_pages_and_the_api_reach_any_id(console: httpx2.Client, store: Store, own: str) -> None:
    now = datetime.now(UTC)
    store.write([item(own, (now - datetime(2026, 5, 1, 12, tzinfo=UTC)).total_seconds(), title="T")], [])
    store.write([score(1, own, event_time=now, score_id=f"s-{own}"), recommendation(own, 1, [own], event_time=now)], [])
    store.write([alert(own, 0, asset_id=own, severity="critical", event_time=now)], [])
    part = id_part(own)
    assert unquote(part) not in {".", ".."}, "no step in a path"
    links = {
        address
        for path in ("/", "/shop", "/alerts?severity=critical")
        for address in Reader(console.get(path).text).addresses
    }
    pages = [f"/assets/pump/{part}", f"/shop/users/{part}", f"/shop/items/{part}", f"/alerts/{part}"]
    assert set(pages) <= links
    shown = unescape(seen(str(escape(own))))
    for page in pages:
        answer = console.get(page)
        assert answer.status_code == 200, page
        assert "".join(shown.split()) in "".join(Reader(answer.text).words.split()), page
    got = {name: console.get(f"/v1/{name}").json() for name in (
        f"users/{part}", f"users/{part}/recommendations", f"items/{part}", f"items/{part}/trend", f"assets/{part}",
        f"assets/{part}/scores", f"alerts/{part}",
    )}  # fmt: skip
    assert {
        one.get("user_id") or one.get("item_id") or one.get("asset_id") or one["items"][0]["asset_id"]
        for one in got.values()
    } == {own}


for odd in ODD:
    test_links_of_pages_and_the_api_reach_any_id = example(odd)(test_links_of_pages_and_the_api_reach_any_id)


@pytest.mark.parametrize("own", [".", "..", "line/1 %2F", "100 %"])
def test_a_browser_follows_them(page: Page, store: Store, own: str) -> None:
    now = datetime.now(UTC)
    store.write([score(1, own, event_time=now), recommendation(own, 1, ["sku-1"], event_time=now)], [])
    page.goto("/assets?sort=last_seen")
    page.get_by_role("link", name=own, exact=True).first.click()
    expect(page.locator("h1")).to_contain_text(own)
    page.goto("/shop")
    page.get_by_role("link", name=own, exact=True).first.click()
    expect(page.locator("h1")).to_have_text(own)


def test_an_item_may_be_called_as_a_list_is(console: httpx2.Client, store: Store) -> None:
    store.write([item("trending", title="T")], [])
    assert "item_id" not in console.get("/v1/items/trending").json()
    assert console.get("/v1/items/%1Ftrending").json()["item_id"] == "trending"
