"""Events from files and by hand: replayed, or sent one by one until the decision is back.

file or arguments ─► checked events ─► their topics ─► the decision
May import: schemas, streams.kafka, models.files.
"""

from millrace.events.files import EventFile, merged
from millrace.events.replay import Pace, Replay, ReplayResult
from millrace.events.send import Answer, Decision, EventError, send_bytes, send_event

__all__ = [
    "Answer",
    "Decision",
    "EventError",
    "EventFile",
    "Pace",
    "Replay",
    "ReplayResult",
    "merged",
    "send_bytes",
    "send_event",
]
