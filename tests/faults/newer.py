"""Newer: the service as its next version may be, with rows of another layout, which takes over the rows of this one.

python -m tests.faults.newer worker --role edge

The fields are the same: what they become is tested where rows of before are migrated. Here it is about who may read
what, while workers of two versions share the partitions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

from streams.agent import Layout

HIGHEST = (1 << 32) - 1


class Same:
    """Takes over the rows as they are."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return rows


def _later(layouts: Callable[[Any], Mapping[str, Layout]]) -> Callable[[Any], Mapping[str, Layout]]:
    def later(handler: Any) -> Mapping[str, Layout]:
        return {
            name: replace(of, version=(of.version + 1) & HIGHEST, earlier={of.version: Same(of.dtype)})
            for name, of in layouts(handler).items()
        }

    return later


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """As long as this is entered, this process is the newer version."""
    from streams.agent import saved
    from streams.maintain import Maintain
    from streams.recommend import Recommend

    with (
        mock.patch.object(saved, "FORMAT", saved.FORMAT + 1),
        mock.patch.object(Maintain, "layouts", _later(Maintain.layouts)),
        mock.patch.object(Recommend, "layouts", _later(Recommend.layouts)),
    ):
        yield


if __name__ == "__main__":
    from millrace.cli import main

    with installed():
        main()
