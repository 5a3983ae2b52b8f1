"""Patience: what fails because a broker or a database is away is tried again, for as long as it takes.

attempt ─► fails with what may pass ─► told ─► a pause of .1 s, doubled each time ─► attempt
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

import stamina
import structlog
from aiokafka.errors import KafkaError

from schemas import Settings, UnavailableError

FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 2.0  # work goes on within 3 s of the return of what was away
BROKER_PAUSE_S = 8.0  # at the start of a worker, and between two lines that say so
PASSING = (KafkaError, UnavailableError, OSError, TimeoutError)  # of Kafka: trying again may help
log = structlog.get_logger(__name__)
stamina.instrumentation.set_on_retry_hooks(())  # each is told in words of its own


def patiently(
    tell: Callable[[Exception], object],
    passing: tuple[type[Exception], ...] = PASSING,
    most_pause_s: float = MOST_PAUSE_S,
) -> AsyncIterator[AbstractContextManager[Any]]:
    """Attempts without end: `async for attempt in patiently(tell): with attempt: ...`; what it raises ends them.

    Args:
        tell: is given each error that may pass.
        passing: the others are raised.
    """

    def may_pass(error: Exception) -> bool:
        if not isinstance(error, passing):
            return False
        tell(error)
        return True

    attempts: AsyncIterator[AbstractContextManager[Any]] = stamina.retry_context(
        on=may_pass,
        attempts=None,
        timeout=None,
        wait_initial=FIRST_PAUSE_S,
        wait_max=most_pause_s,
        wait_jitter=0.0,
    ).__aiter__()
    return attempts


async def until_answered(service: Any, settings: Settings, attempt: Callable[[], Awaitable[None]]) -> None:
    """Try until the broker answers, or the service (of `mode`) stops: a worker waits for its broker for ever.

    Raises:
        MillraceError: what `attempt` raises of that kind; it is not for a broker to mend.
    """

    def tell(error: Exception) -> None:
        log.warning("the broker does not answer; it is asked again", kafka=settings.kafka, error=repr(error))

    async for trial in patiently(tell, (KafkaError, OSError), BROKER_PAUSE_S):
        with trial:
            if not service.should_stop:
                await attempt()


def pause_s(failures: int) -> float:
    """The same pause for failures that are counted elsewhere: none at first."""
    return min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16)) if failures else 0.0
