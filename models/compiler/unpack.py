"""Unpack: the forest that a pack was made of, so that a model can be changed when its Booster is gone.

pack ─► read_pack ─► cuts, columns and sets back to splits ─► Forest
"""

from __future__ import annotations

import numpy as np

from models.compiler.compile import NAN_AND_ZERO_ARE_MISSING, NAN_IS_ZERO, SET_KEY
from models.compiler.forest import CategoricalSplit, Forest, NumericSplit, Tree
from models.packs import read_pack


def forest_of_pack(blob: bytes) -> Forest:
    """The forest that a pack was made of; `pack_of` makes the same pack of it again.

    Raises:
        ModelError: as `read_pack`.
    """
    header, arrays = read_pack(blob)
    splits = _splits(arrays)
    children = np.column_stack([arrays["node_left"], arrays["node_right"]]).tolist()
    values, covers = arrays["leaf_value"].tolist(), arrays["leaf_cover"].tolist()
    nodes, leaves = arrays["node_offset"].tolist(), arrays["leaf_offset"].tolist()
    trees = [
        Tree(
            output,
            splits[nodes[i] : nodes[i + 1]],
            children[nodes[i] : nodes[i + 1]],
            values[leaves[i] : leaves[i + 1]],
            covers[leaves[i] : leaves[i + 1]],
        )
        for i, output in enumerate(arrays["tree_output"].tolist())
    ]
    return Forest(header.features, header.outputs, header.link, header.alpha, header.divisor, trees)


def _splits(arrays: dict[str, np.ndarray]) -> list[NumericSplit | CategoricalSplit]:
    """The split of every node of a pack."""
    numeric = _numeric_splits(arrays)
    sets = [_category_split(arrays, i) for i in range(len(arrays["set_category"]))]
    return [sets[key & ~SET_KEY] if key & SET_KEY else numeric[key] for key in arrays["node_key"].tolist()]


def _numeric_splits(arrays: dict[str, np.ndarray]) -> dict[int, NumericSplit]:
    found: dict[int, NumericSplit] = {}
    for key in np.unique(arrays["node_key"]).tolist():
        if key & SET_KEY:
            continue
        column, number = key >> 8, key & 255
        place, rule = int(arrays["column_feature"][column]), int(arrays["column_rule"][column])
        cut = float(arrays["cut"][int(arrays["cut_offset"][place]) + int(arrays["column_base"][column]) + number])
        missing_left = cut >= 0.0 if rule == NAN_IS_ZERO else int(arrays["column_sentinel"][column]) == 0
        found[key] = NumericSplit(int(arrays["feature"][place]), cut, missing_left, rule == NAN_AND_ZERO_ARE_MISSING)
    return found


def _category_split(arrays: dict[str, np.ndarray], number: int) -> CategoricalSplit:
    place = int(arrays["set_category"][number])
    words = arrays["set_bits"][arrays["set_offset"][number] : arrays["set_offset"][number + 1]]
    goes_right = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
    classes = arrays["class_of"][arrays["class_offset"][place] : arrays["class_offset"][place + 1]]
    _, nan_class, other_class = arrays["class_limits"][3 * place : 3 * place + 3].tolist()
    named_left = bool(goes_right[other_class])  # those that are not named go the other way
    named = np.flatnonzero((goes_right[classes] == 0) == named_left)
    missing_left = not goes_right[nan_class]
    return CategoricalSplit(int(arrays["category_feature"][place]), tuple(named.tolist()), named_left, missing_left)
