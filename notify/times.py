"""Times: whether a moment lies in a window of the week, by the clocks of its place. No clock of ours is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import DAYS, TimeWindow


def is_within(window: TimeWindow, now: datetime) -> bool:
    """A window over midnight belongs to the day on which it begins. In an hour that clocks repeat both are within, and
    one that they leave out is not missed: what counts is what a clock on the wall shows.
    """
    local = now.astimezone(ZoneInfo(window.zone))
    start, end = window.bounds
    clock, today = local.time(), local.weekday()
    is_over_midnight = end <= start
    if not is_over_midnight:
        return DAYS[today] in window.days and start <= clock < end
    return (DAYS[today] in window.days and clock >= start) or (DAYS[today - 1] in window.days and clock < end)


def is_within_any(windows: Iterable[TimeWindow], now: datetime) -> bool:
    return any(is_within(window, now) for window in windows)
