"""How a ranker is learned from a log of events. Needs LightGBM.

events ─► replay through the code that serves ─► QueryLog ─► forest ─► pack ─► a version in the store
May import: schemas, models.recommender, models.compiler, models.registry, the top of models.
"""

from models.recommender.training.click_log import ClickLog, LogReader, replay
from models.recommender.training.query_log import QueryLog, fit, places_of, reciprocal
from models.recommender.training.train import Sampling, train

__all__ = [
    "ClickLog",
    "LogReader",
    "QueryLog",
    "Sampling",
    "fit",
    "places_of",
    "reciprocal",
    "replay",
    "train",
]
