"""CPU time of an event's way by stage: what inference costs, and where.

clock.running(first stage) ─► enter(stage) in the code that is measured ─► clock.take() ─► metrics, `millrace bench`

| stage | what is in it |
|---|---|
| decode | bytes ─► JSON, schema, keys and time checked; of readings and the log, arrays |
| state | clicks as arrays, rows found and advanced, alerts decided, the click feed's record |
| features | candidates and their feature rows; for readings the one pass that advances rows and writes features |
| score | forests, intervals; for clicks the policy that picks the best items too |
| emit | ids, evidence of alerts, JSON, headers, record batches |

A stage is entered once or twice a batch, never once an event: a look at the clock takes about a microsecond. Time is
that of the thread (`time.thread_time`), so it must not run over an `await`: other tasks would be counted. Outside of
`running`, `enter` does nothing; training calls the same code.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

Stage = Literal["decode", "state", "features", "score", "emit"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class StageClock:
    """CPU seconds by stage. For one thread; does not run when made."""

    def __init__(self) -> None:
        self._seconds: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
        self._stage: Stage | None = None
        self._since = 0.0

    @contextmanager
    def running(self, stage: Stage) -> Iterator[None]:
        """Measure from here on, beginning with `stage`; `enter` goes on to others.

        Raises:
            RuntimeError: a clock runs already: its time would be counted twice.
        """
        if _CLOCK.get() is not None:
            raise RuntimeError(f"stage {stage} cannot begin: a stage clock runs already")
        token = _CLOCK.set(self)
        self._stage, self._since = stage, time.thread_time()
        try:
            yield
        finally:
            self._go_on(None)
            _CLOCK.reset(token)

    def _go_on(self, stage: Stage | None) -> None:
        now = time.thread_time()
        if self._stage is not None:
            self._seconds[self._stage] += now - self._since
        self._stage, self._since = stage, now

    def take(self) -> dict[Stage, float]:
        """Seconds by stage since the last call, all stages, in their order."""
        taken, self._seconds = self._seconds, dict.fromkeys(STAGES, 0.0)
        return taken


_CLOCK: ContextVar[StageClock | None] = ContextVar("stage clock", default=None)


def enter(stage: Stage) -> None:
    """From here on the time belongs to this stage, if a clock runs.

    Raises:
        ValueError: no such stage.
    """
    if stage not in STAGES:
        raise ValueError(f"{stage!r} is no stage; there are {', '.join(STAGES)}")
    clock = _CLOCK.get()
    if clock is not None:
        clock._go_on(stage)


@contextmanager
def apart() -> Iterator[None]:
    """What is done inside belongs to no stage, such as the work of a challenger."""
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    stage = clock._stage
    clock._go_on(None)
    token = _CLOCK.set(None)
    try:
        yield
    finally:
        _CLOCK.reset(token)
        clock._go_on(stage)
