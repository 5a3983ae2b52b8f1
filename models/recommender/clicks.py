"""Clicks and items as arrays: what the events of a batch look like to the kernels, and to the click feed.

[Click] ─► encode_clicks ─► ClickArrays ─► users.advance ─► Steps ─► feed_clicks ─► ClickRecord
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.recommender.arrays import ACTIONS
from models.recommender.catalogue import context_fingerprint
from models.recommender.feed import REMOVED, ClickRecord, ItemRecord
from models.recommender.hashing import halves, stable_hash
from models.recommender.kernel import KEPT, TURN_DOWN
from models.recommender.users import Moves, Steps
from schemas import Click, Item, RecommenderProfile

NUMBERS = {**{action: number for number, action in enumerate(ACTIONS)}, "remove": TURN_DOWN, "dislike": TURN_DOWN}

NO_CODE = 255
ContextType = Literal["number", "text"]
TEXT_VALUES = 4096  # a text among the context features is the number hash modulo this


@dataclass(frozen=True)
class ClickArrays:
    """n clicks in order of arrival; C context features, K context fields whose popularity is counted."""

    moves: Moves
    codes: npt.NDArray[np.uint8]  # (n, K) columns of context popularity; 255: none
    context: npt.NDArray[np.float32]  # (n, C) missing = NaN
    item_ids: list[str]
    fingerprint: int  # of the context fields
    unusable: int = 0  # context values of another type than the model was trained with, which are left out

    def __len__(self) -> int:
        return len(self.item_ids)


def encode_clicks(
    profile: RecommenderProfile, clicks: Sequence[Click], types: Mapping[str, ContextType] | None = None
) -> ClickArrays:
    """The clicks as arrays.

    Args:
        types: of context fields, as they were in training: a value of another type is taken as this one or left out.
            Fields that are not among them are taken as they are.
    """
    contexts, unusable = contexts_as(types or {}, clicks)
    hashes = np.array(
        [
            (
                stable_hash(c.event_id),
                stable_hash(c.user_id),
                stable_hash(c.session_id) if c.session_id else 0,
                stable_hash(c.item_id),
            )
            for c in clicks
        ],
        np.uint64,
    ).reshape(len(clicks), 4)
    events, users, session_ids, items = np.ascontiguousarray(hashes.T)
    times = np.array([c.event_time.timestamp() for c in clicks], np.float64)
    context = np.array([[_feature(one.get(name)) for name in profile.context] for one in contexts], np.float32)
    context = context.reshape(len(clicks), len(profile.context))
    if profile.hour_of_day:
        context = np.column_stack([context, ((times / 3600.0) % 24.0).astype(np.float32)])
    return ClickArrays(
        Moves(events, users, session_ids, items, times, np.array([NUMBERS[c.action] for c in clicks], np.uint8)),
        _codes(profile, contexts),
        context,
        [c.item_id for c in clicks],
        context_fingerprint(profile),
        unusable,
    )


def contexts_as(types: Mapping[str, ContextType], clicks: Sequence[Click]) -> tuple[Sequence[Mapping[str, Any]], int]:
    """The context of each click with values of these types, and how many had to be left out."""
    wrong = {"number": str, "text": float}
    contexts: list[Mapping[str, Any]] = []
    unusable = 0
    for click in clicks:
        changes = {
            name: _as(types[name], value)
            for name, value in click.context.items()
            if name in types and isinstance(value, wrong[types[name]])
        }
        contexts.append({**click.context, **changes} if changes else click.context)
        unusable += sum(value is None for value in changes.values())
    return contexts, unusable


def _as(wanted: ContextType, value: Any) -> Any:
    """A number of a text that is one, the text of a number; none where a text is no number."""
    if wanted == "text":
        return str(int(value)) if value == int(value) else str(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _feature(value: Any) -> float:
    if isinstance(value, str):
        return float(stable_hash(value) % TEXT_VALUES)
    return float("nan") if value is None else float(value)


def _code(value: Any, values: int) -> int:
    """Which of the field's values; numbers are clipped, texts hashed."""
    if isinstance(value, str):
        return stable_hash(value) % values
    return int(min(max(value, 0), values - 1))


def _codes(profile: RecommenderProfile, contexts: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.uint8]:
    codes = np.full((len(contexts), len(profile.context_popularity)), NO_CODE, np.uint8)
    first = 0
    for column, field in enumerate(profile.context_popularity):
        for row, context in enumerate(contexts):
            value = context.get(field.name)
            if value is not None:
                codes[row, column] = first + _code(value, field.values)
        first += field.values
    return codes


def feed_clicks(clicks: ClickArrays, steps: Steps, partition: int, offsets: npt.NDArray[np.int64]) -> ClickRecord:
    """The feed record of the accepted clicks of a batch; what users turned down is not in it.

    Args:
        offsets: (n,) input offsets of all clicks, rising.
    """
    which = np.flatnonzero(steps.is_click)
    return ClickRecord(
        partition=partition,
        first_offset=int(offsets[0]),
        last_offset=int(offsets[-1]),
        offsets=offsets[which],
        sessions=steps.sessions[which],
        items=clicks.moves.items[which],
        times=steps.times[which],
        codes=clicks.codes[which],
        item_ids=[clicks.item_ids[n] for n in which],
        context=clicks.fingerprint,
        users=halves(clicks.moves.users[which]),
        is_repeated=steps.is_repeated[which].astype(np.uint8),
        actions=clicks.moves.actions[which],
    )


def feed_items(
    changes: Sequence[tuple[str, Item | None]],
    partition: int,
    offsets: npt.NDArray[np.int64],
    now: float | npt.NDArray[np.float64],
) -> ItemRecord:
    """The feed record of item changes.

    Args:
        changes: item id and what is said of it; None removes the item: it is not available, and forgotten.
        offsets: (n,) input offsets, rising.
        now: epoch seconds, (n,) or one for all: of removals, which carry no time of their own (the Kafka timestamp).
    """
    moments = np.broadcast_to(np.asarray(now, np.float64), (len(changes),)).tolist()
    return ItemRecord(
        partition=partition,
        first_offset=int(offsets[0]),
        last_offset=int(offsets[-1]),
        offsets=offsets,
        items=np.array([stable_hash(item_id) for item_id, _ in changes], np.uint64),
        times=np.array(
            [moment if i is None else i.event_time.timestamp() for moment, (_, i) in zip(moments, changes, strict=True)]
        ),
        published=np.array([_published(item) for _, item in changes]),
        categories=np.array([_category(item) for _, item in changes], np.uint64),
        is_available=np.array([_is_available(item) for _, item in changes], np.uint8),
        item_ids=[item_id for item_id, _ in changes],
    )


def _published(item: Item | None) -> float:
    if item is None or "published_at" not in item.model_fields_set:
        return float(KEPT)
    return item.published_at.timestamp() if item.published_at else float("nan")


def _is_available(item: Item | None) -> int:
    if item is None:
        return 0
    return int(item.available) if "available" in item.model_fields_set else KEPT


def _category(item: Item | None) -> int:
    if item is None:
        return REMOVED
    return stable_hash(item.category) if item.category else 0
