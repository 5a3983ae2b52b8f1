"""Compile: a forest of LightGBM, XGBoost or scikit-learn becomes a pack, or an error; never one that scores otherwise.

model ─► source_of (treelite) ─► quantise to the cuts that are used ─► write_pack ─► parity gate ─► bytes

Each feature becomes one or more byte columns: the number of its cuts below x, so that a node is one comparison of
bytes. A missing value becomes 0 (always left) or 255 (always right), so a feature whose nodes disagree about missing
values gets a column for each opinion; one with more than 255 cuts gets a column for each 255 of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sized
from typing import Any

import lightgbm
import numpy as np

from models.compiler.forest import CategoricalSplit, Forest, NumericSplit, Source, Split, refused
from models.compiler.parity import prove_parity
from models.packs import PackHeader, write_pack

CUTS_PER_COLUMN = 255
NAN_IS_ZERO, NAN_IS_MISSING, NAN_AND_ZERO_ARE_MISSING = 0, 1, 2
SET_KEY = 1 << 31
LARGEST_CATEGORY = 1 << 20
# what the kernel takes (kernel/load.c)
MOST_FEATURES, MOST_OUTPUTS, MOST_CUTS, MOST_COLUMNS = (1 << 20) - 1, 4095, 65_534, 32_767
MOST_CATEGORICAL_FEATURES, MOST_CLASSES = 4096, 65_535


def compile_forest(model: Any, name: str, check_rows: np.ndarray) -> bytes:
    """The pack of a fitted model, proved equal to it; docs/pack.md says what equal means for each library.

    Args:
        model: a LightGBM Booster or LGBMModel, an XGBoost Booster or XGBModel, or a forest of scikit-learn (random
            forest, extra trees, gradient boosting, histogram gradient boosting).
        name: of the model, for messages and the header.
        check_rows: (n, features) rows of the kind that will be scored; up to 2,000 are used for the proof.
            They need not be many: the proof adds rows of its own that reach every split.

    Raises:
        ModelError: the model cannot be a pack, or the pack does not score as promised.
    """
    source = source_of(model, name)
    blob = pack_of(source.forest, name)
    prove_parity(source, blob, name, np.asarray(check_rows, np.float64))
    return blob


def source_of(model: Any, name: str) -> Source:
    """The forest of a model, read by the library that the model is of.

    Raises:
        ModelError: a kind of model that packs do not hold; says what, and what to train instead.
    """
    libraries = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if "lightgbm" in libraries:
        from models.compiler.lightgbm import LightGBMSource

        return LightGBMSource(model, name)
    if "xgboost" in libraries:
        from models.compiler.xgboost import XGBoostSource

        return XGBoostSource(model, name)
    if "sklearn" in libraries:
        from models.compiler.sklearn import sklearn_source

        return sklearn_source(model, name)
    raise refused(name, f"it is a {type(model).__qualname__}", "Train with LightGBM, XGBoost or scikit-learn.")


def pack_of(forest: Forest, name: str) -> bytes:
    """The pack of a forest.

    Raises:
        ModelError: it is beyond a limit of packs, such as a category that is too large.
    """
    header = PackHeader(
        name=name,
        trees=len(forest.trees),
        features=forest.features,
        outputs=forest.outputs,
        link=forest.link,
        alpha=forest.alpha,
        divisor=forest.divisor,
    )
    return write_pack(header, _Tables(forest, name).arrays())


def gain_shares(booster: lightgbm.Booster, names: list[str]) -> dict[str, float]:
    """Feature -> share of the gain of all splits (0 to 1), for the card."""
    gain = booster.feature_importance("gain")
    return dict(zip(names, (gain / max(gain.sum(), 1e-300)).tolist(), strict=True))


class _Columns:
    """The byte columns of the numeric features."""

    def __init__(self, forest: Forest) -> None:
        splits: dict[int, set[NumericSplit]] = {}
        for tree in forest.trees:
            for split in tree.splits:
                if isinstance(split, NumericSplit):
                    splits.setdefault(split.feature, set()).add(split)
        self.features = sorted(splits)
        self.cuts = {f: sorted({split.cut for split in splits[f]}) for f in self.features}
        # NaN behaves as 0.0 in all splits of the feature: the byte of 0.0 will do, and no sentinel is needed
        self._plain = {
            f: all(not s.zero_is_missing and s.missing_left == (s.cut >= 0.0) for s in splits[f]) for f in self.features
        }
        self.columns: list[tuple[int, int, int, int]] = []  # index of the feature, base, rule, sentinel
        self._number: dict[tuple[int, int, int, int], int] = {}
        for place, f in enumerate(self.features):
            for key in sorted({self._key(place, split) for split in splits[f]}):
                self._number[key] = len(self.columns)
                self.columns.append(key)
        self._place = {f: place for place, f in enumerate(self.features)}

    def _key(self, place: int, split: NumericSplit) -> tuple[int, int, int, int]:
        base = bisect_left(self.cuts[split.feature], split.cut) // CUTS_PER_COLUMN * CUTS_PER_COLUMN
        if self._plain[split.feature]:
            return place, base, NAN_IS_ZERO, 0
        rule = NAN_AND_ZERO_ARE_MISSING if split.zero_is_missing else NAN_IS_MISSING
        return place, base, rule, 0 if split.missing_left else 255

    def node_key(self, split: NumericSplit) -> int:
        column = self._number[self._key(self._place[split.feature], split)]
        return column << 8 | bisect_left(self.cuts[split.feature], split.cut) % CUTS_PER_COLUMN


class _Sets:
    """The category sets; categories that no split of the forest tells apart share a class."""

    def __init__(self, forest: Forest, name: str) -> None:
        self.number: dict[CategoricalSplit, int] = {}
        for tree in forest.trees:
            for split in tree.splits:
                if isinstance(split, CategoricalSplit):
                    self.number.setdefault(split, len(self.number))
        self.features = sorted({split.feature for split in self.number})
        self.class_of: list[np.ndarray] = []
        self.class_limits: list[tuple[int, int, int]] = []
        self.bits: list[np.ndarray] = [np.zeros(0, "<u8")] * len(self.number)
        for feature in self.features:
            self._add_feature(feature, [split for split in self.number if split.feature == feature], name)

    def _add_feature(self, feature: int, splits: list[CategoricalSplit], name: str) -> None:
        named = sorted({category for split in splits for category in split.categories})
        if named and named[-1] >= LARGEST_CATEGORY:
            what = f"feature {feature} has category {named[-1]}; up to {LARGEST_CATEGORY - 1} is possible"
            raise refused(name, what, "Number the categories from 0.")
        place = {category: i + 2 for i, category in enumerate(named)}
        goes_right = np.empty((len(named) + 2, len(splits)), bool)  # rows 0 and 1: NaN, and categories without a name
        for j, split in enumerate(splits):
            goes_right[:, j] = split.named_left
            goes_right[0, j] = not split.missing_left
            goes_right[[place[category] for category in split.categories], j] = not split.named_left
        _, first, of_row = np.unique(np.packbits(goes_right, axis=1), axis=0, return_index=True, return_inverse=True)
        of_row, count = of_row.ravel(), len(first)
        table = np.full(named[-1] + 1 if named else 0, of_row[1])
        table[named] = of_row[2:]
        self.class_of.append(table)
        self.class_limits.append((count, of_row[0], of_row[1]))
        padded = np.zeros((len(splits), -(-count // 64) * 64), bool)
        padded[:, :count] = goes_right[first].T
        for split, row in zip(splits, padded, strict=True):
            self.bits[self.number[split]] = np.packbits(row, bitorder="little").view("<u8")


class _Tables:
    """The arrays of a pack."""

    def __init__(self, forest: Forest, name: str) -> None:
        self._forest = forest
        self._columns = _Columns(forest)
        self._sets = _Sets(forest, name)
        self._check_limits(name)

    def arrays(self) -> dict[str, np.ndarray]:
        columns, sets, trees = self._columns, self._sets, self._forest.trees
        column = np.array(columns.columns, np.int64).reshape(-1, 4)
        children = np.array([pair for tree in trees for pair in tree.children], np.int64).reshape(-1, 2)
        place = {feature: i for i, feature in enumerate(sets.features)}
        return {
            "feature": np.array(columns.features),
            "cut_offset": _offsets(columns.cuts[f] for f in columns.features),
            "cut": _joined(columns.cuts[f] for f in columns.features),
            "column_feature": column[:, 0],
            "column_base": column[:, 1],
            "column_rule": column[:, 2],
            "column_sentinel": column[:, 3],
            "category_feature": np.array(sets.features),
            "class_offset": _offsets(sets.class_of),
            "class_of": _joined(sets.class_of),
            "class_limits": np.array(sets.class_limits).ravel(),
            "set_category": np.array([place[split.feature] for split in sets.number]),
            "set_offset": _offsets(sets.bits),
            "set_bits": np.concatenate(sets.bits) if sets.bits else np.zeros(0, "<u8"),
            "tree_output": np.array([tree.output for tree in trees]),
            "node_offset": _offsets(tree.splits for tree in trees),
            "node_key": np.array([self._node_key(split) for tree in trees for split in tree.splits], np.uint32),
            "node_left": children[:, 0],
            "node_right": children[:, 1],
            "leaf_offset": _offsets(tree.leaves for tree in trees),
            "leaf_value": _joined(tree.leaves for tree in trees),
            "leaf_cover": _joined(tree.covers for tree in trees),
        }

    def _check_limits(self, name: str) -> None:
        cuts, classes = self._columns.cuts, self._sets.class_limits
        for what, found, most in (
            ("features", self._forest.features, MOST_FEATURES),
            ("outputs", self._forest.outputs, MOST_OUTPUTS),
            ("different cuts of a feature", max(map(len, cuts.values()), default=0), MOST_CUTS),
            ("byte columns", len(self._columns.columns), MOST_COLUMNS),
            ("categorical features that are asked", len(self._sets.features), MOST_CATEGORICAL_FEATURES),
            ("classes of categories of a feature", max((count for count, *_ in classes), default=0), MOST_CLASSES),
        ):
            if found > most:
                advice = "Train smaller trees (fewer leaves, more rows a leaf), fewer of them, or with fewer bins."
                raise refused(name, f"it has {found:,} {what}; up to {most:,} are possible", advice)

    def _node_key(self, split: Split) -> int:
        if isinstance(split, CategoricalSplit):
            return SET_KEY | self._sets.number[split]
        return self._columns.node_key(split)


def _offsets(parts: Iterable[Sized]) -> np.ndarray:
    return np.cumsum([0, *(len(part) for part in parts)])


def _joined(parts: Iterable[Iterable[float]]) -> np.ndarray:
    return np.array([value for part in parts for value in part], np.float64)
