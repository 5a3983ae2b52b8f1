"""The forests of the contest: three shapes that are met in practice, trained on made-up data with a seed.

Shape ─► LightGBM ─► model.txt, rows.npy (fresh rows to score), reference.npy (LightGBM's scores of them), model.pack
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import lightgbm
import numpy as np

from models.compiler import compile_forest
from schemas import MillraceError

GROUP = 100  # rows of a ranked list
CHECK_ROWS = 256  # the parity gate adds thousands of its own


class ShapeError(MillraceError):
    title = "The forest of the contest did not become what it should be"


@dataclass(frozen=True)
class Shape:
    """What a forest looks like. `rows` fresh ones are scored, `train_rows` others are learned from."""

    name: str
    trees: int
    leaves: int
    features: int
    objective: str = "regression"
    rows: int = 8192
    train_rows: int = 20_000

    def __str__(self) -> str:
        kind = "" if self.objective == "regression" else f", {self.objective}"
        return f"{self.trees} trees x {self.leaves} leaves x {self.features} features{kind}"


SHAPES = (
    Shape("A", 200, 63, 28),
    Shape("B", 300, 15, 155),
    Shape("C", 180, 63, 26, "lambdarank"),
)
SMALL = Shape("S", 20, 15, 10, rows=4096, train_rows=4000)


def prepare(shape: Shape, folder: Path) -> Path:
    """The folder of the shape's forest. What is there from an earlier run is used again, but for the pack.

    Raises:
        ShapeError: LightGBM made fewer trees, or smaller ones.
        ModelError: the forest cannot be a pack.
    """
    version = hashlib.blake2b(f"{asdict(shape)} {lightgbm.__version__}".encode(), digest_size=6).hexdigest()
    home = folder / f"{shape.name}-{version}"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "reference.npy").exists():
        _train(shape, home)
    booster = lightgbm.Booster(model_file=str(home / "model.txt"))
    pack = compile_forest(booster, f"contest-{shape.name}", np.load(home / "rows.npy")[:CHECK_ROWS])
    (home / "model.pack").write_bytes(pack)
    return home


def _train(shape: Shape, home: Path) -> None:
    rows, truth = _data(shape)
    fresh, learned = rows[: shape.rows], rows[shape.rows :]
    labels, group = truth[shape.rows :], None
    if shape.objective == "lambdarank":
        labels = np.digitize(labels, np.quantile(labels, (0.6, 0.85, 0.95)))
        group = np.full(len(labels) // GROUP, GROUP)
    parameters = {
        "objective": shape.objective, "num_leaves": shape.leaves, "learning_rate": 0.1, "min_data_in_leaf": 20,
        "num_threads": 1, "seed": 1, "deterministic": True, "force_row_wise": True, "verbose": -1,
    }  # fmt: skip
    booster = lightgbm.train(parameters, lightgbm.Dataset(learned, labels, group=group), shape.trees)
    leaves = max(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])
    if (booster.num_trees(), leaves) != (shape.trees, shape.leaves):
        raise ShapeError(f"{shape.name} has {booster.num_trees()} trees of up to {leaves} leaves, not {shape}.", "")
    booster.save_model(home / "model.txt")
    np.save(home / "rows.npy", fresh)
    np.save(home / "reference.npy", booster.predict(fresh, num_threads=1))


def _data(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, features) float32 of several distributions, a tenth of some columns missing, and a noisy target."""
    rng = np.random.default_rng(shape.trees * 1000 + shape.features)
    count = shape.rows + -(-shape.train_rows // GROUP) * GROUP
    rows = rng.normal(size=(count, shape.features))
    rows[:, 1::4] = np.exp(rows[:, 1::4])
    rows[:, 2::4] = np.round(4 * rows[:, 2::4])
    weights = rng.normal(size=shape.features) * (rng.random(shape.features) < 0.6)
    truth = rows @ weights + 2 * np.sin(2 * rows[:, 0]) * rows[:, 3] + np.abs(rows[:, 4]) * rows[:, 5]
    truth += rng.normal(size=count) * truth.std() * 0.3
    some = rows[:, 3::4]
    some[rng.random(some.shape) < 0.1] = np.nan
    return rows.astype(np.float32), truth
