"""Events from files and by hand: validated, replayed, or sent one by one until the decision is back.

file, arguments, or POST /v1/events ─► checked events ─► their topics ─► the decision
May import: api, schemas, storage, streams.agent, streams.kafka, streams.quarantine, streams.trace, models.files,
millrace.tables.
"""

from millrace.events.files import REPLAY, TRAIN, EventFile, Read, layout_of_file, merged, read_file
from millrace.events.findings import Validation
from millrace.events.latest import last_reading
from millrace.events.publish import KafkaPublisher
from millrace.events.replay import Pace, Replay, ReplayResult
from millrace.events.send import Answer, Decision, EventError, send_bytes, send_event

__all__ = [
    "REPLAY",
    "TRAIN",
    "Answer",
    "Decision",
    "EventError",
    "EventFile",
    "KafkaPublisher",
    "Pace",
    "Read",
    "Replay",
    "ReplayResult",
    "Validation",
    "last_reading",
    "layout_of_file",
    "merged",
    "read_file",
    "send_bytes",
    "send_event",
]
