"""The scoring kernel: a C extension that checks a pack and evaluates it. Use it through `models.packs.Scorer`.

pack arrays ─► Forest (load.c, derive.c, tiles.c) ─► score (avx512_*.c, avx2_*.c or portable.c) / explain

`EVALUATORS` are the names of those that this CPU can run, the best first.
May import: nothing.
"""

from models.kernel._native import EVALUATORS, Forest

__all__ = ["EVALUATORS", "Forest"]
