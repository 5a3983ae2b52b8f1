"""The parity gate: a pack scores as promised, or there is no pack.

given rows + random rows + hard rows + rows that reach every split ─► the library's scores and leaves == the pack's

LightGBM: the bits of its raw scores. Other libraries: the same leaf in every tree, and raw scores that differ by no
more than the rounding of the library's own sums.

The rows are those on which a wrong pack shows itself: on cuts, one ulp beside, missing, zero, infinite, denormal,
unseen categories. `split_rows` leads a row to every split of every tree and lets that split decide each way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from models.compiler.forest import (
    BASE_SCORE,
    ZERO_THRESHOLD,
    CategoricalSplit,
    Forest,
    NumericSplit,
    Split,
    TrainedModel,
    Tree,
)
from models.kernel import EVALUATORS
from models.packs import Scorer, read_pack, write_pack
from schemas import ModelError

GIVEN_ROWS, HARD_ROWS, SPLITS, ROWS_AT_ONCE, ROWS_ALONE = 2000, 512, 10_000, 8192, 128
CATEGORIES_OF_SPLIT = 8
EXACT_BITS = 52  # whole numbers up to 2^53 add without rounding
SPECIAL_VALUES = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-40, -1e-40, 1e30, -1e30, 1.7e308, -1.7e308),
    *(ZERO_THRESHOLD, -ZERO_THRESHOLD, np.nextafter(ZERO_THRESHOLD, 1), np.nextafter(-ZERO_THRESHOLD, -1)),
    *(3.5e38, -0.5, -0.999, -1.0, 0.5, 2.0**31, 2.0**32 + 1, 1e300),
)


def prove_parity(source: TrainedModel, blob: bytes, name: str, check_rows: np.ndarray) -> None:
    """Compares float64 and float32 rows, scored by every evaluator in every way, with the model that the pack is made
    from.

    Raises:
        ModelError: a score or a leaf differs, or the rows do not fit the model.
    """
    forest = source.forest
    if check_rows.ndim != 2 or check_rows.shape[1] != forest.features or not len(check_rows):
        raise ModelError(
            f"Model {name} cannot be proved: check_rows has shape {check_rows.shape}, the model has "
            f"{forest.features} features.",
            "Pass some of the rows that it was trained on.",
        )
    proofs = [_exact_proof(source, blob)] if source.rounding is None else [*_proofs(source, blob, source.rounding)]
    rng = np.random.default_rng(0)
    given = check_rows[rng.permutation(len(check_rows))[:GIVEN_ROWS]]
    base = given[rng.integers(0, len(given), HARD_ROWS)]
    noise = rng.normal(size=base.shape) * 10.0 ** rng.integers(-3, 4, base.shape)
    hard = (adversarial_rows(forest, base), adversarial_rows(forest, noise, seed=1))
    for rows in (given, base + noise, *hard, *split_rows(forest, given)):
        with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn adds values up to look for infinite ones
            for readable in (source.readable(rows), source.readable(rows.astype(np.float32))):
                for proof in proofs:
                    proof(readable, name)


Proof = Callable[[np.ndarray, str], None]


def _exact_proof(source: TrainedModel, blob: bytes) -> Proof:
    """The pack's raw scores are the library's, bit for bit."""
    scorers = _scorers(blob)

    def prove(rows: np.ndarray, name: str) -> None:
        expected = source.raw(rows)
        for way, scores in _scored(scorers, rows):
            _compare(name, way, rows, scores, expected)

    return prove


def _proofs(source: TrainedModel, blob: bytes, roundoff: float) -> tuple[Proof, Proof]:
    """Same leaves: the leaves of the pack become whole numbers drawn at random, whose sums are exact and tell them.

    Same sums: n numbers added in any order, each sum rounded with unit roundoff u, are off by less than n u times the
    sum of their magnitudes (Higham 2002, section 4.2), which a pack with positive leaves gives.
    """
    forest = source.forest
    numbered, codes = _numbered(forest, blob)
    number_scorers, scorers = _scorers(numbered), _scorers(blob)
    magnitude = Scorer.load(_with_leaves(blob, np.abs), 1)
    terms = len(forest.trees) // forest.outputs + 2

    def prove_leaves(rows: np.ndarray, name: str) -> None:
        leaves = source.leaves(rows)
        expected = np.zeros((len(rows), forest.outputs))
        for tree, of_node in zip(forest.trees, codes, strict=True):
            expected[:, tree.output] += of_node[0] if tree.number == BASE_SCORE else of_node[leaves[:, tree.number]]
        for way, scores in _scored(number_scorers, rows):
            _compare(name, way, rows, scores.reshape(-1, forest.outputs), expected, "finds the leaves of")

    def prove_sums(rows: np.ndarray, name: str) -> None:
        expected = source.raw(rows).reshape(len(rows), forest.outputs)
        allowed = terms * roundoff * magnitude.score(rows, raw=True).reshape(expected.shape) / forest.divisor
        for way, scores in _scored(scorers, rows):
            found = scores.reshape(-1, forest.outputs) / forest.divisor
            wanted = expected[: len(found)]
            within = np.abs(found - wanted) <= allowed[: len(found)]
            _compare(name, way, rows, np.where(within, wanted, found), expected)

    return prove_leaves, prove_sums


def _numbered(forest: Forest, blob: bytes) -> tuple[bytes, list[np.ndarray]]:
    """The pack with numbers for leaves, and for each tree: the library's node -> that number."""
    rng = np.random.default_rng(3)
    bits = EXACT_BITS - len(forest.trees).bit_length()
    numbers = [rng.integers(1, 1 << bits, len(tree.leaves)).astype(np.float64) for tree in forest.trees]
    codes = []
    for tree, of_leaf in zip(forest.trees, numbers, strict=True):
        of_node = np.full(max(tree.nodes) + 1, -1.0)
        of_node[tree.nodes] = of_leaf
        codes.append(of_node)
    return _with_leaves(blob, lambda _: np.concatenate(numbers)), codes


