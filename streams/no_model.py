"""No model: events of asset classes that nothing serves yet. They are no dead letters: the sink keeps them.

class that no model serves ─► counted, told once a minute with the name that was perhaps meant, answered to who asks why
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

import structlog

from models.maintenance import AssetEvent
from schemas import MAINTENANCE, TELEMETRY, Telemetry
from streams.agent import Output
from streams.kafka import ConsumerRecord
from streams.metrics import NO_MODEL, SKIPPED
from streams.undecided import asks_why, undecided

log = structlog.get_logger(__name__)
REASON = "no_model"
TOLD_EVERY_S = 60.0
MOST_NAMED = 50  # classes that are told by name: the names are whatever producers write
OTHERS = "(others)"
ALIKE = 0.75  # of difflib's ratio: pmup and Pump are meant to be pump
CURE = "train one with `millrace train maintenance CLASS.toml --from-topics --promote`"


class NoModel:
    """What an agent tells of the classes without a model."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._waiting = Counter[str]()  # events that were not told yet
        self._told_at: dict[str, float] = {}

    def skip(
        self, asset_class: str, decoded: Sequence[tuple[ConsumerRecord, AssetEvent]], served: Collection[str]
    ) -> Iterator[Output]:
        """Count the events of a class, and the answers for who asks why there is no decision.

        Args:
            served: the classes that have a model.
        """
        SKIPPED.labels(self._agent, REASON).inc(len(decoded))
        name = asset_class if asset_class in self._told_at or len(self._told_at) < MOST_NAMED else OTHERS
        NO_MODEL.labels(name).inc(len(decoded))
        self._waiting[name] += len(decoded)
        self._tell(name, served)
        for record, event in decoded:
            if asks_why(record):
                topic = TELEMETRY if isinstance(event, Telemetry) else MAINTENANCE
                yield undecided(record, topic, REASON, lacks_model(asset_class, served))

    def _tell(self, name: str, served: Collection[str]) -> None:
        now = time.monotonic()
        if now - self._told_at.get(name, -TOLD_EVERY_S) < TOLD_EVERY_S:
            return
        self._told_at[name] = now
        log.warning(
            "events of an asset class without a model are kept, and not scored",
            asset_class=name,
            events=self._waiting.pop(name),
            perhaps_meant=_alike(name, served),
            served=sorted(served),
            advice=f"Correct asset_class at the producer, or {CURE}",
        )


def lacks_model(asset_class: str, served: Collection[str]) -> str:
    """Why events of a class have no decision, and what to do."""
    meant = _alike(asset_class, served)
    perhaps = f"; did you mean {meant!r}?" if meant else ""
    known = ", ".join(sorted(served)) or "none"
    return (
        f"no model for asset class {asset_class!r} yet; this worker has: {known}{perhaps}; "
        f"readings and log are kept, {CURE}"
    )


def _alike(name: str, served: Collection[str]) -> str | None:
    folded = {one.casefold(): one for one in served}
    found = get_close_matches(name.casefold(), folded, 1, ALIKE)
    return folded[found[0]] if found else None
