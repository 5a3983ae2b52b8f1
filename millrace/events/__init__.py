"""Events in files and by hand: sent, replayed, read back, dead letters handled.

file or arguments ─► checked events ─► their topics ─► the decision
May import: schemas, streams, storage, models.
"""

from millrace.events.files import EventFile, merged
from millrace.events.frontier import draw
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
    "draw",
    "merged",
    "send_bytes",
    "send_event",
]
