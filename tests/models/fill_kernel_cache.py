"""Compiles the pass over the log for rows of some layouts, in the order given, and prints what it made of the rows.

A process of its own: `python -m tests.models.fill_kernel_cache small large`, with NUMBA_CACHE_DIR set.
"""

from __future__ import annotations

import sys

import numpy as np

from models.maintenance import REPLACEMENT, row_dtype
from models.maintenance.log_memory import ERROR, write_log
from models.maintenance.rows import RowShape

SHAPES = {
    "small": RowShape(channels=2, errors=0, components=1, targets=1),
    "large": RowShape(channels=4, errors=5, components=4, targets=4),
}


def rows_after_a_log(shape: RowShape) -> bytes:
    """More entries than a row remembers, so that some of them settle."""
    rows = np.zeros(2, row_dtype(shape))
    for number in range(3 * shape.log_entries):
        kind = ERROR if number % 2 and shape.errors else REPLACEMENT
        code = number % shape.errors if kind == ERROR else shape.errors + number % (shape.components + 1)
        write_log(rows[0], 1.7e9 + number, kind, code)
    return bytes(rows.tobytes())


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, rows_after_a_log(SHAPES[name]).hex())
