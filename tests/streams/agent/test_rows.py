"""Rows behave as a dictionary of rows, and what they save is what they know."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.agent.rows import FIRST_CAPACITY, Layout, Rows
from streams.agent.saved import VERSION_BYTES, restore

ROW = np.dtype([("a", "<i8"), ("b", "<f4", (3,))])
LAYOUTS = {"one": Layout(ROW, 3), "two": Layout(np.dtype("<i4"), 1)}
KEYS = st.binary(max_size=3)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(KEYS, min_size=1, max_size=5)),
        st.tuples(st.just("remove"), KEYS),
        st.tuples(st.just("save"), st.none()),
    ),
    max_size=60,
)


@given(OPERATIONS)
def test_rows_behave_as_a_dictionary_and_changes_add_up_to_them(operations: list) -> None:
    rows, model, saved = Rows(ROW, 3), {}, {}
    for operation, argument in [*operations, ("save", None)]:
        if operation == "add":
            slots = rows.slots(argument)
            for key, slot in zip(argument, slots, strict=True):
                rows.array[slot]["a"] += len(key) + 1
                model[key] = model.get(key, 0) + len(key) + 1
            rows.touch(slots)
        elif operation == "remove":
            rows.remove(argument)
            model.pop(argument, None)
        else:
            changes = rows.take_changes()
            saved.update(zip(changes.keys, changes.rows["a"].tolist(), strict=True))
            for key in changes.removed:
                saved.pop(key, None)
        assert {key: int(rows.array[rows.find(key)]["a"]) for key in rows.keys()} == model  # noqa: SIM118
        assert len(rows) == len(model)
        assert all((key in rows) == (rows.find(key) >= 0) for key in (b"", b"a", b"\0"))
    assert saved == model


def test_new_rows_are_zero_saved_and_survive_growth() -> None:
    rows = Rows(ROW, 1)
    keys = [b"%d" % i for i in range(3 * FIRST_CAPACITY)]
    slots = rows.slots(keys)
    assert not rows.array[slots]["a"].any()
    rows.array["a"][slots] = np.arange(len(keys))
    more = rows.slots([*keys, *(b"x" + key for key in keys)])
    assert rows.array["a"][more].tolist() == [*range(len(keys)), *[0] * len(keys)]
    assert rows.take_changes().keys == [*keys, *(b"x" + key for key in keys)]
    assert rows.take_changes().keys == []


def test_a_reused_slot_does_not_show_the_removed_row() -> None:
    rows = Rows(ROW, 1)
    rows.array[rows.slots([b"old"])] = (7, 7.0)
    rows.remove(b"old")
    assert rows.find(b"old") == -1
    assert not rows.array[rows.slots([b"new"])]["a"].any()
    assert rows.take_changes().removed == [b"old"]


def record(table: str, key: bytes, value: bytes, version: int) -> tuple[bytes, bytes]:
    return table.encode() + b"\0" + key, version.to_bytes(VERSION_BYTES, "little") + value


def test_restoring_gives_back_the_rows_and_leaves_out_what_it_could_misread() -> None:
    row = np.array((5, (1.0, 2.0, 3.0)), ROW).tobytes()
    other_size = np.array(5, "<i8").tobytes()
    state = restore(
        1,
        LAYOUTS,
        dict(
            [
                record("one", b"kept\0with zero", row, 3),
                record("one", b"old version", row, 2),
                record("one", b"other size", other_size, 3),
                record("gone", b"key", row, 1),
            ]
        ),
    )
    one = state.tables["one"]
    assert one.keys() == [b"kept\0with zero"]
    assert one.array[0].tobytes() == row
    assert sorted(one.take_changes().removed) == [b"old version", b"other size"]
    assert "gone" not in state.tables
    assert len(state.tables["two"]) == 0


@given(OPERATIONS, OPERATIONS)
def test_what_is_undone_leaves_rows_and_changes_as_they_were(before: list, undone: list) -> None:
    rows, saved = Rows(ROW, 3), {}

    def run(operations: list) -> None:
        for operation, argument in operations:
            if operation == "add":
                slots = rows.slots(argument)
                rows.array["a"][slots] += 1
                rows.touch(slots)
            elif operation == "remove":
                rows.remove(argument)

    def save() -> dict[bytes, int]:
        changes = rows.take_changes()
        saved.update(zip(changes.keys, changes.rows["a"].tolist(), strict=True))
        for key in changes.removed:
            saved.pop(key, None)
        return {key: int(rows.array[rows.find(key)]["a"]) for key in rows.keys()}  # noqa: SIM118

    run(before)
    was = save()
    rows.mark()
    run(undone)
    rows.undo()
    assert save() == was == saved
    assert len(set(rows.slots(list(was)).tolist())) == len(was)
