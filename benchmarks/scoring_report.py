"""What benchmarks/scoring.py tells: tables with ratios, the targets and whether they were met, the README's part."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from millrace.bench.contest import MILLRACE, Result
from millrace.bench.tables import figure

BEGIN, END = "<!-- scoring:begin -->", "<!-- scoring:end -->"
NAMES = {
    "lightgbm": "LightGBM", "onnxruntime": "ONNX Runtime", "daal4py": "scikit-learn-intelex",
    "nvforest": "nvForest (CPU)", "timber": "timber-compiler", "xgboost": "XGBoost", "ydf": "YDF",
}  # fmt: skip


class Target(NamedTuple):
    """Millrace's time is at most 1/`times` of the peer's."""

    evaluator: str
    rows: int
    peer: str
    times: float
    forests: str = "ABC"


TARGETS = (
    Target("avx512", 1, "lleaves", 8),
    Target("avx512", 1, "lightgbm", 35),
    Target("avx512", 1024, "lleaves", 15),
    Target("avx512", 100, "lleaves", 12),
    Target("avx2", 1, "lleaves", 2.5),
    Target("avx2", 1024, "lleaves", 4, "AC"),
    Target("avx2", 1024, "lleaves", 3.5, "B"),
)


def report(results: Sequence[Result], cpu: str) -> str:
    """Markdown: where and of what, then one table a forest."""
    versions = {name: m.version for result in results for name, m in result.measured.items()}
    peers = [f"{NAMES.get(name, name)} {versions[name]}" for name in sorted(versions) if not _is_ours(name)]
    lines = [f"{cpu}, one thread, {time.strftime('%Y-%m-%d')}; {', '.join(peers)}. CPU microseconds a call:"]
    for result in results:
        lines += ["", *_table(result)]
    absent = {name: why for result in results for name, why in result.absent.items() if not _is_ours(name)}
    lines += [f"\n{NAMES.get(name, name)} took no part: {' '.join(why.split())[:160]}" for name, why in absent.items()]
    return "\n".join(lines)


def _table(result: Result) -> Iterator[str]:
    sizes = list(result.measured[MILLRACE].us)
    yield f"| {result.shape}; rows | {' | '.join(f'{size:,}' for size in sizes)} |"
    yield "|---" * (len(sizes) + 1) + "|"
    best = result.measured[MILLRACE].version
    for name, measured in sorted(result.measured.items(), key=lambda item: (not _is_ours(item[0]), item[0])):
        if _is_ours(name) and name != MILLRACE and measured.version == best:
            continue  # forced to what it would have chosen
        cells = [figure(measured.us[size]) for size in sizes]
        if name == MILLRACE:
            cells = [f"**{cell}**" for cell in cells]
        yield f"| {_name(name, measured.version)} | {' | '.join(cells)} |"
    yield f"| times the best peer | {' | '.join(figure(result.gain(size)) for size in sizes)} |"


def _name(name: str, version: str) -> str:
    if name == MILLRACE:
        return f"**Millrace** ({version.rsplit(maxsplit=1)[-1]})"
    if _is_ours(name):
        return f"Millrace, forced to {name.rsplit(maxsplit=1)[-1]}"
    return NAMES.get(name, name)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _is_ours(name: str) -> bool:
    return name.startswith(MILLRACE)


def targets(results: Sequence[Result]) -> Iterator[str]:
    """One line for each target and forest: met, missed, or why it was not measured."""
    for result in results:
        for target in TARGETS:
            sizes = result.measured[MILLRACE].us
            if result.forest in target.forests and target.rows in sizes:
                yield f"{result.forest}: {_judge(result, target)}"
        yield f"{result.forest}: {_slower(result)}"


def _judge(result: Result, target: Target) -> str:
    aim = f"{target.evaluator}, {_rows(target.rows)}: 1/{target.times:g} of {target.peer}"
    ours, peer = result.measured.get(f"{MILLRACE} {target.evaluator}"), result.measured.get(target.peer)
    if ours is None or peer is None:
        name = target.peer if ours else f"{MILLRACE} {target.evaluator}"
        return f"{aim}: not measured: {result.absent.get(name, 'it took no part')}"
    times = peer.us[target.rows] / ours.us[target.rows]
    return f"{aim}: {'met' if times >= target.times else 'MISSED'}, 1/{times:.1f}"


def _slower(result: Result) -> str:
    slower = [
        f"{_rows(rows)} ({result.best_peer(rows)[0]})" for rows in result.measured[MILLRACE].us if result.gain(rows) < 1
    ]
    return f"never slower than a peer: {'MISSED at ' + ', '.join(slower) if slower else 'met'}"


def write_readme(readme: Path, told: str) -> None:
    """Put the report between the marks of the README.

    Raises:
        ValueError: the marks are not there, once each.
    """
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{readme} needs one line {BEGIN} and one line {END}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{told}\n{END}{after}")
