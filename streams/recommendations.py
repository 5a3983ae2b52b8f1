"""Recommendations: those of a batch as columns, until they are sent: in bulk, or one by one for who looks at them.

clicks, Rankings ─► Recommendations ─┬─► streams.wire ─► record batches
                                     └─► Output, byte for byte the same
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import orjson

from models.recommender import Rankings
from schemas import CLICKS, RECOMMENDATIONS, Click, ModelRef
from streams.agent import Output, caused_by, decision, epoch_us, output_id, traces_of
from streams.kafka import ConsumerRecord
from streams.wire import RANKED, write_recommendations

Decoded = tuple[ConsumerRecord, Click]


class Recommendations:
    """One for each of the clicks.

    Args:
        names: ids of the items of the view, by row; looked up now, as its rows change.
        feed_offset: that the view had.
        origin: what stands for the topic of clicks in ids.
    """

    topic = RECOMMENDATIONS

    def __init__(
        self, decoded: Sequence[Decoded], ranked: Rankings, names: Sequence[str], feed_offset: int, model: ModelRef,
        origin: str,
    ) -> None:  # fmt: skip
        self._decoded, self._feed_offset, self._model, self._origin = decoded, feed_offset, model, origin
        self._strategies, self._counts = ranked.strategies, ranked.counts
        is_item = np.arange(ranked.items.shape[1]) < ranked.counts[:, np.newaxis]
        self._names = [names[row] for row in ranked.items[is_item].tolist()]
        self._scores = ranked.scores[is_item]
        self._firsts = np.cumsum(ranked.counts) - ranked.counts  # places of the first item of each

    def __len__(self) -> int:
        return len(self._decoded)

    def __iter__(self) -> Iterator[Output]:
        """What is written in bulk is this, byte for byte."""
        reference, scores = self._model.model_dump(), self._scores.tolist()
        spans = zip(self._firsts.tolist(), self._counts.tolist(), strict=True)
        for (record, click), (first, count), strategy in zip(self._decoded, spans, self._strategies, strict=True):
            best = zip(self._names[first : first + count], scores[first : first + count], strict=True)
            recommendation_id = output_id(self._origin, record.partition, record.offset, "recommendation")
            recommendation = {
                "recommendation_id": recommendation_id,
                "event_time": click.event_time,
                "user_id": click.user_id,
                "caused_by": caused_by(record, CLICKS, click.event_id),
                "model": reference,
                "strategy": strategy,
                "feed_offset": self._feed_offset,
                "items": [{"item_id": name, "score": score} for name, score in best],
            }
            yield decision(RECOMMENDATIONS, "millrace.recommendation.v1", recommendation_id, recommendation, record)

    def batches(self, most: int, limit: int) -> list[tuple[bytearray, int]]:
        """As streams.agent.Bulk says."""
        records = [record for record, _ in self._decoded]
        ranked = np.zeros(len(records), RANKED)
        ranked["offset"] = [record.offset for record in records]
        ranked["time_us"] = [epoch_us(click.event_time) for _, click in self._decoded]
        ranked["items"], ranked["first"] = self._counts, self._firsts
        return write_recommendations(
            self._texts(records[0].partition),
            [record.key for record in records],
            [click.event_id.encode() for _, click in self._decoded],
            self._strategies,
            traces_of(records),
            ranked,
            self._names,
            orjson.dumps(self._scores, option=orjson.OPT_SERIALIZE_NUMPY),
            most,
            limit,
        )

    def _texts(self, partition: int) -> tuple[bytes, bytes, bytes, bytes]:
        """What is the same in all of them: before the offset in ids; before it, the strategy and the items in JSON."""
        return (
            b"%b/%d/" % (self._origin.encode(), partition),
            b'","caused_by":{"topic":%b,"partition":%d,"offset":' % (orjson.dumps(CLICKS), partition),
            b'"},"model":%b,"strategy":"' % orjson.dumps(self._model.model_dump()),
            b'","feed_offset":%d,"items":[' % self._feed_offset,
        )
