"""The scoring kernel: a C extension that checks a pack and evaluates it. Use it through models.scorer.

pack arrays ─► Forest (load.c, derive.c) ─► score (quantise.c ─► portable.c) / explain (explain.c)
"""

from models.kernel._native import Forest

__all__ = ["Forest"]
