"""Mutations of packs, and what must hold of each: it is refused with a sentence, or it scores the same on all paths.

python -m tests.models.packs.pack_fuzz 20000 [SEED]: so many in this process, under limits of memory and of time.
"""

from __future__ import annotations

import faulthandler
import hashlib
import io
import json
import resource
import struct
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable

import numpy as np

from models.compiler import compile_forest
from models.kernel import EVALUATORS
from models.packs.pack import ALIGNMENT, ARRAYS, DIGEST_BYTES, MAGIC, read_pack, write_pack
from models.packs.scorer import Scorer
from schemas import ModelError
from tests.models.forests import random_case, small_booster

Rng = np.random.Generator
MEMORY_LIMIT, LONGEST_S = 3 << 30, 30
EXTREMES = (0, 1, -1, 255, 256, 65535, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, np.nan, np.inf, -np.inf, 5e-324, 1.8e308)
VALUES = (
    *(0, -1, 1, 2, 4095, 4096, (1 << 20) - 1, 1 << 20, (1 << 32) - 1, 1 << 32, 1 << 64, -(1 << 70), 0.5, 1e308, -0.0),
    *(
        float("nan"),
        float("inf"),
        None,
        True,
        "",
        "1",
        "x" * 70_000,
        [],
        {},
        [[0, 64]],
        {"a": 1},
        "identity",
        "softmax",
    ),
)


def sources() -> list[bytes]:
    """Packs of several kinds: a category, several outputs, large trees, one leaf."""
    booster, rows = small_booster()
    constant, _ = small_booster(min_data_in_leaf=10_000)
    packs = [compile_forest(booster, "small", rows), compile_forest(constant, "constant", rows)]
    for seed, objective in ((0, "multiclass"), (3, "binary"), (1, "regression")):
        case = random_case(seed, objective)
        packs.append(compile_forest(case.booster, objective, case.rows))
    return packs


def rehashed(blob: bytes | bytearray) -> bytes:
    body = bytes(blob[:-DIGEST_BYTES])
    return body + hashlib.sha256(body).digest()


def header_end(blob: bytes) -> int:
    return 16 + int(struct.unpack_from("<I", blob, 12)[0])


def flip(rng: Rng, packs: list[bytes]) -> bytes:
    """Bytes of anywhere; the hash does not fit any more."""
    blob = bytearray(_one(rng, packs))
    for _ in range(rng.integers(1, 5)):
        blob[rng.integers(len(blob))] ^= 1 << rng.integers(8)
    return bytes(blob)


def flip_and_hash(rng: Rng, packs: list[bytes]) -> bytes:
    blob = bytearray(_one(rng, packs))
    end = header_end(blob)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(8, end) if rng.random() < 0.1 else rng.integers(end, len(blob) - DIGEST_BYTES))
        blob[place] = int(rng.choice([0, 255, 1 << rng.integers(0, 8), blob[place] ^ 1, 128]))
    return rehashed(blob)


def truncate(rng: Rng, packs: list[bytes]) -> bytes:
    """At, before and behind every kind of border: header, arrays, hash; sometimes with a right hash."""
    blob = _one(rng, packs)
    header, _ = read_pack(blob)
    borders = [0, 8, 12, 16, header_end(blob), len(blob) - DIGEST_BYTES, len(blob), int(rng.integers(len(blob)))]
    borders += [header_end(blob) + offset + size for offset, size, _ in header.arrays.values()]
    cut = blob[: max(0, int(rng.choice(borders)) + int(rng.integers(-2, 3)))]
    return rehashed(cut + bytes(DIGEST_BYTES)) if rng.random() < 0.5 else cut


def splice(rng: Rng, packs: list[bytes]) -> bytes:
    """The beginning of one, the end of another, cut at the same or at different places."""
    first, second = _one(rng, packs), _one(rng, packs)
    at = int(rng.integers(len(first)))
    other = at if rng.random() < 0.5 else int(rng.integers(len(second)))
    return rehashed(first[:at] + second[other:])


