"""The commands by group; `millrace.cli` assembles them. Heavy rooms are imported inside the commands.

arguments ─► command ─► a room's door ─► words for a person
May import: every room.
"""

from millrace.commands import bench, events, models, notify, send, service, tables, trace, train
from millrace.commands.common import connected_settings, tell, tell_error

__all__ = [
    "bench",
    "connected_settings",
    "events",
    "models",
    "notify",
    "send",
    "service",
    "tables",
    "tell",
    "tell_error",
    "trace",
    "train",
]
