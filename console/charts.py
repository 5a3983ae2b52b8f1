"""Charts: series of the read side as the numbers that a chart in the browser draws.

Series ─► times, lines, band, marks (JSON in the page) ─► charts.js
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from schemas import Alert, LogEntryBody, SensorLabel, Series

UNSAID = SensorLabel()
GAP = 4  # of the usual time between two points: longer is a silence
SPARK_WIDTH, SPARK_HEIGHT = 120.0, 24.0


def chart_of(series: Series, marks: Sequence[dict[str, Any]] = (), said: SensorLabel = UNSAID) -> dict[str, Any]:
    """Of one series: the mean of each bucket, and the band of its interval, or of its least and greatest values. A
    silence is a hole in the line.

    Args:
        said: what people call it, where it is of a sensor.
    """
    points = series.points
    has_interval = any(point.low is not None for point in points)
    rows: list[tuple[float, float | None, float | None, float | None]] = []
    longest_s = GAP * usual_step_s([point.time for point in points])
    for point in points:
        time = point.time.timestamp()
        if rows and time - rows[-1][0] > longest_s:
            rows.append(((time + rows[-1][0]) / 2, None, None, None))
        low, high = (point.low, point.high) if has_interval else (point.min, point.max)
        rows.append((time, point.mean, low, high))
    return {
        "name": series.name,
        "title": said.label or _title(series.name),
        "unit": said.unit or ("" if series.unit == "probability" else series.unit or ""),
        "time": [row[0] for row in rows],
        "value": [row[1] for row in rows],
        "low": [row[2] for row in rows],
        "high": [row[3] for row in rows],
        "band": "90 % interval" if has_interval else "least to greatest",
        "least": min((point.min for point in points), default=None),
        "most": max((point.max for point in points), default=None),
        "last": points[-1].mean if points else None,
        "still": spark_of(series),
        "marks": list(marks),
    }


def usual_step_s(times: Sequence[datetime]) -> float:
    """The median time from one to the next."""
    steps = sorted((b - a).total_seconds() for a, b in itertools.pairwise(times))
    return steps[len(steps) // 2] if steps else 0.0


def _title(name: str) -> str:
    """In words: of a score what it is of."""
    kind, _, component = name.partition("/")
    if kind == "rul":
        return "Remaining life"
    return f"Probability that {component or 'it'} fails" if kind == "failure_probability" else name


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
