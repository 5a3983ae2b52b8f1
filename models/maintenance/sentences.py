"""One sentence an alert, the same on Kafka, in the API, in the console and in notifications.

transition, its interval, evidence ─► "Remaining life of pump-7 is about 18 hours (11 to 27), below the limit of ..."
"""

from __future__ import annotations

import numpy as np

from models.maintenance.evidence import ALL_ELSE, LEAST_SHARE, Evidence, figure
from models.maintenance.policy import SEVERITIES
from models.maintenance.transitions import (
    CLEARED,
    CLOSED,
    ESCALATED,
    RECOVERED,
    RENEWED,
    REPLACED,
    RETIRED,
    STEPPED_DOWN,
    STOPPED,
)
from schemas import AssetClass, RulTarget

MOST_TOLD = 3  # lines of evidence in a sentence
ENDS = {
    RECOVERED: "it recovered",
    REPLACED: "it was replaced",
    RENEWED: "it looks repaired, though nobody logged that",
    RETIRED: "it was decommissioned",
    CLOSED: "it was closed by hand",
    STOPPED: "it was taken out of service",
}


def sentence_of(
    asset_class: AssetClass,
    asset_id: str,
    component: str | None,
    transition: np.void,
    interval: tuple[float, float],
    evidence: Evidence,
) -> str:
    """Of a transition (TRANSITION) of a machine alert.

    Args:
        interval: of the score; NaN: there is none.
        evidence: without lines where no score decided.
    """
    subject = asset_id if component is None else f"{component} of {asset_id}"
    if transition["state"] == CLEARED:
        severity, end = SEVERITIES[transition["severity"]].capitalize(), ENDS[int(transition["reason"])]
        return f"{severity} of {subject} is over: {end}."
    target = asset_class.target
    if not isinstance(target, RulTarget):
        return _with(_probability(asset_class, subject, target.horizon, transition), evidence) + "."
    said = _with(_life(asset_class, subject, transition, interval), evidence)
    if evidence.worse_for is not None and evidence.worse_for >= 1:
        said += f"; worse for about {figure(evidence.worse_for)} {asset_class.unit}s"
    return f"{said}."


def _limit(transition: np.void, limit: str) -> str:
    severity, reason = SEVERITIES[transition["severity"]], transition["reason"]
    if reason == STEPPED_DOWN:
        return f"better than the limit of {limit}, so {severity} only"
    return f"{'now ' if reason == ESCALATED else ''}{severity}, which begins at {limit}"


def _life(asset_class: AssetClass, subject: str, transition: np.void, interval: tuple[float, float]) -> str:
    unit = asset_class.unit
    value, limit = figure(float(transition["value"])), figure(float(transition["threshold"]))
    # what is compared with the levels is filtered more than the score whose interval this is
    is_within = interval[0] <= transition["value"] <= interval[1]
    between = f" ({figure(interval[0])} to {figure(interval[1])})" if is_within else ""
    return f"Remaining life of {subject} is about {value} {unit}s{between}, {_limit(transition, f'{limit} {unit}s')}"


def _probability(asset_class: AssetClass, subject: str, horizon: float, transition: np.void) -> str:
    value, limit = 100 * float(transition["value"]), 100 * float(transition["threshold"])
    within = f"{figure(horizon)} {asset_class.unit}s"
    said = f"Probability that {subject} fails within {within} is {figure(value)} %"
    return f"{said}, {_limit(transition, f'{figure(limit)} %')}"


def _with(said: str, evidence: Evidence) -> str:
    """And what moved the score most."""
    lines = [line for line in evidence.lines if line["feature"] != ALL_ELSE]
    most = max((abs(line["contribution"]) for line in lines), default=0.0)
    told = [line for line in lines[:MOST_TOLD] if abs(line["contribution"]) >= LEAST_SHARE * most]
    strong = [line["words"] for line in told]
    first = next((n for n, line in enumerate(told) if "normal_low" in line), None)
    if evidence.has_loads and first is not None:
        strong[first] = f"{strong[first][:-1]} at this load)"
    return f"{said}: {', '.join(strong)}" if strong else said


def data_sentence(asset_id: str, reason: str) -> str:
    """Of a transition of a data alert."""
    return f"Data of {asset_id} {reason}."
