"""Metrics of the agents, for Prometheus. Labels are agents, topics and partition numbers, never ids."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from models.stages import STAGES, StageClock
from schemas import INPUTS, may_be_left_out

# A handler works on 1 to 1,000 records: from 100 us to several seconds.
_HANDLING = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
_DECIDED = (0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 3, 10, 60)
# A checkpoint is one Kafka transaction: 25 ms when nearly nothing changed, 150 ms for 20,000 rows.
_CHECKPOINT = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5, 30)

RECORDS = Counter("millrace_records", "Input records applied to the state", ["agent", "topic"])
BATCHES = Counter("millrace_batches", "Batches handled", ["agent"])
HANDLING = Histogram("millrace_handling_seconds", "Time to handle the batches of a turn", ["agent"], buckets=_HANDLING)
DECIDED = Histogram(
    "millrace_decision_seconds",
    "From the oldest event of a batch on its topic to its decisions acknowledged",
    ["agent"],
    buckets=_DECIDED,
)
STAGE_CPU = Counter(
    "millrace_stage_cpu_seconds",
    "CPU seconds of handling and sending batches: decode, state, features, score, emit",
    ["agent", "stage"],
)
OUTPUTS = Counter("millrace_outputs", "Records sent to output topics", ["agent", "topic"])
DEAD_LETTERS = Counter("millrace_dead_letters", "Input records quarantined", ["agent", "topic"])
UNKNOWN_FIELDS = Counter("millrace_unknown_fields", "Fields of input events that no schema knows", ["topic"])
LEFT_OUT = Counter(
    "millrace_left_out_fields",
    "Values that could not be used and were left out of an event that counts",
    ["topic", "field"],
)
MISPLACED = Counter(
    "millrace_misplaced_records",
    "Input records that a producer put on another partition than their key's, and that were brought there",
    ["agent", "topic"],
)
CHECKPOINTS = Histogram(
    "millrace_checkpoint_seconds", "Time to save the changes of one partition", ["agent"], buckets=_CHECKPOINT
)
CHECKPOINT_ROWS = Counter("millrace_checkpoint_rows", "Rows saved by checkpoints", ["agent"])
ROWS = Gauge("millrace_rows", "Rows of partition state in memory", ["agent", "table", "partition"])
LAG = Gauge("millrace_lag", "Input records that are not applied yet", ["agent", "topic", "partition"])
HELD = Gauge(
    "millrace_held_records",
    "Input records that wait for the end of a producer's transaction",
    ["agent", "topic", "partition"],
)
OPENINGS = Counter("millrace_openings", "Times that a partition was loaded, by cause", ["agent", "cause"])
LOST_RECORDS = Counter(
    "millrace_lost_records", "Offsets that the broker deleted before they were applied", ["agent", "topic"]
)
UNORDERED = Counter("millrace_unordered", "Records that went on without a log that could not be read", ["topic"])
REFUSED_ROWS = Counter(
    "millrace_rows_refused", "Saved rows that were out of bounds, or of a torn checkpoint", ["agent"]
)
FAILING_KEYS = Gauge("millrace_failing_keys", "Keys whose records failed and are applied one by one", ["agent"])
REPEATS = Counter(
    "millrace_repeated_decisions",
    "Decisions not sent again after a crash, by whether they say the same",
    ["agent", "says"],
)
TOPICS_MADE_ANEW = Counter(
    "millrace_topics_made_anew",
    "Partitions whose topic was deleted and made anew under its readers",
    ["agent", "topic"],
)
FEED_EVENTS = Counter("millrace_feed_events", "Clicks and item changes of the feed applied to the catalogue view")
FEED_LAG = Gauge("millrace_feed_lag", "Records of the click feed that the catalogue view has not seen")
SKIPPED = Counter("millrace_skipped", "Input events without a decision of their own, by reason", ["agent", "reason"])
NO_MODEL = Counter(
    "millrace_no_model_events",
    "Events of asset classes that no model serves, of the first 50 by name: kept, not scored",
    ["asset_class"],
)
SINK_EVENTS = Counter("millrace_sink_events", "Decisions for the database: written or repeated", ["outcome"])
SINK_RECORDS = Counter("millrace_sink_records", "Records that were read for the database", ["agent", "topic"])
SINK_SKIPPED = Counter("millrace_sink_skipped", "Decisions that could not be written, by reason", ["topic", "reason"])
BESIDE = Counter(
    "millrace_readings_beside",
    "What readings had that was not used (unknown, not_a_number), or was found (clock_set_back; late, yet scored)",
    ["asset_class", "what"],
)
# One transaction: 1 ms for a few rows on SQLite, 100 ms for 1,000 on a busy PostgreSQL.
SINK_WRITING = Histogram("millrace_sink_write_seconds", "Time of one database transaction", buckets=_HANDLING)
MODEL = Gauge("millrace_model", "1 for each version that this worker runs", ["name", "alias", "version"])
REFUSED = Counter("millrace_models_refused", "Versions and changes of aliases that were not taken, by alias", ["alias"])
SWAPS = Histogram(
    "millrace_model_swap_seconds", "Time without batches for a change of models", ["agent"], buckets=_CHECKPOINT
)
SHADOWED = Counter("millrace_shadow_decisions", "Decisions that a challenger was compared on", ["name"])
SHADOW_CPU = Counter("millrace_shadow_cpu_seconds", "CPU time of challengers", ["name"])
READY = Gauge("millrace_worker_ready", "1 when all agents of the worker hold open partitions")


SILENT = Gauge(
    "millrace_silent_assets",
    "Assets with a score of the last day, but none for MILLRACE_SILENT_AFTER_S, from the database",
    ["asset_class"],
)
# how the alarm system does, as EEMUA 191 counts it (storage/performance.py); from the database, by the sink
OPEN_ALERTS = Gauge("millrace_open_alerts", "Alerts that are open and not shelved", ["severity"])
RAISED_PER_HOUR = Gauge("millrace_alerts_raised_per_hour", "Alerts raised an hour, of the last day")
MOST_RAISED = Gauge("millrace_alerts_most_in_ten_minutes", "Most alerts raised within ten minutes, of the last day")
FLOOD_SHARE = Gauge("millrace_alerts_flood_share", "Share of the last day's ten-minute slots with above ten alerts")
STALE_ALERTS = Gauge("millrace_stale_alerts", "Alerts open for more than a day, and not shelved")
ACKNOWLEDGE_S = Gauge(
    "millrace_alert_acknowledge_seconds", "Time until alerts of the last day were acknowledged; NaN: none", ["quantile"]
)
# why partitions are loaded (streams/agent/runtime.py), and what repeated decisions say (streams/agent/recall.py)
CAUSES = ("assigned", "bug", "cancelled", "checkpoint", "fenced", "out of bounds", "unavailable")
REPEATED = ("the same", "otherwise")
BESIDE_WHAT = ("unknown", "not_a_number", "clock_set_back", "late")


def begin_agent(agent: str, topics: Sequence[str], outputs: Sequence[str], prefix: str = "") -> None:
    """All series of an agent from 0 on: the first increment of a series that begins with it is seen by no alert.

    Args:
        topics, outputs: names in the contract.
        prefix: of the names on the broker.
    """
    for topic in topics:
        for counter in (RECORDS, LOST_RECORDS):
            counter.labels(agent, prefix + topic)
        for counter in (DEAD_LETTERS, TOPICS_MADE_ANEW, MISPLACED):
            counter.labels(agent, topic)
        UNKNOWN_FIELDS.labels(prefix + topic)
        for field in may_be_left_out(INPUTS[topic]) if topic in INPUTS else ():
            LEFT_OUT.labels(prefix + topic, field)
    for topic in outputs:
        OUTPUTS.labels(agent, topic)
    for cause in CAUSES:
        OPENINGS.labels(agent, cause)
    for says in REPEATED:
        REPEATS.labels(agent, says)
    for reason in ("taken over before", "taken over later"):
        SKIPPED.labels(agent, reason)
    REFUSED_ROWS.labels(agent)
    FAILING_KEYS.labels(agent)
    CHECKPOINTS.labels(agent)
    DECIDED.labels(agent)


def begin_models(aliases: Iterable[str]) -> None:
    """Refusals of models, from 0 on."""
    for alias in aliases:
        REFUSED.labels(alias)


def begin_reasons(agent: str, reasons: Iterable[str]) -> None:
    """Events without a decision, from 0 on."""
    for reason in reasons:
        SKIPPED.labels(agent, reason)


def begin_class(asset_class: str) -> None:
    """What is told of the readings of an asset class, from 0 on."""
    for what in BESIDE_WHAT:
        BESIDE.labels(asset_class, what)


def forget_partition(agent: str, number: int, tables: Iterable[str], topics: Iterable[str]) -> None:
    """Another worker tells about this partition now."""
    for table in tables:
        ROWS.labels(agent, table, number).set(0)
    for topic in topics:
        LAG.labels(agent, topic, number).set(0)


class BatchMetrics:
    """What one agent tells of its batches: their number, records, time, and CPU time by stage."""

    def __init__(self, agent: str) -> None:
        self.clock = StageClock()
        self._agent = agent
        self._batches, self._handling = BATCHES.labels(agent), HANDLING.labels(agent)
        self._decided = DECIDED.labels(agent)
        self._stages = {stage: STAGE_CPU.labels(agent, stage) for stage in STAGES}

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Around the handler, which begins by decoding."""
        with self._handling.time(), self.clock.running("decode"):
            yield

    def sent(self, records: Sequence[Any], acknowledged: asyncio.Future[Any]) -> None:
        """The decisions of a batch are on their way; the last of them will be acknowledged by this."""
        arrived_s = min(record.timestamp for record in records) / 1000

        def tell(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and future.exception() is None:
                self._decided.observe(max(time.time() - arrived_s, 0.0))

        acknowledged.add_done_callback(tell)

    def applied(self, records: Sequence[Any], topics: Iterable[str]) -> None:
        """A batch of these topics is applied and its outputs are handed over."""
        self._batches.inc()
        for stage, seconds in self.clock.take().items():
            self._stages[stage].inc(seconds)
        counts = Counts(record.topic for record in records)
        for topic in topics:
            RECORDS.labels(self._agent, topic).inc(counts[topic])
