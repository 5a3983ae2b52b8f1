"""Training: the replay equals serving bit for bit, the better list is chosen, and the model is what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.recommender import CatalogueView, Queries, Recommender, encode_record, feed_items, queries_of
from models.recommender.training.click_log import LogReader, replay
from models.recommender.training.train import Sampling, train
from models.registry import ModelStore
from schemas import Click, Item, ModelError, RecommenderProfile
from tests.models.recommender.shoppers import START, Shop, batches, shopping, small

QUICK = Sampling(queries=1500, least_clicks=3000, held_out=0.2, trees=30)


def silent(stage: str, done: int, total: int | None) -> None:
    del stage, done, total


@pytest.mark.long
def test_the_replay_gives_the_rows_that_were_served() -> None:
    """Click by click: the user's row, the question, and only then the view, all of it over the bytes of the feed."""
    shop = Shop(small("portal"))
    log: list[Click | Item] = list(shopping(900))
    log[300] = Item(item_id="item-3-3", event_time=START, available=False)
    log[600] = Item(item_id="item-3-3", event_time=START)
    log[700] = log[690]  # the same event twice
    served: list[np.ndarray] = []
    for n, event in enumerate(log):
        if isinstance(event, Item):
            shop.view.apply(encode_record(feed_items([(event.item_id, event)], 0, np.array([n]), 0.0)))
            continue
        for arrays, steps, record in shop.batches([event], size=1):
            queries = queries_of(arrays, steps)
            if len(queries.lengths):
                served.append(shop.recommender.candidates(shop.view, queries).rows.copy())
            shop.view.apply(encode_record(record))
    rebuilt: list[np.ndarray] = []
    click_log = LogReader(shop.recommender.profile).read(batches(log, 77), silent)
    view = CatalogueView(shop.recommender.profile)

    def ask(place: int, query: Queries) -> None:
        assert place == len(rebuilt)
        rebuilt.append(shop.recommender.candidates(view, query).rows.copy())

    replay(click_log, view, np.arange(len(click_log)), ask)
    assert click_log.duplicates == 1
    assert len(served) == len(rebuilt) == 897
    for n, (a, b) in enumerate(zip(served, rebuilt, strict=True)):
        assert a.tobytes() == b.tobytes(), n


def test_targets_are_the_next_items_of_the_sessions() -> None:
    log = shopping(500)
    click_log = LogReader(small("shop")).read(batches(log, 50), silent)
    targets = click_log.targets()
    sessions = click_log.columns.sessions.tolist()
    for n in range(500):
        following = next((m for m in range(n + 1, 500) if sessions[m] == sessions[n]), None)
        assert targets[n] == (0 if following is None else click_log.columns.items[following])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def profile() -> RecommenderProfile:
    """A hand-weighted list that is easy to beat: popularity alone."""
    return small("shop", hand_weights={"evidence": 0.0, "recent": 0.0, "popularity": 1.0, "own": 0.0})


@pytest.mark.long
def test_a_better_ranker_serves(store: ModelStore, profile: RecommenderProfile) -> None:
    stages: set[str] = set()
    manifest = train(
        batches(shopping(6000, users=200), 500),
        profile,
        store,
        sampling=QUICK,
        progress=lambda stage, done, total: stages.add(stage),
    )
    assert stages == {"reading events", "replaying the log", "fitting the forest", "comparing"}
    assert manifest.learned == {"strategy": "ranker", "context_types": {}}
    assert manifest.metrics["mrr_20"] > 1.5 * manifest.metrics["blend_mrr_20"]
    assert manifest.metrics["hr_20"] <= manifest.metrics["candidate_recall"]
    shop = Shop(profile)
    shop.live(shopping(3000))
    ranker = Recommender(store.load("recommender", manifest.version), profile)
    queries = queries_of(*shop.step(shopping(40, seed=5)))
    rankings = ranker.rank(shop.view, queries)
    assert set(rankings.strategies) == {"ranker"}
    assert not np.array_equal(rankings.items, shop.recommender.rank(shop.view, queries).items)


def test_few_clicks_give_no_ranker(store: ModelStore, profile: RecommenderProfile) -> None:
    manifest = train(batches(shopping(200), 50), profile, store, name="young")
    assert manifest.learned == {"strategy": "blend", "context_types": {}}
    assert manifest.packs == {}
    model = store.load("young", manifest.version)
    assert "fewer than" in (model.folder / "card.md").read_text()
    shop = Shop(profile)
    shop.live(shopping(300))
    rankings = Recommender(model, profile).rank(shop.view, queries_of(*shop.step(shopping(10, seed=5))))
    assert set(rankings.strategies) == {"blend", "trending"}


@pytest.mark.long
def test_a_ranker_of_other_features_is_refused(store: ModelStore, profile: RecommenderProfile) -> None:
    newest = store.versions("recommender")[-1]
    with pytest.raises(ModelError, match="other features"):
        Recommender(store.load("recommender", newest.version), small("portal"))


def test_no_click_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no click"):
        train([], small("shop"), ModelStore(tmp_path))
