"""Pages without a browser: complete, escaped, nothing from another host, and problems that are pages."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import make_key
from console import install, read_lock
from console.charts import chart_of
from console.page import ago, coded, number, part
from schemas import Asset, Comparison, Evidence, Maintenance, Point, Series, Settings, Telemetry
from storage import NotificationStore, Placed, Store
from tests.api.conftest import serving
from tests.console.conftest import fill
from tests.storage.test_kept import item, letter, reading
from tests.support.decisions import NOON, alert, at, data_alert, recommendation, score, worker_status

PAGES = [
    "/", "/alerts", "/alerts?state=cleared", "/alerts?severity=critical&acknowledged=false", "/alerts/a-1",
    "/alerts/a-2",
    "/assets", "/assets?sort=last_seen&query=pump", "/assets/pump/p1?range=all", "/assets/pump/p1", "/shop",
    "/shop?query=shoe", "/shop/users/ann", "/shop/users/nobody", "/shop/items/sku-1", "/shop/items/none", "/models",
    "/streams", "/streams/dead-letters", "/streams/dead-letters?topic=clicks.v1", "/docs", "/docs/frame",
    "/sign-in", "/alerts?state=all&raised=day", "/alerts?shelved=true", "/alerts/performance",
    "/alerts/performance?span=year&asset_class=pump", "/notifications", "/notifications?state=failed&channel=c",
    "/search", "/search?q=shoe", "/search?q=nothing%20has%20this",
]  # fmt: skip


# where forms are sent to; and events, which need a broker
FORMS = r"/(shop/click|streams/replay|shop/users|alerts/acknowledge|notifications/retry|sign-out|try/[a-z]+|events/.*)$"


class Reader(HTMLParser):
    """What a page loads, where its links go, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts_inside = 0
        self.handlers: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith(("on", "hx-on", "style"))]
        self.scripts_inside += tag == "style" or (tag == "script" and "src" not in given)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_complete_and_of_this_host(console: httpx2.Client, path: str) -> None:
    answer = console.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.text.rstrip().endswith("</html>")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    read = Reader(answer.text)
    assert {address for address in read.addresses if not address.startswith(("/", "?", "#"))} == set()
    assert (read.scripts_inside, read.handlers) == (0, [])
    assert "Traceback" not in answer.text


def test_links_of_the_pages_lead_somewhere(console: httpx2.Client) -> None:
    seen: set[str] = set()
    for path in PAGES:
        for address in Reader(console.get(path).text).addresses:
            link = str(httpx2.URL(str(console.base_url) + path).join(address))
            if (
                link in seen
                or "/events/" in link
                or link.endswith(("alerts/act", "sign-out", "/try/click", "/try/reading"))
            ):
                continue
            seen.add(link)
            if not re.search(r"/(shop/click|streams/replay|shop/users)$", link):
                assert console.get(link).status_code in (200, 303, 404), link
                assert console.get(link).status_code != 404 or "/models/" in link, link


def test_what_pages_say(console: httpx2.Client) -> None:
    assert "rul below 20 for 3 readings" in Reader(console.get("/alerts/a-1").text).words
    assert "vibration.level" in console.get("/alerts/a-1").text
    alerts = Reader(console.get("/alerts").text).words
    assert "p1" in alerts
    assert "pump-3" not in alerts, "it is cleared"
    assert "pump-3" in Reader(console.get("/alerts?state=cleared").text).words
    assert "pump-2" in Reader(console.get("/alerts?severity=critical").text).words
    assert "Shoe 1" in Reader(console.get("/shop/users/ann").text).words
    assert "Nothing" in Reader(console.get("/shop/items/none").text).words
    item_page = console.get("/shop/items/sku-1").text
    assert "1 of 1 clicks" in item_page
    assert "Counted are the newest 1 clicks" in Reader(item_page).words
    assert console.get("/alerts?query=pump-2").text.count('type="checkbox" name="alert"') == 1


