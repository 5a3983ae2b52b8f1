"""Serving status: which models an edge worker runs and refuses, and how challengers compare, beside its figures.

Serving, comparisons ─► WorkerStatus ─► workers.v1 ─► sink ─► database ─► `/v1/models`, `millrace models show`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas import Comparison, RankPlace, Settings
from streams.metrics import SHADOW_CPU, SHADOWED
from streams.serving.serving import Seat, Serving
from streams.status import StatusTeller


class ServingTeller(StatusTeller):
    """Tells until the worker ends."""

    def __init__(
        self, settings: Settings, serving: Serving, seats: Sequence[Seat], ranks: Callable[[], RankPlace | None]
    ) -> None:
        super().__init__(settings, "edge")
        self._serving, self._seats, self._ranks = serving, seats, ranks
        self.changed = serving.changed
        self._counted: dict[tuple[str, str], tuple[int, float]] = {}

    def _runs(self) -> dict[str, Any]:
        comparisons = [comparison for seat in self._seats for comparison in seat.comparisons()]
        for comparison in comparisons:
            self._count(comparison)
        return {
            "evaluator": self._serving.evaluator,
            "running": list(self._serving.running.values()),
            "refused": list(self._serving.refused.values()),
            "comparisons": comparisons,
            "ranks": self._ranks(),
        }

    def _count(self, comparison: Comparison) -> None:
        """Counters grow by what is new since the last status."""
        key = comparison.name, comparison.challenger
        decisions, cpu_s = comparison.decisions, comparison.cpu_us * comparison.decisions / 1e6
        before = self._counted.get(key, (0, 0.0))
        if decisions >= before[0]:
            SHADOWED.labels(comparison.name).inc(decisions - before[0])
            SHADOW_CPU.labels(comparison.name).inc(max(0.0, cpu_s - before[1]))
        self._counted[key] = decisions, cpu_s
