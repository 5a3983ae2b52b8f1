"""The console in a real Chromium: live update, filters, acknowledging, keyboard, phone, dark, back."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from schemas import Notification
from storage import Decision, NotificationStore, Store
from tests.api.test_answers import telling
from tests.storage.test_kept import told
from tests.support.decisions import alert, recommendation, score

pytestmark = pytest.mark.long
PHONE = {"width": 390, "height": 844}
WIDE_PAGES = ["/", "/alerts", "/alerts/a-1", "/assets", "/assets/pump/p1?range=all", "/shop", "/shop/users/ann",
              "/shop/items/sku-1", "/models", "/streams", "/streams/dead-letters", "/docs", "/notifications",
              "/search?q=shoe"]  # fmt: skip


def test_what_happens_is_shown_without_reloading(page: Page, store: Store) -> None:
    page.goto("/")
    expect(page.locator("#figures")).to_contain_text("1 critical")
    store.write([recommendation("bob", 7, ["sku-4"], event_time=datetime.now(UTC))], [])
    expect(page.locator("[data-live=decisions]")).to_contain_text("bob")
    page.get_by_role("button", name="Pause").click()
    store.write([recommendation("cleo", 8, ["sku-4"], event_time=datetime.now(UTC))], [])
    store.write([alert("a-9", 0, 90, asset_id="pump-9", severity="critical")], [])
    expect(page.locator("#figures")).to_contain_text("2 critical")
    expect(page.locator("[data-live=decisions]")).not_to_contain_text("cleo")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("[data-live=decisions]")).to_contain_text("cleo")
    assert page.locator(".chart canvas").count() == 3


def test_alerts_filter_acknowledge_and_back(page: Page, store: Store) -> None:
    page.goto("/alerts")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Critical").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "severity=critical" in page.url
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(2)
    store.write([alert("a-9", 0, 90, asset_id="pump-9")], [])
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Choose the alert of pump-2").check()
    page.get_by_label("Choose the alert of p1").check()
    page.get_by_label("Your name").fill("jo")
    page.get_by_label("Comment, or why").fill("bearing ordered")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").last).to_contain_text("2 alerts acknowledged")
    expect(page.locator("tbody")).to_contain_text("bearing ordered")
    page.get_by_role("link", name="Not seen").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_notification_that_failed_is_seen_and_tried_again(page: Page, store: Store, sqlite_url: str) -> None:
    page.goto("/notifications")
    expect(page.locator("#channels")).to_contain_text("millrace notify check")
    notifying, now = NotificationStore(sqlite_url), datetime.now(UTC)
    notifying.begin()
    told = Notification(**Notification.EXAMPLE | {"created_at": now})
    notifying.commit(0, Decision(0, {}, [told], now))
    notifying.tell_channels({"mechanics": {"service": "E-Mail", "rules": ["all"], "is_quiet": False}}, now)
    claimed = notifying.claim("mechanics", now, now, 10, now)
    assert claimed is not None
    notifying.failed(claimed, "answered 404: <gone>")
    page.goto("/alerts")
    page.get_by_role("link", name="Notifications").click()
    expect(page.locator("#channels")).to_contain_text("E-Mail")
    page.locator("#channels").get_by_role("link", name="1").click()
    expect(page.locator("#list")).to_contain_text("answered 404: <gone>")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status").last).to_contain_text("It is sent again")
    expect(page.locator("#list")).to_contain_text("None that failed")
    page.get_by_role("link", name="Waiting").click()
    expect(page.locator("#list")).to_contain_text("Warning: pump-7, wear (pump, north)")
    notifying.close()


def test_an_alert_is_shelved_assigned_and_closed_by_hand(page: Page, store: Store) -> None:
    store.write([alert("c-1", 0, 95, asset_id="pump-c")], [])
    page.goto("/alerts")
    page.get_by_label("Choose the alert of pump-c").check()
    page.get_by_label("Your name").fill("jo")
    page.get_by_label("Comment, or why").fill("part on Monday")
    page.get_by_role("button", name="Shelve them").click()
    expect(page.get_by_role("status").last).to_contain_text("1 alert shelved")
    expect(page.locator("tbody")).not_to_contain_text("pump-c")
    page.get_by_role("link", name="Shelved").click()
    page.locator("tbody").get_by_role("link", name="wear").click()
    expect(page.locator("main")).to_contain_text("part on Monday")
    page.get_by_role("button", name="Bring back").click()
    page.get_by_label("To", exact=True).fill("night shift")
    page.get_by_role("button", name="Assign").click()
    expect(page.locator(".steps")).to_contain_text("Assigned to night shift by jo")
    page.get_by_label("Comment, or why").fill("scrapped")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("h1")).to_contain_text("closed")
    page.get_by_label("It was").select_option("a false alarm")
    page.get_by_role("button", name="Say what it came to").click()
    expect(page.locator(".facts")).to_contain_text("false alarm")


def test_one_alert_shows_what_moved_it(page: Page) -> None:
    page.goto("/alerts/a-1")
    expect(page.locator(".bars tr").first).to_contain_text("vibration.level")
    assert page.locator(".bars rect.up").first.bounding_box()["width"] > 10  # type: ignore[index]
    assert page.locator(".chart canvas").count() >= 1


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/alerts")
    page.keyboard.press("Tab")
    expect(page.get_by_text("To the content")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "wear":
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("wear")


@pytest.mark.parametrize("path", WIDE_PAGES)
def test_nothing_is_wider_than_a_phone(page: Page, path: str) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(path)
    page.wait_for_load_state("load")
    if path == "/docs":
        page.frame_locator("iframe").locator(".opblock").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


@pytest.mark.parametrize("path", [path for path in WIDE_PAGES if path != "/docs"])
def test_what_does_not_fit_on_a_phone_can_be_reached(page: Page, path: str) -> None:
    """At 360 px nothing is cut off: what is wider than its place scrolls, and says so."""
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(path)
    page.wait_for_load_state("load")
    cut, silent = page.evaluate(OVERFLOWS)
    assert cut == []
    assert silent == []


def test_a_table_that_grows_wider_later_says_so(page: Page, store: Store) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto("/")
    page.wait_for_load_state("load")
    store.write([recommendation("wide" * 30, 7, ["sku-4"], event_time=datetime.now(UTC))], [])
    card = page.locator("[data-live=decisions] .card", has_text="Recommended")
    expect(card).to_contain_text("wide" * 10)
    expect(card).to_have_class("card overflows")
    assert page.evaluate(OVERFLOWS) == [[], []]


# What is wider than its place and cannot be scrolled, and what can be and does not say so within some frames: it is
# told by an observer, and the page changes as decisions come.
OVERFLOWS = """async () => {
  const wide = () => [...document.querySelectorAll("main, main *")].filter((e) => e.checkVisibility()
    && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline"
    && !e.closest(".sr, .u-wrap, svg, pre, select"));
  const isScrolled = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  const saysSo = (e) => getComputedStyle(e, "::before").content.includes("swipe");
  const named = (found) => found.map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`);
  const isSilent = (e) => isScrolled(e) && !saysSo(e);
  const found = () => [wide().filter((e) => !isScrolled(e)), wide().filter(isSilent)].map(named);
  for (let frame = 0; frame < 100 && found()[1].length > 0; frame++) await new Promise(requestAnimationFrame);
  return found();
}"""


def test_the_strip_of_regimes_lies_under_the_plot_and_follows_its_zoom(page: Page, store: Store) -> None:
    store.write([score(n, "p9", regime=n // 30) for n in range(90)], [])
    page.goto("/assets/pump/p9?range=all")
    plot, strip = page.locator(".charts.one .u-over"), page.locator("#strip svg.runs")
    expect(strip.locator("rect")).to_have_count(3)
    above, below = plot.bounding_box(), strip.bounding_box()
    assert above is not None
    assert below is not None
    assert abs(above["x"] - below["x"]) < 1.5
    assert abs(above["width"] - below["width"]) < 1.5
    second = strip.locator("rect").nth(1).bounding_box()
    assert second is not None
    assert abs((second["x"] - above["x"]) / above["width"] - 30 / 89) < 0.01
    page.mouse.move(above["x"] + above["width"] * 0.5, above["y"] + 40)
    page.mouse.down()
    page.mouse.move(above["x"] + above["width"] * 0.6, above["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "Number(document.querySelector('#strip svg.runs').getAttribute('viewBox').split(' ')[2]) < 12"
    )


def test_a_row_is_acknowledged_where_it_stands(page: Page) -> None:
    page.goto("/alerts")
    row = page.locator("tbody tr").filter(has_text="p1")
    row.get_by_text("nobody").first.click()
    row.get_by_label("Who has seen it").fill("jo")
    row.get_by_label("What is said of p1").fill("bearing ordered")
    row.get_by_role("button", name="I have seen it").click()
    expect(page.get_by_role("status").last).to_contain_text("1 alert acknowledged")
    expect(page.locator("tbody tr").filter(has_text="p1")).to_contain_text("bearing ordered")
    page.locator("tbody tr").filter(has_text="pump-2").get_by_text("nobody").first.click()
    expect(page.get_by_label("Who has seen it").last).to_have_value("jo")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Page, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, in both schemes."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/alerts")
    ratios = page.evaluate(CONTRAST)
    assert ratios
    assert min(ratio for ratio, _ in ratios) >= 4.5, sorted(ratios)[:5]


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const found = rgb(getComputedStyle(e).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  return [...document.querySelectorAll("main *, header *")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility())
    .filter((e) => !e.matches(".skip, .sr, option"))
    .map((e) => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 30)];
    });
}"""


def test_a_tab_that_is_hidden_holds_no_stream(page: Page, console: httpx2.Client) -> None:
    page.goto("/")
    expect(page.locator("#figures")).to_contain_text("critical")
    page.goto("/sign-in")
    page.wait_for_function("!performance.getEntriesByType('resource').some((e) => e.name.endsWith('/live/stream'))")


def test_a_worker_that_tells_is_shown(page: Page, store: Store) -> None:
    page.goto("/streams")
    expect(page.locator("main")).to_contain_text("edge-1")
    store.write([told("edge-2", datetime.now(UTC), 3)], [])
    page.reload()
    expect(page.locator("main")).to_contain_text("edge-2")


def test_topics_show_what_comes_in_and_who_is_behind(page: Page, store: Store) -> None:
    store.write([telling("edge-7", {"lag": {0: 3, 1: 4}, "events_per_s": 21.5})], [])
    page.goto("/streams")
    row = page.get_by_role("row").filter(has=page.get_by_text("clicks.v1", exact=True)).first
    expect(row).to_contain_text("21.5")
    expect(row).to_contain_text("recommend 7")
    row.get_by_text("4", exact=True).first.click()
    expect(row.locator("table tbody tr")).to_have_count(4)
    expect(row.locator("table tbody tr").nth(1)).to_contain_text("4")
    store.write([telling("edge-7", {"lag": {0: 0, 1: 1}, "events_per_s": 30.0})], [])
    expect(row).to_contain_text("recommend 1", timeout=12_000)
    expect(row.locator("table tbody tr").first).to_be_visible()  # what was open stays open


def test_from_any_page_to_a_thing_by_the_keyboard(page: Page) -> None:
    page.goto("/models")
    page.keyboard.press("/")
    page.keyboard.type("pump-2")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("pump-2")
    page.locator("#find").fill("shoe")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Shoe 3")).to_be_visible()


def test_the_first_minute_suggests_what_is_there(page: Page, store: Store) -> None:
    store.write([recommendation("zoe", 9, ["sku-4", "sku-1"], event_time=datetime.now(UTC))], [])
    page.goto("/")
    first = page.locator("#first")
    expect(first.get_by_label("User")).to_have_value("zoe")
    expect(first.get_by_label("clicks item")).to_have_value("sku-4")
    expect(first.get_by_label("Asset")).to_have_value("p1")
    expect(first.get_by_label("sensor")).to_have_value("vibration")
    expect(first.get_by_role("link", name="wear of p1")).to_be_visible()
    page.get_by_role("button", name="Click").click()
    expect(page.locator("#notice")).to_contain_text("broker")
    first.locator("summary").click()
    page.reload()
    expect(first.get_by_label("User")).not_to_be_visible()


def test_what_changed_in_a_list_is_marked(page: Page, store: Store) -> None:
    page.goto("/shop/users/ann")
    row = {n: page.locator(f"[data-item=sku-{n}]") for n in range(5)}
    expect(row[1]).to_be_visible()
    expect(page.locator(".change")).to_have_count(0)
    store.write([recommendation("ann", 2, ["sku-4", "sku-2", "sku-1"], event_time=datetime.now(UTC))], [])
    expect(row[4]).to_contain_text("new", timeout=15_000)
    expect(row[1]).to_contain_text("▼ 2")
    expect(row[2].locator(".change")).to_have_count(0)
    page.wait_for_timeout(6000)
    expect(row[4].locator(".change")).to_have_count(1)  # it stays marked, once, until the next list comes
    store.write([recommendation("ann", 3, ["sku-1"], event_time=datetime.now(UTC))], [])
    expect(row[1]).to_contain_text("▲ 2", timeout=15_000)


def test_what_was_begun_is_not_taken_away(page: Page, store: Store) -> None:
    """The list is made anew when something happens, but not while somebody chooses in it."""
    page.goto("/alerts?severity=advisory")
    expect(page.get_by_text("No alert fits")).to_be_visible()
    store.write([alert("b-1", 0, 90, asset_id="pump-8", severity="advisory")], [])
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    page.get_by_label("Choose the alert of pump-8").check()
    store.write([alert("b-2", 0, 95, asset_id="pump-9", severity="advisory")], [])
    page.wait_for_timeout(3000)
    assert page.get_by_label("Choose the alert of pump-8").is_checked()
    page.get_by_label("Choose the alert of pump-8").uncheck()
    store.write([alert("b-3", 0, 99, asset_id="pump-7", severity="advisory")], [])
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Your name").fill("jo")
    page.get_by_label("Choose all of this page").check()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").last).to_contain_text("3 alerts acknowledged")
    page.goto("/alerts/a-1")
    for name in page.get_by_label("Your name").all():
        expect(name).to_have_value("jo")


def test_an_asset_is_watched_without_reloading(page: Page, store: Store) -> None:
    page.goto("/assets/pump/p1?range=all")
    expect(page.locator("#now")).to_contain_text("41 hour")
    store.write([score(70, "p1", value=7.0)], [])
    expect(page.locator("#now")).to_contain_text("7 hour", timeout=20_000)
    drawn = page.locator(".chart[data-series]").first
    assert drawn.locator("canvas").count() == 1


def test_charts_tell_the_time_of_the_form_beside_them_wherever_the_browser_is(
    browser: Browser, console: httpx2.Client
) -> None:
    context = browser.new_context(base_url=str(console.base_url), timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto("/assets/pump/p1?range=all")
    page.locator(".chart[data-series] .u-over").first.hover(position={"x": 5, "y": 40})
    expect(page.locator(".chart[data-series] + .more").first).to_contain_text("2026-05-01 12:00:0")
    expect(page.locator(".chart[data-series] + .more").first).to_contain_text("UTC")
    context.close()


def test_problems_are_told_inside_the_page(page: Page) -> None:
    page.goto("/shop/users/ann")
    with page.expect_response("**/shop/click"):
        page.get_by_role("button", name="Cart").first.click()
    expect(page.locator("#notice")).to_contain_text("Kafka")
    assert page.locator("header").count() == 1
    expect(page.locator("tbody").last).to_contain_text("Shoe 1")


def test_charts_can_be_read_without_scripts(browser: Browser, console: httpx2.Client) -> None:
    context = browser.new_context(base_url=str(console.base_url), java_script_enabled=False)
    page = context.new_page()
    page.goto("/assets/pump/p1?range=all")
    assert page.locator("svg.still").count() >= 2
    expect(page.locator("figcaption").first).to_contain_text("41 to 100, at last 41")
    page.goto("/alerts")
    page.get_by_label("Choose the alert of p1").check()
    page.get_by_label("Your name").fill("jo")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").last).to_contain_text("1 alert acknowledged")
    context.close()


def test_the_alerts_are_on_paper_too(page: Page) -> None:
    page.goto("/alerts")
    page.emulate_media(media="print")
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator("nav")).not_to_be_visible()
