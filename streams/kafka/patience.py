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
BROKER_PAUSES_S = 1.0, 8.0  # at the start of a worker: the broker may not be there for hours
PASSING = (KafkaError, UnavailableError, OSError, TimeoutError)  # of Kafka: trying again may help
Tell = Callable[[Exception, float], object]
log = structlog.get_logger(__name__)
stamina.instrumentation.set_on_retry_hooks(())  # each is told in words of its own


def patiently(
    tell: Tell,
    passing: tuple[type[Exception], ...] = PASSING,
    first_pause_s: float = FIRST_PAUSE_S,
    most_pause_s: float = MOST_PAUSE_S,
) -> AsyncIterator[AbstractContextManager[Any]]:
    """Attempts without end: `async for attempt in patiently(tell): with attempt: ...`; what it raises ends them.

    Args:
        tell: is given each error that may pass, and the seconds until the next attempt.
        passing: the others are raised.
    """
    failures = 0

    def pause_after(error: Exception) -> float | bool:
        nonlocal failures
        if not isinstance(error, passing):
            return False
        failures += 1
        in_s = pause_s(failures, first_pause_s, most_pause_s)
        tell(error, in_s)
        return in_s

    attempts: AsyncIterator[AbstractContextManager[Any]] = stamina.retry_context(
        on=pause_after, attempts=None, timeout=None
    ).__aiter__()
    return attempts


async def until_answered(service: Any, settings: Settings, attempt: Callable[[], Awaitable[None]]) -> None:
    """Try until the broker answers, or the service (of `mode`) stops: a worker waits for its broker for ever.

    Raises:
        MillraceError: what `attempt` raises of that kind; it is not for a broker to mend.
    """

    def tell(error: Exception, in_s: float) -> None:
        log.warning("the broker does not answer; it is asked again", kafka=settings.kafka, error=repr(error), in_s=in_s)

    async for trial in patiently(tell, (KafkaError, OSError), *BROKER_PAUSES_S):
        with trial:
            if not service.should_stop:
                await attempt()


def pause_s(failures: int, first_s: float = FIRST_PAUSE_S, most_s: float = MOST_PAUSE_S) -> float:
    """After so many failures in a row; the same where they are counted elsewhere. None after none."""
    return min(most_s, first_s * 2.0 ** min(failures - 1, 16)) if failures else 0.0
