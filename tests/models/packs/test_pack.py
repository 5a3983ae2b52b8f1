"""A pack may come from anywhere: whatever is wrong with it is told, and nothing crashes."""

import json
import os
import re
import struct
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from models.compiler import compile_forest
from models.kernel import EVALUATORS
from models.packs.pack import ARRAYS, DIGEST_BYTES, MAGIC, STORED, PackHeader, narrowest, read_pack, write_pack
from models.packs.scorer import Scorer
from schemas import ModelError
from tests.models.forests import small_booster
from tests.models.packs.pack_fuzz import MUTATIONS, check, flip, flip_and_hash, foreign, rehashed, sources


@pytest.fixture(scope="module")
def blob() -> bytes:
    booster, rows = small_booster()
    return compile_forest(booster, "model", rows)


def test_kernel_and_document_name_the_same_arrays() -> None:
    """The kernel takes the arrays by their place, people read of them in docs/pack.md."""
    root = Path(__file__).parents[3]
    enum = re.search(r"enum ArrayName \{(.*?)ARRAY_COUNT", (root / "models/kernel/forest.h").read_text(), re.DOTALL)
    assert enum is not None
    assert re.findall(r"\w+", enum.group(1).lower()) == list(ARRAYS)
    documented = re.findall(r"^\| (`.*?) \| ([uif\d, ]+)", (root / "docs/pack.md").read_text(), re.MULTILINE)
    types = {
        name: kind.strip()
        for names, kinds in documented
        for name, kind in zip(re.findall(r"`(\w+)`", names), kinds.split(",") * 2, strict=False)
    }
    bits = {name: f"{dtype[1]}{int(dtype[2:]) * 8}" for name, dtype in ARRAYS.items()}
    assert types == bits


def test_what_is_written_is_read(blob: bytes) -> None:
    header, arrays = read_pack(blob)
    assert write_pack(header, arrays) == blob
    assert {name: array.dtype.newbyteorder("<").str.replace("|", "<") for name, array in arrays.items()} == ARRAYS


def test_equal_models_are_equal_packs(blob: bytes) -> None:
    booster, rows = small_booster()
    assert compile_forest(booster, "model", rows) == blob


def test_arrays_are_aligned(blob: bytes) -> None:
    start = 16 + struct.unpack_from("<I", blob, 12)[0]
    header, _ = read_pack(blob)
    assert start % 8 == 0
    assert all(offset % 8 == 0 for offset, _, _ in header.arrays.values())


def format_1(header: PackHeader, arrays: dict[str, np.ndarray]) -> bytes:
    """A pack as the first format had it."""
    places, body = {}, b""
    for name, dtype in ARRAYS.items():
        content = arrays[name].astype(dtype).tobytes()
        places[name] = [len(body), len(content)]
        body += content + bytes(-len(content) % 64)
    text = json.dumps(header.model_dump(exclude={"arrays"}) | {"arrays": places}).encode()
    text += b" " * (-(16 + len(text)) % 64)
    return rehashed(MAGIC + struct.pack("<II", 1, len(text)) + text + body + bytes(DIGEST_BYTES))


def test_the_first_format_is_read(blob: bytes) -> None:
    header, arrays = read_pack(blob)
    old = format_1(header, arrays)
    assert len(old) > 1.5 * len(blob)
    old_header, old_arrays = read_pack(old)
    assert all(np.array_equal(array, old_arrays[name]) for name, array in arrays.items())
    assert write_pack(old_header, old_arrays) == blob
    rows = np.random.default_rng(0).normal(size=(100, header.features))
    assert np.array_equal(Scorer.load(old).score(rows), Scorer.load(blob).score(rows))


@pytest.mark.parametrize(
    ("values", "dtype", "stored"),
    [
        ([], "<f8", "u1"),
        ([0, 255], "<u4", "u1"),
        ([0, 256], "<u4", "u2"),
        ([65536], "<u4", "u4"),
        ([-128, 127], "<i4", "i1"),
        ([-129], "<i4", "i2"),
        ([1 << 63], "<u8", "u8"),
        ([3.0, 200.0], "<f8", "u1"),
        ([3.0, 70_000.0], "<f8", "u4"),
        ([-0.0], "<f8", "f2"),
        ([0.25, -3.0], "<f8", "f2"),
        ([np.float64(np.float32(0.1))], "<f8", "f4"),
        ([1e30, 0.5], "<f8", "f8"),
        ([0.1], "<f8", "f8"),
        ([np.nan, np.inf], "<f8", "f2"),
    ],
)
def test_arrays_lie_in_the_narrowest_type_that_holds_them(values: list[float], dtype: str, stored: str) -> None:
    array = np.array(values, dtype)
    narrow = narrowest(array)
    assert narrow.dtype.str[1:] == stored
    assert narrow.astype(dtype).tobytes() == array.tobytes()


