"""A console on a real server with something to show, and a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from console import install
from schemas import Evidence, Settings
from storage import Store
from tests.api.conftest import serving
from tests.storage.test_kept import click, entry, item, letter, reading, told
from tests.support.databases import migrated_sqlite, sqlite_url
from tests.support.decisions import alert, catalogue_entry, recommendation, score

__all__ = ["migrated_sqlite", "sqlite_url"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def fill(store: Store) -> None:
    """A plant with an alert, a shop with a user, a worker, a dead letter."""
    evidence = Evidence(
        reason="rul below 20 for 3 readings", value=12.0, threshold=20.0, low=8.0, high=17.0,
        contributions=[{"feature": "vibration.level", "contribution": -21.4}, {"feature": "age", "contribution": 2.0}],
    )  # fmt: skip
    store.write([score(n, "p1", value=100.0 - n) for n in range(60)] + [reading(10 * n, n) for n in range(60)], [])
    store.write([entry(n) for n in range(3)], [])
    store.write(
        [
            alert("a-1", 0, 50, asset_id="p1", evidence=evidence),
            alert("a-2", 0, 20, asset_id="pump-2", severity="critical"),
            alert("a-3", 0, 10, asset_id="pump-3"),
            alert("a-3", 1, 30, asset_id="pump-3", state="cleared"),
        ],
        [],
    )
    store.write([item(f"sku-{n}", title=f"Shoe {n}", category="feet") for n in range(5)], [])
    store.write([recommendation("ann", 1, ["sku-1", "sku-2"]), catalogue_entry("list/trending", 1, ["sku-3"])], [])
    store.write([catalogue_entry("item/sku-1", 1, ["sku-2"]), click("ann", 1, item_id="sku-1")], [])
    store.write([told("edge-1", datetime.now(UTC) + timedelta(minutes=5), 7), letter(1)], [])


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = Store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def console(sqlite_url: str, store: Store, tmp_path: Path) -> Iterator[httpx2.Client]:
    fill(store)
    with serving(Settings(home=tmp_path, database_url=sqlite_url, api_port=0), extend=install) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium; a machine of CI has one. While it is open, its event loop runs in this thread, so no test
    of another module that has one may come."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        assert not os.environ.get("CI"), "CI has no Chromium: .ci/run installs it"
        pytest.skip("there is no Chromium on this machine (Debian has it in the package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, console: httpx2.Client) -> Iterator[Page]:
    """A page that fails the test where the browser reports an error, or asks another host."""
    context = browser.new_context(base_url=str(console.base_url).rstrip("/"))
    context.set_default_timeout(10_000)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if said.type == "error" and "responded" not in said.text else None,
    )
    page.on("response", lambda got: wrong.append(got.url) if "/static/" in got.url and not got.ok else None)
    own = (str(console.base_url), "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
    yield page
    context.close()
    assert wrong == []
