"""Strips under the charts of scores: how an asset was run over time, and how good the input of its scores was.

RegimePoint, QualityPoint of each bucket ─► runs of one regime or quality, on the axis of the charts ─► rectangles, and
a legend
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from console.charts import GAP, usual_step_s
from console.page import exact, number
from schemas import ModelBody, QualityPoint, RegimePoint, SeriesBody

COLOURS = 8  # in console.css; of more regimes some share one
Key = tuple[str, int]  # version of the model, regime
QUALITY_WORDS = {
    "degraded": "degraded: something stands in for what a sensor does not tell",
    "poor": "poor: most sensors, or how it is run for long, had to be guessed",
}
P = TypeVar("P", RegimePoint, QualityPoint)


@dataclass
class _Run(Generic[P]):
    first: P
    until_s: float


def quality_strip_of(body: SeriesBody) -> dict[str, Any] | None:
    """Where the input was not good, as `strip_of` tells of regimes. None: it was good at all times."""
    span = _span(body)
    if not body.qualities or span is None:
        return None
    runs = [one for one in _runs(body.qualities, body.bucket_s, _quality) if one.first.quality != "good"]
    found = {one.first.quality for one in runs}
    return {
        "start": span[0],
        "end": span[1],
        "runs": [
            _rectangle(run, span[0])
            | {"quality": run.first.quality, "text": f"{run.first.quality} from {exact(run.first.time)}"}
            for run in runs
        ],
        "legend": [{"quality": one, "text": words} for one, words in QUALITY_WORDS.items() if one in found],
    }


def strip_of(body: SeriesBody, models: Sequence[ModelBody]) -> dict[str, Any] | None:
    """None: the class has one regime, or a version told of none.

    `start` and `end` are seconds since 1970, those of the first and last point of the charts; `runs` begin at `x`
    seconds after `start`.
    """
    span = _span(body)
    if not body.regimes or span is None:
        return None
    start, end = span
    runs = _runs(body.regimes, body.bucket_s, _key)
    keys = sorted({_key(run.first) for run in runs})
    places = {key: place for place, key in enumerate(keys)}
    words = {key: _words(key, len({version for version, _ in keys}) > 1) for key in keys}
    return {
        "start": start,
        "end": end,
        "runs": [
            _rectangle(run, start)
            | {
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


def _span(body: SeriesBody) -> tuple[float, float] | None:
    """Of the charts, in seconds since 1970; none: they have no point."""
    times = [point.time.timestamp() for one in body.series for point in one.points]
    if not times:
        return None
    start, end = min(times), max(times)
    return (start, end) if start < end else (start - 60, end + 60)  # as charts.js does with a single point


def _rectangle(run: _Run[P], start: float) -> dict[str, Any]:
    at = run.first.time.timestamp()
    return {"x": at - start, "width": run.until_s - at}


def _quality(point: QualityPoint) -> str:
    return point.quality


def _key(point: RegimePoint) -> Key:
    return point.model.version, point.regime


def _words(key: Key, tells_version: bool) -> str:
    """People count from one. Each version of a model numbers its own."""
    return f"regime {key[1] + 1}" + (f" of version {key[0]}" if tells_version else "")


def _runs(points: Sequence[P], bucket_s: float, key_of: Callable[[P], Any]) -> list[_Run[P]]:
    """Buckets of one key after each other are one run; it lasts until the next begins, unless there is a silence."""
    usual_s = max(usual_step_s([point.time for point in points]), bucket_s)
    runs: list[_Run[P]] = []
    for point in points:
        time = point.time.timestamp()
        is_next = bool(runs) and time - runs[-1].until_s <= (GAP - 1) * usual_s
        if is_next:
            runs[-1].until_s = time
        if not (is_next and key_of(runs[-1].first) == key_of(point)):
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
