"""The steps of a question by themselves: what `View.evidence` and `View.choose` say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.recommender import PREFIX, TURNED_DOWN, CatalogueView, Queries
from models.recommender.kernel import COLUMNS
from models.recommender.settings import settings_of
from schemas import RecommenderProfile


def question(keys: Sequence[int], session: int = 0, time: float = 0.0) -> Queries:
    """Of a session of items with these keys."""
    prefixes = np.zeros((1, PREFIX), np.uint64)
    prefixes[0, : len(keys)] = keys
    nothing = np.zeros((1, TURNED_DOWN), np.uint32)
    codes, context = np.zeros((1, 0), np.uint8), np.zeros((1, 0), np.float32)
    length, sessions = np.array([len(keys)]), np.array([session], np.uint64)
    return Queries(prefixes, length, sessions, np.array([time]), codes, context, nothing)


def evidence_of(view: CatalogueView, profile: RecommenderProfile, query: Queries) -> tuple[np.ndarray, np.ndarray, int]:
    """Of a question whose time is in the clock of the profile: (r,) items met, (r, columns), and the sessions met."""
    items, evidence = np.zeros(view.items, np.int32), np.zeros((view.items, len(COLUMNS)), np.float32)
    met, sessions, _ = view.kernels.evidence(settings_of(profile), *query, query.times, items, evidence)
    return items[:met], evidence[:met], sessions


def chosen_of(view: CatalogueView, settings: np.ndarray, query: Queries, evidence: dict[int, dict[str, float]]) -> Any:
    """Rows of the candidates, if the log had this evidence: by item, then by column."""
    rows = np.zeros((len(evidence), len(COLUMNS)), np.float32)
    for row, columns in zip(rows, evidence.values(), strict=True):
        for name, value in columns.items():
            row[COLUMNS.index(name)] = value
    chosen = np.full(int(settings["max_candidates"][0]), -1, np.int32)
    count = view.kernels.choose(settings, *query, query.times, np.array([*evidence], np.int32), rows, chosen)
    assert (chosen[count:] == -1).all()
    return chosen[:count].tolist()
