"""Acting on alerts by forms, as a browser without JavaScript sends them: on the row, and on many at once."""

from __future__ import annotations

import re

import httpx2

from schemas import Evidence
from storage import AlertFilter, Store
from tests.console.test_pages import Reader
from tests.support.decisions import alert

FORM = re.compile(r'<form method="post" action="/alerts/act" id="(row-\d+)" hidden>(.*?)</form>', re.S)
FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def test_each_row_has_its_own_form_for_having_seen_it(console: httpx2.Client, store: Store) -> None:
    store.write([alert("a-0", 0, 70, asset_id="pump-0")], [])
    console.post("/alerts/act", data={"alert": "a-0", "kind": "acknowledged", "by": "bo"}, follow_redirects=True)
    page = console.get("/alerts").text
    forms = {form: dict(FIELD.findall(inside)) for form, inside in FORM.findall(page)}
    assert {fields["alert"] for fields in forms.values()} == {"a-1", "a-2"}, "a-0 was seen"
    for form, fields in forms.items():
        used = page.split(f'form="{form}"', 1)[0]
        assert used.rindex(f'id="seen-{fields["alert"]}"') > used.rindex("<tr>"), (
            "the fields of the row are of its form"
        )
        assert page.count(f'form="{form}"') == 3
        assert (fields["kind"], fields["back"]) == ("acknowledged", "/alerts?state=raised")
    mine = next(fields for fields in forms.values() if fields["alert"] == "a-1")
    answer = console.post("/alerts/act", data={**mine, "by": "jo", "note": "bearing"}, follow_redirects=True)
    words = " ".join(Reader(answer.text).words.split())
    assert "1 alert acknowledged." in words
    assert "jo bearing" in words
    with store.reading() as reader:
        seen = {one.alert_id: one.acknowledgement for one in reader.alerts(AlertFilter(), None, 9)}
    assert seen["a-1"] is not None
    assert (seen["a-1"].by, seen["a-1"].comment) == ("jo", "bearing")
    assert seen["a-2"] is None


def test_what_was_so_before_is_counted_apart(console: httpx2.Client) -> None:
    form = {"kind": "acknowledged", "by": "jo", "back": "/alerts?state=all"}
    console.post("/alerts/act", data={**form, "alert": "a-1"})
    answer = console.post("/alerts/act", data={**form, "alert": ["a-1", "a-2", "none"]}, follow_redirects=True)
    words = " ".join(Reader(answer.text).words.split())
    assert "1 alert acknowledged. 1 was so before, and nothing changed. 1 of those chosen is cleared already" in words
    again = console.post("/alerts/act", data={**form, "alert": ["a-1", "a-2"]}, follow_redirects=True)
    assert "0 alerts acknowledged. 2 were so before, and nothing changed." in Reader(again.text).words


def test_the_list_says_what_the_last_transition_said(console: httpx2.Client, store: Store) -> None:
    for n, said in enumerate(("life is short", "life is <b>shorter</b>")):
        evidence = Evidence(reason="r", value=1.0, threshold=2.0, sentence=said)
        store.write([alert("s-1", n, 80 + n, asset_id="pump-s", evidence=evidence)], [])
    page = console.get("/alerts").text
    assert "life is &lt;b&gt;shorter&lt;/b&gt;" in page
    assert "life is short<" not in page
    assert page.count('class="muted said"') == 1, "the others have none"
