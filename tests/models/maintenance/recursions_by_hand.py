"""What the recursions of a channel mean, by their definitions: weighted means over all readings of a life at once.

(value, trust, units since the reading before) of each reading ─► features after the last one, by name
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHARES = {"fast": 0.3, "": 0.12, "slow": 0.05, "slowest": 0.02}  # that a unit of time forgets
NAMES = ("fast", "", "slow", "slowest")


def named(kind: str, speed: str) -> str:
    return f"{kind}_{speed}" if speed else kind


def weighted(series: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of all up to each place; `weights` (n, n): of reading j at place i."""
    total = weights.sum(1)
    return np.divide((weights * series).sum(1), total, out=np.zeros(len(series)), where=total > 0)


def by_definition(readings: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    values, trusts, steps = (np.array(column) for column in zip(*readings, strict=True))
    steps[0] = 1.0
    times = np.cumsum(steps)
    ages = times - times[0] + 1
    past = np.tril(np.ones((len(values), len(values))))
    found: dict[str, float] = {}
    levels, weights, trends = {}, {}, {}
    for speed, share in SHARES.items():
        kept = (1 - share) ** np.abs(times[:, None] - times)
        weights[speed] = past * kept * trusts * (1 - (1 - share) ** steps)
    for place in np.flatnonzero(trusts == 0):  # not measured: what the fast level says
        values[place] = weighted(values, weights["fast"])[place]
    for speed, share in SHARES.items():
        levels[speed] = weighted(values, weights[speed])
        trends[speed] = (levels[speed] - weighted(levels[speed], weights[speed])) * share / (1 - share)
        found[named("level", speed)], found[named("trend", speed)] = levels[speed][-1], trends[speed][-1]
    for name, speed in (("curvature", ""), ("curvature_slow", "slow")):
        found[name] = (trends[speed] - weighted(trends[speed], weights[speed]))[-1]
    level = levels[""]
    found["spread"] = np.sqrt(weighted((values - level) ** 2, weights[""])[-1])
    first = trusts[:12]
    baselines = [(values[:n] * trusts[:n]).sum() / max(trusts[:n].sum(), 1e-300) for n in range(1, len(first) + 1)]
    baselines += [baselines[-1]] * (len(values) - len(first))
    cusum, changed = 0.0, 0.0
    for place, baseline in enumerate(baselines):
        cusum += trusts[place] * (values[place] - baseline - 0.5)
        if cusum <= 1e-6:
            cusum, changed = 0.0, ages[place]
    since = ages[-1] - changed
    rise = level[-1] - baselines[-1]
    return found | {
        "rise": rise, "reading": values[-1], "cusum": cusum, "since_change": since, "cusum_rate": cusum / (since + 5),
        "lag": level[-1] - levels["slowest"][-1], "life_slope": rise / (ages[-1] + 10),
    }  # fmt: skip
