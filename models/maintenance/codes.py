"""Numbers that stand for kinds of events, for what became of them and for what was seen, and the words for some.

The kernel has them too, with the rules about them: models/maintenance/kernel/asset.h. A test holds the two equal.
"""

from __future__ import annotations

READING, ERROR, MAINTENANCE, REPLACEMENT, FAILURE, WINDOW_START, WINDOW_END = range(7)
OUT_OF_SERVICE, IN_SERVICE, DECOMMISSIONED = range(7, 10)
ALERT_CLOSED, SILENT = 10, 11
AHEAD = 12  # a reading that was refused, as its time lies too far ahead of its record
KINDS = (
    "reading", "error", "maintenance", "replacement", "failure", "window_start", "window_end", "out_of_service",
    "in_service", "decommissioned", "alert_closed", "silent",
)  # fmt: skip
NO_CODE = -1
WINDOWS = (24.0, 72.0, 168.0)  # units of the class, of the counts of errors
WINDOW_IS_END = 0x8000  # bit of `window_tag` of a row
CLOCKS_S = 300.0  # a replacement further ahead of its record takes effect with the readings after it
NEVER = 10_000.0  # units: a kind of log entry that never came, or so long ago

SCORED, DUPLICATE, LATE, LOGGED, BLANK, UNMONITORED, CROWDED, REFUSED = range(8)
STATUSES = ("scored", "duplicate", "late", "logged", "blank", "out_of_service", "window_not_kept", "ahead")
WHOLE, PART, ANOTHER, LAST = range(4)  # of a reading: all there is, its first part with a score, one more, the last one
# a maintenance window; the part was renewed right after; weeks later; a sensor is in doubt
HELD, RENEWED_SOON, PLANNED, DOUBTFUL = 1, 2, 3, 4
GOOD, DEGRADED, POOR = range(3)
QUALITIES = ("good", "degraded", "poor")
