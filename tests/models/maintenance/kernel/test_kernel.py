"""The extension as a border: it works where it was built without headers of Python, wrong arrays are refused, and what
Python and C both declare is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from models.maintenance import codes, kernel, preparation, recursions, rows, sensors, transitions, watch_rows
from models.maintenance.alerts import Decider
from models.maintenance.observe import Observer
from models.maintenance.watch import Input, watch
from tests.models.maintenance.kernel import golden
from tests.support.extensions import built, loaded, needs_compiler

SOURCES = Path(kernel.__file__).parent
NUMBERS = dict(kernel.CONSTANTS)
RENAMED = {"SENSOR_NUMBERS": "NUMBERS", "SENSOR_COUNTS": "COUNTS"}  # in Python
OF_C_ALONE = {"SPEEDS", "BRIDGED", "CUSUM_MAX"}
DECLARED = (codes, preparation, recursions, rows, sensors, transitions, watch_rows)
IN_BOTH = (codes, transitions)  # all their numbers


# ---- what both declare


def declared(module: ModuleType) -> dict[str, float]:
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int | float)}


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - OF_C_ALONE))
def test_a_number_is_the_same_in_both(name: str) -> None:
    found = {
        declared(module)[RENAMED.get(name, name)] for module in DECLARED if RENAMED.get(name, name) in vars(module)
    }
    assert found == {NUMBERS[name]}


@pytest.mark.parametrize("module", IN_BOTH)
def test_the_kernel_has_all_numbers_of_a_module(module: ModuleType) -> None:
    assert set(declared(module)) <= set(NUMBERS)


def test_words_and_numbers_are_equally_many() -> None:
    assert len(codes.KINDS) == codes.AHEAD
    assert len(codes.STATUSES) == codes.REFUSED + 1
    assert len(codes.QUALITIES) == codes.POOR + 1
    assert len(sensors.FAULTS) == sensors.CHANGED_UNIT + 1
    reasons = [
        name for name in declared(transitions) if name not in ("RAISED", "CHANGED", "CLEARED", "MOST_TRANSITIONS")
    ]
    assert len(transitions.REASONS) == len(reasons)


@pytest.mark.parametrize(
    ("struct", "dtype"),
    [
        ("Transition", transitions.TRANSITION),
        ("WatchRow", watch_rows.WATCH),
        ("DataTransition", watch_rows.DATA_TRANSITION),
    ],
)
def test_structs_are_laid_out_as_in_numpy(struct: str, dtype: np.dtype) -> None:
    assert dtype.fields is not None
    found = {name: (offset, size) for of, name, offset, size in kernel.STRUCTS if of == struct}
    assert found == {name: (field[1], field[0].itemsize) for name, field in dtype.fields.items()}


def test_rows_have_the_fields_of_the_kernel() -> None:
    assert tuple(kernel.ROW_FIELDS) == golden.life().observer.dtype.names


# ---- the border


@pytest.fixture(scope="module")
def given() -> golden.Given:
    return golden.life()


def test_rows_of_another_class_are_refused(given: golden.Given) -> None:
    observer, other = given.observer, replace(given.shape, channels=2)
    with pytest.raises(ValueError, match="another layout"):
        observer(np.zeros(golden.ASSETS, rows.row_dtype(other)), given.slots, given.events)
    native = observer._native
    for wrong in (np.zeros(12, rows.row_dtype(other)), np.zeros((1, 1), observer.dtype)):
        with pytest.raises(ValueError, match="rows must be"):
            native.observe(wrong, given.slots, given.events, ())


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("field", "wrong", "what"),
    [
        ("time_s", lambda one: one.astype(np.float32), "time_s must be aligned, C-contiguous f8"),
        ("time_s", lambda one: one[:-1], "time_s must be of as many events"),
        ("kind", lambda one: one.astype(np.uint8), "kind must be"),
        ("code", lambda one: np.repeat(one, 2)[::2], "code must be aligned, C-contiguous"),
        ("event_id", lambda one: one.astype(np.int64), "event_id must be"),
        ("readings", lambda one: np.ascontiguousarray(one[:, 1:]), "readings must be of as many events"),
        ("readings", np.asfortranarray, "readings must be aligned, C-contiguous"),
        ("variables", lambda one: one[:, 0].copy(), "variables must be"),
    ],
)
def test_wrong_columns_are_refused(
    given: golden.Given, field: str, wrong: Callable[[np.ndarray], np.ndarray], what: str
) -> None:
    events = given.events._replace(**{field: wrong(getattr(given.events, field))})
    table = np.zeros(golden.ASSETS, given.observer.dtype)
    with pytest.raises(ValueError, match=what):
        given.observer(table, given.slots, events)
    assert not table["newest"].any()


@pytest.mark.parametrize("slot", [-1, golden.ASSETS, 2**62])
def test_slots_without_a_row_are_refused(given: golden.Given, slot: int) -> None:
    slots = given.slots.copy()
    slots[7] = slot
    table = np.zeros(golden.ASSETS, given.observer.dtype)
    with pytest.raises(ValueError, match="slots name a row that is not there"):
        given.observer(table, slots, given.events)
    with pytest.raises(ValueError, match="rows must be aligned"):
        given.observer(read_only(table), given.slots, given.events)


def test_wrong_scores_are_refused(given: golden.Given) -> None:
    table = np.zeros(golden.ASSETS, given.observer.dtype)
    seen = given.observer(table, given.slots, given.events)
    decide = Decider(given.observer.dtype, given.policy)
    for raw, what in ((given.raw.astype(np.float32), "raw must be"), (np.hstack([given.raw] * 2), "raw must be")):
        with pytest.raises(ValueError, match=what):
            decide(table, given.slots, given.events, seen, raw)
    with pytest.raises(ValueError, match="a column is missing"):
        decide(table, given.slots, given.events, seen._replace(hold=None), given.raw)
    arrays = given.raw, np.zeros_like(given.raw), np.zeros(len(given.raw), np.bool_)
    with pytest.raises(ValueError, match="too little room"):
        decide._native.decide(table, given.slots, given.events, seen, arrays, np.empty(3, transitions.TRANSITION))


def test_a_watch_of_other_columns_is_refused(given: golden.Given) -> None:
    n = len(given.slots)
    hold = np.zeros((n, 1), np.uint8)
    one, yes, events = np.zeros(n, np.int8), np.zeros(n, np.bool_), given.events
    heard = Input(
        events.time_s, None, events.kind, events.code, one, one, one, hold, yes, yes, yes, np.zeros((n, 8), np.int8)
    )
    patience, table = watch_rows.Patience(1.0, 1.0), np.zeros(golden.ASSETS, watch_rows.WATCH)
    assert watch(table, given.slots, heard, 0, patience).dtype == watch_rows.DATA_TRANSITION
    with pytest.raises(ValueError, match="another layout"):
        watch(np.zeros(1, transitions.TRANSITION), given.slots, heard, 0, patience)
    with pytest.raises(ValueError, match="faults must be"):
        watch(table, given.slots, heard._replace(faults=np.zeros((n, 8))), 0, patience)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sensors": np.full(7, 8)}, "sensors"),
        ({"sensors": np.full(7, -1)}, "sensors"),
        ({"fall_channel": 3}, "fall_channel"),
        ({"bias": np.zeros((2, 4))}, "bias has another shape"),
        ({"weights": np.zeros((2, 3, 6))}, "weights has another shape"),
        ({"check": sensors.Checked(np.zeros((2, 6, 7)), np.zeros((9, 7)), np.zeros((2, 7, 6)))}, "modes"),
        ({"check": sensors.Checked(np.zeros((2, 6, 3)), np.zeros((9, 3)), np.zeros((2, 3, 2)))}, "check"),
    ],
)
def test_what_was_learned_of_another_class_is_refused(change: dict[str, Any], what: str) -> None:
    learned = golden.made_up(np.random.RandomState(1), golden.LIFE, 2, 8, 7)
    with pytest.raises(ValueError, match=what):
        Observer(replace(learned, **change), golden.LIFE, 60.0, recursions.FEATURES, True, (8, 2, 0))


def test_an_interval_of_other_bins_is_refused() -> None:
    arrays, ones = [np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3, np.int8), np.zeros(3), np.zeros(3)], np.ones(3)
    with pytest.raises(ValueError, match="one bin more than edges"):
        kernel.interval_ends(tuple(arrays), (np.zeros(2), np.zeros(3), np.zeros(2), ones), 125.0)
    with pytest.raises(ValueError, match="a factor of each quality"):
        kernel.interval_ends(tuple(arrays), (np.zeros(2), np.zeros(3), np.zeros(3), np.ones(2)), 125.0)
    with pytest.raises(ValueError, match="lower must be of as many"):
        kernel.interval_ends(
            (*arrays[:4], np.zeros(2), arrays[5]), (np.zeros(2), np.zeros(3), np.zeros(3), ones), 125.0
        )


@examples(st.lists(st.tuples(*[st.floats(-200, 200)] * 3, st.integers(0, 2)), min_size=1, max_size=20), st.booleans())
def test_ends_of_intervals_are_what_numpy_says(rows: list[tuple[float, float, float, int]], is_missing: bool) -> None:
    value, low, high, graded = np.array(rows).T.copy()
    quality = graded.astype(np.int8)
    if is_missing:
        value[0] = np.nan
    edges, by_low, by_high = np.array([20.0, 45.0]), np.array([-1.0, -2.0, -3.0]), np.array([1.0, 2.0, 4.0])
    lower, upper = np.empty(len(rows)), np.empty(len(rows))
    widened = np.array([1.0, 1.3, 2.0])
    kernel.interval_ends((value, low, high, quality, lower, upper), (edges, by_low, by_high, widened), 125.0)
    place = np.digitize(value, edges)
    for found, end in (
        (lower, np.minimum(np.clip(value + low + by_low[place], 0, 125), value)),
        (upper, np.maximum(np.clip(value + high + by_high[place], 0, 125), value)),
    ):
        further = np.clip(value + widened[quality] * (end - value), 0, 125)
        np.testing.assert_array_equal(found, np.where(quality > 0, further, end))


def test_an_observer_keeps_what_it_was_made_of() -> None:
    """Its arrays are its own: what is learned further on changes nothing of it."""
    given = golden.life()
    random = np.random.RandomState(1)
    learned = golden.made_up(random, golden.LIFE, 2, 8, 7)
    observer = Observer(learned, golden.LIFE, 60.0, recursions.FEATURES, True, (8, 2, 0))
    learned.weights[:] = np.nan
    found = observer(np.zeros(golden.ASSETS, observer.dtype), given.slots, given.events)
    assert np.isfinite(found.features).all()


# ---- the build


@pytest.mark.long
@needs_compiler
def test_it_builds_where_python_has_no_headers(tmp_path: Path) -> None:
    module = loaded(built(SOURCES, tmp_path / "_native.abi3.so"))
    assert dict(module.CONSTANTS) == NUMBERS
    found = [np.empty((40, 18)) for _ in range(2)]
    values = np.random.default_rng(1).normal(size=40), np.ones(40), np.ones(40)
    module.channel_course((*values, found[0]))
    kernel.channel_course((*values, found[1]))
    assert found[0].tobytes() == found[1].tobytes()
