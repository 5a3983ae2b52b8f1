"""Runtime: the life of an agent's partitions: open, apply, checkpoint, release, stop.

assign ─► open ─► apply batches ⟳ checkpoint beside them ─► release ─► stop

Invariants, with their numbers in the code:

1. `state` is the result of all input below `positions`, and of entries of the log in `ahead`. All change together; all
   are saved in one Kafka transaction with the group's offsets.
2. A batch is applied only if it starts at `positions`, otherwise the partition seeks back.
3. Opening fences first, then reads offsets and changelog, and refuses if they disagree.
4. Whatever is doubtful (unknown commit, cancelled batch, rows out of bounds, a frozen process) drops the memory and
   opens again. A record that fails is none of these: its rows are undone (`trying`).
5. Only the fetch loop moves the consumer. Outputs and dead letters are acknowledged before the checkpoint that
   covers them.
6. Where entries of a log are applied is written down before they are (`merge`), and what was sent since the checkpoint
   is recalled at opening and not sent again (`recall`). So whoever replays can only repeat a decision, never
   contradict it: handlers are deterministic in (rows, records in their order).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog

from schemas import Settings
from streams.agent.applying import Applying
from streams.agent.changelog import Changelog, covered, take_snapshot
from streams.agent.handler import Handler
from streams.agent.outbox import Delivery, Outbox
from streams.agent.ownership import Partition, Phase, Turn
from streams.agent.placing import TAKEN, take_any
from streams.agent.rows import empty_state
from streams.agent.saved import Snapshot
from streams.agent.sending import Sending
from streams.agent.transactions import FencedError
from streams.agent.trying import OutOfBoundsError, Trial, check_changes
from streams.kafka import patiently, pause_s
from streams.metrics import CHECKPOINT_ROWS, CHECKPOINTS, FAILING_KEYS, OPENINGS, ROWS, BatchMetrics, forget_partition

log = structlog.get_logger(__name__)
RELEASE_S = 4.0  # of the 10 s that a worker may take to end
CLOSE_S = 1.0
SAVE_S = 30.0


class Runtime:
    """The partitions that this worker owns, of one agent."""

    def __init__(self, settings: Settings, handler: Handler) -> None:
        self.handler, self._settings = handler, settings
        self.changelog = Changelog(settings, handler)
        self.metrics = BatchMetrics(handler.name)
        self.outbox = Outbox(settings, handler.name, self.metrics.clock)
        self.parts: dict[int, Partition] = {}
        self.sending = Sending(settings, handler, self.changelog.topic, self.outbox)
        trial = Trial(handler, self.outbox.check)
        self._applying = Applying(self, trial, self.sending, self.metrics, self.changelog.log_topic)
        self.gate = asyncio.Lock()  # held while a batch is applied, and while models change between two
        self._release_s = min(RELEASE_S, settings.session_timeout_s / 2)
        self._is_released = False
        self._tasks: set[asyncio.Task[None]] = set()

    # assignment

    def assign(self, numbers: set[int]) -> None:
        """These partitions are ours now. Returns at once: no heartbeats are sent while the group waits for it."""
        self._is_released = False
        for number in set(self.parts) - numbers:
            self._spawn(self._close(self.parts.pop(number)))
            forget_partition(self.handler.name, number, self.handler.layouts(), self.changelog.topics)
        for number in numbers:
            part = self.parts.get(number)
            if part is None or part.phase in {Phase.FENCED, Phase.DOUBTFUL} or part.applying.locked():
                self._reopen(number, "assigned")
            elif part.is_sound:
                part.resume()  # kept through the rebalance: nothing to load
            self.parts[number].is_assigned = True

    async def release(self) -> None:
        """Deliver nothing more and checkpoint, within a few seconds; rows are kept in case the partitions come back."""
        for number, part in list(self.parts.items()):
            part.is_assigned = False
            part.suspend()
            if part.phase is Phase.OPENING:
                del self.parts[number]  # going on would fence its next owner
        if self._is_released:
            return
        self._is_released = True
        task = asyncio.ensure_future(self.checkpoint())
        if not (await asyncio.wait({task}, timeout=self._release_s))[0]:
            task.cancel()
            log.warning("released without a checkpoint; work since the last one is repeated", agent=self.handler.name)

    async def stop(self) -> None:
        """Close everything, after `release`."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*map(self.changelog.close, self.parts.values()), return_exceptions=True)
        self.parts.clear()
        await self.outbox.stop()

    async def drop(self) -> None:
        """Forget all partitions, unsaved: their topics are gone."""
        for part in self.parts.values():
            part.suspend()
            self._spawn(self._close(part))
        self.parts.clear()
        await self.outbox.stop()

    def distrust(self) -> None:
        """The process stood still: another worker may own its partitions, and has decided what is on its way here."""
        log.warning("the process stood still for longer than its session", agent=self.handler.name)
        self.outbox.distrust()
        for part in self.parts.values():
            if part.phase is not Phase.OPENING:
                self._fenced(part)

    async def skip(self, part: Partition, topic: str, at: int, to: int) -> bool:
        """Go on at another offset, once all that was fetched below `at` is applied: what lies between is lost."""
        async with part.applying:
            if not part.is_ready or part.positions[topic] != at:
                return False
            part.positions = {**part.positions, topic: to}
            if TAKEN in part.state.tables:
                take_any(part.state)
            part.resume()
            return True

    # opening

    def renew(self, part: Partition, cause: str) -> None:
        """Drop the memory of a partition; open it again if it is still ours."""
        if self.parts.get(part.number) is not part:
            return
        if part.is_assigned:
            self._reopen(part.number, cause)
        else:  # opening it would fence its next owner
            self._spawn(self._close(self.parts.pop(part.number)))

    def _reopen(self, number: int, cause: str) -> None:
        old = self.parts.get(number)
        named = log.bind(agent=self.handler.name, partition=number)
        part = self.parts[number] = Partition(number, empty_state(number, {}), named)
        if old is not None:
            old.suspend()
            part.inherit(old)
        OPENINGS.labels(self.handler.name, cause).inc()
        self._spawn(self._open(part, old))

    async def _open(self, part: Partition, old: Partition | None) -> None:
        if old is not None:
            await self._close(old)
        await asyncio.sleep(pause_s(part.failures))
        async for attempt in patiently(partial(_tell_closed, part), (Exception,)):
            with attempt:  # whatever it is, it is tried again
                if self.parts.get(part.number) is part:
                    await self._load(part)
        if self.parts.get(part.number) is not part:
            await self.changelog.close(part)
            return
        part.opened()
        rows = {name: len(table) for name, table in part.state.tables.items()}
        part.log.info("a partition is open", rows=rows, positions=part.positions)
        if part.is_assigned:
            part.resume()

    async def _load(self, part: Partition) -> None:
        try:
            await self.changelog.open(part)  # (3)
        except Exception:
            await self.changelog.close(part)
            raise

    async def _close(self, part: Partition) -> None:
        async with part.saving:  # a producer that is stopped in mid-transaction never answers
            await self.changelog.close(part)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # applying

    async def process(self, turn: Turn) -> None:
        """Apply the batches. Never raises for what handler, data or broker do."""
        try:
            async with self.gate:
                await self._applying.apply(turn.batches)
        finally:
            turn.is_done.set()

    def failed(self, part: Partition, cause: str, error: BaseException) -> None:
        """It goes back to its last checkpoint."""
        part.failures += 1
        trace = error if cause == "bug" else None
        part.log.warning("goes back to its last checkpoint", cause=cause, error=repr(error), exc_info=trace)
        if part.phase is not Phase.FENCED:  # else it is opened again when it is settled whose it is
            self.renew(part, cause)

    # checkpoint

    async def checkpoint(self) -> None:
        """Save what changed, partition by partition at the same time. Failures are handled, not raised."""
        FAILING_KEYS.labels(self.handler.name).set(sum(len(part.suspects) for part in self.parts.values()))
        await asyncio.gather(*map(self._checkpoint, list(self.parts.values())))

    async def _checkpoint(self, part: Partition) -> None:
        async with part.saving:
            async with part.applying:  # between two batches
                if part.phase is Phase.DOUBTFUL and part.is_assigned:  # (4) no batch may come that would do it
                    self.renew(part, "cancelled")
                if not part.is_sound or part.producer is None or part.positions == part.saved:
                    return
                snapshot, pending, part.pending = take_snapshot(part), part.pending, []
                for name, table in part.state.tables.items():
                    ROWS.labels(self.handler.name, name, part.number).set(len(table))
            try:  # batches go on meanwhile
                check_changes(part, snapshot)
                with CHECKPOINTS.labels(self.handler.name).time():
                    await asyncio.wait_for(self._save(part, snapshot, pending), SAVE_S)
            except FencedError:
                part.log.warning("belongs to another worker now")
                self._fenced(part)
            except OutOfBoundsError as error:  # (4) loaded again, and checked record by record until it is found
                part.be_careful_until(part.positions)
                self.failed(part, "out of bounds", error)
            except Exception as error:  # (4) the outcome is unknown: ask the broker
                self.failed(part, "checkpoint", error)
            except BaseException:
                part.doubt()  # (4) cancelled: the changes in the snapshot are forgotten
                raise
            else:
                part.was_saved_at(snapshot.standing.positions)
                part.placed = [
                    p for p in part.placed if not snapshot.standing.has_applied(p[0], self.changelog.log_topic)
                ]
                CHECKPOINT_ROWS.labels(self.handler.name).inc(snapshot.rows)

    async def _save(self, part: Partition, snapshot: Snapshot, pending: list[Delivery]) -> None:
        await asyncio.gather(*(delivery.future for delivery in pending))  # (5)
        for one in pending:
            if one.topic in part.output_ends and one.partition == part.number:
                end = one.future.result().offset + one.records
                part.output_ends[one.topic] = max(end, part.output_ends[one.topic])
        saved = Snapshot(covered(snapshot.standing, part.output_ends), snapshot.tables)
        await self.changelog.commit(part, saved)  # (1)
        part.checkpoint = saved.standing.number

    def _fenced(self, part: Partition) -> None:
        if part.phase is not Phase.FENCED:
            part.fence()
            self._spawn(self._reopen_if_still_mine(part))

    async def _reopen_if_still_mine(self, part: Partition) -> None:
        """Two workers must not fence each other in turn: a rebalance normally settles it long before."""
        await asyncio.sleep(self._settings.session_timeout_s)
        self.renew(part, "fenced")


def _tell_closed(part: Partition, error: Exception, in_s: float) -> None:
    part.log.warning("does not open; it is tried again", error=str(error) or repr(error), in_s=in_s)
