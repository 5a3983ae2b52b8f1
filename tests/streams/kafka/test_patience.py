"""What is away is waited for, what is wrong is raised, and whoever is cancelled ends at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas import UnavailableError
from streams.kafka.patience import MOST_PAUSE_S, patiently, pause_s


async def test_it_tries_until_it_works_and_tells_each_failure() -> None:
    told: list[tuple[str, float]] = []
    attempts = 0
    async for attempt in patiently(lambda error, in_s: told.append((str(error), in_s)), most_pause_s=0.15):
        with attempt:
            attempts += 1
            if attempts < 4:
                raise UnavailableError(f"attempt {attempts}", "")
    assert told == [("attempt 1", 0.1), ("attempt 2", 0.15), ("attempt 3", 0.15)]
    assert attempts == 4


async def test_what_does_not_pass_is_raised() -> None:
    told: list[Exception] = []

    async def divide() -> None:
        async for attempt in patiently(lambda error, _: told.append(error)):
            with attempt:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await divide()
    assert told == []


@pytest.mark.parametrize("fails", [True, False], ids=["in a pause", "in an attempt"])
async def test_a_cancelled_one_ends_at_once(fails: bool) -> None:
    begun = asyncio.Event()

    async def wait_for_ever() -> None:
        async for attempt in patiently(lambda *_: None, (Exception,), most_pause_s=60.0):
            with attempt:
                begun.set()
                if fails:
                    raise UnavailableError("away", "")
                await asyncio.sleep(60)

    task = asyncio.ensure_future(wait_for_ever())
    await begun.wait()
    await asyncio.sleep(0)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 5


def test_pauses_grow_to_a_limit_that_years_do_not_exceed() -> None:
    pauses = [pause_s(failures) for failures in (0, 1, 2, 3, 100, 10**6)]
    assert pauses == [0.0, 0.1, 0.2, 0.4, MOST_PAUSE_S, MOST_PAUSE_S]
