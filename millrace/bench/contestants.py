"""Contestants: whoever can score a forest, and the stall in which one of them is measured, a process of its own.

model.txt, rows.npy ─► the contestant's ways of scoring ─► serve: one line of JSON asks, one answers ◄─ contest.Stall

Runs as a script in the Python environment of the contestant, which may know nothing of Millrace: this file imports
numpy alone, and the library of the contestant where it is built. What is slow to build stays in the folder.
"""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TRIALS = 5  # of a block, of which the best counts: what disturbs a block only makes it longer
FIRST_CALLS = 3


class Way(NamedTuple):
    """One way of calling a contestant. It is measured in all its ways; the best one stands for it."""

    name: str
    dtype: type
    call: Callable[[Any], Any]
    takes_one: bool = False  # a single row of shape (features,) instead of rows (n, features)


class Contestant(NamedTuple):
    version: str
    ways: list[Way]


def _both(name: str, call: Callable[[Any], Any]) -> list[Way]:
    return [Way(f"{name} float32", np.float32, call), Way(f"{name} float64", np.float64, call)]


def millrace(folder: Path) -> Contestant:
    """The scorer of this installation; MILLRACE_EVALUATOR chooses its evaluator."""
    from models.packs import Scorer

    scorer = Scorer.load(folder / "model.pack")
    return Contestant(
        f"{importlib.metadata.version('millrace')} {scorer.evaluation()['evaluator']}",
        [
            Way("score of float32", np.float32, scorer.score),
            Way("score of float64", np.float64, scorer.score),
            Way("score_one of float32", np.float32, scorer.score_one, takes_one=True),
            Way("score_one of float64", np.float64, scorer.score_one, takes_one=True),
        ],
    )


def lightgbm(folder: Path) -> Contestant:
    import lightgbm as library

    booster = library.Booster(model_file=str(folder / "model.txt"))

    def predict(rows: Any) -> Any:
        return booster.predict(rows, num_threads=1)

    return Contestant(library.__version__, _both("predict of", predict))


def lleaves(folder: Path) -> Contestant:
    import lleaves as library

    model = library.Model(model_file=str(folder / "model.txt"))
    model.compile(cache=str(folder / "lleaves.o"))

    def predict(rows: Any) -> Any:
        return model.predict(rows, n_jobs=1)

    # float32 rows are copied to float64 by it, so there is no second way
    return Contestant(importlib.metadata.version("lleaves"), [Way("predict of float64", np.float64, predict)])


def tl2cgen(folder: Path) -> Contestant:
    import tl2cgen as library
    import treelite

    file = folder / "tl2cgen.so"
    if not file.exists():
        model = treelite.frontend.load_lightgbm_model(str(folder / "model.txt"))
        library.export_lib(model, toolchain="gcc", libpath=str(file), params={})
    predictor = library.Predictor(str(file), nthread=1)

    def predict(rows: Any) -> Any:
        return predictor.predict(library.DMatrix(rows))

    return Contestant(importlib.metadata.version("tl2cgen"), _both("Predictor on", predict))


def onnxruntime(folder: Path) -> Contestant:
    import onnxruntime as library

    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = library.InferenceSession(_onnx(folder), options, providers=["CPUExecutionProvider"])

    def run(rows: Any) -> Any:
        return session.run(None, {"x": rows})[0]

    # the converter writes float32 thresholds for either type of rows, so float64 gains nothing
    return Contestant(library.__version__, [Way("run on float32", np.float32, run)])


def _onnx(folder: Path) -> bytes:
    file = folder / "model.onnx"
    if not file.exists():
        import lightgbm as trainer
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        booster = trainer.Booster(model_file=str(folder / "model.txt"))
        rows = [("x", FloatTensorType([None, booster.num_feature()]))]
        file.write_bytes(onnxmltools.convert_lightgbm(booster, initial_types=rows, zipmap=False).SerializeToString())
    return file.read_bytes()


def daal4py(folder: Path) -> Contestant:
    """The forests of scikit-learn-intelex."""
    import daal4py as library
    import lightgbm as trainer
    from daal4py.mb import convert_model

    library.daalinit(1)
    model = convert_model(trainer.Booster(model_file=str(folder / "model.txt")))
    return Contestant(importlib.metadata.version("scikit-learn-intelex"), _both("predict of", model.predict))


def nvforest(folder: Path) -> Contestant:
    """RAPIDS' forests on the CPU."""
    import nvforest as library

    model = library.load_model(str(folder / "model.txt"), model_type="lightgbm", device="cpu")
    return Contestant(importlib.metadata.version("nvforest-cu12"), _both("predict of", model.predict))


def timber(folder: Path) -> Contestant:
    """Without its optimizer, which changes scores."""
    from timber.runtime.predictor import TimberPredictor

    predictor = TimberPredictor.from_model(folder / "model.txt", optimize=False)
    one = Way("predict_single of float32", np.float32, predictor.predict_single, takes_one=True)
    many = Way("predict of float32", np.float32, predictor.predict)
    return Contestant(importlib.metadata.version("timber-compiler"), [many, one])


