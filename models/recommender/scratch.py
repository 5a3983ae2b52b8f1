"""Scratch: the working memory of the questions to a view; its content means nothing between two of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.recommender.arrays import SESSION_ITEMS
from models.recommender.evidence import WIDTH
from models.recommender.users import PREFIX

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
    prefix: Any  # (20,) i8: rows in the view of the items of the session, oldest first, -1 for unknown or none
    long: Any  # (65536,) f4: similarities of the sessions met, in the long memory
    short: Any  # (65536,) f4: and in the short one
    values: Any  # (65536,) f4: similarities while they are sorted
    fall: Any  # (20,) f4: what a vote is worth by distance in clicks, in the long memory
    fall_short: Any  # (20,) f4: and in the short one
    top_scores: Any  # (65536,) f4: the best while they are looked for
    top_rows: Any  # (65536,) i4: whose they are
    best: Any  # (24,) f4: largest value of each accumulator among the candidates


def build_scratch(items: int, sessions: int) -> Scratch:
    return Scratch(
        place=np.zeros(items, np.int64),
        evidence=np.zeros((MAX_TOUCHED + 1, WIDTH), np.float32),
        touched=np.zeros(MAX_TOUCHED + 1, np.int32),
        chosen=np.zeros(MAX_TOUCHED + 1, np.uint8),
        similarity=np.zeros((sessions, 4), np.float32),
        near=np.zeros(MAX_TOUCHED + 1, np.int32),
        state=np.zeros(4, np.int64),
        prefix=np.full(PREFIX, -1, np.int64),
        long=np.zeros(MAX_TOUCHED + 1, np.float32),
        short=np.zeros(MAX_TOUCHED + 1, np.float32),
        values=np.zeros(MAX_TOUCHED + 1, np.float32),
        fall=np.zeros(SESSION_ITEMS, np.float32),
        fall_short=np.zeros(SESSION_ITEMS, np.float32),
        top_scores=np.zeros(MAX_TOUCHED + 1, np.float32),
        top_rows=np.zeros(MAX_TOUCHED + 1, np.int32),
        best=np.zeros(WIDTH, np.float32),
    )
