"""Tally: a challenger's scores beside those of the champion, over the same decisions, never emitted.

champion's scores, challenger's scores ─► Tally ─► Comparison

The scale of the histogram and the tenths of the calibration are those of the champion's first decisions. With labels
only later, or never, a challenger is judged by how it differs; recommenders also by the next click of the user.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np

from models.arrays import Floats
from models.stages import apart
from schemas import Bin, Comparison

FIRST = 200  # decisions that set the scale
STEPS = np.array([-1.0, -0.3, -0.1, -0.03, -0.01, 0.01, 0.03, 0.1, 0.3, 1.0])  # of a standard deviation
TENTHS = np.arange(1, 10) / 10


class Tally:
    """Differences of two models over the same decisions."""

    def __init__(self, name: str, champion: str, challenger: str) -> None:
        self.name, self.champion, self.challenger = name, champion, challenger
        self.since = datetime.now(UTC)
        self.decisions = 0
        self.cpu_s = 0.0
        self._sum = self._squares = 0.0
        self._first: list[tuple[Floats, Floats]] = []
        self._edges = self._cuts = np.zeros(0)
        self._histogram = np.zeros(0, np.int64)
        self._bins = np.zeros((len(TENTHS) + 1, 3))  # count, sums of both scores
        self.queries = self.agreeing = 0.0
        self.next_clicks = self.champion_hits = self.challenger_hits = 0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Adds the CPU time of what is done inside to the challenger's, and to nobody else's."""
        with apart():
            start = time.thread_time()
            yield
            self.cpu_s += time.thread_time() - start

    def add(self, champion: Floats, challenger: Floats) -> None:
        """Scores (n,) of the same decisions."""
        difference = challenger - champion
        self._sum += float(difference.sum())
        self._squares += float(np.square(difference).sum())
        self.decisions += len(difference)
        if len(self._edges):
            self._count(champion, challenger)
            return
        self._first.append((champion.copy(), challenger.copy()))
        if self.decisions >= FIRST:
            self._set_scale()

    def _set_scale(self) -> None:
        first = [np.concatenate(scores) for scores in zip(*self._first, strict=True)]
        spread = float(first[0].std()) or 1.0
        self._edges, self._cuts = STEPS * spread, np.quantile(first[0], TENTHS)
        self._histogram = np.zeros(len(self._edges) + 1, np.int64)
        self._first = []
        self._count(first[0], first[1])

    def _count(self, champion: Floats, challenger: Floats) -> None:
        place = np.searchsorted(self._edges, challenger - champion)
        self._histogram += np.bincount(place, minlength=len(self._histogram))
        tenth = np.searchsorted(self._cuts, champion)
        for column, weight in enumerate((None, champion, challenger)):
            self._bins[:, column] += np.bincount(tenth, weight, len(self._bins))

    def comparison(self) -> Comparison:
        mean = self._sum / max(self.decisions, 1)
        variance = max(0.0, self._squares / max(self.decisions, 1) - mean**2)
        filled = self._bins[self._bins[:, 0] > 0]
        return Comparison(
            name=self.name,
            champion=self.champion,
            challenger=self.challenger,
            since=self.since,
            decisions=self.decisions,
            difference_mean=mean,
            difference_deviation=variance**0.5,
            histogram=self._histogram.tolist(),
            edges=self._edges.tolist(),
            calibration=[Bin(count=int(n), champion=a / n, challenger=b / n) for n, a, b in filled.tolist()],
            agreement_at_20=self.agreeing / self.queries if self.queries else None,
            next_clicks=self.next_clicks,
            champion_hits=self.champion_hits,
            challenger_hits=self.challenger_hits,
            cpu_us=1e6 * self.cpu_s / max(self.decisions, 1),
        )