def test_open_alerts_have_the_worst_first_whatever_page_it_would_be_on(console: httpx2.Client, store: Store) -> None:
    """The oldest of more than a page."""
    store.write([alert(f"n-{n:02}", 0, 100 + n, asset_id=f"new-{n}", severity="advisory") for n in range(60)], [])
    store.write([alert("old", 0, 1, asset_id="old-1", severity="critical")], [])
    first = console.get("/alerts").text
    rows = re.findall(r'type="checkbox" name="alert" value="([^"]+)"', first)
    assert rows.index("old") <= 1  # beside the critical one of the fixture
    [more] = [unescape(found) for found in re.findall(r'href="([^"]+)">More<', first)]
    rest = re.findall(r'type="checkbox" name="alert" value="([^"]+)"', console.get(more).text)
    assert len(rows) == 50
    assert not set(rows) & set(rest)
    assert {f"n-{n:02}" for n in range(60)} <= {*rows, *rest}
    newest = console.get("/alerts?sort=raised_at").text
    assert re.findall(r'type="checkbox" name="alert" value="([^"]+)"', newest)[0] == "n-59"
    [older] = [unescape(found) for found in re.findall(r'href="([^"]+)">Older ones<', newest)]
    bookmark = older.replace("&sort=raised_at", "")  # as the console had it when this was the order of open alerts
    assert "after=" in bookmark
    assert re.findall(r'type="checkbox" name="alert" value="([^"]+)"', console.get(bookmark).text) == rows


def test_a_list_without_alerts_says_why(console: httpx2.Client, store: Store) -> None:
    assert "No alert fits" in Reader(console.get("/alerts?query=none").text).words
    store.write([alert("a-1", 1, 90, asset_id="p1", state="cleared")], [])
    store.write([alert("a-2", 1, 90, asset_id="pump-2", state="cleared")], [])
    assert "No alert is open" in Reader(console.get("/alerts").text).words


def test_any_time_of_an_asset_is_a_bookmark(console: httpx2.Client) -> None:
    """Times without a zone are UTC, as the form sends them; the charts and the CSV are of the same time."""
    start, end = NOON + timedelta(seconds=20), NOON + timedelta(seconds=40)
    for first, last in (
        (start.isoformat(), end.isoformat()),
        (f"{start:%Y-%m-%dT%H:%M:%S}", f"{end:%Y-%m-%dT%H:%M:%S}"),
    ):
        page = console.get("/assets/pump/p1", params={"from": first, "to": last}).text
        assert "61 to 80, at last 61" in Reader(page).words
        [scores] = [one for one in Reader(page).addresses if one.startswith("/v1/assets/p1/scores")]
        assert len(console.get(scores).text.splitlines()) == 21
    assert f'value="{start:%Y-%m-%dT%H:%M}"' in page
    whole = console.get("/assets/pump/p1?range=all").text
    assert console.get(next(a for a in Reader(whole).addresses if "/scores" in a)).text.count("\n") == 61


def test_a_challenger_that_was_not_compared_yet_is_shown(console: httpx2.Client, store: Store) -> None:
    now = datetime.now(UTC)
    begun = Comparison(
        name="pump", champion="1", challenger="2", since=now, decisions=0, difference_mean=0.0,
        difference_deviation=0.0, histogram=[], edges=[], calibration=[], cpu_us=0.0,
    )  # fmt: skip
    store.write([worker_status("w", now).model_copy(update={"comparisons": [begun]})], [])
    assert "No decision was compared yet" in console.get("/models/pump").text


def test_an_alert_says_what_was_compared_with_what(console: httpx2.Client, store: Store) -> None:
    words = " ".join(Reader(console.get("/alerts/a-1").text).words.split())
    assert "remaining life was 12 hour (8 to 17 with 90 %), the limit is 20 hour." in words
    reached = Evidence(reason="reached the critical level", value=0.643, threshold=0.4)
    share = {"asset_id": "press-1", "asset_class": "press", "failure_mode": "seal"}
    store.write([score(9, "press-1", asset_class="press", kind="failure_probability", component="seal", value=0.6)], [])
    store.write([alert("s", 0, 9, evidence=reached, **share)], [])
    words = " ".join(Reader(console.get("/alerts/s").text).words.split())
    assert "the probability of failure was 64.3 %, the limit is 40.0 %." in words


