"""Logged questions: what the forest learns from, and how it is compared with the hand-weighted list.

Candidates, as they were when the question was asked ─► QueryLog ─► fit ─► Booster ─► HeldOutQueries ─► places
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from models.held_out import LABEL, HeldOut
from models.recommender import Candidates, Recommender

FOREST: dict[str, Any] = {
    "objective": "lambdarank",
    "metric": "none",
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "max_bin": 127,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambdarank_truncation_level": 25,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
SMALL_FOREST = FOREST | {"num_leaves": 15, "min_data_in_leaf": 30, "learning_rate": 0.1, "feature_fraction": 0.5}
FEW_QUERIES = 5_000


class QueryLog:
    """Candidates and features as they were logged; with all negatives, or thinned."""

    def __init__(self, negatives: float = 1.0, seed: int = 0) -> None:
        self._negatives = negatives
        self._random = np.random.default_rng(seed)
        self._parts: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []
        self.queries = 0

    def add(
        self, found: Candidates, targets: npt.NDArray[np.uint64], actions: npt.NDArray[np.uint8] | None = None
    ) -> None:
        """Keep the queries whose target is a candidate. The label of a target is 1 + the number of its action.

        Args:
            targets: (n,) item hashes.
            actions: (n,) numbers of what was done with the targets; none: all were viewed.
        """
        query = np.repeat(np.arange(len(found.counts)), found.counts)
        is_target = found.keys == targets[query]
        has_target = np.bincount(query, is_target, len(found.counts)) > 0
        kept = (is_target | (self._random.random(len(query)) < self._negatives)) & has_target[query]
        counts = np.bincount(query[kept], minlength=len(found.counts))[has_target]
        numbers = np.zeros(len(targets), np.int32) if actions is None else actions.astype(np.int32)
        labels = np.where(is_target, 1 + numbers[query], 0)
        self._parts.append((found.rows[kept], labels[kept], counts))
        self.queries += len(counts)

    def arrays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Rows (n, features), labels (n,), rows of each query. What was kept is handed over: the log is empty then."""
        rows, labels, counts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._parts = []
        return rows, labels, counts


def fit(
    rows: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    features: list[str],
    trees: int,
    weights: npt.NDArray[np.float32] | None = None,
) -> lightgbm.Booster:
    """A LambdaMART forest; a small one where there is little to learn from.

    Args:
        rows, labels, counts: as `QueryLog.arrays` gives them.
        weights: (actions,) gain of a target by what was done with it; none: all were viewed.
    """
    few = len(counts) < FEW_QUERIES
    gains = {} if weights is None else {"label_gain": [0.0, *weights.tolist()]}
    data = lightgbm.Dataset(rows, labels, group=counts, feature_name=features)
    rounds = min(trees, max(20, len(counts) // 20)) if few else trees
    return lightgbm.train((SMALL_FOREST if few else FOREST) | gains, data, rounds)


class HeldOutQueries:
    """Held-out questions with all their candidates, kept until there is a forest to compare."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._kept: list[tuple[Candidates, npt.NDArray[np.uint64]]] = []

    def __len__(self) -> int:
        return sum(len(targets) for _, targets in self._kept)

    def add(self, found: Candidates, targets: npt.NDArray[np.uint64]) -> None:
        """(n,) targets are item hashes, candidates or not."""
        self._kept.append((found.copy(), targets))

    def places(self, booster: lightgbm.Booster | None) -> npt.NDArray[np.int64]:
        """Place of each target in its list, 1 is best, 0 not among the 20; by the forest or, without, by hand."""
        places = [np.zeros(0, np.int64)]
        for found, targets in self._kept:
            scores = booster.predict(found.rows) if booster and len(found.rows) else self._recommender.by_hand(found)
            places.append(places_of(*self._recommender.best(found, scores), found, targets))
        return np.concatenate(places)

    def rows(self) -> HeldOut:
        """All candidates of all questions, the target labelled 1."""
        rows = [np.zeros((0, len(self._recommender.features)), np.float32), *(found.rows for found, _ in self._kept)]
        counts = [np.zeros(0, np.int64), *(found.counts for found, _ in self._kept)]
        is_target = [np.zeros(0, np.bool_), *(f.keys == np.repeat(targets, f.counts) for f, targets in self._kept)]
        group = np.repeat(np.arange(len(self)), np.concatenate(counts))
        return HeldOut(np.concatenate(rows), {LABEL: np.concatenate(is_target).astype(np.float64)}, group)

    def recall(self) -> float:
        """Share of the questions whose target is a candidate."""
        hits = 0
        for found, targets in self._kept:
            query = np.repeat(np.arange(len(found.counts)), found.counts)
            hits += int((found.keys == targets[query]).sum())
        return hits / max(len(self), 1)


def places_of(
    best: npt.NDArray[np.int64], _: npt.NDArray[np.float64], found: Candidates, targets: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Place of each target among the best candidates of its query (n, 20); 0: not there."""
    keys = np.append(found.keys, np.uint64(0))[best]
    hits = keys == targets[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def reciprocal(places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """1 / place, 0 for a target that is not in the list: the mean is MRR@20."""
    return np.where(places > 0, 1.0 / np.maximum(places, 1), 0.0)
