"""The border: both languages have the same rows and names, and no kernel is given an array that it could leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.recommender import USER, CatalogueView, Recommender, arrays, kernel, queries_of
from models.recommender.arrays import CLOCK, CO_VISIT, ITEM, SESSION, SUMMARY
from models.recommender.kernel import LAYOUTS
from models.recommender.settings import SETTINGS, settings_of
from models.recommender.users import PREFIX, RECENT_EVENTS, TURNED_DOWN
from tests.models.recommender.shoppers import Shop, shopping, small

ROWS = {
    "item": ITEM,
    "session": SESSION,
    "user": USER,
    "clock": CLOCK,
    "settings": SETTINGS,
    "summary": SUMMARY,
    "co_visit": CO_VISIT,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_row_is_the_same_in_both_languages(name: str) -> None:
    row = ROWS[name]
    fields = {field: (offset, dtype.itemsize) for field, (dtype, offset, *_) in (row.fields or {}).items()}
    assert LAYOUTS[name] == fields | {"": (0, row.itemsize)}


def test_counters_and_clocks_have_the_numbers_of_their_names() -> None:
    for names in (kernel.COUNTERS, kernel.CLOCKS):
        assert [getattr(arrays, name.upper()) for name in names] == list(range(len(names)))


@pytest.fixture
def shop() -> Shop:
    shop = Shop(small("portal"))
    shop.live(shopping(300))
    return shop


def test_a_view_refuses_arrays_that_are_not_as_they_must_be(shop: Shop) -> None:
    view, clock = shop.view.arrays, shop.view.clock
    frozen = view.hot.copy()
    frozen.flags.writeable = False
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"popularity": view.popularity[:-1]}, "popularity must have 1024 values in dimension 0, not 1023"),
        ({"popularity": view.popularity.astype(np.float64)}, "popularity must be aligned, C-contiguous f4"),
        ({"context": view.context[:, ::2]}, "context must be .*C-contiguous"),
        ({"context": view.context[:, :-1].copy()}, "context_total must have as many values as context"),
        ({"hot": frozen}, "hot must be .*writable"),
        ({"items": view.items["key"].copy()}, "items must be .*V112"),
        ({"log": view.log[:-1].copy()}, "lengths must be powers of two"),
        ({"item_table": view.item_table[:1024].copy()}, "item_table must be .*twice as long as items"),
        ({"session_items": view.session_items[1:].copy()}, "session_items, session_actions must have as many rows"),
        ({"clocks": view.clocks[:5].copy()}, "clocks must have 8 values"),
        ({"rates": None}, "rates must be"),
        ({"summaries": view.summaries[1:].copy()}, "co_visits must have as many rows as summaries"),
        ({"co_visits": view.co_visits[:, 1:].copy()}, "co_visits must have 256 values"),
    ]
    for changes, said in wrong:
        with pytest.raises(ValueError, match=said):
            kernel.View(view._replace(**changes), clock)
    with pytest.raises(ValueError, match="they are 18 arrays instead of 19"):
        kernel.View(view[:-1], clock)
    with pytest.raises(ValueError, match=r"clock must be .*V144"):
        kernel.View(view, clock["new_age"])
    for name, value in (("actions", 17), ("reads", 0), ("window", -1), ("fast", 0.0), ("slow", np.nan)):
        other = clock.copy()
        other[name] = value
        with pytest.raises(ValueError, match="clock: settings out of bounds"):
            kernel.View(view, other)


def clicks_of(shop: Shop) -> dict[str, np.ndarray]:
    none = np.zeros(2, np.uint8)
    columns = {"offsets": np.array([900, 901]), "sessions": np.array([1, 2], np.uint64), "rows": np.array([0, 1])}
    columns |= {"times": np.full(2, shop.view.event_time), "codes": np.zeros((2, 2), np.uint8)}
    return columns | {"users": np.zeros(2, np.uint32), "is_repeated": none, "actions": none}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": np.array([0, 1024])}, "rows: 1024 is none of -1 to 1023"),
        ({"rows": np.array([-2, 0])}, "rows: -2 is none"),
        ({"actions": np.array([0, 5], np.uint8)}, "actions: 5 is none"),
        ({"users": np.zeros(3, np.uint32)}, "users must have 2 values in dimension 0, not 3"),
        ({"times": np.zeros(2, np.float32)}, "times must be .*f8"),
        ({"codes": np.zeros(2, np.uint8)}, "codes must be .*2 dimensions"),
    ],
)
def test_clicks_on_rows_that_are_not_there_change_nothing(shop: Shop, changes: dict[str, Any], said: str) -> None:
    before = [array.tobytes() for array in shop.view.arrays]
    with pytest.raises(ValueError, match=said):
        shop.view.kernels.apply_clicks(0, *(clicks_of(shop) | changes).values())
    assert [array.tobytes() for array in shop.view.arrays] == before
    assert shop.view.kernels.apply_clicks(0, *clicks_of(shop).values()) == 2


def test_changes_of_rows_that_are_not_there_are_refused_unless_they_were_applied_before(shop: Shop) -> None:
    def apply(rows: list[int]) -> int:
        zero, none = np.zeros(2), np.zeros(2, np.uint8)
        offsets = np.array([5, 6])
        return shop.view.kernels.apply_items(5, offsets, np.array(rows), zero, zero, none, np.zeros(2, np.bool_))

    assert apply([-1, 3]) == 1
    for row in (-1, 1024):
        with pytest.raises(ValueError, match=f"rows: {row} is none of 0 to 1023"):
            apply([0, row])


def test_keys_that_have_no_room_are_refused(shop: Shop) -> None:
    keys, rows = np.arange(1, 2001, dtype=np.uint64), np.zeros((2, 2000), np.int64)
    with pytest.raises(ValueError, match="no room for all keys"):
        shop.view.kernels.register(keys, *rows)


def test_questions_that_could_leave_an_array_are_refused(shop: Shop) -> None:
    profile, queries = shop.recommender.profile, queries_of(*shop.step(shopping(3, seed=5)))
    asked = [*queries, queries.times]
    settings, given = settings_of(profile), np.zeros(1, np.int32)
    width = len(shop.recommender.features)
    out = [np.zeros(500, np.int32), np.zeros((500, width), np.float32), np.zeros((3, 3), np.int64)]

    def changed(name: str, value: float) -> np.ndarray:
        other = settings.copy()
        other[name] = value
        return other

    def build(place: int | None = None, value: Any = None) -> int:
        arguments = [settings, *asked, given, *out]
        if place is not None:
            arguments[place] = value
        return shop.view.kernels.build_rows(*arguments)

    wrong: list[tuple[int, Any, str]] = [
        (0, changed("second_order_items", 70_000), "settings: a limit is negative, or too large"),
        (0, changed("reads", -1), "settings: a limit"),
        (0, changed("max_candidates", 700), "items, rows must have room for 2103 candidates"),
        (1, queries.prefixes[:, :-1].copy(), "prefixes must have 20 values in dimension 1, not 19"),
        (2, np.array([1, 2, 21]), "lengths: 21 is none of 0 to 20"),
        (2, np.array([1, 2, -1]), "lengths: -1 is none"),
        (7, queries.turned_down[:, :5].copy(), "turned_down must have 20 values"),
        (9, np.array([1024], np.int32), "given: 1024 is none of 0 to 1023"),
        (9, np.array([-1], np.int32), "given: -1 is none"),
        (10, out[0][:400], "items, rows must have room"),
        (11, out[1][:, 1:].copy(), f"rows must have {width} features, not {width - 1}"),
        (12, out[2][:2], "facts must have 3 values in dimension 0, not 2"),
    ]
    assert build() > 0
    for place, value, said in wrong:
        with pytest.raises(ValueError, match=said):
            build(place, value)
    with pytest.raises(TypeError, match="3 arguments instead of 13"):
        shop.view.kernels.build_rows(settings, *asked[:2])


def test_rows_of_users_that_are_not_sound_are_refused_and_none_is_changed(shop: Shop) -> None:
    clicks = shop.recommender.encode(shopping(2, seed=9))
    steps = [np.zeros(2, np.bool_), np.zeros((2, PREFIX), np.uint64), np.zeros(2, np.int64), np.zeros(2, np.uint64)]
    steps += [np.zeros(2), np.zeros(2, np.bool_), np.zeros(2, np.bool_), np.zeros((2, TURNED_DOWN), np.uint32)]

    def advance(rows: np.ndarray, slots: list[int]) -> None:
        kernel.advance(1800.0, np.array(slots), rows, *clicks.moves, *steps)

    for field, most in (("length", PREFIX), ("event", RECENT_EVENTS - 1)):
        rows = np.zeros(2, USER)
        rows[field][1] = most + 1
        before = rows.tobytes()
        with pytest.raises(ValueError, match="rows: length or event of row 1 is out of bounds"):
            advance(rows, [0, 1])
        assert rows.tobytes() == before
    for slot in (-1, 2):
        with pytest.raises(ValueError, match=f"slots: {slot} is none of 0 to 1"):
            advance(np.zeros(2, USER), [0, slot])
    with pytest.raises(ValueError, match=r"rows must be .*V792"):
        advance(np.zeros(2, ITEM), [0, 1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: kernel.index(3, np.zeros(4, np.int32), np.zeros(3, ITEM)), "table must be a power of two, and twice"),
        (lambda: kernel.index(3, np.zeros(12, np.int32), np.zeros(3, ITEM)), "table must be a power of two"),
        (lambda: kernel.index(4, np.zeros(8, np.int32), np.zeros(3, ITEM)), "count: 4 is none of 0 to 3"),
        (lambda: kernel.index(1, np.zeros(8, np.int32), np.zeros(3, np.uint32)), "records do not begin with a key"),
        (lambda: kernel.Repeats(np.zeros(3, np.uint64)), "ring: its length must be a power of two"),
        (lambda: kernel.Repeats(np.zeros(4, np.int64)), "ring must be .*u8"),
    ],
)
def test_tables_without_room_are_refused(wrong: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()


def test_counts_that_are_not_of_the_rows_are_refused() -> None:
    rows, scores, keys = np.zeros((3, len(kernel.FEATURES)), np.float32), np.zeros(3), np.zeros(3, np.uint64)
    top = np.zeros((2, 20), np.int64), np.zeros((2, 20))
    for counts in ([1, 1], [2, 2], [-1, 4], [2**62, -(2**62)]):
        with pytest.raises(ValueError, match="counts, chosen: they are not of 3 rows"):
            kernel.choose_best(0.0, 0.0, rows, scores, keys, np.array(counts), *top)
    with pytest.raises(ValueError, match="counts, chosen"):
        kernel.hand_weighted(1, 1, 1, 1, rows, scores, np.array([2, 1]), np.array([3, 0]))
    with pytest.raises(ValueError, match="top, top_scores must have a row for each"):
        kernel.choose_best(0.0, 0.0, rows, scores, keys, np.array([1, 1, 1]), *top)
    with pytest.raises(ValueError, match="rows must have 56 features or more"):
        kernel.choose_best(0.0, 0.0, rows[:, 1:].copy(), scores, keys, np.array([2, 1]), *top)


def test_replaced_arrays_are_seen() -> None:
    """Growth and forgetting make new arrays; a view that was copied has its own."""
    view, recommender = CatalogueView(small("shop")), Recommender(None, small("shop"))
    first = view.kernels
    assert view.kernels is first
    recommender.warm()
    view.arrays = view.arrays._replace(hot=view.arrays.hot.copy())
    assert view.kernels is not first
