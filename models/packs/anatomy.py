"""Anatomy: what is inside a pack, in figures, for people.

pack file and its Scorer ─► anatomy_of ─► Anatomy: sizes, splits, bytes by group, how it is evaluated here, importance
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.packs.pack import pack_sha256, read_pack
from models.packs.scorer import Scorer

SET_KEY = 1 << 31
GROUPS = {
    "cuts": ("feature", "cut_offset", "cut", "column_feature", "column_base", "column_rule", "column_sentinel"),
    "categories": (
        *("category_feature", "class_offset", "class_of", "class_limits", "set_category", "set_offset", "set_bits"),
    ),
    "nodes": ("tree_output", "node_offset", "node_key", "node_left", "node_right"),
    "leaves": ("leaf_offset", "leaf_value"),
    "covers": ("leaf_cover",),
}


class Anatomy(BaseModel):
    """A pack in figures."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    bytes: int
    bytes_of: dict[str, int] = Field(description="group of arrays -> bytes; `frame` is header, padding and hash")
    link: str
    outputs: int
    trees: int
    leaves: int
    largest_tree: int = Field(description="leaves")
    depth: int = Field(description="splits on the longest way to a leaf")
    features: int = Field(description="in a row")
    features_asked: int = Field(description="by any split")
    cuts: int
    columns: int = Field(description="bytes that a row becomes")
    category_sets: int
    evaluator: str
    crossover: int = Field(description="rows from which they are scored in blocks")
    variance_shares: dict[str, float] = Field(
        description="feature -> share of the variance of the trees' leaves, over the training rows, that its splits "
        "explain; for packs whose gains are not known"
    )


def anatomy_of(path: Path, scorer: Scorer, names: list[str]) -> Anatomy:
    """The figures of a pack file.

    Args:
        path: of the file.
        scorer: of the same pack, for how it is evaluated here.
        names: of the features of a row.

    Raises:
        ModelError: as `read_pack`.
        OSError: the file cannot be read.
    """
    blob = path.read_bytes()
    header, arrays = read_pack(blob, str(path))
    bytes_of = {group: sum(header.arrays[name][1] for name in members) for group, members in GROUPS.items()}
    evaluation = scorer.evaluation()
    shares = _variance_shares(arrays)
    return Anatomy(
        **header.model_dump(include={"name", "link", "outputs", "trees", "features"}),
        sha256=pack_sha256(blob),
        bytes=len(blob),
        bytes_of=bytes_of | {"frame": len(blob) - sum(bytes_of.values())},
        leaves=len(arrays["leaf_value"]),
        largest_tree=int(np.diff(arrays["leaf_offset"].astype(np.int64)).max()),
        depth=int(str(evaluation["depth"])),
        features_asked=len({*arrays["feature"].tolist(), *arrays["category_feature"].tolist()}),
        cuts=len(arrays["cut"]),
        columns=len(arrays["column_feature"]),
        category_sets=len(arrays["set_category"]),
        evaluator=str(evaluation["evaluator"]),
        crossover=int(str(evaluation["crossover"])),
        variance_shares={names[f] if f < len(names) else f"feature {f}": shares[f] for f in sorted(shares)},
    )


def _variance_shares(arrays: dict[str, np.ndarray]) -> dict[int, float]:
    """A split explains, over the rows that reached it, what the means of its sides differ from their common mean."""
    explained: dict[int, float] = {}
    feature = _features_of_nodes(arrays)
    node_at, leaf_at = (arrays[name].astype(np.int64) for name in ("node_offset", "leaf_offset"))
    left, right = arrays["node_left"].astype(np.int64), arrays["node_right"].astype(np.int64)
    value, cover = arrays["leaf_value"].astype(np.float64), arrays["leaf_cover"].astype(np.float64)
    sums, covers = np.zeros(len(left)), np.zeros(len(left))  # of the leaves below each node
    for node, leaf, end in zip(node_at[:-1], leaf_at[:-1], node_at[1:], strict=True):
        for i in range(end - 1, node - 1, -1):  # children come after their parent
            sides = [
                (sums[node + child], covers[node + child])
                if child >= 0
                else (value[leaf + ~child] * cover[leaf + ~child], cover[leaf + ~child])
                for child in (left[i], right[i])
            ]
            sums[i], covers[i] = sides[0][0] + sides[1][0], sides[0][1] + sides[1][1]
            mean = sums[i] / covers[i]
            gain = sum(rows * (total / rows - mean) ** 2 for total, rows in sides)
            explained[int(feature[i])] = explained.get(int(feature[i]), 0.0) + float(gain)
    whole = sum(explained.values()) or 1.0
    return {f: gain / whole for f, gain in explained.items()}


def _features_of_nodes(arrays: dict[str, np.ndarray]) -> np.ndarray:
    key = arrays["node_key"].astype(np.int64)
    is_set = key >= SET_KEY
    features = np.zeros(len(key), np.int64)
    features[~is_set] = arrays["feature"][arrays["column_feature"][key[~is_set] >> 8]]
    features[is_set] = arrays["category_feature"][arrays["set_category"][key[is_set] - SET_KEY]]
    return features
