"""Writes the tables of docs/performance.md: runs the benchmark of each of its parts, one after the other.

docs/performance.md: <!-- NAME:begin --> ... <!-- NAME:end -->  ◄─ what the command of NAME prints

    python -m benchmarks.performance [--only pipeline,edge]        (about half an hour; nothing else beside it)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
COMMANDS = {
    "stages": ["-m", "millrace", "bench"],
    "pipeline": ["-m", "benchmarks.pipeline"],
    "readable": ["-m", "benchmarks.readable"],
    "same_work": ["-m", "benchmarks.same_work"],
    "questions": ["-m", "benchmarks.questions"],
    "edge": ["-m", "benchmarks.edge"],
    "small_edge": ["-m", "benchmarks.edge", "--memory-mb", "512", "--cores", "0"],
    "cost": ["-m", "benchmarks.cost"],
    "growth": ["-m", "benchmarks.growth", "--readings", "100000", "--clicks", "10000"],
    "million": ["-m", "benchmarks.growth", "--only", "million"],
}


def run(name: str) -> str:
    """What the command prints: Markdown, or plain text that is shown as it is."""
    print(f"{name}: {' '.join(COMMANDS[name])}", file=sys.stderr)
    done = subprocess.run([sys.executable, *COMMANDS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    text = done.stdout.strip()
    table = text if "|---" in text else f"```\n{text}\n```"
    return f"Measured on {time.strftime('%Y-%m-%d')}:\n\n{table}"


def written(page: str, name: str, text: str) -> str:
    """The page with another text between the marks of `name`.

    Raises:
        ValueError: the marks are not there, once each.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page needs one line {begin} and one line {end}")
    before, after = page.split(begin, maxsplit=1)[0], page.split(end)[1]
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(COMMANDS), help="some of " + ", ".join(COMMANDS))
    names = parser.parse_args().only.split(",")
    for name in names:
        PAGE.write_text(written(PAGE.read_text(), name, run(name)))


if __name__ == "__main__":
    main()
