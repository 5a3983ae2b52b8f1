"""The parity gate: a pack scores exactly like its Booster, or there is no pack.

given rows + random rows + hard rows + rows that reach every split ─► Booster's raw scores == Scorer's raw scores

The rows are those on which a wrong pack shows itself: on cuts, one ulp beside, missing, zero, infinite, denormal,
unseen categories. `split_rows` leads a row to every split of every tree and lets that split decide each way.
"""

from __future__ import annotations

from collections.abc import Iterator

import lightgbm
import numpy as np

from models.forest import ZERO_THRESHOLD, CategoricalSplit, Forest, NumericSplit, Tree
from models.kernel import EVALUATORS
from models.scorer import Scorer
from schemas.errors import ModelError

GIVEN_ROWS, HARD_ROWS, SPLITS, ROWS_AT_ONCE, ROWS_ALONE = 2000, 512, 10_000, 8192, 128
CATEGORIES_OF_SPLIT = 8
SPECIAL_VALUES = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-40, -1e-40, 1e30, -1e30, 1.7e308, -1.7e308),
    *(ZERO_THRESHOLD, -ZERO_THRESHOLD, np.nextafter(ZERO_THRESHOLD, 1), np.nextafter(-ZERO_THRESHOLD, -1)),
    *(3.5e38, -0.5, -0.999, -1.0, 0.5, 2.0**31, 2.0**32 + 1, 1e300),
)


def prove_parity(booster: lightgbm.Booster, forest: Forest, blob: bytes, name: str, check_rows: np.ndarray) -> None:
    """Compares raw scores bit for bit, of float64 and float32 rows, scored row by row and in blocks by every evaluator.

    Raises:
        ModelError: a score differs, or the rows do not fit the model.
    """
    if check_rows.ndim != 2 or check_rows.shape[1] != forest.features or not len(check_rows):
        raise ModelError(
            f"Model {name} cannot be proved: check_rows has shape {check_rows.shape}, the model has "
            f"{forest.features} features.",
            "Pass some of the rows that it was trained on.",
        )
    scorers = {
        f"{evaluator}, {way}": Scorer.load(blob, crossover, evaluator)
        for evaluator in EVALUATORS
        for way, crossover in (("in blocks", 1), ("row by row", 1 << 16))
    }
    rng = np.random.default_rng(0)
    given = check_rows[rng.permutation(len(check_rows))[:GIVEN_ROWS]]
    base = given[rng.integers(0, len(given), HARD_ROWS)]
    noise = rng.normal(size=base.shape) * 10.0 ** rng.integers(-3, 4, base.shape)
    hard = (adversarial_rows(forest, base), adversarial_rows(forest, noise, seed=1))
    for rows in (given, base + noise, *hard, *split_rows(forest, given)):
        with np.errstate(over="ignore"):
            kinds = (rows, rows.astype(np.float32))
        for kind in kinds:
            expected = booster.predict(kind, raw_score=True)
            for way, scorer in scorers.items():
                _compare(name, way, kind, scorer.score(kind, raw=True), expected)
                few = kind[:ROWS_ALONE]  # rows that come together may share work, one that comes alone does not
                alone = [scorer.score(few[i : i + 1], raw=True) for i in range(len(few))]
                _compare(name, f"{way}, alone", few, np.concatenate(alone), expected[:ROWS_ALONE])


