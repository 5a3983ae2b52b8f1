"""The C extension that steps rows of assets, decides alerts and watches.

events, rows ─► Observer (observe.c, step.c) ─► Decider (alerts.c) ─► watch (watch.c)

Its callers are `models.maintenance.observe`, `alerts`, `watch`, `sensors` and `recursions`, which say what the arrays
are. Row layouts are given by their fields at run time: one binary serves all asset classes.
May import: nothing.
"""

from models.maintenance.kernel._native import (
    CONSTANTS,
    ROW_FIELDS,
    STRUCTS,
    Decider,
    Observer,
    channel_course,
    course_of_sensors,
    fall_course,
    interval_ends,
    watch,
)

__all__ = [
    "CONSTANTS",
    "ROW_FIELDS",
    "STRUCTS",
    "Decider",
    "Observer",
    "channel_course",
    "course_of_sensors",
    "fall_course",
    "interval_ends",
    "watch",
]
