"""How Millrace reaches the broker, and waits for it: clients, topics, ways to read, patience.

Settings ─► client_options ─► consumers, producers, admin clients that wait and tell
May import: schemas, streams.metrics.
"""

from streams.kafka.admin import apply_topics, list_topics
from streams.kafka.clients import (
    BATCH_BYTES,
    MOST_BATCH_BYTES,
    ConsumerRecord,
    TopicEnds,
    administering,
    answering,
    client_options,
    cluster,
    group_name,
    group_offsets,
    open_partition,
    partition_counts,
    started,
)
from streams.kafka.follow import TopicFollower
from streams.kafka.group import GroupConsumer
from streams.kafka.ids import TopicWatch, topic_ids
from streams.kafka.patience import PASSING, patiently, pause_s, until_answered
from streams.kafka.producer import EventProducer
from streams.kafka.read import read_to, reading

__all__ = [
    "BATCH_BYTES",
    "MOST_BATCH_BYTES",
    "PASSING",
    "ConsumerRecord",
    "EventProducer",
    "GroupConsumer",
    "TopicEnds",
    "TopicFollower",
    "TopicWatch",
    "administering",
    "answering",
    "apply_topics",
    "client_options",
    "cluster",
    "group_name",
    "group_offsets",
    "list_topics",
    "open_partition",
    "partition_counts",
    "patiently",
    "pause_s",
    "read_to",
    "reading",
    "started",
    "topic_ids",
    "until_answered",
]