def test_a_data_alert_is_on_its_pages(console: httpx2.Client, store: Store) -> None:
    store.write([data_alert("d", asset_id="p1")], [])
    for path in ("/alerts/d", "/alerts", "/assets/pump/p1", "/"):
        page = console.get(path)
        assert page.status_code == 200, path
        assert "/alerts/d" in page.text, path
    assert "s3 is stuck" in Reader(console.get("/alerts/d").text).words


def test_a_file_of_rules_that_is_refused_is_told(console: httpx2.Client, sqlite_url: str) -> None:
    notifications = NotificationStore(sqlite_url)
    told = {"service": "E-Mail", "rules": ["r"], "is_quiet": False, "rules_fault": "rules.toml: severity: must be <b>"}
    notifications.tell_channels({"a": told, "b": told}, NOON)
    notifications.close()
    page = console.get("/notifications").text
    assert page.count("rules refused") == 1
    assert "severity: must be &lt;b&gt;" in page


def test_how_good_the_data_of_an_asset_is_can_be_seen(console: httpx2.Client, store: Store) -> None:
    broken = [{"sensor": "vibration", "fault": "stuck"}]
    store.write([score(900, "p-b", quality="degraded", sensors=broken), score(901, "p-g", quality="good")], [])
    for path in ("/assets?query=p-b", "/assets/pump/p-b"):
        words = Reader(console.get(path).text).words
        assert "data degraded" in words, path
        assert "vibration stuck" in words, path
    assert "data degraded" not in console.get("/assets/pump/p-g").text


def test_what_is_out_of_service_and_in_a_window_can_be_seen(console: httpx2.Client, store: Store) -> None:
    now = datetime.now(UTC)
    store.write([score(910, "s-out"), score(911, "s-gone"), score(912, "s-window")], [])
    entries = [("s-out", "out_of_service", -1), ("s-gone", "decommissioned", -1), ("s-window", "window_start", -1),
               ("s-window", "window_end", 5)]  # fmt: skip
    for place, (asset, kind, hours) in enumerate(entries):
        head = {"event_id": f"e{place}", "event_time": now + timedelta(hours=hours), "asset_id": asset}
        told = Maintenance.model_validate({**head, "asset_class": "pump", "kind": kind})
        store.write([Placed(0, 800 + place, told)], [])
    fleet = Reader(console.get("/assets?query=s-").text).words
    assert "out of service" in fleet
    assert "s-gone" not in fleet
    assert "s-gone" in Reader(console.get("/assets?service=decommissioned").text).words
    assert "Out of service since" in Reader(console.get("/assets/pump/s-out").text).words
    assert "Maintenance window open" in Reader(console.get("/assets/pump/s-window").text).words


def test_a_class_without_a_model_is_told_with_its_command(console: httpx2.Client, store: Store) -> None:
    unserved = Telemetry(event_id="t", event_time=NOON, asset_id="f/1", asset_class="fan", readings={"speed": 3.0})
    store.write([Placed(0, 9, unserved), reading(20, 0.5, "p-unscored")], [])
    command = "millrace train maintenance fan.toml --from-topics --promote"
    fleet = " ".join(Reader(console.get("/assets").text).words.split())
    assert "fan: no model yet for 1 asset." in fleet
    assert command in fleet
    assert "pump: no model yet" not in fleet
    one = Reader(console.get("/assets/fan/f%2F1?range=all").text).words
    assert command in one
    assert "speed" in one
    assert "no model of pump yet" not in console.get("/assets/pump/p-unscored").text, "others of the class are scored"


def test_the_filters_of_a_search_are_kept_as_they_are(console: httpx2.Client) -> None:
    page = console.get("/alerts?failure_mode=TWF&asset_class=CNC&assignee=Night%20Shift&acknowledged=false").text
    for kept in (
        'name="failure_mode" value="TWF"',
        'name="assignee" value="Night Shift"',
        'name="acknowledged" value="false"',
    ):
        assert kept in page, kept
    assert console.get("/search", params={"q": "a\0b"}).status_code in (200, 303, 422)


