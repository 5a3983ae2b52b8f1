"""Performance of the alarm system: what EEMUA 191 and ISA-18.2 ask of one, and how good its alarms were.

alerts of a time, what people did, failures of the maintenance log ─► `PerformanceBody`
"""

from __future__ import annotations

from pydantic import Field

from schemas.base import Frozen, Time
from schemas.outputs import Severity


class BadActor(Frozen):
    """A failure mode of an asset that raised many alerts."""

    asset_class: str
    asset_id: str
    failure_mode: str
    raised: int
    chatters: bool = Field(description="raised three times or more within ten minutes")


class OutcomeCounts(Frozen):
    """What people said that the alerts came to."""

    true_alarm: int
    false_alarm: int
    unclear: int
    not_said: int
    precision: float | None = Field(description="true alarms among the true and false ones; null: none was told")


class FailureCounts(Frozen):
    """Failures of the maintenance log, and which of them an alert was open for. An alert is counted for one failure: of
    its asset, and of its component where the log names one."""

    failures: int
    found: int
    missed: int
    missed_per_asset_month: float | None
    median_lead_s: float | None = Field(description="from raising to the failure, of those found")


class PerformanceBody(Frozen):
    """The alerts that were raised within a time, by the time of their readings."""

    start: Time
    end: Time
    is_whole: bool = Field(description="false: there were too many to count them all; the newest are counted")
    raised: int
    by_severity: dict[Severity, int]
    per_hour: float
    most_in_ten_minutes: int = Field(description="EEMUA 191: above ten an operator cannot follow, a flood")
    flood_share: float = Field(description="share of the ten-minute slots that were a flood")
    stale: int = Field(description="open for more than a day, and not shelved; whenever they were raised")
    acknowledged: int
    median_acknowledge_s: float | None = Field(description="from the time of the reading; null: none was acknowledged")
    p90_acknowledge_s: float | None
    worst: list[BadActor] = Field(description="up to ten that raised most alerts, the first one most")
    outcomes: OutcomeCounts
    failures: FailureCounts