def foreign(rng: Rng, packs: list[bytes]) -> bytes:
    """Files of other kinds, with and without our first bytes."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("score.pack", _one(rng, packs))
    contents = [
        *(b"", b"\0" * 4096, zipped.getvalue(), b"\x08\x07\x12\x0fskl2onnx" + bytes(200), b"tree\nversion=v4\n" * 99),
        *(b'{"learner": {}}' * 50, b"\x80\x04\x95" + bytes(300), rng.bytes(int(rng.integers(1, 5000)))),
    ]
    content = contents[rng.integers(len(contents))]
    return rehashed((MAGIC if rng.random() < 0.3 else b"") + content + bytes(DIGEST_BYTES))


def version(rng: Rng, packs: list[bytes]) -> bytes:
    """Other versions, other lengths of the header."""
    blob = bytearray(_one(rng, packs))
    place = int(rng.choice([8, 12]))
    struct.pack_into("<I", blob, place, int(rng.choice([0, 1, 3, 255, 1 << 31, (1 << 32) - 1, rng.integers(1 << 32)])))
    return rehashed(blob)


def header(rng: Rng, packs: list[bytes]) -> bytes:
    """Values, types and keys of the header; the padding stays right."""
    blob = _one(rng, packs)
    content = json.loads(blob[16 : header_end(blob)])
    where = content if rng.random() < 0.6 else content["arrays"]
    for _ in range(rng.integers(1, 3)):
        key = str(rng.choice(list(where)))
        change = rng.integers(5)
        if change == 0:
            del where[key]
        elif change == 1:
            where["more"] = _value(rng)
        else:
            where[key] = _value(rng)
        if not where:
            break
    text = json.dumps(content).encode()
    if rng.random() < 0.2:  # a key twice, or JSON so deep that a careless reader overflows
        text = rng.choice([text[:-1] + b', "trees": 1}', b"[" * 60_000, text * 2, text[:-1], b'{"name":' * 9_000])
    return _framed(bytes(text), blob)


def places(rng: Rng, packs: list[bytes]) -> bytes:
    """Arrays that overlap, lie elsewhere, or have another length."""
    blob = _one(rng, packs)
    content = json.loads(blob[16 : header_end(blob)])
    body = len(blob) - header_end(blob) - DIGEST_BYTES
    for _ in range(rng.integers(1, 4)):
        offset, size, kind = [*content["arrays"][(name := str(rng.choice(list(ARRAYS))))], "u1"][:3]
        other = content["arrays"][str(rng.choice(list(ARRAYS)))]
        steps = ALIGNMENT * int(rng.integers(-3, 4))
        content["arrays"][name] = [
            [offset + steps, size, kind],
            [offset, size + int(rng.integers(-9, 10)), kind],
            [offset, max(0, size + steps), kind],
            [*other],
            [body - body % ALIGNMENT, size, kind],
            [0, body, kind],
            [int(rng.choice([1 << 31, (1 << 32) - 64])), int(rng.choice([0, size, (1 << 32) - 64])), kind],
            [offset, size, str(rng.choice(["u1", "u2", "u4", "u8", "i1", "i4", "f2", "f4", "f8", "O", "c8", ""]))],
            [offset, size],
        ][rng.integers(9)]
    return _framed(json.dumps(content).encode(), blob)


def elements(rng: Rng, packs: list[bytes]) -> bytes:
    """Single elements of arrays become extreme, or arrays longer and shorter."""
    head, arrays = read_pack(_one(rng, packs))
    arrays = {name: content.copy() for name, content in arrays.items()}
    for _ in range(rng.integers(1, 4)):
        name = str(rng.choice(list(ARRAYS)))
        content = arrays[name]
        if rng.random() < 0.2:
            arrays[name] = content[: rng.integers(len(content) + 1)] if rng.random() < 0.5 else np.tile(content, 2)
        elif len(content):
            with np.errstate(all="ignore"):
                extreme = np.float64(EXTREMES[rng.integers(len(EXTREMES))])
                place, near = rng.integers(len(content)), rng.random() < 0.5
                near_by = content[place] + content.dtype.type(rng.integers(1, 3))
                content[place] = near_by if near else np.array(extreme).astype(content.dtype)
    return write_pack(head, arrays)


MUTATIONS: tuple[Callable[[Rng, list[bytes]], bytes], ...] = (
    *(flip, flip_and_hash, truncate, splice, foreign, version, header, places, elements),
)


def check(blob: bytes, packs: list[bytes]) -> str:
    """`refused` (with what and what to do) or `scored`; a crash, or scores that differ, are raised."""
    ways = [(crossover, evaluator) for crossover in (1, 1 << 16) for evaluator in EVALUATORS]
    try:
        scorers = [Scorer.load(blob, crossover, evaluator=evaluator) for crossover, evaluator in ways]
    except ModelError as error:
        return "refused" if error.detail and error.advice else "refused without a reason"
    first = scorers[0]
    if first.features > 1000 or first.outputs > 100:  # of a header that was changed to be large but possible
        return "scored"
    rows = np.random.default_rng(0).normal(size=(150, first.features)) * 100
    with np.errstate(all="ignore"):
        for raw in (True, False):
            expected = first.score(rows, raw=raw)
            assert all(np.array_equal(s.score(rows, raw=raw), expected, equal_nan=True) for s in scorers)
            few = [scorer.score(rows[:3], raw=raw) for scorer in scorers]
            assert all(np.array_equal(scores, expected[:3], equal_nan=True) for scores in few)
        first.explain(rows[0])
    return "scored"


def _one(rng: Rng, packs: list[bytes]) -> bytes:
    return packs[rng.integers(len(packs))]


def _value(rng: Rng) -> object:
    return VALUES[rng.integers(len(VALUES))]


def _framed(text: bytes, blob: bytes) -> bytes:
    """The pack with another header."""
    text += b" " * (-(16 + len(text)) % ALIGNMENT)
    return rehashed(blob[:12] + struct.pack("<I", len(text)) + text + blob[header_end(blob) :])


def main(count: int, seed: int) -> None:
    packs = sources()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    rng, results, slowest = np.random.default_rng(seed), Counter[str](), 0.0
    for i in range(count):
        mutate = MUTATIONS[i % len(MUTATIONS)]
        blob = mutate(rng, packs)
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        started = time.perf_counter()
        results[f"{mutate.__name__} {check(blob, packs)}"] += 1
        slowest = max(slowest, time.perf_counter() - started)
    faulthandler.cancel_dump_traceback_later()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{count} mutations, slowest {slowest * 1e3:.0f} ms, at most {peak} MB of memory")
    for name, number in sorted(results.items()):
        print(f"  {name:24} {number}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
