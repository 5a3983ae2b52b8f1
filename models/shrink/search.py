"""Variants of one forest, ever smaller: how large, how fast, and what they lose.

pack, Judges ─► recipes (trees, features, leaves, cuts, numbers) ─► packs, what they cost and lose ─► frontier ─► chosen
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from models.arrays import Floats
from models.compiler import Forest, NumericSplit, forest_of_pack, pack_of
from models.packs import Scorer
from models.shrink.coarsen import Leaves, rounded, with_fewer_cuts
from models.shrink.judge import Judge
from models.shrink.prune import fewer_features, first_trees, pruned, pruning_order
from models.shrink.refit import refitted

NOTCH, CUTS_NOTCH, LEAST_SHARE = 0.84, 0.5, 0.05  # four notches halve the trees, features or leaves
FAR = 5.0  # times the allowed loss: nothing smaller than that is tried
STEPS = 18
NEGLIGIBLE = 1e-6  # share of the variance of the scores that float16 leaves may cost
CHUNK, CHUNKS, SINGLES, REPEATS = 100, 30, 20, 10

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Recipe:
    """What is left of a forest, as shares of its trees, features, leaves and cuts; the type of the leaves."""

    trees: float = 1.0
    features: float = 1.0
    leaves: float = 1.0
    cuts: float = 1.0
    numbers: Leaves = "float64"

    def smaller(self) -> Iterator[Recipe]:
        """The recipes that are a notch smaller in one of the shares."""
        if self.trees > LEAST_SHARE:
            yield replace(self, trees=self.trees * NOTCH)
        if self.features > LEAST_SHARE:
            yield replace(self, features=self.features * NOTCH)
        if self.leaves > LEAST_SHARE:
            yield replace(self, leaves=self.leaves * NOTCH)
        if self.cuts > LEAST_SHARE:
            yield replace(self, cuts=self.cuts * CUTS_NOTCH)


@dataclass(frozen=True)
class Variant:
    """A recipe that was carried out, and what was measured of it; ratios are to the original, of the same minute."""

    recipe: Recipe
    blob: bytes
    trees: int
    features: int
    leaves: int
    cuts: int
    bytes_ratio: float
    time_ratio: float  # a row in batches of 100
    row_ratio: float  # a row that comes alone
    change: float  # of the raw scores: mean square of the differences as a share of the variance
    loss: float  # on the half by which is chosen
    error: float  # standard error of `loss`

    def __str__(self) -> str:
        return (
            f"{self.trees} trees, {self.leaves:,} leaves of {self.recipe.numbers}, {self.cuts:,} cuts of "
            f"{self.features} features"
        )

    @property
    def cost(self) -> float:
        """What is made small: bytes and time alike."""
        return self.bytes_ratio * self.time_ratio


@dataclass(frozen=True)
class Told:
    """The loss of a variant on the half that took no part in the search."""

    loss: float
    error: float
    figures: dict[str, float]
    figures_before: dict[str, float]


@dataclass(frozen=True)
class Found:
    """What was found for one forest; `chosen` is None where nothing but the original is within the allowed loss."""

    role: str
    metric: str
    original: Variant
    row_us: tuple[float, float]  # of the original: a row in batches of 100, a row alone
    frontier: list[Variant]  # smallest first
    told: list[Told]  # of each of the frontier
    chosen: Variant | None

    def told_of(self, variant: Variant) -> Told:
        """The loss on the other half, of one of the frontier."""
        return self.told[self.frontier.index(variant)]


class Search:
    """The search for one forest. `judges`: of the rows to teach by, to choose by, and to tell the loss of."""

    def __init__(self, role: str, blob: bytes, judges: Sequence[Judge], progress: Progress) -> None:
        self._role, self._blob, self._progress = role, blob, progress
        teacher, *self._judges = judges
        self._forest = forest_of_pack(blob)
        self._scorer = Scorer.load(blob)
        judge = self._judges[0]
        self._raw = self._scorer.score(judge.rows, raw=True)
        self._taught = self._scorer.score(teacher.rows, raw=True).reshape(len(teacher.rows), -1)
        self._before = [one.measured(self._scorer.score(one.rows)) for one in self._judges]
        self._teacher = teacher
        self._chunks = [judge.rows[n * CHUNK :][:CHUNK] for n in range(CHUNKS) if n * CHUNK < len(judge.rows)]
        self._tried: dict[Recipe, Variant] = {}
        self._forests: dict[Recipe, Forest] = {}  # before their numbers are rounded

    def found(self, allowed: float) -> Found:
        original = self._try(Recipe(), None)
        self._walk(allowed)
        chosen = None  # not only from the frontier: what looks dominated on one half may be the one that holds on both
        for variant in sorted(self._tried.values(), key=lambda one: one.cost):
            if variant.cost >= min(1.0, original.cost) or variant.loss > allowed:
                continue
            if self._tell(variant).loss <= allowed:
                chosen = variant
                break
        frontier = _frontier(list(self._tried.values()), chosen)
        told = [self._tell(variant) for variant in frontier]
        row_us = tuple(1e6 * seconds for seconds in _seconds([self._scorer], self._chunks)[0])
        assert len(row_us) == 2
        return Found(self._role, self._judges[0].metric, original, row_us, frontier, told, chosen)

    def _walk(self, allowed: float) -> None:
        """From the original to ever smaller recipes, each time by the notch that changes the scores least for what it
        saves; what was tried beside the way counts too. Pruning, fitting and pruning again keeps more than pruning
        at once (Ren et al. 2015)."""
        original = Recipe()
        narrow = self._try(Recipe(numbers="float32"), original)
        half = self._try(Recipe(numbers="float16"), original)
        here = half if half.change <= NEGLIGIBLE else narrow
        for _ in range(STEPS):
            nexts = [self._try(recipe, here.recipe) for recipe in here.recipe.smaller()]
            if not nexts:
                return
            here = min(nexts, key=partial(_slope, here))
            if here.loss > FAR * allowed + here.error:
                return

    def _try(self, recipe: Recipe, base: Recipe | None) -> Variant:
        """Carries a recipe out on the forest of another one, and measures it."""
        if recipe in self._tried:
            return self._tried[recipe]
        self._progress(f"trying smaller forests: {self._role}", len(self._tried), 4 * STEPS)
        made = self._forest if base is None else self._make(recipe, base)
        self._forests[recipe] = made
        forest = rounded(made, recipe.numbers)
        blob = self._blob if base is None else pack_of(forest, self._scorer.name)
        scorer, judge = Scorer.load(blob), self._judges[0]
        (batch, one), (batch_before, one_before) = _seconds([scorer, self._scorer], self._chunks)
        if base is None:  # the original: what differs is noise
            batch, one = batch_before, one_before
        loss, error = judge.loss(judge.measured(scorer.score(judge.rows)), self._before[0])
        variant = Variant(
            recipe=recipe,
            blob=blob,
            trees=len(forest.trees),
            features=len({split.feature for tree in forest.trees for split in tree.splits}),
            leaves=sum(len(tree.leaves) for tree in forest.trees),
            cuts=_cuts(forest),
            bytes_ratio=len(blob) / len(self._blob),
            time_ratio=batch / batch_before,
            row_ratio=one / one_before,
            change=self._change(scorer.score(judge.rows, raw=True) * self._scale(forest)),
            loss=loss,
            error=error,
        )
        self._tried[recipe] = variant
        return variant

    def _make(self, recipe: Recipe, base: Recipe) -> Forest:
        forest = self._forests[base]
        if recipe.trees < base.trees:
            forest = first_trees(forest, recipe.trees / base.trees)
        if recipe.features < base.features:
            forest = fewer_features(forest, recipe.features / base.features)
        if recipe.leaves < base.leaves:
            orders = [pruning_order(tree) for tree in forest.trees]
            forest = pruned(forest, orders, _penalty(orders, recipe.leaves / base.leaves))
        if recipe.cuts < base.cuts:
            forest = with_fewer_cuts(forest, recipe.cuts / base.cuts, self._teacher.rows)
        if forest is self._forests[base]:
            return forest
        group = self._teacher.group if self._teacher.is_ranking else None
        return refitted(forest, self._teacher.rows, self._taught / self._scale(forest), group)

    def _scale(self, forest: Forest) -> float:
        """By which raw scores are multiplied to be as those of the original: more than 1 of an averaged forest."""
        return self._forest.divisor / forest.divisor

    def _change(self, raw: Floats) -> float:
        before, after = self._raw, raw
        if self._judges[0].is_ranking:
            group = np.unique(self._judges[0].group, return_inverse=True)[1]
            before, after = _centred(before, group), _centred(after, group)
        return float(np.mean((after - before) ** 2) / max(float(np.var(before)), 1e-300))

    def _tell(self, variant: Variant) -> Told:
        judge, before = self._judges[1], self._scorer.score(self._judges[1].rows)
        after = Scorer.load(variant.blob).score(judge.rows)
        loss, error = judge.loss(judge.measured(after), self._before[1])
        return Told(loss, error, judge.figures(after), judge.figures(before))


def _cuts(forest: Forest) -> int:
    splits = (split for tree in forest.trees for split in tree.splits)
    return len({(split.feature, split.cut) for split in splits if isinstance(split, NumericSplit)})


def _penalty(orders: Sequence[Floats], share: float) -> float:
    """The pruning penalty that leaves a share of the splits."""
    ranked = np.sort(np.concatenate(orders))
    gone = round((1.0 - share) * len(ranked))
    return float(ranked[gone - 1]) if gone else -1.0


def _slope(before: Variant, after: Variant) -> float:
    """Change of the scores for each halving of the cost; a notch that saves nothing is last."""
    saved = math.log(max(before.cost, 1e-12) / max(after.cost, 1e-12))
    return (after.change - before.change) / saved if saved > 1e-3 else math.inf


def _frontier(variants: list[Variant], chosen: Variant | None) -> list[Variant]:
    """Those of which no other is as cheap and loses less, the chosen one and the original; cheapest first."""
    kept: list[Variant] = []
    for variant in sorted(variants, key=lambda one: (one.cost, one.loss)):
        if not kept or variant.loss < kept[-1].loss or variant.recipe == Recipe() or variant is chosen:
            kept.append(variant)
    return kept


def _centred(scores: Floats, group: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(scores - (np.bincount(group, scores) / np.bincount(group))[group])


def _seconds(scorers: Sequence[Scorer], chunks: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """Seconds a row in batches and alone, of each.

    The scorers take turns chunk by chunk, each time in the other order, and the best of several tries of each chunk
    counts: other processes, which come and go in milliseconds, hardly show.
    """
    best = np.full((len(scorers), len(chunks), 2), np.inf)
    for repeat in range(REPEATS):
        for number, chunk in enumerate(chunks):
            for place, scorer in list(enumerate(scorers))[:: 1 if repeat % 2 else -1]:
                begun = time.perf_counter()
                scorer.score(chunk)
                middle = time.perf_counter()
                for row in chunk[:SINGLES]:
                    scorer.score_one(row)
                end = time.perf_counter()
                best[place, number] = np.minimum(best[place, number], [middle - begun, end - middle])
    rows, singles = sum(map(len, chunks)), sum(len(chunk[:SINGLES]) for chunk in chunks)
    return [(float(batch) / rows, float(one) / singles) for batch, one in best.sum(axis=1)]