def test_a_site_in_trouble_is_shown_as_one_and_its_alerts_as_suppressed(console: httpx2.Client, store: Store) -> None:
    for n in range(6):
        place = Asset(asset_id=f"n{n}", asset_class="pump", event_time=at(0), site="north")
        store.write([Placed(0, 0, place)], [])
        store.write([score(n, f"n{n}"), alert(f"north-{n}", 0, n, asset_id=f"n{n}")], [])
    page = console.get("/alerts").text
    assert "site north: 6 assets" in page
    assert page.count("suppressed by its site") == 6
    assert "/alerts/north-1" not in console.get("/alerts", params={"suppressed": "false"}).text
    assert "/alerts/north-1" in console.get("/alerts", params={"suppressed": "true", "site": "north"}).text
    body = console.get("/v1/alerts/sites").json()["items"]
    assert body == [{"site": "north", "assets": 6, "critical": 0, "warning": 6, "advisory": 0, "suppresses": True}]


def test_assets_and_alerts_are_filtered_by_site(console: httpx2.Client, store: Store) -> None:
    assert "All sites" not in console.get("/assets").text, "nobody told of any"
    for name, site in (("p1", "north & co"), ("pump-2", "south")):
        labels = {"team": "hydraulics"}
        place = Asset(asset_id=name, asset_class="pump", event_time=at(0), site=site, line="l1", labels=labels)
        store.write([Placed(0, 0, place)], [])
    for path, first in (("/assets", "sort=worst"), ("/alerts", "state=raised")):
        assert f'{path}?{first}&amp;site=north+%26+co"' in console.get(path).text
        page = console.get(path, params={"site": "south"}).text
        assert "/assets/pump/pump-2" in page
        assert "/assets/pump/p1" not in page
        assert "/assets/pump/p1" in console.get(path, params={"label": "team:hydraulics", "site": "north & co"}).text
    page = console.get("/assets/pump/p1").text
    assert "/assets?site=north+%26+co&amp;line=l1" in page
    assert "/assets?label=team%3Ahydraulics" in page


def test_the_performance_of_the_alarms_is_on_a_page(console: httpx2.Client, store: Store) -> None:
    store.write([alert(f"n-{n}", 0, asset_id="noisy", event_time=datetime.now(UTC)) for n in range(12)], [])
    words = Reader(console.get("/alerts/performance?span=day").text).words
    assert "noisy" in words
    assert "chatters" in words
    assert "nobody has seen one yet" in words


def test_problems_are_pages(console: httpx2.Client) -> None:
    for path, status in (
        ("/alerts/none", 404), ("/assets/pump/none", 404), ("/assets/pump/p1?range=century", 422),
        ("/assets/pump/p1?from=yesterday", 422), ("/assets/pump/p1?to=9999-12-31T23:00", 422),
        ("/alerts?severity=loud", 422), ("/alerts?after=x", 422), ("/models/none", 404),
        ("/streams/dead-letters/clicks.v1/0/99", 404), ("/events/clicks.v1/0/0", 503), ("/events/nope/0/0", 503),
    ):  # fmt: skip
        answer = console.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
        assert "<h1>" in answer.text


def test_inside_a_page_a_problem_is_a_line(console: httpx2.Client) -> None:
    own = {"Origin": str(console.base_url).rstrip("/"), "HX-Request": "true"}
    answer = console.post("/alerts/act", data={"by": "jo", "kind": "acknowledged"}, headers=own)
    assert (answer.status_code, answer.headers["hx-retarget"]) == (422, "#notice")
    assert "<html" not in answer.text


def test_an_address_that_is_none_is_a_page_for_people(console: httpx2.Client) -> None:
    for path in ("/nope", "/shop/click"):
        answer = console.get(path, headers={"Accept": "text/html"})
        assert answer.status_code in (404, 405)
        assert "<h1>" in answer.text
    assert console.get("/nope").headers["content-type"] == "application/problem+json"
    for path in ("/v1/nope", "/v1/assets/none"):
        answer = console.get(path, headers={"Accept": "text/html"})
        assert answer.headers["content-type"] == "application/problem+json", path
    assert console.get("/favicon.ico").status_code == 301


