"""What the pages look like where it goes wrong easily: long and hostile texts, marks on charts, a single point."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from console.page import part
from schemas import Evidence
from storage import Store
from tests.storage.test_kept import click, item, letter
from tests.support.decisions import alert, recommendation, score

pytestmark = pytest.mark.long

WIDER = """[...document.querySelectorAll(".card, .table, body")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.innerText.slice(0, 40))"""

DRAWN = """(() => {  // the paths and the texts of all canvases
  const own = CanvasRenderingContext2D.prototype;
  let path = "";
  window.drawn = new Set();
  const watch = (name, before) => {
    const call = own[name];
    own[name] = function (...given) { before(given); return call.apply(this, given); };
  };
  watch("beginPath", () => { path = ""; });
  for (const name of ["moveTo", "lineTo", "arc", "rect"]) watch(name, () => { path += `${name} `; });
  for (const name of ["fill", "stroke"]) watch(name, () => window.drawn.add(`${path}${name}`));
  watch("fillText", ([text]) => window.drawn.add(text));
})()"""


def drawn_on(page: Page, path: str) -> set[str]:
    page.add_init_script(DRAWN)
    page.goto(path)
    page.locator(".charts.one canvas").wait_for()
    return set(page.evaluate("[...window.drawn]"))


@pytest.mark.parametrize("text", ["x" * 190, "word " * 38, "\u202e<b>" * 40])
def test_a_long_text_leaves_the_rest_of_a_list_in_sight(page: Page, store: Store, text: str) -> None:
    """At the width of a laptop every column is reached without scrolling, and one alert does not fill the page."""
    long = Evidence(reason=text, sentence=(text * 60)[:9000], value=1.0, threshold=2.0)
    store.write([alert("long", 0, 99, asset_id=text, failure_mode=text, evidence=long)], [])
    store.write([score(900, text), item(text, title=text, category=text), click(text, 9, item_id=text)], [])
    store.write([recommendation(text, 900, [text], event_time=datetime.now(UTC))], [])
    store.write([letter(1)._replace(reason=text * 60, offset=9)], [])
    page.set_viewport_size({"width": 1280, "height": 800})
    for path in (
        "/",
        "/alerts",
        "/assets",
        "/shop",
        f"/shop/users/{part(text)}",
        "/search?q=p1",
        "/alerts/long",
        "/streams/dead-letters",
        "/streams/dead-letters/clicks.v1/0/9",
    ):
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate(WIDER) == [], path
        assert page.evaluate("document.documentElement.scrollHeight") < 3000, path


def test_marks_on_a_chart_differ_in_shape_too(page: Page, store: Store) -> None:
    for number, severity in enumerate(("critical", "warning", "advisory")):
        store.write([alert(f"m-{number}", 0, 10 + number, asset_id="p1", severity=severity)], [])
    store.write([alert("m-0", 1, 40, asset_id="p1", state="cleared")], [])
    diamond, triangle = "moveTo lineTo lineTo lineTo fill", "moveTo lineTo lineTo fill"
    circle, ring, square = "arc fill", "arc stroke", "rect fill"
    assert {diamond, triangle, circle, ring, square} <= drawn_on(page, "/assets/pump/p1?range=all")
    expect(page.locator(".marks")).to_contain_text("maintenance log")


def test_a_single_score_has_minutes_around_it(page: Page, store: Store) -> None:
    store.write([score(900, "new", event_time=datetime(2026, 5, 2, 12, tzinfo=UTC))], [])
    texts = drawn_on(page, "/assets/pump/new?range=all")
    assert any("12:00" in text for text in texts)
    assert not any("2027" in text for text in texts)


def test_what_went_wrong_is_in_sight_until_the_next_attempt(page: Page) -> None:
    """Also below the first screen, where the form is."""
    page.set_viewport_size({"width": 390, "height": 500})
    page.goto("/")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("broker")
    expect(page.locator("#notice")).to_be_in_viewport()
    page.route("**/try/reading", lambda _: None)  # it is on its way
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#notice")).to_be_empty()


def test_filters_of_one_kind_are_a_group_with_a_name(page: Page) -> None:
    page.goto("/alerts")
    severity = page.get_by_role("group", name="Severity")
    expect(severity.get_by_role("link")).to_have_count(4)
    tops = severity.get_by_role("link").evaluate_all("links => links.map((one) => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1, "at the width of a laptop no line ends inside a group"


@pytest.mark.parametrize(("path", "always", "spare"), [
    ("/alerts?about=data", ("State", "Severity", "About"), "Order"),
    ("/assets", ("Worst open alert",), "Service"),
])  # fmt: skip
def test_on_a_phone_most_filters_wait_until_they_are_asked_for(
    page: Page, path: str, always: tuple[str, ...], spare: str
) -> None:
    """All but the first ones, and those that are chosen; on a wide screen none waits."""
    page.goto(path)
    box = page.get_by_label("All filters")
    expect(box).to_be_hidden()
    expect(page.get_by_role("group", name=spare)).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    for name in always:
        expect(page.get_by_role("group", name=name)).to_be_visible()
    expect(page.get_by_role("group", name=spare)).to_be_hidden()
    box.check()
    expect(page.get_by_role("group", name=spare)).to_be_visible()


def test_paper_is_white_where_the_screen_is_dark(page: Page) -> None:
    page.goto("/alerts")
    page.emulate_media(media="print", color_scheme="dark")
    ink = page.locator("h1").evaluate("(one) => getComputedStyle(one).color")
    assert ink == "rgb(27, 33, 39)"
