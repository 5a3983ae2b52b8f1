"""The contest: contestants side by side on one forest and the same rows, in turn, so that noise hits all alike.

folder of a forest ─► one stall each ─► do the scores agree? ─► rounds: every batch size, every contestant ─► Result

A figure is the median over the rounds of the best of five blocks of calls, in CPU time: noise only ever adds to it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from millrace.bench import contestants
from millrace.bench.forests import ForestShape
from schemas import MillraceError

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EVALUATORS = ("avx512", "avx2", "portable")
ROWS = (1, 2, 4, 8, 16, 64, 256, 1024)
# Largest difference to LightGBM, as a share of the largest score: bit-equal, sums in another order, float32 sums.
EXACT, OTHER_ORDER, FLOAT32 = 0.0, 1e-12, 1e-4
TOLERANCE = {
    "millrace": EXACT, "lightgbm": EXACT, "lleaves": OTHER_ORDER, "tl2cgen": OTHER_ORDER, "nvforest": OTHER_ORDER,
    "onnxruntime": FLOAT32, "daal4py": FLOAT32, "timber": FLOAT32, "xgboost": FLOAT32, "ydf": FLOAT32,
}  # fmt: skip
MILLRACE = "millrace"


class ContestError(MillraceError):
    title = "The contest cannot be held"


@dataclass(frozen=True)
class Entry:
    """Who takes part.

    Args:
        name: in tables.
        contestant: one of `contestants.CONTESTANTS`.
        python: of its environment.
        evaluator: that is forced on Millrace; otherwise MILLRACE_EVALUATOR of this process decides, or the scorer.
    """

    name: str
    contestant: str
    python: str = sys.executable
    evaluator: str = ""


@dataclass
class Measurement:
    """One contestant's figures, by rows of a batch."""

    version: str
    largest_error: float  # see TOLERANCE
    us: dict[int, float] = field(default_factory=dict)  # microseconds a call
    way: dict[int, str] = field(default_factory=dict)  # that was the best


@dataclass
class Result:
    """One forest. `absent` tells why somebody did not take part."""

    forest: str
    shape: str
    measured: dict[str, Measurement]
    absent: dict[str, str]

    def best_peer(self, rows: int) -> tuple[str, float]:
        """The fastest contestant that is not Millrace, and its microseconds."""
        peers = {name: m.us[rows] for name, m in self.measured.items() if not name.startswith(MILLRACE)}
        return min(peers.items(), key=lambda item: item[1])

    def gain(self, rows: int, name: str = MILLRACE) -> float:
        """How many times as fast as the best peer."""
        return self.best_peer(rows)[1] / self.measured[name].us[rows]


class Turns(NamedTuple):
    """How often each contestant is measured at each size, and seconds of one turn."""

    rounds: int = 5
    seconds: float = 0.06


NORMAL = Turns()


class Stall:
    """The process in which one contestant is measured. A context manager."""

    def __init__(self, entry: Entry, folder: Path) -> None:
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        if entry.evaluator:
            environment["MILLRACE_EVALUATOR"] = entry.evaluator
        self.entry = entry
        self._log = (folder / f"{entry.name.replace(' ', '-')}.log").open("w+")
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [entry.python, "-P", contestants.__file__, entry.contestant, str(folder)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()
        self._log.close()

    def hear(self) -> dict[str, Any]:
        """The next answer; `failed` in it says why there will be no more."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process.wait()
        self._log.seek(0)
        words = self._log.read().strip().splitlines()
        return {"failed": words[-1] if words else f"it ended with status {self._process.returncode}"}

    def time(self, rows: int, seconds: float) -> tuple[str, float]:
        """Its best way for batches of `rows` rows, and microseconds a call.

        Raises:
            ContestError: it died.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"rows": rows, "seconds": seconds}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said is heard below
        answer = self.hear()
        if "failed" in answer:
            raise ContestError(f"{self.entry.name} ended while it was measured: {answer['failed']}.", "")
        return answer["way"], answer["us"]


def installed(names: Sequence[str] = tuple(contestants.CONTESTANTS)) -> list[Entry]:
    """Contestants whose libraries are in this environment."""
    return [Entry(name, name) for name in names if importlib.util.find_spec(name) is not None]


def forced() -> list[Entry]:
    """Millrace with each of its evaluators; those that this machine or build has not are left out by `hold`."""
    return [Entry(f"{MILLRACE} {evaluator}", MILLRACE, evaluator=evaluator) for evaluator in EVALUATORS]


def hold(
    shape: ForestShape,
    folder: Path,
    entries: Sequence[Entry],
    sizes: Sequence[int] = ROWS,
    turns: Turns = NORMAL,
    progress: Callable[[float], None] = lambda _: None,
) -> Result:
    """Hold the contest on the forest that `forests.prepare` has put into `folder`.

    Args:
        sizes: rows of the batches.
        progress: called with the share that is done.

    Raises:
        ContestError: scores do not agree with LightGBM's, a contestant died, or there are no peers or no Millrace.
    """
    result = Result(shape.name, str(shape), {}, {})
    stalls: list[Stall] = []
    try:
        for place, entry in enumerate(entries):
            progress(0.5 * place / len(entries))
            stall = Stall(entry, folder)
            stalls.append(stall)  # one after the other: building is heavy
            _admit(stall, result)
        present = [stall for stall in stalls if stall.entry.name in result.measured]
        if MILLRACE not in result.measured or len({stall.entry.contestant for stall in present}) < 2:
            raise ContestError(f"Too few take part: {', '.join(result.measured) or 'nobody'}. {result.absent}", "")
        _measure(present, result, sizes, turns, progress)
    finally:
        for stall in stalls:
            stall.__exit__(*sys.exc_info())
    return result


def _admit(stall: Stall, result: Result) -> None:
    """Let a contestant take part, if it can and its scores are LightGBM's."""
    entry, answer = stall.entry, stall.hear()
    if "failed" in answer:
        result.absent[entry.name] = answer["failed"]
        return
    if entry.evaluator and not answer["version"].endswith(f" {entry.evaluator}"):
        result.absent[entry.name] = f"the evaluator is not in this build or on this CPU ({answer['version']})"
        return
    way, error = max(answer["errors"].items(), key=lambda item: item[1])
    if error > TOLERANCE[entry.contestant]:
        raise ContestError(
            f"{entry.name} {answer['version']}, {way}, differs from LightGBM by {error:.3g} of the largest score; "
            f"{TOLERANCE[entry.contestant]:.3g} is allowed. Nothing was measured.",
            "The contest would not be fair: find out who is wrong.",
        )
    result.measured[entry.name] = Measurement(answer["version"], error)


def _measure(
    stalls: Sequence[Stall],
    result: Result,
    sizes: Sequence[int],
    turns: Turns,
    progress: Callable[[float], None],
) -> None:
    found: Mapping[str, dict[int, list[float]]] = {s.entry.name: {size: [] for size in sizes} for s in stalls}
    for number in range(turns.rounds):
        for place, size in enumerate(sizes):
            progress(0.5 + 0.5 * (number + place / len(sizes)) / turns.rounds)
            for stall in stalls:
                way, us = stall.time(size, turns.seconds)
                found[stall.entry.name][size].append(us)
                result.measured[stall.entry.name].way[size] = way
    for name, by_size in found.items():
        result.measured[name].us = {size: statistics.median(figures) for size, figures in by_size.items()}
    progress(1.0)
