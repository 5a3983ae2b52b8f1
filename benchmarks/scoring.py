"""Scoring against everything one could pick instead, in one run: LightGBM, tl2cgen, lleaves, ONNX Runtime, XGBoost,
YDF, scikit-learn-intelex (daal4py), timber-compiler, and nvForest where it is asked for.

lock files ─► environments of the peers ─► three forests ─► contest (millrace.bench) ─► tables, targets, README

    python -m benchmarks.scoring [--readme] [--json FILE] [--forests A,C] [--quick] [--nvforest]

Makes what it needs under build/scoring: environments from requirements-peers.lock (the dependency group `peers`),
benchmarks/lleaves.lock and benchmarks/nvforest.lock (3.3 GB: it wants CUDA's libraries on a CPU too), the forests, and
what the peers compile of them (some minutes, once; gcc for tl2cgen and timber-compiler).
Each contestant has a process of its own, one thread, and its best case: the better of float32 and float64 rows, a
single row as an array of one dimension where it takes that. The table of the README is written by --readme alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.scoring_report import report, targets, write_readme
from millrace.bench import contest, forests
from millrace.bench.tables import cpu_name

ROOT = Path(__file__).parents[1]
SHARED = ROOT / "requirements-peers.lock"
LOCKS = dict.fromkeys(("tl2cgen", "onnxruntime", "daal4py", "timber", "xgboost", "ydf"), SHARED) | {
    "lleaves": ROOT / "benchmarks" / "lleaves.lock",
    "nvforest": ROOT / "benchmarks" / "nvforest.lock",
}
RANKED = 100  # rows of a list, for the lambdarank forest


def environment(lock: Path, folder: Path) -> str:
    """Python of an environment with exactly what the lock file says; made if it is not there yet."""
    home = folder / f"{lock.stem}-{hashlib.blake2b(lock.read_bytes(), digest_size=6).hexdigest()}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"Making the environment of {lock.name}", file=sys.stderr)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, home], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock], check=True
        )
        (home / "ready").touch()
    return str(python)


def entries(folder: Path, has_nvforest: bool) -> list[contest.Entry]:
    """Who takes part; a peer that cannot be installed is left out with a word."""
    peers = []
    for name, lock in LOCKS.items():
        if name == "nvforest" and not has_nvforest:
            continue
        try:
            peers.append(contest.Entry(name, name, environment(lock, folder)))
        except subprocess.CalledProcessError as error:
            print(f"{name} is left out, its environment could not be made: {error}", file=sys.stderr)
    return [*contest.installed(("millrace", "lightgbm")), *peers, *contest.forced()]


def measure(
    shapes: Sequence[forests.ForestShape], folder: Path, turns: contest.Turns, has_nvforest: bool
) -> list[contest.Result]:
    taking_part, results = entries(folder, has_nvforest), []
    for shape in shapes:
        began = time.perf_counter()
        home = forests.prepare(shape, folder)
        sizes = sorted({*contest.ROWS, RANKED} if shape.objective == "lambdarank" else contest.ROWS)
        result = contest.hold(shape, home, taking_part, sizes, turns)
        print(f"{shape.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
        results.append(result)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forests", default="A,B,C", help="some of A, B and C")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: noisier")
    parser.add_argument("--nvforest", action="store_true", help="with nvForest, whose environment takes 3.3 GB")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md")
    options = parser.parse_args()
    shapes = [shape for shape in forests.SHAPES if shape.name in options.forests.split(",")]
    turns = contest.Turns(3, 0.03) if options.quick else contest.Turns(9, 0.1)
    results = measure(shapes, ROOT / "build" / "scoring", turns, options.nvforest)
    told = report(results, cpu_name())
    print(told)
    print("\n".join(targets(results)))
    if options.json:
        about = {"cpu": cpu_name(), "python": platform.python_version(), "date": time.strftime("%Y-%m-%d")}
        options.json.write_text(json.dumps({**about, "forests": [asdict(r) for r in results]}, indent=1) + "\n")
    if options.readme:
        write_readme(ROOT / "README.md", told)


if __name__ == "__main__":
    main()