def _with_leaves(blob: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    header, arrays = read_pack(blob)
    return write_pack(header, arrays | {"leaf_value": change(arrays["leaf_value"])})


def _scorers(blob: bytes) -> dict[str, Scorer]:
    header, arrays = read_pack(blob)
    return {
        f"{evaluator}, {way}": Scorer.build(header, arrays, crossover, evaluator)
        for evaluator in EVALUATORS
        for way, crossover in (("in blocks", 1), ("row by row", 1 << 16))
    }


def _scored(scorers: dict[str, Scorer], rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Raw scores of the rows in every way; some also alone: rows that come together may share work."""
    few = rows[:ROWS_ALONE]
    for way, scorer in scorers.items():
        yield way, scorer.score(rows, raw=True)
        yield f"{way}, alone", np.concatenate([scorer.score(few[i : i + 1], raw=True) for i in range(len(few))])


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
    categories = _Categories(forest)
    made: list[np.ndarray] = []
    for tree, place in places:
        row = rows[rng.integers(len(rows))].copy()
        _lead(tree, parents[id(tree)], place, row, categories)
        split = tree.splits[place]
        if isinstance(split, NumericSplit):
            ways = np.array([split.cut, np.nextafter(split.cut, np.inf), np.nan])
        else:
            known = np.array(sorted(categories.known[split.feature] - {np.nan}))
            ways = np.array([*rng.choice(known, CATEGORIES_OF_SPLIT), known[-1], np.nan])
        decided = np.repeat(row[None], len(ways), axis=0)
        decided[:, split.feature] = ways
        made.append(decided)
        if len(made) * 3 >= ROWS_AT_ONCE:
            yield np.concatenate(made)
            made = []
    if made:
        yield np.concatenate(made)


class _Categories:
    """For each categorical feature what splits can tell apart: the named categories, one without a name, and NaN."""

    def __init__(self, forest: Forest) -> None:
        named: dict[int, set[float]] = {}
        for split in (split for tree in forest.trees for split in tree.splits):
            if isinstance(split, CategoricalSplit):
                named.setdefault(split.feature, set()).update(split.categories)
        self.known = {f: frozenset({*some, max(some, default=-1) + 1, np.nan}) for f, some in named.items()}
        self.taken = cache(self._taken)

    def _taken(self, split: CategoricalSplit, side: int) -> frozenset[float]:
        """Those that the split sends to the side."""
        known = self.known[split.feature] - {np.nan}
        of_side = known & set(split.categories) if split.named_left == (side == 0) else known - set(split.categories)
        return of_side | {np.nan} if split.missing_left == (side == 0) else of_side


def _parents(tree: Tree) -> dict[int, tuple[int, int]]:
    """Split -> its parent and the side on which it hangs."""
    return {
        child: (parent, side)
        for parent, children in enumerate(tree.children)
        for side, child in enumerate(children)
        if child >= 0
    }


def _lead(
    tree: Tree, parents: dict[int, tuple[int, int]], place: int, row: np.ndarray, categories: _Categories
) -> None:
    """Changes the row so that it reaches the split: for each split above it, a value that takes the right side."""
    lowest: dict[int, float] = {}
    highest: dict[int, float] = {}
    chosen: dict[int, frozenset[float]] = {}
    while place in parents:
        place, side = parents[place]
        split: Split = tree.splits[place]
        if isinstance(split, CategoricalSplit):
            taken = categories.taken(split, side)
            chosen[split.feature] = taken & chosen.get(split.feature, taken)
        elif side == 0:
            highest[split.feature] = min(split.cut, highest.get(split.feature, np.inf))
        else:
            lowest[split.feature] = max(split.cut, lowest.get(split.feature, -np.inf))
    for feature, cut in lowest.items():
        row[feature] = np.nextafter(cut, np.inf)
    for feature, cut in highest.items():
        row[feature] = cut
    for feature, possible in chosen.items():
        row[feature] = min(possible - {np.nan}, default=np.nan)


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


def _compare(
    name: str, way: str, rows: np.ndarray, scores: np.ndarray, expected: np.ndarray, does: str = "scores"
) -> None:
    differs = (scores != expected[: len(scores)]).reshape(len(scores), -1)
    wrong = np.flatnonzero(differs.any(axis=1))
    if len(wrong):
        first = wrong[0]
        raise ModelError(
            f"Model {name}: the pack {does} {len(wrong)} of {len(scores)} {rows.dtype} rows otherwise than the model "
            f"({way}; first {scores[first]!r} instead of {expected[first]!r} for {rows[first].tolist()}). "
            "No pack was written.",
            "This is a defect of Millrace: please report it with the model's text.",
        )
