"""Applying: the batches of a turn, all partitions at once, each of which may fail without the others.

batches ─► are they what comes next? ─► where entries of the log go is written down ─► Trial ─► outputs ─► positions

The numbers in the code are the invariants of `runtime`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from schemas import UnavailableError
from streams.agent.handler import Outcome
from streams.agent.ownership import Batch, Partition, Phase
from streams.agent.sending import Interrupted, Sending
from streams.agent.trying import Trial, Try
from streams.metrics import BatchMetrics


class Owner(Protocol):
    """Who opens partitions again."""

    def renew(self, part: Partition, cause: str) -> None: ...

    def failed(self, part: Partition, cause: str, error: BaseException) -> None: ...

    def distrust(self) -> None: ...


class Applying:
    """Of one agent.

    Args:
        owner: opens partitions again whose memory is worth nothing any more.
        log_topic: as the handler has it, on the broker.
    """

    def __init__(
        self, owner: Owner, trial: Trial, sending: Sending, metrics: BatchMetrics, log_topic: str | None
    ) -> None:
        self._owner, self._trial, self._sending, self._metrics = owner, trial, sending, metrics
        self._log_topic = log_topic

    async def apply(self, turn: Sequence[Batch]) -> None:
        """All batches, each of another partition. Never raises for what handler, data or broker do."""
        held = list[Partition]()
        try:
            for batch in turn:
                await batch.part.applying.acquire()
                held.append(batch.part)
            await self._apply([batch for batch in turn if self._follows(batch)], held)
        except BaseException:  # (4) cancelled
            for part in held:
                part.doubt()
            raise
        finally:
            for part in held:
                part.applying.release()

    def _follows(self, batch: Batch) -> bool:
        """Does it begin where its partition is?"""
        part = batch.part
        if batch.epoch == part.epoch and part.phase is Phase.DOUBTFUL:  # (4) a cancelled batch left half its work
            self._owner.renew(part, "cancelled")
        if not batch.is_current:
            return False
        if batch.starts != part.positions:  # (2)
            part.log.error("a batch does not follow", starts=batch.starts, at=part.positions)
            part.resume()
            return False
        return True

    async def _apply(self, batches: Sequence[Batch], held: list[Partition]) -> None:
        """`held`: partitions that nobody else may touch; those that are done are taken out."""
        for batch in batches:
            with self._trying(batch.part):
                await self._sending.write_down(batch)  # (6)
        batches = [batch for batch in batches if batch.is_current]
        outcomes = self._outcomes([batch for batch in batches if batch.records])
        for batch in batches:
            with self._trying(batch.part):
                await self._finish(batch, outcomes.get(batch, Outcome()))
            held.remove(batch.part)  # it may be saved while others wait
            batch.part.applying.release()

    def _outcomes(self, batches: Sequence[Batch]) -> dict[Batch, Outcome | Exception]:
        if not batches:
            return {}
        tries = [Try(batch.part, batch.records, batch.part.must_be_careful(batch.starts)) for batch in batches]
        try:
            with self._metrics.handling():
                return dict(zip(batches, self._trial.handle_all(tries), strict=True))
        except Exception as error:  # ours, not the handler's: nobody knows which rows it has left half changed
            return dict.fromkeys(batches, error)

    async def _finish(self, batch: Batch, outcome: Outcome | Exception) -> None:
        if isinstance(outcome, Exception):
            raise outcome
        sent = await self._sending.emit(batch, outcome)  # (5)
        if sent:
            self._metrics.sent(batch.records, sent[-1].future)
        batch.part.has_moved(batch, self._log_topic)  # (1)
        self._metrics.applied(batch.records, batch.ends)

    @contextmanager
    def _trying(self, part: Partition) -> Iterator[None]:
        """What fails inside is half a batch: the partition is opened again (4)."""
        try:
            yield
        except Interrupted:  # it is doubtful, or fenced: the next assignment opens it again
            part.doubt()
            if self._sending.has_stood_still():
                self._owner.distrust()  # before a checkpoint opens it again, and fences whoever has it now
        except Exception as error:  # of the broker, or ours: records that fail are no errors
            part.doubt()
            self._owner.failed(part, "unavailable" if isinstance(error, UnavailableError) else "bug", error)
