"""Clicks of shoppers with tastes: small logs for the tests of the recommender."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar

import numpy as np

from models.recommender.catalogue import CatalogueView
from models.recommender.clicks import ClickArrays, feed_clicks
from models.recommender.feed import ClickRecord
from models.recommender.recommender import Recommender
from models.recommender.users import USER, Steps, advance
from schemas import PROFILES, Click, RecommenderProfile

START = datetime(2026, 3, 1, tzinfo=UTC)
Event = TypeVar("Event")
SMALL = {"click_log": 4096, "recent_sessions": 1024}


def small(name: str, **changes: object) -> RecommenderProfile:
    """A built-in profile with little memory."""
    return RecommenderProfile.model_validate(PROFILES[name].model_dump() | SMALL | changes)


def shopping(clicks: int, seed: int = 0, tastes: int = 12, items: int = 10, users: int = 60) -> list[Click]:
    """Sessions that walk through the items of one taste, with a stray click now and then; some users interleave."""
    rng = np.random.default_rng(seed)
    log: list[Click] = []
    taste, step, session = rng.integers(0, tastes, users), rng.integers(0, items, users), np.zeros(users, int)
    for n in range(clicks):
        user = int(rng.integers(0, users))
        if rng.random() < 0.2:
            session[user] += 1
            taste[user], step[user] = rng.integers(0, tastes), rng.integers(0, items)
        step[user] += 1
        item = f"item-{taste[user]}-{step[user] % items}" if rng.random() < 0.9 else f"item-0-{rng.integers(0, items)}"
        log.append(
            Click(
                event_id=f"event-{seed}-{n}",
                event_time=START + timedelta(seconds=3 * n),
                user_id=f"user-{user}",
                item_id=item,
                session_id=f"session-{user}-{session[user]}" if user % 2 else None,
                context={"region": int(rng.integers(0, 9)), "device": "phone"},
            )
        )
    return log


def browsing(count: int, seed: int = 0, items: int = 14) -> list[Click]:
    """Clicks of visitors who look around at the same time; one in five clicks has no region."""
    random = np.random.default_rng(seed)
    open_sessions: list[list[str]] = []
    log: list[Click] = []
    for number in range(count):
        if not open_sessions or random.random() < 0.25:
            open_sessions.append([f"visitor-{seed}-{number}"])
        place = int(random.integers(max(0, len(open_sessions) - 4), len(open_sessions)))
        session = open_sessions[place]
        choices = [item for item in (f"item-{n}" for n in range(items)) if session.count(item) < 2]
        item = choices[min(int(random.exponential(4)), len(choices) - 1)]
        session.append(item)
        if len(session) > 18:
            open_sessions.pop(place)
        log.append(clicked(session[0], item, number * 37, int(random.integers(0, 5))))
    return log


def clicked(visitor: str, item: str, at_s: float, region: int = 1) -> Click:
    """Visitors have one session each. Region 0: not known."""
    return Click(
        event_id=f"{visitor}-{at_s}", event_time=START + timedelta(seconds=at_s), user_id=visitor, item_id=item,
        session_id=visitor,
        context={"device": region % 2, "referrer": region % 3, "country": 7} | ({"region": region} if region else {}),
    )  # fmt: skip


class Shop:
    """What an agent does with clicks, without Kafka: rows of users, the view, the feed in between."""

    def __init__(self, profile: RecommenderProfile) -> None:
        self.recommender = Recommender(None, profile)
        self.view = CatalogueView(profile)
        self.rows = np.zeros(500, USER)
        self.slots: dict[str, int] = {}
        self.offset = 0

    def step(self, clicks: list[Click]) -> tuple[ClickArrays, Steps]:
        arrays = self.recommender.encode(clicks)
        slots = np.array([self.slots.setdefault(c.user_id, len(self.slots)) for c in clicks], np.int64)
        return arrays, advance(self.rows, slots, arrays.moves, self.recommender.profile.session_silence_s)

    def batches(self, log: list[Click], size: int = 50) -> Iterator[tuple[ClickArrays, Steps, ClickRecord]]:
        """Batches whose record the caller applies to a view when it likes."""
        for first in range(0, len(log), size):
            arrays, steps = self.step(log[first : first + size])
            offsets = np.arange(self.offset, self.offset + len(arrays))
            self.offset += len(arrays)
            yield arrays, steps, feed_clicks(arrays, steps, 0, offsets)

    def live(self, log: list[Click]) -> None:
        for _, _, record in self.batches(log):
            self.view.apply(record)


def lived(profile: str, clicks: int = 3000, **changes: object) -> Shop:
    """A shop of one's own with so many clicks of `shopping` behind it."""
    return copy.deepcopy(_lived(profile, clicks, **changes))


@cache
def _lived(profile: str, clicks: int, **changes: object) -> Shop:
    shop = Shop(small(profile, **changes))
    shop.live(shopping(clicks))
    return shop


def batches(log: Sequence[Event], size: int) -> Iterator[Sequence[Event]]:
    for first in range(0, len(log), size):
        yield log[first : first + size]
