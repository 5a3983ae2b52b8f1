"""Assets, lists and topics are told apart, and of several events of one time the later applied one stands."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import TRENDING_KEY, CatalogueEntry, Score, similar_key
from storage import PositionError, Removal, Span, Store
from tests.support.decisions import alert, at, catalogue_entry, recommendation, score, worker_status


def test_one_id_in_two_classes_is_two_assets(store: Store) -> None:
    fan = {"asset_class": "fan", "failure_mode": "bearing"}
    events = [score(1, "1", 10.0), score(2, "1", 99.0, asset_class="fan"), score(3, "2"), alert("a", 0, asset_id="1")]
    store.write([*events, alert("b", 0, asset_id="1", **fan)], [])
    store.write([score(4, "1", 11.0), score(0, "1", 98.0, asset_class="fan")], [])
    with store.reading() as reader:
        pump, fan_1 = reader.asset("1", "pump"), reader.asset("1", "fan")
        assert pump is not None
        assert fan_1 is not None
        assert [s.value for s in pump.latest_scores] == [11.0]
        assert [s.value for s in fan_1.latest_scores] == [99.0]
        assert ([a.alert_id for a in pump.open_alerts], [a.alert_id for a in fan_1.open_alerts]) == (["a"], ["b"])
        assert [s.value for s in reader.scores("1", None, None, None, 9, "fan")] == [99.0, 98.0]
        assert [s.value for s in reader.scores("1", None, None, None, 9)] == [11.0, 99.0, 10.0, 98.0]
        assert reader.classes_of("1") == ["fan", "pump"]
        assert reader.asset("2", "fan") is None
        seen, after = [], None
        while page := reader.assets(None, after, 1):
            seen += [(a.asset_class, a.asset_id) for a in page]
            after = seen[-1]
        assert seen == [("fan", "1"), ("pump", "1"), ("pump", "2")]


@pytest.mark.parametrize("batches", [((1, 2, 3),), ((1,), (2,), (3,)), ((1, 2), (3,)), ((1, 2, 3), (1,), (2,))])
def test_of_scores_of_one_time_the_later_applied_one_stands(store: Store, batches: tuple[tuple[int, ...], ...]) -> None:
    """Repeats after a crash change nothing, wherever they stop; nor does an older one, or one of another target."""
    for batch in batches:
        store.write([score(n, value=float(n), event_time=at(0)) for n in batch], [])
    store.write([score(3, value=3.0, event_time=at(0)), score(1, value=1.0, event_time=at(0))], [])
    store.write([score(4, event_time=at(-1), late=True), score(5, asset="pump-2", event_time=at(0))], [])
    with store.reading() as reader:
        found = reader.asset("pump-1")
        assert found is not None
        assert [s.value for s in found.latest_scores] == [3.0]


@pytest.mark.parametrize(
    "batches", [((1, 2, 3, 4, 9),), ((1, 2), (3,), (4, 9)), ((1, 2, 3), (1, 2, 3, 4, 9)), ((3,), (3, 4, 9, 4))]
)
def test_of_a_clock_that_was_set_back_the_later_reading_stands(
    store: Store, batches: tuple[tuple[int, ...], ...]
) -> None:
    """3 is of before, 4 of an hour earlier by the same clock; 9 is an upload of old data, 5 of now again."""
    hours = {1: 8.0, 2: 8.1, 3: 8.2, 4: 7.2, 5: 7.3, 9: 6.9}

    def of(number: int) -> Score:
        return score(number, value=float(number), event_time=at(3600 * hours[number]), late=number == 9)

    for batch in batches:
        store.write([of(number) for number in batch], [])
        with store.reading() as reader:
            found = reader.asset("pump-1")
    assert found is not None
    assert [s.value for s in found.latest_scores] == [4.0]
    store.write([of(5)], [])
    store.write([of(9)], [])
    with store.reading() as reader:
        found = reader.asset("pump-1")
    assert found is not None
    assert [s.value for s in found.latest_scores] == [5.0]


@pytest.mark.long
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_latest_score_is_that_of_the_last_reading_whatever_is_repeated(store: Store, data: st.DataObject) -> None:
    """Ties, and clocks that are set back and right again; a worker that dies sends again what it sent before."""
    times = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=8), label="times")
    name = f"pump-{uuid.uuid4()}"
    scores = [score(n, name, float(n), event_time=at(time), score_id=f"{name}/{n}") for n, time in enumerate(times)]
    sent, place = list[Score](), 0
    for _ in range(data.draw(st.integers(0, 3), label="deaths")):
        end = data.draw(st.integers(place, len(scores)), label="dies before")
        sent += scores[place:end]
        place = data.draw(st.integers(max(0, end - 4), end), label="goes on at")
    sent += scores[min(place, len(scores) - 1) :]
    while sent:
        cut = data.draw(st.integers(1, len(sent)), label="batch")
        store.write(sent[:cut], [])
        sent = sent[cut:]
    with store.reading() as reader:
        found = reader.asset(name)
    assert found is not None
    assert [s.value for s in found.latest_scores] == [float(len(scores) - 1)]


def test_repeats_beside_new_scores_of_one_time(store: Store) -> None:
    def tie(number: int) -> Score:
        return score(number, value=float(number), event_time=at(0))

    store.write([tie(1)], [])
    store.write([tie(2), tie(1), tie(2), tie(1)], [])
    with store.reading() as reader:
        found = reader.asset("pump-1")
        assert found is not None
        assert [s.value for s in found.latest_scores] == [2.0]


def test_lists_and_workers_of_one_time_are_as_told_last(store: Store) -> None:
    for batch in (["x"], ["y"]), (["z"],):
        store.write([catalogue_entry("i1", 5, items) for items in batch], [])
    store.write([worker_status("a", at(1)), worker_status("a", at(1), "2")], [])
    assert store.write([worker_status("a", at(1), "3")], []).duplicates == 0
    assert store.write([worker_status("a", at(1), "3"), catalogue_entry("i1", 5, ["z"])], []).duplicates == 2
    store.write([worker_status("a", at(0), "1"), catalogue_entry("i1", 4, ["x"])], [])
    with store.reading() as reader:
        similar = reader.similar("i1")
        assert similar is not None
        assert similar.items[0].item_id == "z"
        assert [w.running[0].version for w in reader.workers(at(0))] == ["3"]


def test_a_click_topic_made_anew_replaces_what_came_from_the_one_before(store: Store) -> None:
    """Its offsets begin again, its times do not."""
    store.write([recommendation("ann", 800, ["old"]), catalogue_entry("trending", 900, ["old"])], [])
    again = {"event_time": at(2000)}
    store.write([recommendation("ann", 3, ["new"], **again)], [])
    store.write([catalogue_entry("trending", 4, ["new"]).model_copy(update=again)], [])
    with store.reading() as reader:
        found, trending = reader.recommendation("ann"), reader.trending()
        assert found is not None
        assert trending is not None
        assert (found.items[0].item_id, trending.items[0].item_id) == ("new", "new")


def test_an_item_named_trending_is_an_item(store: Store) -> None:
    def told(key: str, kind: str, items: list[str]) -> CatalogueEntry:
        return catalogue_entry(key, 5, items).model_copy(update={"kind": kind})

    lists = [told(TRENDING_KEY, "trending", ["t"]), told(similar_key("trending"), "similar", ["s"])]
    store.write([*lists, told(similar_key("list/trending"), "similar", ["l"])], [])
    store.write([Removal("catalogue.v1", similar_key("list/trending"))], [])
    with store.reading() as reader:
        found = [reader.trending(), reader.similar("trending"), reader.similar("list/trending")]
        assert [entry and entry.items[0].item_id for entry in found] == ["t", "s", None]


def test_a_span_of_a_topic_that_is_gone_is_not_written(store: Store) -> None:
    store.write([score(1)], [Span("scores.v1", 0, 0, 5, "first")])
    store.set_position("scores.v1", 0, 5, "second")
    with pytest.raises(PositionError, match="second"):
        store.write([score(2)], [Span("scores.v1", 0, 5, 6, "first")])
    store.write([score(3)], [Span("scores.v1", 0, 5, 6, "second")])
    with store.reading() as reader:
        assert reader.topic_ids(["scores.v1"]) == {("scores.v1", 0): "second"}
