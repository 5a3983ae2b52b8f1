"""The catalogue view in a worker: the click feed read, and what is trending and similar told to the world.

millrace.feed.v1 ─► FeedReader ─► CatalogueView ─► CatalogueTeller ─► catalogue.v1
May import: schemas, streams.agent, streams.kafka, streams.metrics, models.recommender.
"""

from streams.catalogue.reader import FeedReader
from streams.catalogue.teller import CatalogueTeller

__all__ = [
    "CatalogueTeller",
    "FeedReader",
]
