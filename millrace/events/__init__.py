"""Events from files and by hand: replayed, or sent one by one until the decision is back.

file, arguments, or POST /v1/events ─► checked events ─► their topics ─► the decision
May import: api, schemas, streams.agent, streams.kafka, streams.quarantine, models.files.
"""

from millrace.events.files import EventFile, merged
from millrace.events.publish import KafkaPublisher
from millrace.events.replay import Pace, Replay, ReplayResult
from millrace.events.send import Answer, Decision, EventError, send_bytes, send_event

__all__ = [
    "Answer",
    "Decision",
    "EventError",
    "EventFile",
    "KafkaPublisher",
    "Pace",
    "Replay",
    "ReplayResult",
    "merged",
    "send_bytes",
    "send_event",
]
