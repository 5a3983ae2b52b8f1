"""Golden rows: what every worker must score as the machine did that made the version."""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy as np
import pytest

from models.compiler import compile_forest
from models.packs import Scorer, check_golden, read_pack
from models.packs.golden import make_golden
from schemas import (
    Golden,
    ModelError,
)
from tests.models.forests import OBJECTIVES, random_case, small_booster


@pytest.fixture(scope="module")
def blob() -> bytes:
    booster, rows = small_booster()
    return compile_forest(booster, "wear", rows)


@pytest.mark.long
@pytest.mark.parametrize("objective", OBJECTIVES[::4])
def test_golden_rows_are_those_of_the_pack(objective: str) -> None:
    case = random_case(3, objective)
    blob = compile_forest(case.booster, objective, case.rows)
    golden = make_golden(*read_pack(blob))
    check_golden(golden, Scorer.load(blob), "it")
    assert make_golden(*read_pack(blob)) == golden


def test_golden_rows_go_different_ways(blob: bytes) -> None:
    scores = np.frombuffer(b64decode(make_golden(*read_pack(blob)).scores), "<f8")
    assert len(np.unique(scores)) >= 6


def test_other_scores_and_other_shapes_are_told(blob: bytes) -> None:
    golden = make_golden(*read_pack(blob))
    scores = bytearray(b64decode(golden.scores))
    scores[3] ^= 1
    wrong = Golden(rows=golden.rows, scores=b64encode(bytes(scores)).decode())
    with pytest.raises(ModelError, match=r"wear: the kernel here \(\w+\) scores golden row 0 as"):
        check_golden(wrong, Scorer.load(blob), "wear")
    for broken in (
        Golden(rows="AAAA", scores=golden.scores),
        Golden(rows="?", scores="?"),
        Golden(rows="", scores="A"),
    ):
        with pytest.raises(ModelError, match="do not fit the forest"):
            check_golden(broken, Scorer.load(blob), "wear")
