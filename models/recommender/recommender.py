"""The recommender: for each click of a batch the best items for its user; one call of a kernel, one of the scorer.

prefixes ─► candidates and feature rows ─► ranker, or hand-weighted list ─► fresh bonus ─► best 20 ─► Rankings

Training asks `candidates` too, so what the forest learns from is what it will see.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.recommender import kernel
from models.recommender.catalogue import CatalogueView
from models.recommender.clicks import ClickArrays, encode_clicks, feed_clicks, feed_items
from models.recommender.exploration import explore
from models.recommender.features import EVIDENCE, feature_names
from models.recommender.feed import encode_record
from models.recommender.kernel import LIST_LENGTH
from models.recommender.queries import Queries, queries_of
from models.recommender.settings import settings_of
from models.recommender.users import PREFIX, TURNED_DOWN, USER, advance
from models.registry import Model
from models.stages import enter
from schemas import Click, Item, ModelError, RecommenderProfile

STRATEGIES = ("ranker", "blend", "trending")
RANKER, BLEND, TRENDING = range(3)
SIX_GENERATORS = 7.0  # largest possible `evidence`
HAND_PARTS = ("evidence", "recent", "popularity", "own")  # of the score without a forest
NONE_GIVEN = np.zeros(0, np.int32)


@dataclass(frozen=True)
class Candidates:
    """The candidates of n queries one after another. The arrays are reused by the next call: copy what shall stay."""

    items: npt.NDArray[np.int32]  # (total,) rows in the view
    keys: npt.NDArray[np.uint64]  # (total,) stable hashes of the item ids
    rows: npt.NDArray[np.float32]  # (total, features)
    counts: npt.NDArray[np.int64]  # (n,) candidates of each query
    chosen: npt.NDArray[np.int64]  # (n,) of them those, the first, that nobody had to ask for
    met: npt.NDArray[np.int64]  # (n,) items for which the log had any evidence

    def copy(self) -> Candidates:
        return Candidates(self.items.copy(), self.keys, self.rows.copy(), self.counts, self.chosen, self.met)


class Scored(NamedTuple):
    """What the best items were chosen from."""

    found: Candidates
    scores: npt.NDArray[np.float64]  # (total,) of all candidates, before the bonus for fresh items
    places: npt.NDArray[np.int64]  # (n, 20) the best, as places in `found`; -1 beyond their ends


@dataclass(frozen=True)
class Rankings:
    """The best items of n queries. Rows are of the view as it was asked; look the ids up before it changes."""

    items: npt.NDArray[np.int32]  # (n, 20) rows in the view, best first; -1 beyond the count
    scores: npt.NDArray[np.float64]  # (n, 20)
    counts: npt.NDArray[np.int64]  # (n,)
    strategies: list[str]  # (n,) ranker, blend or trending
    scored: Scored

    def parted(self, ends: Sequence[int]) -> Iterator[Rankings]:
        """Those up to each of the ends, from the one before; what they were chosen from stays together."""
        for first, end in itertools.pairwise([0, *ends]):
            part = slice(first, end)
            yield Rankings(self.items[part], self.scores[part], self.counts[part], self.strategies[part], self.scored)


class Recommender:
    """Ranks for the users of one profile. Not for several threads.

    Args:
        model: the trained model; without one, or where its manifest says that the ranker was not better on held-out
            clicks, a hand-weighted list serves.

    Raises:
        ModelError: the model was trained with other features than the profile has.
    """

    def __init__(self, model: Model | None, profile: RecommenderProfile) -> None:
        self.profile = profile
        self.features = feature_names(profile)
        self.scorer = None
        self._types = model.manifest.learned.get("context_types", {}) if model is not None else {}
        if model is not None and model.manifest.learned.get("strategy") == STRATEGIES[RANKER]:
            if model.manifest.features != self.features:
                raise ModelError(
                    f"Model {model.manifest.name} {model.manifest.version} was trained with other features than "
                    f"profile {profile.name} has; it was not loaded.",
                    "Serve it with the profile in its manifest, or train with this one.",
                )
            self.scorer = model.scorers["score"]
        self._settings = settings_of(profile)
        self._items = np.zeros(0, np.int32)
        self._rows = np.zeros((0, len(self.features)), np.float32)

    def encode(self, clicks: Sequence[Click]) -> ClickArrays:
        """Clicks as arrays: hashes, times, context features and codes."""
        return encode_clicks(self.profile, clicks, self._types)

    def candidates(
        self, view: CatalogueView, queries: Queries, given: npt.NDArray[np.int32] = NONE_GIVEN
    ) -> Candidates:
        """Candidates and feature rows of all queries.

        Args:
            given: (g,) different rows in the view that are candidates too, if they may be shown to the user.
        """
        count = len(queries.lengths)
        room = count * (self.profile.max_candidates + len(given))
        if room > len(self._items):
            self._items = np.zeros(room, np.int32)
            self._rows = np.zeros((room, len(self.features)), np.float32)
        facts = np.zeros((3, count), np.int64)
        asked = queries._replace(times=view.query_time(queries.times))
        now = np.maximum(queries.times, view.event_time)
        total = view.kernels.build_rows(self._settings, *asked, now, given, self._items, self._rows, facts)
        items = self._items[:total]
        return Candidates(items, view.arrays.items["key"][items], self._rows[:total], *facts)

    def rank(self, view: CatalogueView, queries: Queries) -> Rankings:
        """The best 20 items of each query; ties are broken by the stable hash of the item id."""
        enter("features")
        found = self.candidates(view, queries)
        enter("score")
        scores = self.scores_of(found)
        if self.scorer is not None and len(found.items):
            strategies = [STRATEGIES[RANKER]] * len(found.counts)
        else:
            strategies = [STRATEGIES[BLEND if met else TRENDING] for met in found.met.tolist()]
        places, best = self.best(found, scores)
        items = np.append(found.items, np.int32(-1))[places]
        counts = np.minimum(found.counts, LIST_LENGTH)
        for query in np.flatnonzero(counts == 0).tolist():
            rows = self._fallback(view, queries, query)
            items[query, : len(rows)], best[query, : len(rows)] = rows, 0.0
            counts[query], strategies[query] = len(rows), STRATEGIES[TRENDING]
        if self.profile.exploration > 0:
            explore(view, queries, self.profile, (items, best, counts))
        return Rankings(items, best, counts, strategies, Scored(found, scores, places))

    def scores_of(self, found: Candidates) -> npt.NDArray[np.float64]:
        """Scores of all candidates: the forest's, or without one the hand-weighted ones."""
        if self.scorer is not None and len(found.items):
            return self.scorer.score(found.rows)
        return self.by_hand(found)

    def by_hand(self, found: Candidates, part: str | None = None) -> npt.NDArray[np.float64]:
        """Scores without a forest: a weighted sum of evidence, recent co-visits, popularity and own items.

        Args:
            part: one of HAND_PARTS: what it adds; None: the sum.
        """
        hand = self.profile.hand_weights
        evidence, recent, popularity, own = (getattr(hand, name) * (part in (None, name)) for name in HAND_PARTS)
        scores = np.zeros(len(found.items))
        kernel.hand_weighted(evidence, recent, popularity, own, found.rows, scores, found.counts, found.chosen)
        return scores

    def best(
        self, found: Candidates, scores: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The policy: fresh bonus, then the 20 best of each query, as places in `found`; -1 beyond the count.

        Returns:
            Places (n, 20) and scores (n, 20).
        """
        places = np.full((len(found.counts), LIST_LENGTH), -1, np.int64)
        best = np.full((len(found.counts), LIST_LENGTH), -np.inf)
        bonus, age = self.profile.fresh_bonus, self.profile.fresh_age
        kernel.choose_best(bonus, age, found.rows, scores, found.keys, found.counts, places, best)
        return places, best

    def similar(self, view: CatalogueView, row: int, count: int = LIST_LENGTH) -> list[tuple[str, float]]:
        """Items like the one in `row` of the view, best first: share of the evidence that six generators could give."""
        prefixes = np.zeros((1, PREFIX), np.uint64)
        prefixes[0, 0] = view.arrays.items["key"][row]
        none = np.full((1, len(self.profile.context_popularity)), 255, np.uint8)
        context = np.full((1, len(self.profile.context) + self.profile.hour_of_day), np.nan, np.float32)
        one = np.ones(1, np.int64)
        no_items = np.zeros((1, TURNED_DOWN), np.uint32)
        queries = Queries(prefixes, one, np.zeros(1, np.uint64), np.full(1, view.time), none, context, no_items)
        found = self.candidates(view, queries)
        shares = found.rows[:, EVIDENCE] / SIX_GENERATORS
        order = np.lexsort((found.keys, -shares))
        rows = [(int(found.items[n]), float(shares[n])) for n in order.tolist() if shares[n] > 0]
        return [(view.item_ids[item], share) for item, share in rows if item != row][:count]

    def warm(self) -> None:
        """Run everything once, so that the first event does not wait for what is loaded late."""
        view, users, number = CatalogueView(self.profile), np.zeros(1, USER), np.zeros(1, np.int64)
        click = Click(event_id="warm", event_time=datetime.now(UTC), user_id="warm", item_id="warm")
        clicks = self.encode([click])
        steps = advance(users, number, clicks.moves, self.profile.session_silence_s)
        item = Item(item_id="warm", event_time=click.event_time)
        view.apply(encode_record(feed_items([("warm", item)], 0, number, 0.0)))
        view.apply(encode_record(feed_clicks(clicks, steps, 0, number)))
        self.rank(view, queries_of(clicks, steps))
        self.similar(view, 0)
        view.trending()

    def _fallback(self, view: CatalogueView, queries: Queries, query: int) -> list[int]:
        """Trending items, without what the user turned down, and those of the session where the profile says so."""
        own = set() if self.profile.own_items else set(queries.prefixes[query, : queries.lengths[query]].tolist())
        turned_down = set(queries.turned_down[query].tolist())
        keys, now = view.arrays.items["key"], max(float(queries.times[query]), view.event_time)
        rows = view.trending_rows(LIST_LENGTH + PREFIX + TURNED_DOWN, now)
        mine = [row for row in rows if int(keys[row]) not in own and int(keys[row]) >> 32 not in turned_down]
        return mine[:LIST_LENGTH]
