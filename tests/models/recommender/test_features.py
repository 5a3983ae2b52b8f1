"""Column n of the feature rows holds what name n says, in both profiles: each computed by hand from the clicks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.recommender import queries_of
from models.recommender.features import feature_names
from schemas import PROFILES, Click
from tests.models.recommender.by_hand import History, features
from tests.models.recommender.shoppers import Shop, browsing, clicked, small

# in the portal neither of them is a candidate
OF_OWN_ITEMS = ("times_in_session", "clicks_since", "is_first_of_session")
OF_SECOND_ORDER = ("second_order", "second_order_relative")


def ask(shop: Shop, *clicks: Click) -> tuple[list[str], np.ndarray]:
    """Candidates and feature rows of the last click; the ones before it are not in the view either."""
    for click in clicks:
        found = shop.recommender.candidates(shop.view, queries_of(*shop.step([click])))
    return [shop.view.item_ids[item] for item in found.items], found.rows.copy()


def assert_as_by_hand(profile: str, log: Sequence[Click], *clicks: Click) -> set[str]:
    """Returns the names of the columns in which candidates differ."""
    shop, names = Shop(small(profile)), feature_names(small(profile))
    shop.live(list(log))
    candidates, rows = ask(shop, *clicks)
    visitor = clicks[-1].session_id
    prefix = [click.item_id for click in [*log, *clicks] if click.session_id == visitor]
    is_known = any(click.session_id == visitor for click in log)
    history = History(small(profile), log)
    expected = features(history, prefix, visitor if is_known else None, clicks[-1], candidates)
    assert len(candidates) > 5
    assert rows.shape == (len(candidates), len(names))
    for n, name in enumerate(names):
        for candidate, row, values in zip(candidates, rows, expected, strict=True):
            said = pytest.approx(values[name], rel=2e-4, abs=2e-4, nan_ok=True)
            assert row[n] == said, (n, name, candidate)
    return {name for n, name in enumerate(names) if len(np.unique(rows[:, n])) > 1}


@pytest.mark.long
@pytest.mark.parametrize("profile", PROFILES)
def test_every_column_is_what_its_name_says(profile: str) -> None:
    differ: set[str] = set()
    for seed in range(3):
        log = browsing(260, seed)
        somebody = next(click for click in reversed(log) if click.item_id != "item-1")
        known, late = str(somebody.session_id), 260 * 37.0
        differ |= assert_as_by_hand(profile, log, clicked(known, "item-1", late + 7200, region=3))
        visit = [clicked("new", f"item-{n}", late + 60 * at) for at, n in enumerate((3, 0, 3, 5))]
        differ |= assert_as_by_hand(profile, log, *visit)
        differ |= assert_as_by_hand(profile, log, clicked("new", "item-2", late), clicked("new", "item-9", late + 1, 0))
    of_question = ("context_", "session_", "best_", "last_", "items_met")
    without = {"portal": OF_OWN_ITEMS + OF_SECOND_ORDER, "shop": ()}[profile]
    same = {name for name in feature_names(small(profile)) if name not in differ}
    assert {name for name in same if not name.startswith(of_question)} == set(without)


@pytest.mark.parametrize("profile", PROFILES)
def test_an_item_that_nobody_knows_was_clicked_last(profile: str) -> None:
    log = browsing(200, 7)
    assert_as_by_hand(profile, log, clicked("new", "item-4", 7500), clicked("new", "never seen", 7600))


def test_a_text_in_the_context_is_a_number_of_its_own_and_hours_are_utc() -> None:
    shop, names = Shop(small("portal")), feature_names(small("portal"))
    shop.live(browsing(100))
    click = clicked("new", "item-1", 3 * 3600 + 1800)
    click = click.model_copy(update={"context": {"os": "linux", "country": 3.5}})
    _, rows = ask(shop, click)
    columns = dict(zip(names, rows.T, strict=True))
    assert set(columns["context_hour"]) == {3.5}
    assert set(columns["context_country"]) == {3.5}
    (code,) = set(columns["context_os"])
    assert 0 <= code < 4096
    assert code == int(code)
    for name in ("context_region", "lift_region", "lift_referrer"):
        assert np.isnan(columns[name]).all()
    np.testing.assert_array_equal(columns["lift_all"], 1.0)
