"""Which items for this user now: users' rows, the catalogue view, candidates, features, ranking.

clicks ─► advance (users' rows) ─► Queries ─► kernel: evidence, candidates, features ─► Scorer ─► Rankings
May import: schemas, models.recommender.kernel, models.registry, models.packs, the top of models. Its training is a
room of its own.
"""

from models.recommender.arrays import action_weights
from models.recommender.catalogue import CatalogueView, context_fingerprint
from models.recommender.challenger import RankChallenger
from models.recommender.clicks import ClickArrays, ContextType, encode_clicks, feed_clicks, feed_items
from models.recommender.features import feature_names
from models.recommender.feed import ClickRecord, FeedError, ItemRecord, encode_record
from models.recommender.given import EXPECTED, FRESH_BONUS, GivenRanking, contributions, question, rank_given
from models.recommender.hashing import halves, stable_hash
from models.recommender.kernel import LIST_LENGTH, choose_best
from models.recommender.queries import Queries, queries_of
from models.recommender.recommender import STRATEGIES, Candidates, Rankings, Recommender
from models.recommender.repeats import REMEMBERED, Repeats
from models.recommender.snapshot import SnapshotError
from models.recommender.users import (
    EARLIER_USERS,
    PREFIX,
    TURNED_DOWN,
    USER,
    USER_BOUNDS,
    USER_LAYOUT,
    Steps,
    advance,
)

__all__ = [
    "EARLIER_USERS",
    "EXPECTED",
    "FRESH_BONUS",
    "LIST_LENGTH",
    "PREFIX",
    "REMEMBERED",
    "STRATEGIES",
    "TURNED_DOWN",
    "USER",
    "USER_BOUNDS",
    "USER_LAYOUT",
    "Candidates",
    "CatalogueView",
    "ClickArrays",
    "ClickRecord",
    "ContextType",
    "FeedError",
    "GivenRanking",
    "ItemRecord",
    "Queries",
    "RankChallenger",
    "Rankings",
    "Recommender",
    "Repeats",
    "SnapshotError",
    "Steps",
    "action_weights",
    "advance",
    "choose_best",
    "context_fingerprint",
    "contributions",
    "encode_clicks",
    "encode_record",
    "feature_names",
    "feed_clicks",
    "feed_items",
    "halves",
    "queries_of",
    "question",
    "rank_given",
    "stable_hash",
]
