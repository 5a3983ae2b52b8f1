"""From decisions on Kafka to rows in the database, each exactly once.

scores, alerts, recommendations, catalogue, workers ─► SinkSource ─► SinkWriter ─► storage.Store
May import: schemas, streams.kafka, streams.metrics, storage.
"""

from streams.sink.source import build_sink

__all__ = [
    "build_sink",
]
