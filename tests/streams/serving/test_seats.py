"""Seats without a broker: models change hands between two batches, challengers follow and take over."""

from __future__ import annotations

import copy
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.registry import ModelStore
from schemas import FEED, RECOMMENDATIONS, SCORES, ModelError, Settings
from streams.agent import PartitionState, empty_state, fits
from streams.serving.seats import AssetSeat, RankerSeat
from tests.streams.pages import SETTINGS, records_of
from tests.support.versions import save_as
from tests.support.world import plant_events, shop_events

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(trained_home: Path, tmp_path: Path) -> ModelStore:
    shutil.copytree(trained_home / "models", tmp_path / "models")
    return ModelStore(tmp_path / "models")


def version(store: ModelStore, name: str, new: str, by: float = 0.0, prepared: bool = False) -> str:
    source = store.verify(name)
    learned = copy.deepcopy(source.manifest.learned)
    if prepared:
        learned["preparation"]["fall_limit"] *= 2
    save_as(store, source, new, by, learned=learned)
    return new


def seat_with(store: ModelStore) -> tuple[AssetSeat, PartitionState]:
    seat = AssetSeat(SETTINGS)
    seat.place(store.load("pump"), "champion", NOW)
    return seat, empty_state(1, seat.handler.layouts())


async def change(seat: AssetSeat, store: ModelStore, version: str, alias: str, state: PartitionState) -> None:
    (await seat.prepare(store.load("pump", version), alias, NOW))([state])  # type: ignore[arg-type]


async def test_a_challenger_with_the_same_preparation_scores_the_champion_s_rows(store: ModelStore) -> None:
    seat, state = seat_with(store)
    records = records_of(plant_events(cycles=120, pumps=3, seed=51))
    alone = seat.handler.handle(empty_state(1, seat.handler.layouts()), records).outputs
    await change(seat, store, version(store, "pump", "2", by=5.0), "challenger", state)
    assert fits(state, seat.handler.layouts())  # no rows of its own
    assert seat.handler.handle(state, records).outputs == alone  # nothing of it is emitted
    [comparison] = seat.comparisons()
    scores = [output for output in alone if output.topic == SCORES]
    assert comparison.decisions == len(scores)
    assert comparison.difference_mean == pytest.approx(5.0)
    seat.remove("pump", "challenger")([state])
    assert seat.comparisons() == []


async def test_a_challenger_with_rows_of_its_own_takes_over_with_them(store: ModelStore) -> None:
    """As if it had served from the moment at which it became the challenger."""
    records = records_of(plant_events(cycles=160, pumps=3, seed=52))
    before, shadow, after = records[:100], records[100:300], records[300:]
    two = version(store, "pump", "2", by=5.0, prepared=True)
    seat, state = seat_with(store)
    seat.handler.handle(state, before)
    await change(seat, store, two, "challenger", state)
    assert not fits(state, seat.handler.layouts())  # in a worker the partition is opened again
    state.tables["pump~challenger"] = empty_state(1, seat.handler.layouts()).tables["pump~challenger"]
    seat.handler.handle(state, shadow)
    [comparison] = seat.comparisons()
    assert comparison.decisions > 100
    await change(seat, store, two, "champion", state)
    assert fits(state, seat.handler.layouts())
    assert seat.comparisons() == []
    found = seat.handler.handle(state, after).outputs

    alone = AssetSeat(SETTINGS)
    alone.place(store.load("pump", two), "champion", NOW)
    undisturbed = empty_state(1, alone.handler.layouts())
    alone.handler.handle(undisturbed, shadow)
    assert found == alone.handler.handle(undisturbed, after).outputs
    rows = state.tables["pump"]
    assert sorted(rows.take_changes().keys) == sorted(rows.keys())  # all of them are saved


async def test_a_champion_with_another_preparation_starts_its_assets_anew(store: ModelStore) -> None:
    seat, state = seat_with(store)
    seat.handler.handle(state, records_of(plant_events(cycles=20, pumps=2, seed=53)))
    await change(seat, store, version(store, "pump", "2", prepared=True), "champion", state)
    assert not fits(state, seat.handler.layouts())


async def test_what_cannot_sit_there_is_refused(store: ModelStore) -> None:
    seat = AssetSeat(SETTINGS)
    with pytest.raises(ModelError, match="not one of an asset class"):
        await seat.prepare(store.load("recommender"), "champion", NOW)
    ranker = ranker_seat(store)
    with pytest.raises(ModelError, match="not a recommender"):
        await ranker.prepare(store.load("pump"), "champion", NOW)


def ranker_seat(store: ModelStore) -> RankerSeat:
    profile = store.load("recommender").manifest.profile
    assert profile is not None

    async def start(reader: object) -> None:
        raise AssertionError("the same profile needs no other view")

    settings = Settings(topic_prefix="p.", home=store.folder.parent)
    seat = RankerSeat(settings, profile, start)
    seat.place(store.load("recommender"), "champion", NOW)
    return seat


@pytest.mark.long
async def test_a_challenging_ranker_is_judged_by_agreement_and_next_clicks(store: ModelStore) -> None:
    records = records_of(shop_events(1200, seed=6))
    alone, watched = ranker_seat(store), ranker_seat(store)
    other = store.load("recommender", version(store, "recommender", "2", by=3.0))
    (await watched.prepare(other, "challenger", NOW))([])
    outputs = []
    for seat in (alone, watched):
        state, told, view = empty_state(1, seat.handler.layouts()), [], seat.handler.served.view
        for start in range(0, len(records), 32):
            made = seat.handler.handle(state, records[start : start + 32]).outputs
            for output in made:
                if output.topic == FEED:
                    view.apply(output.value, view.feed_offset)
            told += [output for output in made if output.topic == RECOMMENDATIONS]
        outputs.append(told)
    assert outputs[0] == outputs[1]
    [comparison] = watched.comparisons()
    assert comparison.agreement_at_20 == 1.0  # the same order
    assert comparison.difference_mean == pytest.approx(3.0)
    assert comparison.next_clicks > 500
    assert comparison.champion_hits == comparison.challenger_hits > 0.5 * comparison.next_clicks
    (await watched.prepare(other, "champion", NOW))([])
    assert watched.comparisons() == []
    assert watched.handler.served.recommender.scorer is other.scorers["score"]


async def test_a_challenger_of_another_profile_is_refused(store: ModelStore) -> None:
    seat = ranker_seat(store)
    profile = store.load("recommender").manifest.profile
    assert profile is not None
    source = store.verify("recommender")
    save_as(store, source, "2", profile=profile.model_copy(update={"max_candidates": 77}))
    with pytest.raises(ModelError, match="cannot be the challenger: its profile is"):
        await seat.prepare(store.load("recommender", "2"), "challenger", NOW)


def test_rows_that_are_taken_over_are_saved_whole() -> None:
    from streams.agent import Layout, Rows, adopt

    dtype = np.dtype([("x", "<f8")])
    old, source = Rows(np.dtype([("y", "<i4")]), 1), Rows(dtype, 7)
    old.slots([b"a", b"gone"])
    source.array[source.slots([b"a", b"b"])] = [(1.5,), (2.5,)]
    rows = adopt(Layout(dtype, 9), old, source)
    changes = rows.take_changes()
    assert dict(zip(changes.keys, changes.rows["x"].tolist(), strict=True)) == {b"a": 1.5, b"b": 2.5}
    assert changes.removed == [b"gone"]
    assert rows.layout == 9
