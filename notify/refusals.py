"""Refusals: what the answer of a channel means: try again, later at best, or never.

status, Retry-After ─► Refusal
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SEND_S = 30.0  # for one attempt, answer included
LONGEST_PAUSE_S = 3600.0  # that an answer may ask for
MOST_REASON = 500
PASSING = (408, 425, 429)  # of 4xx: trying again may help


class Refusal(Exception):  # noqa: N818 - not a fault of ours: what a channel answered
    """It was not taken, for all that is known.

    Args:
        after_s: how long it asks to wait at least.
        is_final: trying again cannot help.
    """

    def __init__(self, reason: str, *, is_final: bool = False, after_s: float = 0.0) -> None:
        super().__init__(reason[:MOST_REASON])
        self.is_final, self.after_s = is_final, after_s


def refusal_of(status: int, reason: str, retry_after: str | None = None) -> Refusal:
    """What an answer means: 4xx are for ever, but for those that ask to come again; a redirect is a wrong address."""
    is_final = 300 <= status < 500 and status not in PASSING
    return Refusal(reason, is_final=is_final, after_s=_seconds(retry_after, datetime.now(UTC)))


def _seconds(retry_after: str | None, now: datetime) -> float:
    """Of the header, a number or a date."""
    if retry_after is None:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - now).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if seconds == seconds else 0.0  # noqa: PLR0124 - not NaN
