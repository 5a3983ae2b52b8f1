"""Fitness: what a new model was found to be worth on what it had not seen, in a sentence, and whether that is enough.

metrics of a manifest ─► said_of (for people) ─► complaints_of: below the limits it is not promoted by `train`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas import Manifest


class _Limit(NamedTuple):
    metric: str
    least: float  # of the metric; negative: minus the most that it may be
    what: str  # for people; `value` and `limit` are shares of 100, or numbers


LIMITS: Mapping[str, tuple[_Limit, ...]] = {
    "rul": (
        _Limit("cv_lives_alerted", 0.5, "{value:.0%} of the lives were alerted; {limit:.0%} is the least"),
        _Limit("cv_coverage", 0.75, "{value:.0%} of the truth lies within the 90 % band; {limit:.0%} is the least"),
        _Limit("cv_alerts_per_life", -3.0, "there were {value:.1f} alerts a life; {limit:.0f} is the most"),
    ),
    "failure_probability": (
        _Limit("cv_failures_found", 0.5, "{value:.0%} of the failures were found; {limit:.0%} is the least"),
        _Limit("cv_precision", 0.2, "{value:.0%} of the alerts came true; {limit:.0%} is the least"),
    ),
}  # fmt: skip


def said_of(manifest: Manifest) -> str:
    """What it found on held-out history, in units that people know; empty where nothing was measured."""
    metrics = manifest.metrics
    if manifest.asset_class is None:
        return ""
    unit = f"{manifest.asset_class.unit}s"
    if manifest.kind == "rul" and "cv_rmse" in metrics:
        return _of_lives(metrics, unit)
    if manifest.kind == "failure_probability" and "cv_failures" in metrics:
        return f"{_of_failures(metrics, unit)}{_without(manifest.learned.get('without', {}))}"
    return ""


def _of_lives(metrics: Mapping[str, float], unit: str) -> str:
    blind = f"; a guess without readings: {metrics['cv_rmse_blind']:.3g}" if "cv_rmse_blind" in metrics else ""
    parts = [f"remaining life wrong by {metrics['cv_rmse']:.3g} {unit} (root mean square{blind})"]
    if "cv_coverage" in metrics:
        parts.append(f"{metrics['cv_coverage']:.0%} of the truth within the 90 % band")
    if "cv_lives_alerted" in metrics:
        parts.append(
            f"{metrics['cv_lives_alerted']:.0%} of the lives alerted, {metrics['cv_median_lead']:.3g} {unit} ahead"
        )
    of = (
        f"Of {metrics['cv_lives']:.0f} lives, each judged by a model that had not seen it: "
        if "cv_lives" in metrics
        else ""
    )
    return f"{of}{', '.join(parts)}."


def _of_failures(metrics: Mapping[str, float], unit: str) -> str:
    failures = metrics["cv_failures"]
    name, found = "failure" if failures == 1 else "failures", round(metrics["cv_failures_found"] * failures)
    return (
        f"Of {failures:.0f} {name}, judged by models that had not seen them, {found:.0f} were found, "
        f"{metrics['cv_median_lead']:.3g} {unit} ahead, and {failures - found:.0f} missed; "
        f"{metrics['cv_false_alarms_per_asset_month']:.2g} false alarms an asset and month."
    )


def _without(few: Mapping[str, int]) -> str:
    """Of components that failed too seldom to be learned."""
    told = ", ".join(f"{name} ({count} {'failure' if count == 1 else 'failures'})" for name, count in few.items())
    return f" No score of {told}: too few failures to learn from." if told else ""


def complaints_of(manifest: Manifest) -> list[str]:
    """Why it is too poor to serve without a word; none where it is good enough, or was not judged."""
    if _raised_none(manifest.metrics):
        return ["no alert was raised, so none of the failures was found; 50% is the least"]
    found = list(_blind(manifest))
    for limit in LIMITS.get(manifest.kind, ()):
        value = manifest.metrics.get(limit.metric)
        if value is not None and (value < limit.least if limit.least >= 0 else value > -limit.least):
            found.append(limit.what.format(value=value, limit=abs(limit.least)))
    return found


def _blind(manifest: Manifest) -> Iterator[str]:
    """Whether the mean of other lives, said of each reading, would have been as near as what the readings told."""
    error, blind = (manifest.metrics.get(name) for name in ("cv_rmse", "cv_rmse_blind"))
    if error is not None and blind is not None and error >= blind:
        yield (
            f"the remaining life is wrong by {error:.3g}, and a guess that looks at no reading by {blind:.3g}; "
            "a smaller `cap` may help, as wear is often seen only near the end"
        )


def _raised_none(metrics: Mapping[str, float]) -> bool:
    """Of failures: then there is no share of alerts that came true."""
    names = ("cv_failures_found", "cv_false_alarms_per_asset_month")
    return all(metrics.get(name) == 0 for name in names)
