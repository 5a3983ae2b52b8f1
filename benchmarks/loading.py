"""What loading a pack costs: python -m benchmarks.loading

Medians of 50 loads in milliseconds per 100 kB of pack, beside reading the file and hashing it alone, and beside
mapping it and hashing it. No data is needed.
"""

from __future__ import annotations

import hashlib
import mmap
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np

from models.compiler import compile_forest
from models.packs import Scorer

SHAPES = ((40, 15, 20), (300, 15, 155), (200, 63, 28))  # trees, leaves, features


def main() -> None:
    print("trees x leaves x features    kB   read+hash  map+hash      load")
    with tempfile.TemporaryDirectory() as folder:
        for trees, leaves, features in SHAPES:
            path = Path(folder) / f"{trees}.pack"
            path.write_bytes(_pack(trees, leaves, features))
            ways = (_read, _map, Scorer.load)
            size = path.stat().st_size / 1e5
            figures = [_median_ms(way, path) / size for way in ways]
            shape = f"{trees} x {leaves} x {features}"
            print(f"{shape:26} {size * 100:4.0f} " + " ".join(f"{figure:9.3f}" for figure in figures))


def _pack(trees: int, leaves: int, features: int) -> bytes:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, features))
    target = rows[:, :8].sum(1) + 2 * np.sin(3 * rows[:, 0])
    options = {"verbose": -1, "num_threads": 1, "num_leaves": leaves, "min_data_in_leaf": 5}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, target, params={"verbose": -1}), trees)
    return compile_forest(booster, "loaded", rows[:100])


def _read(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _map(path: Path) -> bytes:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).digest()


def _median_ms(act: Callable[[Path], object], path: Path) -> float:
    times = []
    for _ in range(50):
        started = time.perf_counter()
        act(path)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


if __name__ == "__main__":
    main()