def xgboost(folder: Path) -> Contestant:
    import xgboost as library

    file = folder / "xgboost.json"
    file.write_bytes(_rebuilt().xgboost_json(_booster(folder)))
    model = library.Booster({"nthread": 1}, model_file=str(file))
    return Contestant(library.__version__, [Way("inplace_predict of float32", np.float32, model.inplace_predict)])


def ydf(folder: Path) -> Contestant:
    import ydf as library

    model = _rebuilt().ydf_model(library, _booster(folder), folder / "ydf")
    names = model.input_feature_names()

    def predict(rows: Any) -> Any:
        return model.predict(dict(zip(names, rows.T, strict=True)), num_threads=1)

    return Contestant(library.__version__, [Way("predict of float32", np.float32, predict)])


def _booster(folder: Path) -> Any:
    import lightgbm as trainer

    return trainer.Booster(model_file=str(folder / "model.txt"))


def _rebuilt() -> Any:
    """The file beside this one, which is no module where this one runs as a script."""
    spec = importlib.util.spec_from_file_location("rebuilt", Path(__file__).with_name("rebuilt.py"))
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONTESTANTS: dict[str, Callable[[Path], Contestant]] = {
    "millrace": millrace,
    "lightgbm": lightgbm,
    "lleaves": lleaves,
    "tl2cgen": tl2cgen,
    "onnxruntime": onnxruntime,
    "daal4py": daal4py,
    "nvforest": nvforest,
    "timber": timber,
    "xgboost": xgboost,
    "ydf": ydf,
}


class Stopwatch:
    """Times a contestant on rows that are never the same twice in a row, going through all of them in turn.

    Args:
        rows: (n, features) float32, at least 4,096 of them where a branch predictor shall not learn them.
    """

    def __init__(self, ways: list[Way], rows: np.ndarray) -> None:
        self._ways = ways
        self._rows: dict[type, np.ndarray] = {way.dtype: np.ascontiguousarray(rows, way.dtype) for way in ways}
        self._best: dict[int, tuple[Way, Iterator[Any], float]] = {}

    def best_us(self, count: int, seconds: float) -> tuple[str, float]:
        """The way that is best for batches of `count` rows, and microseconds of a call: best of five blocks.

        Args:
            seconds: that the blocks shall take together, at least one call each.
        """
        if count not in self._best:
            ways = [way for way in self._ways if count == 1 or not way.takes_one]
            tried = [self._try(way, count, seconds / len(ways)) for way in ways]
            self._best[count] = min(tried, key=lambda found: found[2])
        way, batches, us = self._best[count]
        return way.name, _best_block(way.call, batches, us, seconds)

    def _try(self, way: Way, count: int, seconds: float) -> tuple[Way, Iterator[Any], float]:
        batches = _cycle(self._rows[way.dtype], count, way.takes_one)
        first = _block(way.call, batches, FIRST_CALLS)
        return way, batches, _best_block(way.call, batches, first, seconds)


def _cycle(rows: np.ndarray, count: int, takes_one: bool) -> Iterator[Any]:
    """The rows in batches, for ever; views of them, made once."""
    batches = [rows[i] if takes_one else rows[i : i + count] for i in range(0, len(rows) - count + 1, count)]
    while True:
        yield from batches


def _best_block(call: Callable[[Any], Any], batches: Iterator[Any], us: float, seconds: float) -> float:
    calls = max(1, int(seconds * 1e6 / TRIALS / us))
    return min(_block(call, batches, calls) for _ in range(TRIALS))


def _block(call: Callable[[Any], Any], batches: Iterator[Any], calls: int) -> float:
    """Microseconds a call, on average, of this thread's CPU time: other processes on the machine do not count.

    All contestants work in the thread that calls them, so on an idle machine it is the time that passes.
    """
    some = [next(batches) for _ in range(calls)]
    gc.disable()
    begin = time.thread_time_ns()
    for rows in some:
        call(rows)
    end = time.thread_time_ns()
    gc.enable()
    return (end - begin) / calls / 1000


def largest_error(way: Way, rows: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference to the reference, as a share of its largest absolute value; infinite where one is NaN."""
    given: np.ndarray = rows.astype(way.dtype)
    scores = [way.call(row) for row in given] if way.takes_one else way.call(given)
    differences = np.abs(np.asarray(scores, np.float64).reshape(-1) - reference)
    return float(np.nan_to_num(differences, nan=np.inf).max() / max(np.abs(reference).max(), 1e-300))


def serve(name: str, folder: Path) -> None:
    """Answer, until the end of stdin. Libraries that talk on stdout are sent to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    began = time.perf_counter()
    rows, reference = np.load(folder / "rows.npy"), np.load(folder / "reference.npy")
    try:
        contestant = CONTESTANTS[name](folder)
        errors = {way.name: largest_error(way, rows, reference) for way in contestant.ways}
    except Exception as error:
        answer({"failed": f"{type(error).__name__}: {error}"})
        return
    answer({"version": contestant.version, "errors": errors, "seconds": time.perf_counter() - began})
    stopwatch = Stopwatch(contestant.ways, rows)
    for line in sys.stdin:
        asked = json.loads(line)
        way, us = stopwatch.best_us(asked["rows"], asked["seconds"])
        answer({"way": way, "us": us})


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
