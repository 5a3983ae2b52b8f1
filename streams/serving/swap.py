"""Swap: another model between two batches, so that every decision is made, and saved, under one version.

gate (no batch) ─► checkpoint: all that the old version decided is final ─► change ─► partitions whose rows have another
layout now are opened again ─► gate open

An event is never decided by two versions, unless the worker dies before a checkpoint: what it then repeats has the same
ids, and consumers keep the first.
"""

from __future__ import annotations

from collections.abc import Callable

from streams.agent import PartitionState, Runtime, fits
from streams.metrics import SWAPS

Change = Callable[[list[PartitionState]], None]


async def between_batches(runtime: Runtime, change: Change) -> None:
    """Alter the runtime's handler while no batch is applied.

    Args:
        change: does it; is given the states of the open partitions, and may put tables of another layout in them,
            which are then saved at once.
    """
    async with runtime.gate:
        with SWAPS.labels(runtime.handler.name).time():
            await runtime.checkpoint()
            before = dict(runtime.handler.layouts())
            ready = [part for part in runtime.parts.values() if part.is_ready]
            change([part.state for part in ready])
            after = runtime.handler.layouts()
            if dict(after) == before:
                return
            for part in list(runtime.parts.values()):
                if part in ready and fits(part.state, after):
                    part.saved = {}  # it has changes although its positions have not moved
                else:
                    runtime.renew(part, "model")
            await runtime.checkpoint()