def test_a_silence_is_a_hole_in_a_chart() -> None:
    times = [NOON + timedelta(seconds=s) for s in (0, 10, 20, 200, 210)]
    points = [Point(time=time, min=1, mean=2, max=3, count=1) for time in times]
    chart = chart_of(Series(name="rul", unit="hour", points=points))
    assert [value is None for value in chart["value"]] == [False, False, False, True, False, False]
    assert chart["time"] == sorted(chart["time"])
    assert (chart["least"], chart["most"]) == (1, 3)


HOSTILE = ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "'); drop", "{{ 7 * 7 }}", "ä" * 1999]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(console: httpx2.Client, store: Store, text: str) -> None:
    short = text[:190]
    store.write([item(short, title=text[:500], category=short)], [])
    store.write([score(900, short, asset_class="pump"), alert("h", 0, 60, asset_id=short, failure_mode=short)], [])
    store.write([recommendation(short, 9, [short]), letter(9)._replace(reason=text)], [])
    told = worker_status("w", datetime.now(UTC), refused="9")
    store.write([told.model_copy(update={"refused": [told.refused[0].model_copy(update={"reason": text})]})], [])
    own = part(short)
    for path in ("/", "/alerts", "/alerts/h", "/assets", f"/assets/pump/{own}", "/shop", f"/shop/users/{own}",
                 f"/shop/items/{own}", "/models", "/models/pump", "/streams/dead-letters",
                 f"/shop?query={part(short[:99])}", f"/alerts?query={part(short[:99])}"):  # fmt: skip
        answer = console.get(path)
        assert answer.status_code == 200, (path, answer.text)
        read = Reader(answer.text)
        assert (read.scripts_inside, read.handlers) == (0, []), path
        assert "49" not in read.words or "{{" not in text
    assert short[:40] in Reader(console.get("/shop").text).words


def test_what_nobody_sees_is_told_by_its_number(console: httpx2.Client, store: Store) -> None:
    """An id that only looks like another one is told apart; names that need such a character keep it."""
    turned, hidden, persian = "\u202egnp.exe", "p\u200b1", "می\u200cخواهم"
    store.write(
        [score(900, turned), score(901, hidden), score(902, persian), letter(7)._replace(reason="a\x1b[31mb")], []
    )
    page = console.get("/assets").text
    words = Reader(page).words
    assert "⟨U+202E⟩gnp.exe" in words
    assert "p⟨U+200B⟩1" in words
    assert persian in words
    assert f'/assets/pump/{part(turned)}" title="⟨U+202E⟩gnp.exe"' in page, (
        "it leads to the asset, and its hint tells too"
    )
    assert "a⟨U+001B⟩[31mb" in Reader(console.get("/streams/dead-letters").text).words
    assert f'value="{hidden}"' in console.get(f"/assets?query={part(hidden)}").text, "a form sends what it got"


