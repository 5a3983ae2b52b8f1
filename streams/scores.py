"""Scores: those of a batch as columns, until they are sent: natively in bulk, or one by one for who looks at them.

AssetEvents, Decisions ─► Scores ─┬─► streams.wire ─► record batches
                                  └─► scores_of ─► Output, byte for byte the same
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

import numpy as np
import orjson

from models.maintenance import FAULTS, LATE, QUALITIES, AssetModel, Decisions
from schemas import MAINTENANCE, SCORES, TELEMETRY
from streams.agent import Output, traces_of
from streams.asset_events import AssetEvents
from streams.asset_outputs import health_told, scores_of
from streams.wire import SCORED, ScoreWriter

CAUSES = (TELEMETRY, MAINTENANCE)  # the topics that scores are caused by, in the order of SCORED's `cause`
Chosen = slice | np.ndarray  # places of the readings that have a score; a slice: of all, without a copy
_writers: WeakKeyDictionary[AssetModel, dict[tuple[int, str, str], ScoreWriter]] = WeakKeyDictionary()


class Scores:
    """One score for each reading of a batch that has any, and target.

    Args:
        origins: topic -> what stands for it in ids.
    """

    topic = SCORES

    def __init__(
        self, model: AssetModel, events: AssetEvents, decisions: Decisions, origins: Mapping[str, str]
    ) -> None:
        self._model, self._events, self._decisions, self._origins = model, events, decisions, origins
        (self._places,) = (decisions.regime >= 0).nonzero()

    def __len__(self) -> int:
        return len(self._places) * len(self._model.told)

    def __iter__(self) -> Iterator[Output]:
        return scores_of(self._model, self._events, self._decisions, self._origins)

    def batches(self, most: int, limit: int) -> list[tuple[bytearray, int]]:
        """As streams.agent.Bulk says."""
        if not len(self):
            return []
        events, places = self._events, self._places
        records, ids = events.records, events.ids
        chosen: Chosen = slice(None)
        if len(places) < len(records):
            at, chosen = places.tolist(), places
            records, ids = [records[place] for place in at], [ids[place] for place in at]
        return self._writer(records[0].partition).write(
            [record.key for record in records],
            ids,
            traces_of(records),
            self._scored([record.offset for record in records], chosen),
            np.ascontiguousarray(self._decisions.faults[chosen, : len(self._model.asset_class.sensors)]),
            self._numbers(chosen),
            most,
            limit,
        )

    def _writer(self, partition: int) -> ScoreWriter:
        given = (partition, self._origins.get(TELEMETRY, TELEMETRY), self._origins.get(MAINTENANCE, MAINTENANCE))
        writers = _writers.setdefault(self._model, {})
        if given not in writers:
            writers[given] = _writer(self._model, *given)
        return writers[given]

    def _scored(self, offsets: list[int], places: Chosen) -> np.ndarray:
        decisions = self._decisions
        scored = np.zeros(len(offsets), SCORED)
        scored["offset"] = offsets
        scored["time_us"] = self._events.time_us[places]
        scored["regime"] = decisions.regime[places] if self._model.has_regimes else -1
        scored["quality"] = decisions.quality[places]
        scored["cause"] = self._events.is_of_log[places]
        scored["is_late"] = decisions.status[places] == LATE
        return scored

    def _numbers(self, places: Chosen) -> bytes:
        """Value, low, high and health of each score, as orjson writes numbers; NaN is null."""
        of, health = self._decisions, health_told(self._model, self._decisions)
        numbers = np.empty((*of.value.shape, 4))
        for column, values in enumerate((of.value, of.low, of.high, health)):
            numbers[:, :, column] = values
        if len(self._model.told) < len(self._model.targets):
            numbers = numbers[:, self._model.told]
        return orjson.dumps(numbers[places].ravel(), option=orjson.OPT_SERIALIZE_NUMPY)


def _writer(model: AssetModel, partition: int, *origins: str) -> ScoreWriter:
    """All that is the same in the scores of a model's assets on one partition.

    Args:
        origins: of ids, in the order of CAUSES.
    """
    name, reference, kind, unit = map(
        orjson.dumps, (model.asset_class.name, model.reference.model_dump(), model.kind, model.unit)
    )
    causes = tuple(
        (
            b"%b/%d/" % (origin.encode(), partition),
            b'","asset_class":%b,"caused_by":{"topic":%b,"partition":%d,"offset":'
            % (name, orjson.dumps(topic), partition),
        )
        for topic, origin in zip(CAUSES, origins, strict=True)
    )
    targets = tuple(
        (
            f"/score/{target.failure_mode}".encode(),
            b'"},"model":%b,"kind":%b,"component":%b,"value":' % (reference, kind, orjson.dumps(target.component)),
            b',"unit":%b,"health":' % unit,
        )
        for target in (model.targets[place] for place in model.told)
    )
    sensors = tuple(b'{"sensor":%b,"fault":"' % orjson.dumps(sensor) for sensor in model.asset_class.sensors)
    faults, qualities = (tuple(word.encode() for word in words) for words in (FAULTS, QUALITIES))
    return ScoreWriter(causes, targets, sensors, faults, qualities)
