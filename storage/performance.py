"""Performance: what the alerts of a time say about the alarm system, counted as EEMUA 191 and ISA-18.2 do.

RaisedAlert, Failure ─► counts, floods, chattering, times to acknowledge, precision, missed failures ─► PerformanceBody
Source: EEMUA 191, Alarm systems: a guide to design, management and procurement; ANSI/ISA-18.2-2016, clause 16.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import NamedTuple, get_args

from schemas import DATA_MODE, BadActor, FailureCounts, OutcomeCounts, PerformanceBody, Severity

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLOT = timedelta(minutes=10)
FLOOD = 10  # more alerts in one slot are a flood
CHATTER = 3  # so many of one failure mode within a slot's time
WORST_SHOWN = 10
MONTH_S = 30 * 86_400.0
Mode = tuple[str, str, str]  # asset_class, asset_id, failure_mode


class RaisedAlert(NamedTuple):
    """An alert, as far as it counts here."""

    asset_class: str
    asset_id: str
    failure_mode: str
    severity: Severity
    raised_at: datetime
    cleared_at: datetime | None  # None: it is open
    acknowledged_at: datetime | None
    verdict: str | None

    @property
    def mode(self) -> Mode:
        return self.asset_class, self.asset_id, self.failure_mode


class Failure(NamedTuple):
    """A failure in the maintenance log; `component` is None where it is of the asset."""

    asset_class: str
    asset_id: str
    time: datetime
    component: str | None


class Observed(NamedTuple):
    """What is counted: alerts of a time, those of before that were open then, failures, and the time of the assets."""

    alerts: Sequence[RaisedAlert]  # raised within the time
    earlier: Sequence[RaisedAlert]  # raised before it; for failures within it
    failures: Sequence[Failure]
    stale: int
    asset_s: float  # seconds that all assets together were seen within the time
    is_whole: bool
    first: datetime | None = None  # when the first asset was seen


def performance(start: datetime, end: datetime, seen: Observed) -> PerformanceBody:
    """Count. `start <= raised_at < end`."""
    alerts = seen.alerts
    since = start if seen.first is None else max(start, min(seen.first, end))  # a young service has no quiet past
    if alerts and not seen.is_whole:
        since = min(alert.raised_at for alert in alerts)
    slots = Counter((alert.raised_at - EPOCH) // SLOT for alert in alerts)  # on a fixed clock: the same whenever asked
    slot_count = max(1, (end - EPOCH) // SLOT - (since - EPOCH) // SLOT)
    severities = Counter(alert.severity for alert in alerts)
    waits = sorted(
        max(0.0, (alert.acknowledged_at - alert.raised_at).total_seconds())
        for alert in alerts
        if alert.acknowledged_at is not None
    )
    return PerformanceBody(
        start=start, end=end, is_whole=seen.is_whole, raised=len(alerts),
        by_severity={name: severities[name] for name in get_args(Severity)},
        per_hour=len(alerts) / max((end - since).total_seconds() / 3600, 1e-9),
        most_in_ten_minutes=_most_within_a_slot(sorted(alert.raised_at for alert in alerts)),
        flood_share=sum(count > FLOOD for count in slots.values()) / slot_count,
        stale=seen.stale, acknowledged=len(waits), median_acknowledge_s=median(waits) if waits else None,
        p90_acknowledge_s=_p90(waits), worst=_worst(alerts), outcomes=_outcomes(alerts),
        failures=_failures(seen),
    )  # fmt: skip


def _most_within_a_slot(times: Sequence[datetime]) -> int:
    """Of any ten minutes, wherever they begin."""
    first = most = 0
    for last, time in enumerate(times):
        while time - times[first] >= SLOT:
            first += 1
        most = max(most, last - first + 1)
    return most


def _p90(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=10, method="inclusive")[8]


def _worst(alerts: Sequence[RaisedAlert]) -> list[BadActor]:
    times: dict[Mode, list[datetime]] = {}
    for alert in alerts:
        times.setdefault(alert.mode, []).append(alert.raised_at)
    most = sorted(times, key=lambda mode: (-len(times[mode]), mode))[:WORST_SHOWN]
    return [
        BadActor(
            asset_class=mode[0], asset_id=mode[1], failure_mode=mode[2], raised=len(times[mode]),
            chatters=_chatters(sorted(times[mode])),
        )
        for mode in most
    ]  # fmt: skip


def _chatters(times: Sequence[datetime]) -> bool:
    return any(last - first <= SLOT for first, last in zip(times, times[CHATTER - 1 :], strict=False))


def _outcomes(alerts: Iterable[RaisedAlert]) -> OutcomeCounts:
    said = Counter(alert.verdict or "not_said" for alert in alerts)
    judged = said["true_alarm"] + said["false_alarm"]
    return OutcomeCounts(
        true_alarm=said["true_alarm"], false_alarm=said["false_alarm"], unclear=said["unclear"],
        not_said=said["not_said"], precision=said["true_alarm"] / judged if judged else None,
    )  # fmt: skip


def _failures(seen: Observed) -> FailureCounts:
    """A failure is found if an alert of its asset was open when it happened, of its component where it has one. Each
    alert finds one failure, the first: what was said of an earlier failure is not credited to a later one."""
    by_asset: dict[tuple[str, str], list[RaisedAlert]] = {}
    for alert in sorted((*seen.earlier, *seen.alerts), key=lambda alert: alert.raised_at):
        by_asset.setdefault((alert.asset_class, alert.asset_id), []).append(alert)
    leads: list[float] = []
    # those of a component first: an alert of another one cannot find them, while any finds one of the asset
    for failure in sorted(seen.failures, key=lambda failure: (failure.component is None, failure.time)):
        open_then = by_asset.get((failure.asset_class, failure.asset_id), [])
        found = next((alert for alert in open_then if _finds(alert, failure)), None)
        if found is not None:
            open_then.remove(found)
            leads.append((failure.time - found.raised_at).total_seconds())
    missed = len(seen.failures) - len(leads)
    months = seen.asset_s / MONTH_S
    return FailureCounts(
        failures=len(seen.failures), found=len(leads), missed=missed,
        missed_per_asset_month=missed / months if months > 0 else None, median_lead_s=median(leads) if leads else None,
    )  # fmt: skip


def _finds(alert: RaisedAlert, failure: Failure) -> bool:
    is_open = alert.raised_at <= failure.time and (alert.cleared_at is None or alert.cleared_at >= failure.time)
    is_of_machine = alert.failure_mode != DATA_MODE
    return is_open and is_of_machine and failure.component in (None, alert.failure_mode)
