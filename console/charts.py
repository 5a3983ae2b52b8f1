"""Charts: series of the read side as the numbers that a chart in the browser draws.

Series ─► times, lines, band, marks (JSON in the page) ─► charts.js
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from schemas import Alert, LogEntryBody, Series

SPARK_WIDTH, SPARK_HEIGHT = 120.0, 24.0


def chart_of(series: Series, marks: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Of one series: the mean of each bucket, and the band of its interval, or of its least and greatest values."""
    points = series.points
    has_interval = any(point.low is not None for point in points)
    return {
        "name": series.name,
        "unit": series.unit or "",
        "time": [point.time.timestamp() for point in points],
        "value": [point.mean for point in points],
        "low": [point.low if has_interval else point.min for point in points],
        "high": [point.high if has_interval else point.max for point in points],
        "band": "90 % interval" if has_interval else "least and greatest",
        "last": points[-1].mean if points else None,
        "marks": list(marks),
    }


def marks_of(transitions: Iterable[Alert], entries: Iterable[LogEntryBody]) -> list[dict[str, Any]]:
    """Alerts and maintenance on the axis of time."""
    alerts = [
        {"time": one.event_time.timestamp(), "kind": one.severity if one.state == "raised" else "cleared",
         "text": f"{one.failure_mode} {one.severity if one.state == 'raised' else 'cleared'}"}
        for one in transitions
    ]  # fmt: skip
    log = [
        {"time": one.event_time.timestamp(), "kind": "log",
         "text": " ".join(filter(None, [one.kind, one.component, one.code]))}
        for one in entries
    ]  # fmt: skip
    return [*alerts, *log]


def spark_of(series: Series | None) -> str:
    """The points of a small line, for `<polyline points=...>`; empty where there is nothing to draw."""
    values = [point.mean for point in series.points] if series else []
    if len(values) < 2:
        return ""
    least, most = min(values), max(values)
    step, height = SPARK_WIDTH / (len(values) - 1), SPARK_HEIGHT - 4
    scale = height / (most - least) if most > least else 0.0
    return " ".join(f"{n * step:.1f},{2 + height - (value - least) * scale:.1f}" for n, value in enumerate(values))