def test_acknowledging_is_for_pages_of_this_server(console: httpx2.Client, store: Store) -> None:
    form = {"alert": ["a-1", "a-2"], "kind": "acknowledged", "by": "jo", "note": "seen", "back": "/alerts?state=raised"}
    foreign = console.post("/alerts/act", data=form, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    own = {"Origin": str(console.base_url).rstrip("/")}
    assert console.post("/alerts/act", data=form | {"by": ""}, headers=own).status_code == 422
    done = console.post("/alerts/act", data=form, headers=own)
    assert (done.status_code, done.headers["location"]) == (303, "/alerts?state=raised&done=2&kind=acknowledged&left=0")
    with store.reading() as reader:
        seen = {one: reader.alert(one) for one in ("a-1", "a-2")}
    assert {one: alert.acknowledgement.by for one, alert in seen.items() if alert and alert.acknowledgement} == {
        "a-1": "jo", "a-2": "jo"
    }  # fmt: skip
    away = console.post("/alerts/act", data=form | {"back": "//evil.example"}, headers=own)
    assert away.headers["location"] == "/alerts?done=0&kind=acknowledged&left=0&unchanged=2"
    nothing = console.post("/alerts/act", data={"by": "jo", "kind": "acknowledged"}, headers=own)
    assert (nothing.status_code, "No alert was chosen" in nothing.text) == (422, True)


def test_what_people_do_is_on_the_page(console: httpx2.Client, store: Store) -> None:
    own = {"Origin": str(console.base_url).rstrip("/")}

    def act(**form: str | list[str]) -> httpx2.Response:
        return console.post("/alerts/act", data={"alert": "a-1", "by": "jo", **form}, headers=own)

    for form, missing in (
        ({"kind": "shelved"}, "Say why"), ({"kind": "closed", "note": " "}, "Say why"),
        ({"kind": "commented"}, "Write the comment"), ({"kind": "outcome"}, "whether the alarm was true"),
    ):  # fmt: skip
        answer = act(**form)
        assert (answer.status_code, missing in answer.text) == (422, True), form
    for form in ({"kind": "commented", "note": "a\0b"}, {"kind": "assigned", "assignee": "a\nb"},
                 {"kind": "outcome", "verdict": "true_alarm", "found": "\0"}):  # fmt: skip
        assert act(**form).status_code == 422, form
    mistaken = console.post("/alerts/act", data={"alert": "a-1", "by": "jo", "kind": "shelved"},
                            headers={**own, "Referer": f"{own['Origin']}/alerts/a-1"})  # fmt: skip
    assert "/alerts/a-1" in Reader(mistaken.text).addresses, "there is a way back"
    assert act(kind="assigned", assignee="night shift").status_code == 303
    assert act(kind="shelved", note="part on Monday", hours="8").status_code == 303
    assert "a-1" not in console.get("/alerts").text
    page = Reader(console.get("/alerts?shelved=true&assignee=night%20shift").text).words
    assert "shelved, back" in page
    assert "night shift" in page
    shown = console.get("/alerts/a-1").text
    assert "part on Monday" in shown
    assert "Close by hand" in shown
    assert act(kind="unshelved", note="it came").status_code == 303
    assert act(kind="outcome", verdict="true_alarm", found="inner race", replaced="bearing").status_code == 303
    closed = act(alert=["a-1", "a-2"], kind="closed", note="scrapped")
    assert closed.headers["location"] == "/alerts?done=2&kind=closed&left=0"
    left = act(alert=["a-1", "a-2"], kind="shelved", note="again")
    assert left.headers["location"] == "/alerts?done=0&kind=shelved&left=2"
    told = Reader(console.get(left.headers["location"]).text).words
    assert "0 alerts shelved. 2 of those chosen are cleared already, or gone." in told
    assert act(kind="shelved", note="again").status_code == 409
    words = Reader(console.get("/alerts/a-1").text).words
    for said in ("Closed by jo", "scrapped", "found: inner race", "Back in sight", "Assigned to night shift by jo"):
        assert said in words, said
    assert "Close by hand" not in console.get("/alerts/a-1").text


def test_with_keys_people_sign_in(sqlite_url: str, store: Store, tmp_path: Path) -> None:
    fill(store)
    keys = {scope: make_key(tmp_path / "keys", f"a-{scope}", scope) for scope in ("read", "operate")}
    own = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_keys_file=tmp_path / "keys")
    with serving(own, extend=install) as client:
        origin = {"Origin": str(client.base_url).rstrip("/")}
        sent = client.get("/alerts/a-1")
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Falerts%2Fa-1")
        assert client.post("/sign-in", data={"key": "mr_guess", "next": "/"}, headers=origin).status_code == 401
        signed = client.post("/sign-in", data={"key": keys["read"], "next": "https://evil.example"}, headers=origin)
        assert (signed.status_code, signed.headers["location"]) == (303, "/")
        cookie = signed.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "max-age=28800"))
        assert client.get("/alerts/a-1").status_code == 200
        assert client.get("/alerts/a-1").headers["cache-control"] == "no-store"
        assert "Acknowledge" not in client.get("/alerts/a-1").text, "it may only read"
        foreign = {"Origin": "http://evil.example"}
        assert client.post("/sign-in", data={"key": keys["read"]}, headers=foreign).status_code == 403
        assert client.post("/sign-out", headers=foreign).status_code == 403
        form = {"alert": "a-1", "kind": "acknowledged", "note": "x"}
        assert client.post("/alerts/act", data=form, headers=origin).status_code == 403, "it may only read"
        client.post("/sign-in", data={"key": keys["operate"]}, headers=origin)
        assert client.post("/alerts/act", data=form).status_code in (303, 403), "no origin: to sign in"
        acted = client.post("/alerts/act", data=form, headers=origin)
        assert acted.headers["location"] == "/alerts?done=1&kind=acknowledged&left=0"
        with store.reading() as reader:
            seen = reader.alert("a-1")
        assert seen is not None
        assert seen.acknowledgement is not None
        assert seen.acknowledgement.by == "a-operate", "the name of the key, not of a form"
        client.post("/sign-out", headers=origin)
        assert client.get("/alerts?state=cleared").headers["location"] == "/sign-in?next=%2Falerts%3Fstate%3Dcleared"


