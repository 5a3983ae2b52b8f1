"""python -m tests.faults [--write] [--only EXPRESSION]: the long form of the suite, one line a fault, as a table.

broker, PostgreSQL, models ─► each fault in turn ─► standard output; with --write, docs/guarantees.md
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from millrace.kafka import Broker
from storage import upgrade
from tests.faults.every import FAULTS
from tests.faults.fault import Fault, Line
from tests.faults.sites import Sites
from tests.support.postgres import Postgres
from tests.support.world import train_world

GUARANTEES = Path(__file__).parents[2] / "docs" / "guarantees.md"
BEGIN, END = "<!-- faults:begin -->", "<!-- faults:end -->"
HEAD = "| fault | events | lost | doubled | contradicting | sent again | s |\n|---|---|---|---|---|---|---|"


def row(fault: Fault, line: Line | None) -> str:
    if line is None:
        return f"| {fault.name} | | | | | | did not end well |"
    v = line.verdict
    numbers = (v.events, v.lost, v.doubled, v.contradicting, v.repeated)
    name = f"{fault.name} ({line.note})" if line.note else fault.name
    return f"| {name} | {' | '.join(f'{n:,}' for n in numbers)} | {line.seconds:.1f} |"


async def run(faults: Sequence[Fault], folder: Path) -> tuple[list[str], bool]:
    """The rows of the table, printed as they come, and whether all are clean."""
    server, numbers, rows, is_clean = Postgres(), itertools.count(), [], True
    server.start()
    try:
        server.execute("create database migrated")
        upgrade(server.url("migrated"))
        train_world(folder / "trained")
        print(HEAD, flush=True)
        with Broker(folder / "kafka") as broker:
            sites = Sites(broker, lambda: folder / f"site{next(numbers)}", folder / "trained" / "models", server)
            for fault in faults:
                line = await _play(sites, fault)
                is_clean = is_clean and line is not None and line.verdict.is_clean
                rows.append(row(fault, line))
                print(rows[-1], flush=True)
            await sites.close()
    finally:
        server.remove()
    return rows, is_clean


async def _play(sites: Sites, fault: Fault) -> Line | None:
    try:
        line = await sites.play(fault)
    except Exception as error:  # told in the table; the next fault has a site of its own
        print(f"{fault.name}: {str(error)[:6000]}", file=sys.stderr, flush=True)
        return None
    for detail in line.verdict.details:
        print(f"{fault.name}: {detail}", file=sys.stderr, flush=True)
    return line


def write(rows: Sequence[str]) -> None:
    """Put the table between its markers; rows of faults that were not played stay as they are."""
    before, _, rest = GUARANTEES.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    known = [*rows, *old.splitlines()]
    found = [next((row for row in known if _is_of(row, fault.name)), "") for fault in FAULTS]
    table = "\n".join([HEAD, *filter(None, found)])
    day = time.strftime("%d %B %Y", time.gmtime()).lstrip("0")
    GUARANTEES.write_text(f"{before}{BEGIN}\nLast measured on {day}.\n\n{table}\n{END}{after}")


def _is_of(row: str, name: str) -> bool:
    """Its first cell is the name, or the name with a note."""
    return row.startswith((f"| {name} |", f"| {name} ("))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--write", action="store_true", help="put the table into docs/guarantees.md")
    parser.add_argument("--only", default="", help="faults whose names match this expression")
    parser.add_argument("--short", action="store_true", help="the short form only")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended in order: broker, database and workers too
    faults = [f for f in FAULTS if re.search(options.only, f.name) and not (options.short and f.is_long)]
    with tempfile.TemporaryDirectory(prefix="millrace-faults-") as folder:
        rows, is_clean = asyncio.run(run(faults, Path(folder)))
    if options.write:
        write(rows)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
