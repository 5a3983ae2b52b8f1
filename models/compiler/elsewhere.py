"""Elsewhere: a forest that was trained by other means, from its file to a pack for the features of a model of ours.

LightGBM's text, XGBoost's JSON or UBJSON, a pack ─► its features by name ─► their places in our rows ─► parity ─► pack

A pickle is a program and is not read: scikit-learn's forests come as packs, by `compile_forest` where they were
trained.
"""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.compiler.compile import pack_of, source_of
from models.compiler.forest import Forest, TrainedModel, refused
from models.compiler.parity import prove_parity
from models.compiler.unpack import forest_of_pack
from models.packs import Scorer
from schemas import ModelError

PACK, PICKLES = b"MILLPACK", (b"\x80", b"PK\x03\x04")
NUMBERED = re.compile(r"(Column_|f)?\d+")  # the names that libraries give where nobody named a feature


@dataclass(frozen=True)
class ImportedForest:
    """A pack whose features are those of the model it was made for, and which of them it asks."""

    blob: bytes
    library: str
    names: list[str]


def import_forest(
    file: Path, name: str, features: Sequence[str], named: Sequence[str] | None, check_rows: np.ndarray
) -> ImportedForest:
    """The pack of a forest in a file, proved equal to what the file's own library scores.

    Args:
        features: of the rows that will be scored, in their order; the file may have some of them, in any order.
        named: the names of the file's features in its order; none: as the file names them.
        check_rows: (n, features) for the proof, see `compile_forest`.

    Raises:
        ModelError: it is no such file, a feature is not one of `features`, or the pack does not score as promised.
    """
    source, library, own = _read(file, name)
    names = list(named) if named is not None else own
    if named is None and all(NUMBERED.fullmatch(one) for one in own):
        advice = "Give a file with a name a line, in the order of its training rows: --features."
        raise refused(name, "its features have no names", advice)
    if len(names) != source.forest.features:
        what = f"it has {source.forest.features} features, and {len(names)} names were given"
        raise refused(name, what, "Give one name for each, in the order of its training rows.")
    placed = _Placed(source, _places(names, features, name), len(features))
    blob = pack_of(placed.forest, name)
    prove_parity(placed, blob, name, np.asarray(check_rows, np.float64))
    return ImportedForest(blob, library, names)


def _read(file: Path, name: str) -> tuple[TrainedModel, str, list[str]]:
    """The forest, the library that it is of, and the names of its features."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}.", "Name the file of a trained forest.") from error
    if content.startswith(PICKLES):
        what = "it is a pickle or an archive, which may run any program when it is read"
        advice = "Save LightGBM and XGBoost by `save_model`; of scikit-learn the pack that `compile_forest` makes."
        raise refused(name, what, advice)
    if content.startswith(PACK):
        return _PackSource(content), "pack", []
    if content.startswith(b"tree\n"):
        return _lightgbm(content, name)
    return _xgboost(content, name)


def _lightgbm(content: bytes, name: str) -> tuple[TrainedModel, str, list[str]]:
    import lightgbm

    not_whole = refused(name, "its text is not whole: it is cut, or damaged", "Save it again by `save_model`.")
    if _ends_the_process(content):
        raise not_whole
    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise not_whole from error
    return source_of(booster, name), "lightgbm", booster.feature_name()


def _ends_the_process(content: bytes) -> bool:
    """Whether reading the text ends whoever reads it: LightGBM 4.6 calls std::terminate for some that are cut. So a
    child reads it first; that it fails there by an exception is told by the second reading.
    """
    child = "import sys, lightgbm\nlightgbm.Booster(model_str=sys.stdin.buffer.read().decode('utf-8', 'replace'))"
    done = subprocess.run([sys.executable, "-c", child], input=content, capture_output=True, check=False)  # noqa: S603 - the program is ours
    return done.returncode < 0


def _xgboost(content: bytes, name: str) -> tuple[TrainedModel, str, list[str]]:
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(content))
    except (xgboost.core.XGBoostError, ValueError) as error:
        what = "it is neither LightGBM's text, nor XGBoost's JSON or UBJSON, nor a pack"
        raise refused(name, what, "Save it by `save_model`, of XGBoost with the suffix .json or .ubj.") from error
    names = booster.feature_names or [f"f{number}" for number in range(booster.num_features())]
    return source_of(booster, name), "xgboost", list(names)


def _places(names: Sequence[str], features: Sequence[str], name: str) -> list[int]:
    """Where each of the file's features is in our rows. LightGBM writes `_` for what its text cannot hold."""
    by_name = {_plain(feature): place for place, feature in enumerate(features)}
    missing = [one for one in names if _plain(one) not in by_name]
    if (missing and all(NUMBERED.fullmatch(one) for one in names)) or not names:
        what = "its features have no names"
        raise refused(name, what, "Give a file with a name a line, in the order of its training rows: --features.")
    if missing:
        near = difflib.get_close_matches(missing[0], features, 3)
        what = f"{len(missing)} of its features are not in the rows of the model, such as {missing[0]!r}"
        meant = f"The nearest are {', '.join(near)}. " if near else ""
        raise refused(name, what, f"{meant}`millrace models show` lists them all.")
    places = [by_name[_plain(one)] for one in names]
    if len(set(places)) < len(places):
        raise refused(name, "two of its features have the same name", "Name each once.")
    return places


def _plain(name: str) -> str:
    return re.sub(r"[\s\[\]{}:,\"]", "_", name)


class _Placed:
    """A model whose features are some of ours, as one of all of ours."""

    def __init__(self, source: TrainedModel, places: Sequence[int], features: int) -> None:
        self._source, self._places = source, list(places)
        self.rounding = source.rounding
        trees = [
            replace(tree, splits=[split._replace(feature=self._places[split.feature]) for split in tree.splits])
            for tree in source.forest.trees
        ]
        self.forest: Forest = replace(source.forest, features=features, trees=trees)

    def raw(self, rows: np.ndarray) -> np.ndarray:
        return self._source.raw(self._own(rows))

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        return self._source.leaves(self._own(rows))

    def readable(self, rows: np.ndarray) -> np.ndarray:
        rows = rows.copy()
        rows[:, self._places] = self._source.readable(self._own(rows))
        return rows

    def _own(self, rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(rows[:, self._places])


class _PackSource:
    """A pack as a model of its own: where it was made it was proved equal to its library."""

    rounding = None

    def __init__(self, blob: bytes) -> None:
        self.forest = forest_of_pack(blob)
        self._scorer = Scorer.load(blob)

    def raw(self, rows: np.ndarray) -> np.ndarray:
        return self._scorer.score(rows, raw=True)

    def leaves(self, rows: np.ndarray) -> Any:
        raise NotImplementedError  # scores are compared bit for bit

    def readable(self, rows: np.ndarray) -> np.ndarray:
        return rows
