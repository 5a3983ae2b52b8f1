"""From decisions, inputs and dead letters on Kafka to rows in the database, each exactly once.

output and input topics, dead letters ─► SinkSource ─► SinkWriter ─► storage.Store
May import: schemas, streams.agent, streams.kafka, streams.metrics, storage, models.stages.
"""

from streams.sink.source import build_sink

__all__ = [
    "build_sink",
]
