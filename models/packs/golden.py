"""Golden rows: a few rows in the manifest with the raw scores that every worker must give, bit for bit.

pack ─► rows near its cuts, with missing values ─► raw scores ─► manifest ─► check on the CPU that will serve

A worker's kernel may be of another version, or run another evaluator, than where the model was made.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.packs.pack import PackHeader, pack_sha256, read_pack
from models.packs.scorer import Scorer
from schemas import Golden, ModelError, PackFile

ROWS = 8
MISSING_SHARE = 0.1


def pack_entries(role: str, blob: bytes) -> tuple[PackFile, Golden]:
    """What a manifest says of a pack, which is decoded once and built once for it.

    Raises:
        ModelError: it is none.
    """
    header, arrays = read_pack(blob)
    file = PackFile(
        file=f"{role}.pack",
        sha256=pack_sha256(blob),
        bytes=len(blob),
        trees=header.trees,
        features=header.features,
    )
    return file, make_golden(header, arrays)


def make_golden(header: PackHeader, arrays: Mapping[str, np.ndarray]) -> Golden:
    """Golden rows of a pack that was read: each value is one of its feature's cuts, or just above, or missing.

    Raises:
        ModelError: as `Scorer.build`.
    """
    rng = np.random.default_rng(0)
    rows = np.zeros((ROWS, header.features), np.float32)
    for place, feature in enumerate(arrays["feature"].tolist()):
        cuts = arrays["cut"][arrays["cut_offset"][place] : arrays["cut_offset"][place + 1]]
        with np.errstate(over="ignore"):
            chosen = rng.choice(cuts, ROWS).astype(np.float32)
        rows[:, feature] = np.where(rng.random(ROWS) < 0.5, chosen, np.nextafter(chosen, np.float32(np.inf)))
    for place, feature in enumerate(arrays["category_feature"].tolist()):
        categories = arrays["class_offset"][place + 1] - arrays["class_offset"][place]
        rows[:, feature] = rng.integers(0, int(categories) + 1, ROWS)
    rows[rng.random(rows.shape) < MISSING_SHARE] = np.nan
    scores = Scorer.build(header, arrays, crossover=1).score(rows, raw=True)
    return Golden(rows=_text(rows, "<f4"), scores=_text(scores, "<f8"))


def check_golden(golden: Golden, scorer: Scorer, what: str) -> None:
    """Score the golden rows, in a block and one by one.

    Raises:
        ModelError: they are not rows of this forest, or a score differs.
    """
    try:
        rows = np.frombuffer(b64decode(golden.rows, validate=True), "<f4").reshape(-1, scorer.features)
        expected = np.frombuffer(b64decode(golden.scores, validate=True), "<f8").reshape(len(rows), -1)
        scores = scorer.score(rows, raw=True).reshape(expected.shape)
        singly = np.concatenate([scorer.score(rows[i : i + 1], raw=True).reshape(1, -1) for i in range(len(rows))])
    except ValueError as error:
        raise ModelError(f"{what}: its golden rows do not fit the forest: {error}.", "Publish it again.") from error
    wrong = np.flatnonzero((scores != expected).any(1) | (singly != expected).any(1))
    if len(wrong):
        raise ModelError(
            f"{what}: the kernel here ({scorer.evaluation()['evaluator']}) scores golden row {wrong[0]} as "
            f"{scores[wrong[0]].tolist()} instead of {expected[wrong[0]].tolist()}.",
            "It was made by another version of Millrace: update this worker, or train the model again.",
        )


def _text(values: npt.NDArray[np.generic], dtype: str) -> str:
    return b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()
