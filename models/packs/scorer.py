"""Scorer: scores rows with one pack.

pack ─► Scorer.load ─► score (rows) / score_one (row) / explain (row)

Thread safety: a Scorer may be used by several threads, at the same time too: calls that take longer than some 20
microseconds let other threads run, and each has its own memory to work in. Rows must not be written to meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.kernel import EVALUATORS, Forest
from models.packs.pack import ARRAYS, LINKS, RESTORE_IT, PackHeader, malformed, read_pack
from schemas import ModelError

EVALUATOR_VARIABLE = "MILLRACE_EVALUATOR"


class Scorer:
    """One forest, ready to score. `features` and `outputs` tell the shapes of rows and scores."""

    def __init__(self, header: PackHeader, forest: Forest) -> None:
        self._forest = forest
        self.name = header.name
        self.features = header.features
        self.outputs = header.outputs

    @classmethod
    def load(cls, source: Path | bytes, crossover: int = 0, evaluator: str | None = None, place: str = "") -> Scorer:
        """The scorer of a pack (a file or its bytes), everything in it checked.

        A file is read at once, not mapped: that is as fast (docs/pack.md), and a mapped file that someone truncates
        would end the process.

        Args:
            source: where the pack is, or the pack.
            crossover: number of rows from which they are scored in blocks; 0: measured now (a fraction of a
                millisecond). Scores do not depend on it.
            evaluator: one of `models.kernel.EVALUATORS`; None: the one that MILLRACE_EVALUATOR names, or else the best
                one. Scores do not depend on it.
            place: where bytes come from, for messages.

        Raises:
            ModelError: no such file, not a pack, damaged, or malformed; or no such evaluator on this CPU.
        """
        place = place or ("the pack" if isinstance(source, bytes) else str(source))
        try:
            blob = source if isinstance(source, bytes) else source.read_bytes()
        except OSError as error:
            raise ModelError(f"{place} cannot be read: {error.strerror}.", RESTORE_IT) from error
        return cls.build(*read_pack(blob, place), crossover, evaluator, place)

    @classmethod
    def build(
        cls,
        header: PackHeader,
        arrays: Mapping[str, np.ndarray],
        crossover: int = 0,
        evaluator: str | None = None,
        place: str = "the pack",
    ) -> Scorer:
        """The scorer of a pack that was read already (`read_pack`); arguments and errors as those of `load`."""
        try:
            forest = Forest(
                header.features,
                header.outputs,
                LINKS.index(header.link),
                header.alpha,
                header.divisor,
                tuple(arrays[name] for name in ARRAYS),
                crossover,
                _evaluator(evaluator),
            )
        except ValueError as error:
            raise malformed(place, str(error)) from error
        return cls(header, forest)

    def score(self, rows: np.ndarray, raw: bool = False) -> np.ndarray:
        """Scores of rows.

        Args:
            rows: (n, features) float32 or float64, C-contiguous; missing values are NaN.
            raw: the sum of the leaves, bit-equal to LightGBM's raw score, instead of the prediction.

        Returns:
            float64 (n,), or (n, outputs) for models with several outputs.

        Raises:
            ValueError: rows of another shape or type.
        """
        if rows.ndim != 2:
            raise ValueError(f"score takes rows of shape (n, {self.features}), not {rows.shape}")
        scores = np.empty(len(rows) if self.outputs == 1 else (len(rows), self.outputs))
        self._forest.score(rows, scores, raw)
        return scores

    def score_one(self, row: np.ndarray) -> float:
        """The prediction for one row (features,), of a model with one output.

        Raises:
            ValueError: a row of another shape or type, or a model with several outputs.
        """
        return self._forest.score_one(row)

    def explain(self, row: np.ndarray) -> np.ndarray:
        """What each feature contributes to the raw score of one row; the last value is the expected raw score.

        TreeSHAP (Lundberg, Erion, Lee 2018, algorithm 2), as LightGBM's `pred_contrib`. The contributions sum to the
        raw score up to rounding. Takes milliseconds: not for every event.

        Returns:
            float64 (features + 1,), or (outputs, features + 1) for models with several outputs.

        Raises:
            ValueError: a row of another shape or type, or trees deeper than 512 splits.
        """
        contributions = np.zeros((self.outputs, self.features + 1))
        self._forest.explain(row, contributions)
        return contributions[0] if self.outputs == 1 else contributions

    def evaluation(self) -> Mapping[str, object]:
        """How rows are scored here: evaluator, crossover (rows), trees, byte columns, depth."""
        return self._forest.info()


def _evaluator(name: str | None) -> str:
    if name is None:
        name = os.environ.get(EVALUATOR_VARIABLE) or EVALUATORS[0]
    if name not in EVALUATORS:
        raise ModelError(
            f"There is no evaluator {name!r} on this CPU; it can run {', '.join(EVALUATORS)}. No model was loaded.",
            f"Set {EVALUATOR_VARIABLE} to one of them, or leave it empty for the best.",
        )
    return name
