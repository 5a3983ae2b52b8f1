"""Given: items that a caller names, scored for a user as that user's own list scores its candidates.

Click (who, when, context), row of the user, session ─► question ─► Queries of one ─► rank_given ─► GivenRanking

Only reads: neither the row nor the view is changed. An item's score does not depend on which others are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.recommender.catalogue import CatalogueView
from models.recommender.features import ITEM_AGE
from models.recommender.hashing import stable_hash
from models.recommender.queries import Queries
from models.recommender.recommender import HAND_PARTS, RANKER, STRATEGIES, Candidates, Recommender
from models.recommender.users import PREFIX, TURNED_DOWN
from schemas import Click

FRESH_BONUS, EXPECTED = "fresh_bonus", "expected"  # parts of a score that are no feature


@dataclass(frozen=True)
class GivenRanking:
    """The given items that may be shown, best first, and why the others may not.

    Attributes:
        rows: (n, features) feature rows of the items in this order.
        left_out: id and why: `unknown` (nobody clicked it, nothing was said of it), `turned_down` by the user, or
            `unavailable` (sold out, removed, not yet published, or never told of where the profile wants that).
    """

    item_ids: list[str]
    scores: npt.NDArray[np.float64]
    rows: npt.NDArray[np.float32]
    parts: dict[str, npt.NDArray[np.float64]]  # of the scores, beside those of the forest: (n,) each
    strategy: str
    left_out: list[tuple[str, str]]


def question(recommender: Recommender, click: Click, session: Sequence[str] | None, row: np.void | None) -> Queries:
    """What the click's user would ask at its time, in its context. Its item does not count.

    Args:
        session: items clicked so far, oldest first; None: those of the user's row.
        row: USER, of the user; None: nothing is known.
    """
    clicks = recommender.encode([click])
    prefixes = np.zeros((1, PREFIX), np.uint64)
    length, key, turned_down = 0, np.uint64(0), np.zeros((1, TURNED_DOWN), np.uint32)
    if row is not None:
        length, key = int(row["length"]), row["session"]
        prefixes[0], turned_down[0] = row["prefix"], row["turned_down"]
    if session is not None:
        hashes = [stable_hash(item) for item in session[-PREFIX:]]
        length = len(hashes)
        prefixes[0, :length] = hashes
    keys = np.array([key], np.uint64)
    return Queries(prefixes, np.array([length]), keys, clicks.moves.times, clicks.codes, clicks.context, turned_down)


def rank_given(recommender: Recommender, view: CatalogueView, query: Queries, item_ids: Sequence[str]) -> GivenRanking:
    """Rank different items by the score that each would have in the user's own list, the bonus of the fresh included.

    Args:
        query: of one.
    """
    known = {item: view.row_of(item) for item in item_ids}
    given = np.array([row for row in known.values() if row >= 0], np.int32)
    found = recommender.candidates(view, query, given)
    place_of = {int(row): place for place, row in enumerate(found.items.tolist())}
    usable = [item for item, row in known.items() if row in place_of]
    places = np.array([place_of[known[item]] for item in usable], np.int64)
    has_forest = recommender.scorer is not None
    scores = recommender.scores_of(found)[places] if len(places) else np.zeros(0)
    profile = recommender.profile
    bonus = np.where(found.rows[places, ITEM_AGE] < profile.fresh_age, profile.fresh_bonus, 0.0)
    scores = scores + bonus
    best = np.lexsort((found.keys[places], -scores))
    parts = {FRESH_BONUS: bonus[best]}
    if not has_forest:
        parts |= {part: recommender.by_hand(found, part)[places[best]] for part in HAND_PARTS}
    return GivenRanking(
        [usable[place] for place in best.tolist()],
        scores[best],
        found.rows[places[best]],
        parts,
        STRATEGIES[RANKER] if has_forest else _strategy(found),
        [(item, _reason(item, row, query)) for item, row in known.items() if row not in place_of],
    )


def _strategy(found: Candidates) -> str:
    return STRATEGIES[1 if found.met[0] else 2]


def _reason(item: str, row: int, query: Queries) -> str:
    if row < 0:
        return "unknown"
    return "turned_down" if stable_hash(item) >> 32 in query.turned_down[0].tolist() else "unavailable"


def contributions(recommender: Recommender, ranking: GivenRanking, place: int) -> dict[str, float]:
    """What the item's score is made of: by feature, the expected score, and parts that are no feature. They sum to it.

    TreeSHAP (see `Scorer.explain`): some milliseconds. Asks only what does not change, so another thread may.
    """
    found = {name: float(values[place]) for name, values in ranking.parts.items()}
    if recommender.scorer is not None:
        names = [*recommender.features, EXPECTED]
        found |= dict(zip(names, recommender.scorer.explain(ranking.rows[place]).tolist(), strict=True))
    return found