def test_an_array_of_a_foreign_type_is_refused(blob: bytes) -> None:
    header, _ = read_pack(blob)
    text_end = 16 + struct.unpack_from("<I", blob, 12)[0]
    for name, (offset, size, stored) in header.arrays.items():
        foreign = next(kind for kind in ("f8", "u8") if kind not in STORED[ARRAYS[name]])
        was, becomes = f'"{name}":[{offset},{size},"{stored}"]'.encode(), f'"{name}":[{offset},0,"{foreign}"]'.encode()
        assert was in blob
        changed = blob[:text_end].replace(was, becomes).ljust(text_end) + blob[text_end:]
        with pytest.raises(ModelError, match=f"array {name} has type {foreign}"):
            Scorer.load(rehashed(changed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"", "is not a pack"),
        (lambda b: b"PK" + b[2:], "is not a pack"),
        (lambda b: MAGIC, "is not a pack"),
        (lambda b: MAGIC + struct.pack("<I", 9) + b[12:], "has pack format 9, this Millrace reads 1 and 2"),
        (lambda b: b[:-1], "is damaged"),
        (lambda b: b[:100], "is damaged"),
        (lambda b: b[:2000] + bytes([b[2000] ^ 1]) + b[2001:], "is damaged"),
        (lambda b: rehashed(b[:12] + struct.pack("<I", 1 << 31) + b[16:]), "malformed"),
        (lambda b: rehashed(b[:12] + struct.pack("<I", 3) + b[16:]), "malformed"),
        (lambda b: rehashed(b[:-64]), "lies outside of the file"),
        (lambda b: rehashed(b[:16] + b"[" * (len(b) - 48) + b[-32:]), "malformed"),
    ],
)
def test_a_file_that_is_no_whole_pack_is_refused(blob: bytes, change, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Scorer.load(change(blob))


@pytest.mark.parametrize(
    ("array", "place", "value", "message"),
    [
        ("feature", 0, 6, "a feature that does not exist"),
        ("cut", 1, np.nan, "do not rise"),
        ("cut", 1, -1e308, "do not rise"),
        ("cut_offset", 1, 4_000_000_000, "offsets of the cuts"),
        ("column_feature", 0, 99, "belongs to no feature"),
        ("column_rule", 0, 3, "unknown rule"),
        ("column_sentinel", 0, 7, "unknown rule"),
        ("category_feature", 0, 6, "categorical feature that does not exist"),
        ("class_offset", 1, 0, "offsets of the category classes"),
        ("class_of", 3, 65535, "class that does not exist"),
        ("class_limits", 0, 0, "class that does not exist"),
        ("class_limits", 1, 65535, "class that does not exist"),
        ("set_category", 0, 1, "belongs to no feature"),
        ("set_offset", -1, 1, "offsets of the category sets"),
        ("tree_output", 0, 1, "output that does not exist"),
        ("node_offset", 1, 0, "wrong number of leaves"),
        ("node_key", 0, 1 << 31 | 60_000, "category set that does not exist"),
        ("node_key", 0, 30_000 << 8, "byte column that does not exist"),
        ("node_left", 0, 0, "child is out of order"),
        ("node_right", 0, 1 << 30, "child is out of order"),
        ("node_left", 0, -(1 << 31), "leaf is out of order"),
        ("leaf_offset", 1, 0, "wrong number of leaves"),
        ("leaf_value", 0, np.inf, "not finite"),
        ("leaf_cover", 0, 0.0, "no cover"),
    ],
)
def test_an_index_that_leads_astray_is_refused(blob: bytes, array: str, place: int, value: float, message: str) -> None:
    header, arrays = read_pack(blob)
    wrong = arrays[array].copy()
    wrong[place] = value
    with pytest.raises(ModelError, match=message):
        Scorer.load(write_pack(header, arrays | {array: wrong}))


@pytest.mark.parametrize("array", ARRAYS)
def test_an_array_of_another_length_is_refused(blob: bytes, array: str) -> None:
    header, arrays = read_pack(blob)
    for changed in (arrays[array][:-1], np.append(arrays[array], arrays[array][:1]), arrays[array][:0]):
        with pytest.raises(ModelError, match=r"malformed|trees, header says"):
            Scorer.load(write_pack(header, arrays | {array: changed}))


@pytest.mark.parametrize(
    "change", [{"features": 0}, {"features": 1 << 30}, {"outputs": 0}, {"alpha": 0.0}, {"divisor": 0.0}]
)
def test_a_header_out_of_range_is_refused(blob: bytes, change: dict[str, float]) -> None:
    header, arrays = read_pack(blob)
    with pytest.raises(ModelError, match="malformed"):
        Scorer.load(write_pack(PackHeader(**header.model_dump() | change), arrays))


@pytest.fixture(scope="module")
def packs() -> list[bytes]:
    return sources()


@pytest.mark.long
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_changed_pack_is_refused_or_scores_the_same_on_all_paths(packs: list[bytes], mutate) -> None:
    """A sample; `python -m tests.models.packs.pack_fuzz 20000` runs many, under limits of memory and time."""
    rng = np.random.default_rng(0)
    found = Counter(check(mutate(rng, packs), packs) for _ in range(120))
    assert found["refused"] > 20
    if mutate in {flip, foreign}:  # the others can leave all that matters as it was, or be a forest of its own
        assert found["scored"] == 0


def test_a_changed_pack_can_still_be_one(packs: list[bytes]) -> None:
    """Otherwise the test above would hold if nothing were ever loaded."""
    rng = np.random.default_rng(1)
    assert all(check(blob, packs) == "scored" for blob in packs)
    assert Counter(check(flip_and_hash(rng, packs), packs) for _ in range(100))["scored"] > 20


def test_a_file_that_is_replaced_or_cut_while_it_is_loaded_is_refused_or_whole(blob: bytes, tmp_path: Path) -> None:
    """Nothing is mapped: whatever happens to the file, the process lives and no half pack scores."""
    path = tmp_path / "score.pack"
    path.write_bytes(blob)
    row = np.zeros(6)
    expected = Scorer.load(blob, 8).score_one(row)
    done = threading.Event()

    def meddle() -> None:
        for turn in range(300):
            os.truncate(path, len(blob) * (turn % 3) // 3)
            path.write_bytes(blob)
        done.set()

    thread = threading.Thread(target=meddle)
    thread.start()
    outcomes = Counter[str]()
    while not done.is_set():
        try:
            assert Scorer.load(path, 8).score_one(row) == expected
            outcomes["whole"] += 1
        except ModelError:
            outcomes["refused"] += 1
    thread.join()
    assert outcomes["whole"] + outcomes["refused"] > 0
    assert Scorer.load(path, 8).score_one(row) == expected


@pytest.mark.long
@pytest.mark.parametrize("shape", ["chain", "one leaf", "alternating"])
def test_trees_of_any_shape_load_in_a_moment(blob: bytes, shape: str) -> None:
    """A pack can hold trees that no training would make. What is derived from them grows with the pack, no faster."""
    header, arrays = read_pack(blob)
    depth = {"chain": 100_000, "one leaf": 0, "alternating": 70}[shape]
    trees = {"chain": 1, "one leaf": 50_000, "alternating": 2000}[shape]
    sizes = np.full(trees, depth)
    if shape == "alternating":
        sizes[::2] = 0
    left = np.concatenate([~np.arange(size) for size in sizes])
    right = np.concatenate([np.append(np.arange(1, size), ~size)[:size] for size in sizes])
    leaves = int(sizes.sum()) + trees
    hostile = arrays | {
        "tree_output": np.zeros(trees),
        "node_offset": np.append(0, np.cumsum(sizes)),
        "node_key": np.resize(arrays["node_key"], sizes.sum()),
        "node_left": left,
        "node_right": right,
        "leaf_offset": np.append(0, np.cumsum(sizes + 1)),
        "leaf_value": np.arange(leaves) / 7,
        "leaf_cover": np.ones(leaves),
    }
    pack = write_pack(header.model_copy(update={"trees": trees}), hostile)
    for crossover, count in ((1 << 16, 9), (1, 9), (1, 140)):
        rows = np.random.default_rng(1).normal(size=(count, 6))
        scorers = [Scorer.load(pack, crossover, evaluator=evaluator) for evaluator in EVALUATORS]
        scores = [scorer.score(rows, raw=True) for scorer in scorers]
        assert all(np.array_equal(score, scores[0]) for score in scores)
