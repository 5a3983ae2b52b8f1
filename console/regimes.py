"""Regimes: how an asset was run over time, as a strip under the charts of its scores.

RegimePoint of each bucket ─► runs of one regime, on the axis of the charts ─► rectangles, and a legend
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.charts import GAP, usual_step_s
from console.page import exact, number
from schemas import ModelBody, RegimePoint, SeriesBody

COLOURS = 8  # in console.css; of more regimes some share one
Key = tuple[str, int]  # version of the model, regime


@dataclass
class _Run:
    first: RegimePoint
    until_s: float


def strip_of(body: SeriesBody, models: Sequence[ModelBody]) -> dict[str, Any] | None:
    """None: the class has one regime, or a version told of none.

    `start` and `end` are seconds since 1970, those of the first and last point of the charts; `runs` begin at `x`
    seconds after `start`.
    """
    times = [point.time.timestamp() for one in body.series for point in one.points]
    if not body.regimes or not times:
        return None
    start, end = min(times), max(times)
    if start == end:  # as charts.js does with a single point
        start, end = start - 60, end + 60
    runs = _runs(body.regimes, body.bucket_s)
    keys = sorted({_key(run.first) for run in runs})
    places = {key: place for place, key in enumerate(keys)}
    words = {key: _words(key, len({version for version, _ in keys}) > 1) for key in keys}
    return {
        "start": start,
        "end": end,
        "runs": [
            {
                "x": run.first.time.timestamp() - start,
                "width": run.until_s - run.first.time.timestamp(),
                "colour": places[_key(run.first)] % COLOURS,
                "text": f"{words[_key(run.first)]} from {exact(run.first.time)}",
            }
            for run in runs
        ],
        "legend": [
            {"colour": places[key] % COLOURS, "text": words[key], "typical": _typical(models, body.regimes, key)}
            for key in keys
        ],
    }


def _key(point: RegimePoint) -> Key:
    return point.model.version, point.regime


def _words(key: Key, tells_version: bool) -> str:
    """People count from one. Each version of a model numbers its own."""
    return f"regime {key[1] + 1}" + (f" of version {key[0]}" if tells_version else "")


def _runs(points: Sequence[RegimePoint], bucket_s: float) -> list[_Run]:
    """Buckets of one regime after each other are one run; it lasts until the next begins, unless there is a silence."""
    usual_s = max(usual_step_s([point.time for point in points]), bucket_s)
    runs: list[_Run] = []
    for point in points:
        time = point.time.timestamp()
        is_next = bool(runs) and time - runs[-1].until_s <= (GAP - 1) * usual_s
        if is_next:
            runs[-1].until_s = time
        if not (is_next and _key(runs[-1].first) == _key(point)):
            runs.append(_Run(point, time))
        runs[-1].until_s = time + usual_s
    for run, after in itertools.pairwise(runs):
        run.until_s = min(run.until_s, after.first.time.timestamp())
    return runs


def _typical(models: Sequence[ModelBody], points: Sequence[RegimePoint], key: Key) -> str:
    """Values of the variables that tell the regime, where this server knows the version."""
    name = next(point.model.name for point in points if _key(point) == key)
    versions = [version for model in models if model.name == name for version in model.versions]
    known = next((one.regimes for one in versions if one.version == key[0]), [])
    if key[1] >= len(known):
        return ""
    return ", ".join(f"{variable} {number(value)}" for variable, value in known[key[1]].items())
