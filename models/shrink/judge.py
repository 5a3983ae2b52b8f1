"""Judge: the metric of a model on held-out rows, and how much of it a changed forest loses.

HeldOut, role ─► Judge ─► measured(scores) by query or asset ─► loss against the original, with its standard error
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.arrays import Floats
from models.held_out import HeldOut, label_of
from models.maintenance import COVERAGE, with_value
from models.recommender import LIST_LENGTH, choose_best
from models.recommender.training import reciprocal
from schemas import Manifest

LEAST_PROBABILITY = 1e-9
METRICS = {"recommender": "mrr_20", "rul": "rmse", "failure_probability": "log_loss"}


class Judge:
    """Judges the forest of one role. `rows` are what it scores; `metric` is the name of what is measured.

    MRR@20 of the list that is served (with the bonus for fresh items; equal scores in an order drawn at random, as the
    hashes of the items are), root mean squared error of the capped life, log loss of a probability, pinball loss of
    the bounds of an interval.
    """

    def __init__(self, manifest: Manifest, role: str, held_out: HeldOut) -> None:
        self.metric = "pinball_loss" if role in ("low", "high") else METRICS[manifest.kind]
        self.rows, self._label = held_out.rows, held_out.labels[label_of(role)]
        self.group = held_out.group
        _, self._counts = np.unique(held_out.group, return_counts=True)
        self._keys = np.random.default_rng(1).permutation(len(self._label)).astype(np.uint64)
        self._tail = (1 - COVERAGE) / 2 if role == "low" else (1 + COVERAGE) / 2
        if self.metric == "pinball_loss":
            assert held_out.value is not None
            self.rows = with_value(held_out.rows, held_out.value)
            self._label = self._label - held_out.value
        self._fresh = (0.0, 0.0)
        if manifest.profile is not None:
            self._fresh = (manifest.profile.fresh_bonus, manifest.profile.fresh_age)

    @property
    def is_ranking(self) -> bool:
        return self.metric == "mrr_20"

    def measured(self, scores: Floats) -> Floats:
        """What each query or asset contributes to the metric, (groups,)."""
        if self.is_ranking:
            return reciprocal(self.places(scores))
        if self.metric == "rmse":
            of_row = (scores - self._label) ** 2
        elif self.metric == "log_loss":
            right = np.where(self._label > 0.5, scores, 1.0 - scores)
            of_row = -np.log(np.maximum(right, LEAST_PROBABILITY))
        else:
            missing = self._label - scores
            of_row = np.maximum(self._tail * missing, (self._tail - 1.0) * missing)
        return np.asarray(np.add.reduceat(of_row, np.cumsum(self._counts) - self._counts))

    def places(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Of each query the place of what was clicked next, 1 is best, 0 not among the 20."""
        shape = len(self._counts), LIST_LENGTH
        places, best = np.full(shape, -1, np.int64), np.full(shape, -np.inf)
        choose_best(*self._fresh, self.rows, scores, self._keys, self._counts, places, best)
        hits = np.append(self._label, 0.0)[places] > 0
        return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)

    def figures(self, scores: Floats) -> dict[str, float]:
        """The metric, and of a ranking HR@20."""
        measured = self.measured(scores)
        if self.is_ranking:
            return {"mrr_20": float(measured.mean()), "hr_20": float((self.places(scores) > 0).mean())}
        mean = float(measured.sum() / len(self._label))
        return {self.metric: float(np.sqrt(mean)) if self.metric == "rmse" else mean}

    def loss(self, changed: Floats, original: Floats) -> tuple[float, float]:
        """By how much the metric is worse, as a share of the original's, and the standard error of that.

        Args:
            changed, original: from `measured`. The error is that of the paired differences of the groups.
        """
        ratio = changed.sum() / max(original.sum(), 1e-300)
        power = 0.5 if self.metric == "rmse" else 1.0
        sign = -1.0 if self.is_ranking else 1.0
        spread = np.std(changed - ratio * original) * np.sqrt(len(original)) / max(original.sum(), 1e-300)
        return float(sign * (ratio**power - 1.0)), float(power * spread)
