"""Topics: the one table of everything that Millrace reads or writes on Kafka.

a row ─► what is created on the broker, decoded, checked by key, quarantined, replayed and documented

A new input topic is one row here and one class in `inputs`. How far ahead of its record an event of it may lie is
`MILLRACE_MAX_FUTURE_<TOPIC>_S` where the settings have that, or else five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.base import InputEvent, OutputEvent
from schemas.inputs import Asset, Click, Item, Maintenance, Telemetry
from schemas.outputs import Action, Alert, CatalogueEntry, Recommendation, Score
from schemas.settings import Settings
from schemas.worker_status import WorkerStatus

CLICKS, ITEMS, TELEMETRY, MAINTENANCE = "clicks.v1", "items.v1", "telemetry.v1", "maintenance.v1"
RECOMMENDATIONS, SCORES, ALERTS, CATALOGUE = "recommendations.v1", "scores.v1", "alerts.v1", "catalogue.v1"
MODELS, WORKERS, ACTIONS, ASSETS = "models.v1", "workers.v1", "actions.v1", "assets.v1"
FEED, UNDECIDED = "millrace.feed.v1", "millrace.undecided.v1"
FORGET_HEADER = "millrace-forget"  # of a click without a value: everything that is known of its user is forgotten
WHY_HEADER = "millrace-why"  # of an input record: whoever sent it wants to know why it has no decision
RECOMMEND_STATE, MAINTAIN_STATE = "millrace.recommend.state.v1", "millrace.maintain.state.v1"
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True)
class Topic:
    """One topic as it should be.

    `key` is the field of the event that is the record's key, or else what the keys are. `event` says what the values
    are, and by its kind whether producers push them or Millrace tells them to the world; without one the topic is for
    Millrace alone. `partitions` 0 means `MILLRACE_PARTITIONS`; `config` goes to the broker.
    """

    name: str
    key: str
    purpose: str
    event: type[InputEvent] | type[OutputEvent] | None = None
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


def _input(name: str, event: type[InputEvent], key: str, purpose: str, clean_up: dict[str, str]) -> Topic:
    return Topic(name, key, purpose, event, config=clean_up | _INPUT)


_ROWS = (
    _input(CLICKS, Click, "user_id", "views of items by users", _delete(30)),
    _input(ITEMS, Item, "item_id", "what the shop says of its items; null removes one", _COMPACT),
    _input(TELEMETRY, Telemetry, "asset_id", "readings of the sensors of assets", _delete(30)),
    _input(MAINTENANCE, Maintenance, "asset_id", "the maintenance log of assets", _delete(365)),
    _input(ASSETS, Asset, "asset_id", "where assets stand; null takes it back", _COMPACT),
    Topic(
        RECOMMENDATIONS,
        "user_id",
        "the items for a user, after each click",
        Recommendation,
        config={"cleanup.policy": "compact,delete", "retention.ms": str(7 * DAY_MS)} | _SEEN,
    ),
    Topic(
        SCORES,
        "asset_id",
        "remaining life or failure probability, after each reading",
        Score,
        config=_delete(7),
    ),
    Topic(ALERTS, "asset_id", "one record a transition of an alert", Alert, config=_delete(30)),
    Topic(ACTIONS, "alert_id", "what people did about alerts", Action, config=_delete(90)),
    Topic(
        CATALOGUE,
        "list/trending or item/ID",
        "what is trending, what is similar",
        CatalogueEntry,
        partitions=1,
        config=_COMPACT | _SEEN,
    ),
    Topic(MODELS, "version, chunk or alias", "manifests and packs", partitions=1, config=_COMPACT | _LARGE),
    Topic(WORKERS, "worker", "what each worker runs and measures", WorkerStatus, partitions=1, config=_COMPACT | _SEEN),
    Topic(
        FEED,
        "none",
        "clicks and items in one total order, for the catalogue view",
        partitions=1,
        config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": str(4 << 30)},
    ),
    Topic(
        UNDECIDED,
        "that of the event",
        "why an event has no decision, where its header asked; for `millrace send`",
        partitions=1,
        config={"cleanup.policy": "delete", "retention.ms": str(HOUR_MS)},
    ),
    Topic(RECOMMEND_STATE, "table and user", "checkpoints of the recommend agent", config=_STATE),
    Topic(MAINTAIN_STATE, "table and asset", "checkpoints of the maintain agent", config=_STATE),
)
INPUTS: Mapping[str, type[InputEvent]] = {
    row.name: row.event for row in _ROWS if row.event is not None and issubclass(row.event, InputEvent)
}
OUTPUTS: Mapping[str, type[OutputEvent]] = {
    row.name: row.event for row in _ROWS if row.event is not None and issubclass(row.event, OutputEvent)
}
KEY_FIELDS: Mapping[str, str] = {row.name: row.key for row in _ROWS if row.name in INPUTS}


def dead_letters_of(topic: str) -> str:
    """The quarantine topic of an input topic."""
    return f"{topic}.dlq"


def _quarantine(topic: str) -> Topic:
    config = _delete(30) | _LARGE
    return Topic(dead_letters_of(topic), "original key", f"quarantined records of {topic}", config=config)


TOPICS: tuple[Topic, ...] = (*_ROWS, *map(_quarantine, INPUTS))


def topic_name(settings: Settings, topic: str) -> str:
    """The name on the broker: `MILLRACE_TOPIC_PREFIX` lets several installations share one Kafka."""
    return settings.topic_prefix + topic


def partition_count(settings: Settings, topic: Topic) -> int:
    return topic.partitions or settings.partitions
