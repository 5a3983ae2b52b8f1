"""Which form of an answer a client wants, by RFC 9110."""

from __future__ import annotations

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.csv_rows import quality_of
from storage import Store
from tests.support.decisions import score

CSV, JSON = "text/csv", "application/json"


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True), ("text/*", True), ("*/*", False), ("", False), ("text/csv, application/json", False),
        ("application/json;q=0.5, text/csv", True), ("text/csv;q=0.5, application/json", False),
        ("text/csv;q=0", False), ("text/csv;q=0.2, */*;q=0.1", True), ("TEXT/CSV ; Q=0.9, */*;q=0.8", True),
        ("text/csv;q=0, text/*", False), ("text/csv;charset=utf-8", True), ("text/csv;q=wrong", False),
        ("text/html, application/xhtml+xml, */*;q=0.8", False),
    ],
)  # fmt: skip
def test_csv_where_it_is_wanted_most(client: httpx2.Client, store: Store, accept: str, is_csv: bool) -> None:
    store.write([score(1)], [])
    answer = client.get("/v1/assets/pump-1/scores", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(CSV if is_csv else JSON)


@given(st.text(max_size=60))
def test_any_header_has_an_answer(accept: str) -> None:
    assert 0 <= quality_of(CSV, accept) <= 1


@given(st.floats(0, 1).map(lambda q: round(q, 3)), st.floats(0, 1).map(lambda q: round(q, 3)))
def test_the_weights_decide(csv: float, json: float) -> None:
    accept = f"application/json;q={json:.3f}, text/csv;q={csv:.3f}"
    assert (quality_of(CSV, accept) > quality_of(JSON, accept)) == (csv > json)
