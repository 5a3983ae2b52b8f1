"""A worker gives the memory of large arrays back, also where small ones were made between them."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FRAGMENTED = """
import sys
from pathlib import Path
import numpy as np
from streams.worker import return_memory
if sys.argv[1] == "returned":
    return_memory()
def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
large = np.ones(2_500_000)  # once freed, glibc takes all that is smaller from its heap
del large
before = resident_mb()
large, small = [], []
for _ in range(150):
    large.append(np.ones(40_000))
    small.append(np.ones(100))
del large
print(resident_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about the allocator of glibc")
def test_large_arrays_are_given_back() -> None:
    def left(how: str) -> float:
        return float(subprocess.check_output([sys.executable, "-c", FRAGMENTED, how], text=True))

    assert left("returned") < 10.0
    assert left("kept") > 30.0  # or else glibc has changed, and this is not needed any more
