"""Scratch: the working memory of the questions to a view; its content means nothing between two of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

MAX_TOUCHED = 65_535  # items that one query can tell apart; further ones are not candidates


class Scratch(NamedTuple):
    """For a view of n items and M sessions."""

    place: Any  # (n,) i8: query number * 65536 + row of `evidence`
    evidence: Any  # (65536, 24) f4; the last row takes what has no room
    touched: Any  # (65536,) i4: item of each row
    chosen: Any  # (65536,) u1
    similarity: Any  # (M, 4) f4: two similarities, position of the shared item, age of the prefix item counted last
    near: Any  # (65536,) i4: slots of the sessions met
    state: Any  # (4,) i8: query number, rows, sessions met


def build_scratch(items: int, sessions: int) -> Scratch:
    return Scratch(
        place=np.zeros(items, np.int64),
        evidence=np.zeros((MAX_TOUCHED + 1, 24), np.float32),
        touched=np.zeros(MAX_TOUCHED + 1, np.int32),
        chosen=np.zeros(MAX_TOUCHED + 1, np.uint8),
        similarity=np.zeros((sessions, 4), np.float32),
        near=np.zeros(MAX_TOUCHED + 1, np.int32),
        state=np.zeros(4, np.int64),
    )
