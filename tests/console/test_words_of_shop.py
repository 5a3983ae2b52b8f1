"""Why an item is in a list, and how long an event took, in words that say what they are."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest

from console.event import on_way_ms
from console.shop import REASONS, in_words
from models.recommender import feature_names
from schemas import PROFILES, TraceBody, rfc3339
from tests.console.test_pages import Reader
from tests.support.decisions import NOON


def test_reasons_name_the_last_click_and_their_share() -> None:
    told = in_words({"next_1": 3.0, "popularity_2": 1.0, "item_age": -5.0}, "Shoe {1}")
    assert told == "users often click it soon after Shoe {1} (75%); many users click it now (25%)"
    assert in_words({"item_age": -1.0}, "x") == ""


def test_nearly_every_feature_has_a_reason() -> None:
    """What is left over tells of the user or the visit alone, and moves all items alike."""
    names = feature_names(PROFILES["shop"])
    left = [name for name in names if not any(name.startswith(of) for _, of in REASONS)]
    assert len(left) < len(names) / 3, left


def test_the_list_says_what_can_be_had(console: httpx2.Client) -> None:
    words = " ".join(Reader(console.get("/shop/users/ann").text).words.split())
    assert "Can be had" in words
    assert "Why, with its share" in words


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (f'{{"event_time": "{rfc3339(NOON)}", "user_id": "ann"}}', 250.0), ('{"event_time": 1777636800000}', 250.0),
        ("no json", None), (None, None), ('{"event_time": "yesterday"}', None),
        (f'{{"event_time": "{rfc3339(NOON + timedelta(seconds=1))}"}}', -750.0),
    ],
)  # fmt: skip
def test_the_way_to_the_topic_is_of_this_event(value: str | None, ms: float | None) -> None:
    event = TraceBody(
        topic="clicks.v1", partition=0, offset=1, time=NOON + timedelta(milliseconds=250), key="ann", value=value,
        size=1, headers={}, taken_from=None, hops=[],
    )  # fmt: skip
    assert on_way_ms(event) == (None if ms is None else pytest.approx(ms))
