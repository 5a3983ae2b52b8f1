"""Compiled kernels: `njit` as every module here uses it, with symbol names that follow from the layout of rows.

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

__all__ = ["njit"]


def _mangling_args(record: Any) -> tuple[str, tuple[str]]:
    """`record.name` spells names, types and offsets of all fields, the size and the alignment."""
    return type(record).__name__, (blake2b(record.name.encode(), digest_size=16).hexdigest(),)


Record.mangling_args = property(_mangling_args)  # type: ignore[assignment]  # a property, as there
