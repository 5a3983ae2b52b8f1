"""A long step says that it goes on."""

from __future__ import annotations

import asyncio

import pytest

from millrace.service.waiting import told_while_waiting


async def test_a_long_step_tells_again_and_again_and_then_no_more() -> None:
    told: list[str] = []
    twice = asyncio.Event()

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            twice.set()

    async with told_while_waiting(tell, lambda: f"step {len(told)}", 0.01):
        await asyncio.wait_for(twice.wait(), 5)
    assert told[0].startswith("step 0 (")
    assert told[1].endswith(" s so far)")
    count = len(told)
    await asyncio.sleep(0.05)
    assert len(told) == count


async def test_a_quick_step_tells_nothing_and_a_failure_comes_through() -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match="broken"):
        async with told_while_waiting(told.append, lambda: "x"):
            raise ValueError("broken")
    assert told == []
