"""Topics: names, keys, partitions and clean-up of everything that Millrace reads or writes on Kafka."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.settings import Settings

CLICKS, ITEMS, TELEMETRY, MAINTENANCE = "clicks.v1", "items.v1", "telemetry.v1", "maintenance.v1"
RECOMMENDATIONS, SCORES, ALERTS, CATALOGUE = "recommendations.v1", "scores.v1", "alerts.v1", "catalogue.v1"
MODELS, WORKERS = "models.v1", "workers.v1"
FEED = "millrace.feed.v1"
RECOMMEND_STATE, MAINTAIN_STATE = "millrace.recommend.state.v1", "millrace.maintain.state.v1"
INPUT_TOPICS = (CLICKS, ITEMS, TELEMETRY, MAINTENANCE)
DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Topic:
    """One topic as it should be. `partitions` 0 means `MILLRACE_PARTITIONS`; `config` goes to the broker."""

    name: str
    key: str
    purpose: str
    partitions: int = 0
    config: dict[str, str] = field(default_factory=dict)


def _delete(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


# Kafka takes the name at its word: 1 MB more than MILLRACE_MAX_EVENT_BYTES needs, so that too large an event can be
# quarantined with its bytes instead of being refused.
_LARGE = {"max.message.bytes": "12582912"}
# The record's time is the broker's, whatever a producer's clock says: what lies ahead of it lies ahead of the world.
_INPUT = _LARGE | {"message.timestamp.type": "LogAppendTime"}
_COMPACT = {"cleanup.policy": "compact"}
# Without it the newest but one of a key may go within minutes: a consumer that was away would miss what it never saw
_SEEN = {"min.compaction.lag.ms": str(DAY_MS)}
_STATE = {**_COMPACT, "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.3"}

_PUBLIC = (
    Topic(CLICKS, "user_id", "views of items by users", config=_delete(30) | _INPUT),
    Topic(ITEMS, "item_id", "what the shop says of its items; null removes one", config=_COMPACT | _INPUT),
    Topic(TELEMETRY, "asset_id", "readings of the sensors of assets", config=_delete(30) | _INPUT),
    Topic(MAINTENANCE, "asset_id", "the maintenance log of assets", config=_delete(365) | _INPUT),
    Topic(
        RECOMMENDATIONS,
        "user_id",
        "the items for a user, after each click",
        config={"cleanup.policy": "compact,delete", "retention.ms": str(7 * DAY_MS)} | _SEEN,
    ),
    Topic(SCORES, "asset_id", "remaining life or failure probability, after each reading", config=_delete(7)),
    Topic(ALERTS, "asset_id", "one record a transition of an alert", config=_delete(30)),
    Topic(
        CATALOGUE,
        "list/trending or item/ID",
        "what is trending, what is similar",
        partitions=1,
        config=_COMPACT | _SEEN,
    ),
    Topic(MODELS, "version, chunk or alias", "manifests and packs", partitions=1, config=_COMPACT | _LARGE),
    Topic(WORKERS, "worker", "what each edge worker runs", partitions=1, config=_COMPACT | _SEEN),
)
_INTERNAL = (
    Topic(
        FEED,
        "none",
        "clicks and items in one total order, for the catalogue view",
        partitions=1,
        config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": str(4 << 30)},
    ),
    Topic(RECOMMEND_STATE, "table and user", "checkpoints of the recommend agent", config=_STATE),
    Topic(MAINTAIN_STATE, "table and asset", "checkpoints of the maintain agent", config=_STATE),
)


def dead_letters_of(topic: str) -> str:
    """The quarantine topic of an input topic."""
    return f"{topic}.dlq"


TOPICS: tuple[Topic, ...] = (
    *_PUBLIC,
    *(
        Topic(dead_letters_of(t), "original key", f"quarantined records of {t}", config=_delete(30) | _LARGE)
        for t in INPUT_TOPICS
    ),
    *_INTERNAL,
)


def topic_name(settings: Settings, topic: str) -> str:
    """The name on the broker: `MILLRACE_TOPIC_PREFIX` lets several installations share one Kafka."""
    return settings.topic_prefix + topic


def partition_count(settings: Settings, topic: Topic) -> int:
    return topic.partitions or settings.partitions