def test_a_key_that_ended_leads_back_to_the_page_and_ends_its_stream(
    sqlite_url: str, store: Store, tmp_path: Path
) -> None:
    fill(store)
    make_key(tmp_path / "keys", "a-operate", "operate")
    own = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_keys_file=tmp_path / "keys")
    with serving(own, extend=install) as client:
        origin = {"Origin": str(client.base_url).rstrip("/")}
        page = {"Referer": f"{client.base_url}/alerts?severity=critical"} | origin
        sent = client.post("/alerts/act", data={"alert": "a-1", "kind": "acknowledged", "note": "x"}, headers=page)
        assert sent.headers["location"] == "/sign-in?next=%2Falerts%3Fseverity%3Dcritical"
        stream = client.get("/live/stream", headers={"Accept": "text/event-stream"})
        assert stream.status_code == 401, "a stream ends, instead of reading a page"
        assert "data-live" not in client.get("/sign-in").text, "it opens no stream"
        hx = {"HX-Request": "true", "HX-Current-URL": f"{client.base_url}/shop/users/ann?x=1"} | origin
        sent = client.post("/shop/click", data={"user": "ann", "item": "i"}, headers=hx)
        assert sent.headers["hx-redirect"] == "/sign-in?next=%2Fshop%2Fusers%2Fann%3Fx%3D1"


def test_vendored_files_are_those_of_the_lock() -> None:
    locked = read_lock()
    assert {one.file.name for one in locked} == {path.name for path in locked[0].file.parent.iterdir()}
    for one in locked:
        assert hashlib.sha256(one.file.read_bytes()).hexdigest() == one.sha256, one.path


def test_the_first_page_is_light(console: httpx2.Client) -> None:
    """Vendored scripts and styles of the page Live, as they are: docs/architecture.md says how much that may be."""
    files = [a for a in Reader(console.get("/").text).addresses if "/vendor/" in a]
    assert sum(len(console.get(file).content) for file in files) <= 100_000
    for file in files:
        answer = console.get(file, headers={"Accept-Encoding": "gzip"})
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
    assert console.get("/static/0/console.css").headers["cache-control"] == "no-cache"
    assert console.get("/static/0/nope.css").status_code == 404


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(1, 6))
def test_numbers_keep_their_size(value: float, digits: int) -> None:
    read = float(number(value, digits).replace(",", ""))
    assert abs(read - value) <= max(abs(value) * 10 ** (1 - digits), 0.5 if abs(value) >= 1 else 0)


def test_what_is_to_be_typed_is_code_and_all_else_is_text() -> None:
    assert coded("Run `millrace db upgrade` <b>`</b>") == "Run <code>millrace db upgrade</code> &lt;b&gt;`&lt;/b&gt;"
    assert coded("`<i>`") == "<code>&lt;i&gt;</code>"


def test_times_are_told_as_people_tell_them() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    told = [ago(datetime.fromtimestamp(now.timestamp() - s, UTC), now) for s in (0, 5, 100, 7200, 200_000, -7200)]
    assert told == ["now", "5 s ago", "2 min ago", "2 h ago", "2 d ago", "in 2 h"]
