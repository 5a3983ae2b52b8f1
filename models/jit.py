"""Compiled kernels: `njit` and `borrowing` as every module uses them, with symbol names that follow from row layouts.

kernel, types of its arguments ─► symbol name ─► machine code on disk ─► linked into another process

numba names the code compiled for a structured row after a counter of the process (`Record.mangling_args`, numba 0.68),
so two processes can give two layouts one name and, by their common cache on disk, run code of the other's layout on
their rows: garbage, without a word. Here the name comes from the layout itself. Nothing else may import numba.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from numba import njit
from numba.core.types import Record

__all__ = ["borrowing", "njit"]


def borrowing(**options: Any) -> Any:
    """Decorator of a kernel that makes no array and keeps none: it works on those it is handed.

    numba counts a reference, atomically, for each array of a named tuple that a loop touches: two thirds of what a
    question to the catalogue view cost, and more. Without its runtime (`_nrt`, an option that numba's own code uses)
    nothing is counted, and a kernel that makes an array does not compile.

    Args:
        options: of `njit`.
    """
    return njit(cache=True, _nrt=False, **options)


def _mangling_args(record: Any) -> tuple[str, tuple[str]]:
    """`record.name` spells names, types and offsets of all fields, the size and the alignment."""
    return type(record).__name__, (blake2b(record.name.encode(), digest_size=16).hexdigest(),)


Record.mangling_args = property(_mangling_args)  # type: ignore[assignment]  # a property, as there