def adversarial_rows(forest: Forest, rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """The rows with many of their values replaced by those on which splits are easily wrong."""
    rng = np.random.default_rng(seed)
    cuts: dict[int, list[float]] = {}
    categories: dict[int, list[int]] = {}
    for split in (split for tree in forest.trees for split in tree.splits):
        if isinstance(split, NumericSplit):
            cuts.setdefault(split.feature, []).append(split.cut)
        else:
            categories.setdefault(split.feature, []).extend(split.categories)
    hard = rows.copy()
    for feature in range(forest.features):
        pick = rng.random(len(rows))
        special = pick < 0.2
        hard[special, feature] = rng.choice(SPECIAL_VALUES, special.sum())
        beside = pick > 0.5
        if feature in cuts:
            hard[beside, feature] = _beside(rng, rng.choice(cuts[feature], beside.sum()))
        elif categories.get(feature):
            largest = 3 + 2 * max(categories[feature])
            hard[beside, feature] = rng.integers(-3, largest, beside.sum()) + rng.choice([0, 0.5], beside.sum())
    return hard


def split_rows(forest: Forest, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Some rows for every split (a sample of 10,000 of them): led to it, and there decided in every way."""
    rng = np.random.default_rng(2)
    places = [(tree, i) for tree in forest.trees for i in range(len(tree.splits))]
    if len(places) > SPLITS:
        places = [places[i] for i in rng.permutation(len(places))[:SPLITS]]
    parents = {id(tree): _parents(tree) for tree in forest.trees}
    named: dict[int, set[int]] = {}
    for split in (split for tree in forest.trees for split in tree.splits):
        if isinstance(split, CategoricalSplit):
            named.setdefault(split.feature, set()).update(split.categories)
    candidates = {feature: np.array(sorted(categories)) for feature, categories in named.items()}
    made: list[np.ndarray] = []
    for tree, place in places:
        row = rows[rng.integers(len(rows))].copy()
        _lead(tree, parents[id(tree)], place, row)
        split = tree.splits[place]
        if isinstance(split, NumericSplit):
            ways = np.array([split.cut, np.nextafter(split.cut, np.inf), np.nan])
        else:
            some = rng.choice(candidates[split.feature], CATEGORIES_OF_SPLIT)
            ways = np.array([*some, some.max() + 1, np.nan])
        decided = np.repeat(row[None], len(ways), axis=0)
        decided[:, split.feature] = ways
        made.append(decided)
        if len(made) * 3 >= ROWS_AT_ONCE:
            yield np.concatenate(made)
            made = []
    if made:
        yield np.concatenate(made)


def _parents(tree: Tree) -> dict[int, tuple[int, int]]:
    """Split -> its parent and the side on which it hangs."""
    return {
        child: (parent, side)
        for parent, children in enumerate(tree.children)
        for side, child in enumerate(children)
        if child >= 0
    }


def _lead(tree: Tree, parents: dict[int, tuple[int, int]], place: int, row: np.ndarray) -> None:
    """Changes the row so that it reaches the split: for each split above it, a value that takes the right side."""
    lowest: dict[int, float] = {}
    highest: dict[int, float] = {}
    chosen: dict[int, set[int]] = {}
    while place in parents:
        place, side = parents[place]
        split = tree.splits[place]
        if isinstance(split, NumericSplit) and side == 0:
            highest[split.feature] = min(split.cut, highest.get(split.feature, np.inf))
        elif isinstance(split, NumericSplit):
            lowest[split.feature] = max(split.cut, lowest.get(split.feature, -np.inf))
        elif side == 0:
            chosen[split.feature] = set(split.categories) & chosen.get(split.feature, set(split.categories))
        else:
            row[split.feature] = np.nan  # NaN is in no set
    for feature, cut in lowest.items():
        row[feature] = np.nextafter(cut, np.inf)
    for feature, cut in highest.items():
        row[feature] = cut
    for feature, categories in chosen.items():
        row[feature] = min(categories, default=0)


def _beside(rng: np.random.Generator, cuts: np.ndarray) -> np.ndarray:
    """Each value itself, or its neighbour below or above, in float64 or in float32."""
    ways = rng.integers(0, 6, len(cuts))
    with np.errstate(over="ignore"):
        narrow = cuts.astype(np.float32)
    choices = [
        *(cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)),
        *(narrow, np.nextafter(narrow, np.float32(-np.inf)), np.nextafter(narrow, np.float32(np.inf))),
    ]
    return np.choose(ways, [choice.astype(np.float64) for choice in choices])


def _compare(name: str, way: str, rows: np.ndarray, scores: np.ndarray, expected: np.ndarray) -> None:
    wrong = np.flatnonzero(np.any((scores != expected).reshape(len(rows), -1), axis=1))
    if len(wrong):
        first = wrong[0]
        raise ModelError(
            f"Model {name}: the pack scores {len(wrong)} of {len(rows)} {rows.dtype} rows otherwise than the Booster "
            f"({way}; first {scores[first]!r} instead of {expected[first]!r} for {rows[first].tolist()}). "
            "No pack was written.",
            "This is a defect of Millrace: please report it with the model's text.",
        )
