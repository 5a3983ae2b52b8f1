"""The recommendation page: each click becomes a fresh list of items for its user.

clicks.v1, items.v1 ─► decode ─► users' rows ─┬─► millrace.feed.v1 ─► catalogue view of every worker
                                              └─► candidates ─► features ─► score ─► policy ─► recommendations.v1

From the rows on it is array work, one call each for a batch. The view does not contain the clicks that are being
answered, they reach it over the feed; training replays the log in the same order (docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from models.recommender import (
    EARLIER_USERS,
    USER,
    USER_BOUNDS,
    USER_LAYOUT,
    CatalogueView,
    ClickArrays,
    Queries,
    RankChallenger,
    Recommender,
    Steps,
    advance,
    encode_record,
    feed_clicks,
    feed_items,
    queries_of,
)
from models.stages import enter
from schemas import CLICKS, FEED, ITEMS, RECOMMEND_STATE, RECOMMENDATIONS, Click, Item, ModelRef, Settings, topic_name
from streams.agent import (
    TAKEN,
    TAKEN_LAYOUT,
    Layout,
    Outcome,
    Output,
    PartitionState,
    Work,
    arrived_s,
    at_arrival,
    cloud_event_headers,
    decode_topics,
    forgets_user,
    output_id,
    placed,
    readable_key,
)
from streams.kafka import ConsumerRecord
from streams.metrics import LEFT_OUT, SKIPPED, begin_reasons
from streams.recommendations import Decoded, Recommendations
from streams.repeats import RECENT, RECENT_LAYOUT, known_before
from streams.undecided import asks_why, undecided

USERS = "users"


class Asked(NamedTuple):
    """Accepted clicks whose questions are not ranked yet."""

    decoded: Sequence[Decoded]
    queries: Queries
    origin: str  # what stands for the topic of clicks in ids


Piece = list[Output] | Asked  # of the outputs of a partition, in their order


@dataclass(frozen=True)
class ServedRanker:
    """What answers clicks, from one batch to the next: whoever serves something else makes another one."""

    recommender: Recommender
    view: CatalogueView
    model: ModelRef
    challenger: RankChallenger | None = None

    def against(self, challenger: Recommender, model: ModelRef) -> ServedRanker:
        """With a challenger of the same profile beside it, unless it is the same version."""
        if model == self.model:
            return replace(self, challenger=None)
        return replace(self, challenger=RankChallenger(model.name, self.model.version, challenger, model.version))


class Recommend:
    """Handler of the agent `recommend`: one row a user; items only pass through to the feed."""

    name = "recommend"
    topics = (CLICKS, ITEMS)
    log_topic = None
    outputs = (RECOMMENDATIONS,)
    changelog = RECOMMEND_STATE

    def __init__(self, settings: Settings, served: ServedRanker) -> None:
        self._settings, self.served = settings, served
        self._items_topic = topic_name(settings, ITEMS)
        begin_reasons(self.name, ["duplicate"])

    def event_time(self, record: ConsumerRecord) -> float | None:
        """Nobody's rows depend on the order of clicks and items: their order for the view is that of the feed."""

    def layouts(self) -> Mapping[str, Layout]:
        return {
            USERS: Layout(USER, USER_LAYOUT, USER_BOUNDS, EARLIER_USERS),
            RECENT: RECENT_LAYOUT,
            TAKEN: TAKEN_LAYOUT,
        }

    def handle(self, state: PartitionState, records: Sequence[ConsumerRecord]) -> Outcome:
        return self.handle_all([(state, records)])[0]

    def handle_all(self, work: Sequence[Work]) -> list[Outcome]:
        """The users' rows are of a partition, the view is one: all questions are ranked at once."""
        taken = [self._take(state, records) for state, records in work]
        answers = iter(self._recommend([piece for _, pieces in taken for piece in pieces if isinstance(piece, Asked)]))
        for outcome, pieces in taken:
            for piece in pieces:
                if isinstance(piece, Asked):
                    outcome.outputs.add_bulk(next(answers))
                else:
                    outcome.outputs += piece
        return [outcome for outcome, _ in taken]

    def _take(self, state: PartitionState, records: Sequence[ConsumerRecord]) -> tuple[Outcome, list[Piece]]:
        """Rows are advanced; of the outputs only the recommendations are missing, in their places."""
        enter("decode")
        records, outcome = placed(state, records, self.name, self._settings)
        pieces: list[Piece] = []
        events, outcome.dead = decode_topics(records, self.topics, self._settings, state.origins)
        enter("state")
        events = [e and at_arrival(e, record) for e, record in zip(events, records, strict=True)]
        items = [
            (record, event)
            for record, event in zip(records, events, strict=True)
            if isinstance(event, Item) or self._removes_item(record)
        ]
        if items:
            pieces.append([self._tell_items(items, feed_source(state, ITEMS))])
        for clicks, forgotten in _until_forgotten(records, events, self._settings):
            if clicks:
                pieces += self._advance(clicks, state)
            if forgotten is not None:
                pieces.append([self._forget(forgotten, state)])
        return outcome, pieces

    def _forget(self, record: ConsumerRecord, state: PartitionState) -> Output:
        """The user's row, and the last recommendation. What all users did together names nobody, and stays."""
        state.tables[USERS].remove(record.key)
        ce_id = output_id(state.origin(CLICKS), record.partition, record.offset, "forget")
        at = datetime.fromtimestamp(arrived_s(record) or 0.0, UTC)
        headers = cloud_event_headers(ce_id, "millrace.recommendation.removed.v1", "millrace", at)
        return Output(RECOMMENDATIONS, record.key, None, headers)

    def _removes_item(self, record: ConsumerRecord) -> bool:
        return record.topic == self._items_topic and record.value is None and bool(readable_key(record))

    def _tell_items(self, items: Sequence[tuple[ConsumerRecord, Item | None]], source: int) -> Output:
        changes = [(record.key.decode(errors="replace"), item) for record, item in items]
        offsets = np.array([record.offset for record, _ in items], np.int64)
        removed = np.array([arrived_s(record) or 0.0 for record, _ in items])
        record = feed_items(changes, source, offsets, removed)
        return Output(FEED, None, encode_record(record), partition=0)

    def _advance(self, decoded: Sequence[Decoded], state: PartitionState) -> Iterator[Piece]:
        clicks = self.served.recommender.encode([click for _, click in decoded])
        if clicks.unusable:
            LEFT_OUT.labels(topic_name(self._settings, CLICKS), "context").inc(clicks.unusable)
        users = state.tables[USERS]
        slots = users.slots([record.key for record, _ in decoded])
        clicks.moves.events[known_before(state, clicks.moves.users, clicks.moves.events)] = 0
        steps = advance(users.array, slots, clicks.moves, self.served.recommender.profile.session_silence_s)
        users.touch(slots)
        accepted = np.flatnonzero(steps.is_accepted)
        known = [decoded[place][0] for place in np.flatnonzero(~steps.is_accepted).tolist()]
        if known:
            SKIPPED.labels(self.name, "duplicate").inc(len(known))
        yield [self._tell_clicks(decoded, clicks, steps, feed_source(state, CLICKS))]
        yield [undecided(record, CLICKS, "duplicate") for record in known if asks_why(record)]
        if len(accepted):
            decoded = [decoded[place] for place in accepted.tolist()]
            yield Asked(decoded, queries_of(clicks, steps), state.origin(CLICKS))

    def _tell_clicks(self, decoded: Sequence[Decoded], clicks: ClickArrays, steps: Steps, source: int) -> Output:
        offsets = np.array([record.offset for record, _ in decoded], np.int64)
        return Output(FEED, None, encode_record(feed_clicks(clicks, steps, source, offsets)), partition=0)

    def _recommend(self, asked: Sequence[Asked]) -> list[Recommendations]:
        if not asked:
            return []
        served, queries = self.served, Queries.joined([one.queries for one in asked])
        view = served.view
        ranked = served.recommender.rank(view, queries)
        if served.challenger is not None:
            served.challenger.compare(queries, ranked)
        enter("emit")
        ends = np.cumsum([len(one.decoded) for one in asked]).tolist()
        return [
            Recommendations(one.decoded, lists, view.item_ids, view.feed_offset, served.model, one.origin)
            for one, lists in zip(asked, ranked.parted(ends), strict=True)
        ]


def _until_forgotten(
    records: Sequence[ConsumerRecord], events: Sequence[Any], settings: Settings
) -> Iterator[tuple[list[Decoded], ConsumerRecord | None]]:
    """The clicks in runs, each with the record behind it that asks for its user to be forgotten; the last with none."""
    run: list[Decoded] = []
    for record, event in zip(records, events, strict=True):
        if isinstance(event, Click):
            run.append((record, event))
        elif record.value is None and forgets_user(record, settings):
            yield run, record
            run = []
    yield run, None


def feed_source(state: PartitionState, topic: str) -> int:
    """Whose offsets a record of the feed has: the partition, and of a topic that was made anew 16 bits of which it is.

    The view drops what it knows by these offsets: they count from 0 again.
    """
    origin = state.origin(topic)
    return state.number if origin == topic else state.number | (1 + crc32(origin.encode()) % 0xFFFF) << 16
