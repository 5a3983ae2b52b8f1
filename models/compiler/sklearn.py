"""A forest of scikit-learn as a Forest: the same leaf in every tree, the same leaves added.

estimator ─► treelite ─► Forest (start values are trees of one leaf; classes of a random forest are trees of their own)

Random forests and gradient boosting read rows as float32, histogram gradient boosting as float64. A classifier
predicts what its `predict_proba` does; of two classes, the probability of the second.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import treelite.sklearn
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils import get_tags

from models.compiler.forest import (
    FLOAT32_MAX,
    LESS_OR_EQUAL,
    CategoricalSplit,
    Forest,
    NumericSplit,
    Source,
    Split,
    Tree,
    TreeReader,
    base_trees,
    cut_of_float32,
    link_of,
    read_by_treelite,
    refused,
)

ROUNDING = 2.0**-53


def sklearn_source(model: Any, name: str) -> Source:
    """The source of a fitted forest.

    Raises:
        ModelError: another estimator, several targets, a start that is a model, or categories that are no numbers.
    """
    for kinds, source in _SOURCES:
        if isinstance(model, kinds):
            if not hasattr(model, "n_features_in_"):
                raise refused(name, "it was not fitted", "Fit it.")
            if getattr(model, "n_outputs_", 1) > 1:
                raise refused(name, "it has several targets", "Train one model for each target.")
            return source(model, name)
    advice = "Train a random forest, extra trees, gradient boosting or histogram gradient boosting."
    raise refused(name, f"a {type(model).__qualname__} is none of the forests that packs hold", advice)


class _OfFloat32:
    """Trees of sklearn.tree: float32(x) <= threshold; NaN by the default, where the model takes it at all."""

    rounding = ROUNDING

    def __init__(self, model: Any, name: str) -> None:
        self._model = model
        counted = copy.copy(model)  # treelite reads as many trees as were asked for, past those that were trained
        counted.n_estimators = len(model.estimators_)
        self._takes_nan = get_tags(model).input_tags.allow_nan
        self._imported = read_by_treelite(lambda: treelite.sklearn.import_model(counted), name)
        self._name = name

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """Infinity (as a float32) is refused by all, NaN by some."""
        rows = np.clip(rows, -FLOAT32_MAX, FLOAT32_MAX)
        return rows if self._takes_nan else np.where(np.isnan(rows), rows.dtype.type(0), rows)

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.apply(rows)).astype(np.int64).reshape(len(rows), -1)

    def _tree(self, number: int, own: Any, output: int) -> Tree:
        reader = TreeReader(self._imported.get_tree_accessor(number), self._name)

        def split(node: int, _: int) -> Split:
            cut = cut_of_float32(reader.threshold(node, LESS_OR_EQUAL), is_strict=False)
            missing_left = bool(reader.default_left[node]) if self._takes_nan else cut >= 0.0
            return NumericSplit(reader.feature(node), cut, missing_left)

        tree = reader.tree(output, (own.children_left, own.children_right), split)
        tree.number = number
        return tree


class _Averaged(_OfFloat32):
    """Random forest, extra trees: the mean of the leaves, for each class that is told."""

    def __init__(self, model: Any, name: str) -> None:
        super().__init__(model, name)
        self._classes = [0]
        if is_classifier(model):
            self._classes = [*range(len(model.classes_))] if len(model.classes_) != 2 else [1]
        self.forest = Forest(
            features=model.n_features_in_,
            outputs=len(self._classes),
            link="identity",
            alpha=1.0,
            divisor=float(len(model.estimators_)),
            trees=[tree for number in range(len(model.estimators_)) for tree in self._trees(number)],
        )

    def _trees(self, number: int) -> Iterator[Tree]:
        own = self._model.estimators_[number].tree_
        tree = self._tree(number, own, 0)
        for output, chosen in enumerate(self._classes):
            of_class = copy.copy(tree)
            of_class.output, of_class.leaves = output, own.value[tree.nodes, 0, chosen].tolist()
            yield of_class

    def raw(self, rows: np.ndarray) -> np.ndarray:
        if not is_classifier(self._model):
            return np.asarray(self._model.predict(rows))
        return np.asarray(self._model.predict_proba(rows)[:, self._classes])


class _Boosted(_OfFloat32):
    """Gradient boosting: a start value and the leaves times the learning rate, both in float64."""

    def __init__(self, model: Any, name: str) -> None:
        if not isinstance(model.init_, DummyRegressor | DummyClassifier | str):
            raise refused(name, "it starts from a model of its own", "Train without `init`, or with init='zero'.")
        super().__init__(model, name)
        header = self._imported.get_header_accessor().get_field
        trees = model.estimators_  # (rounds, outputs)
        outputs = trees.shape[1]
        start = np.ravel(model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)))
        is_exponential = is_classifier(model) and model.loss == "exponential"  # predicts expit(2 raw)
        self.forest = Forest(
            features=model.n_features_in_,
            outputs=outputs,
            link=link_of(header, name),
            alpha=2.0 if is_exponential else 1.0,
            divisor=1.0,
            trees=[
                *base_trees(start, name),
                *(self._tree(i, own.tree_, i % outputs) for i, own in enumerate(trees.ravel())),
            ],
        )

    def raw(self, rows: np.ndarray) -> np.ndarray:
        ask = self._model.decision_function if is_classifier(self._model) else self._model.predict
        return np.asarray(ask(rows))


class _Histogram:
    """Histogram gradient boosting: float64 thresholds; NaN and unknown categories by the default of each split."""

    rounding = ROUNDING

    def __init__(self, model: Any, name: str) -> None:
        self._model, self._name = model, name
        self._categorical = np.flatnonzero(model.is_categorical_ if model.is_categorical_ is not None else [])
        self._known = self._known_categories()
        imported = read_by_treelite(lambda: treelite.sklearn.import_model(model), name)
        header = imported.get_header_accessor().get_field
        own = [predictor for of_round in model._predictors for predictor in of_round]
        outputs = model.n_trees_per_iteration_
        self.forest = Forest(
            features=model.n_features_in_,
            outputs=outputs,
            link=link_of(header, name),
            alpha=1.0,
            divisor=1.0,
            trees=[
                *base_trees(np.ravel(model._baseline_prediction), name),
                *(
                    self._tree(imported.get_tree_accessor(i), nodes.nodes, i, i % outputs)
                    for i, nodes in enumerate(own)
                ),
            ],
        )

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """Categories are whole numbers; the encoder refuses infinite ones."""
        rows = rows.copy()
        rows[:, self._categorical] = np.floor(np.clip(rows[:, self._categorical], -FLOAT32_MAX, FLOAT32_MAX))
        return rows

    def raw(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._model._raw_predict(rows, n_threads=1))

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        """scikit-learn does not tell them: its trees are asked with the numbers of their nodes in the leaves."""
        prepared = self._model._preprocess_X(rows, reset=False)
        known, places = self._model._bin_mapper.make_known_categories_bitsets()
        found = []
        for predictor in (predictor for of_round in self._model._predictors for predictor in of_round):
            numbered = copy.copy(predictor)
            numbered.nodes = predictor.nodes.copy()
            numbered.nodes["value"] = np.arange(len(numbered.nodes))
            found.append(numbered.predict(prepared, known, places, 1).astype(np.int64))
        return np.stack(found, axis=1)

    def _known_categories(self) -> dict[int, frozenset[int]]:
        if not len(self._categorical):
            return {}
        known = {}
        encoded = self._model._preprocessor.transformers_[0][1].categories_
        for feature, categories in zip(self._categorical, encoded, strict=True):
            try:
                numbers = np.asarray(categories, np.float64)
            except ValueError:
                numbers = np.array([-1.0])
            numbers = numbers[~np.isnan(numbers)]
            if np.any((numbers < 0) | (numbers != np.floor(numbers))):
                what = f"feature {feature} has categories that are not whole numbers from 0"
                raise refused(self._name, what, "Number the categories from 0.")
            known[int(feature)] = frozenset(numbers.astype(np.int64).tolist())
        return known

    def _tree(self, accessor: Any, nodes: np.ndarray, number: int, output: int) -> Tree:
        reader = TreeReader(accessor, self._name)

        def split(node: int, _: int) -> Split:
            feature, missing_left = reader.feature(node), bool(reader.default_left[node])
            if not reader.is_categorical(node):
                return NumericSplit(feature, reader.threshold(node, LESS_OR_EQUAL), missing_left)
            categories, in_right = reader.categories(node)
            named, named_left = frozenset(categories), not in_right
            if named_left == missing_left:  # an unknown category is missing: it has to be on the side that has no names
                named, named_left = self._known[feature] - named, not named_left
            return CategoricalSplit(feature, tuple(sorted(named)), named_left, missing_left)

        tree = reader.tree(output, (nodes["left"], nodes["right"]), split)
        tree.number = number
        return tree


_SOURCES: tuple[tuple[tuple[type, ...], type[_Averaged] | type[_Boosted] | type[_Histogram]], ...] = (
    ((RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier), _Averaged),
    ((GradientBoostingRegressor, GradientBoostingClassifier), _Boosted),
    ((HistGradientBoostingRegressor, HistGradientBoostingClassifier), _Histogram),
)
