"""News: one reader for all open pages, ends with the server, and says when the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from console import news
from console.news import Moment, News
from schemas import Settings, UnavailableError
from storage import Store
from tests.console.conftest import fill

TABS = 200


class Counted(News):
    """Counts what it reads."""

    reads = 0

    def _read(self) -> Moment:
        self.reads += 1
        return super()._read()


async def ready() -> None:
    """Nothing is wrong."""


async def events(stream: AsyncIterator[bytes], count: int) -> list[bytes]:
    """The next events of a stream, without comments."""
    found: list[bytes] = []
    while len(found) < count:
        one = await anext(stream)
        found += [one] if one.startswith(b"event:") else []
    return found


async def test_two_hundred_tabs_are_read_for_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "EVERY_S", 0.05)
    fill(store)
    shared = Counted(store, Settings(), ready)
    streams = [shared.stream() for _ in range(TABS)]
    async with asyncio.timeout(20):
        told = await asyncio.gather(*(events(stream, 3) for stream in streams))
    assert shared.open_streams == TABS
    assert shared.reads < 30, "not one for each tab"
    assert {len(one) for one in told} == {3}
    moment = orjson.loads(told[0][0].split(b"data: ", 1)[1].split(b"\n", 1)[0])
    assert set(moment["parts"]) == {"figures", "decisions", "open_alerts", "banner"}
    assert "critical" in moment["parts"]["open_alerts"]
    await shared.close()
    async with asyncio.timeout(5):
        assert [chunk async for chunk in streams[0] if chunk.startswith(b"event:")] in ([], [told[0][-1]])
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert shared.open_streams == 0


async def test_nothing_is_read_while_no_tab_is_open(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "EVERY_S", 0.01)
    shared = Counted(store, Settings(), ready)
    stream = shared.stream()
    async with asyncio.timeout(10):
        await events(stream, 2)
    await stream.aclose()  # type: ignore[attr-defined]
    assert shared._reading is not None
    async with asyncio.timeout(10):
        await shared._reading
    before = shared.reads
    again = shared.stream()
    async with asyncio.timeout(10):
        await events(again, 1)
    assert shared.reads > before
    await shared.close()
    await again.aclose()  # type: ignore[attr-defined]


async def test_a_bug_is_said_to_open_pages_and_they_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "AWAY_S", 0.01)
    fill(store)

    class Failing(News):
        reads = 0

        def _read(self) -> Moment:
            self.reads += 1
            if self.reads == 1:
                raise KeyError("a bug")
            return super()._read()

    shared = Failing(store, Settings(), ready)
    stream = shared.stream()
    async with asyncio.timeout(10):
        told = await events(stream, 2)
    assert [one.split(b"\n")[0] for one in told] == [b"event: away", b"event: moment"]
    await shared.close()
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_database_that_is_away_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "AWAY_S", 0.01)

    class Away(News):
        def _read(self) -> Moment:
            raise UnavailableError("The database does not answer.", "Start it.")

    shared = Away(store, Settings(), ready)
    stream = shared.stream()
    async with asyncio.timeout(10):
        [told] = await events(stream, 1)
    assert told.startswith(b"event: away")
    assert b"does not answer" in told
    await shared.close()
    await stream.aclose()  # type: ignore[attr-defined]
