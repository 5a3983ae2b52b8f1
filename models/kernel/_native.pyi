from typing import TypedDict

import numpy as np

EVALUATORS: tuple[str, ...]

class Info(TypedDict):
    evaluator: str
    crossover: int
    trees: int
    columns: int
    depth: int

class Forest:
    def __new__(
        cls,
        features: int,
        outputs: int,
        link: int,
        alpha: float,
        divisor: float,
        arrays: tuple[np.ndarray, ...],
        crossover: int,
        evaluator: str,
        /,
    ) -> Forest: ...
    def score(self, rows: np.ndarray, output: np.ndarray, raw: bool, /) -> None: ...
    def score_one(self, row: np.ndarray, /) -> float: ...
    def explain(self, row: np.ndarray, output: np.ndarray, /) -> None: ...
    def info(self) -> Info: ...
