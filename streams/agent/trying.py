"""Trying: a batch through the handler, whatever some of its records do. Nothing is opened again for a bad record.

runs of records ─► handler ─► fails? ─► rows as before ─► the two halves ─► ... ─► the one record ─► dead letter

A record fails at most once alone. A bad one in a batch of n costs 2 log2 n calls of the handler. Keys that failed are
suspects: their records are runs of their own for a while, so that m more of them cost m calls, and their neighbours go
on in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from schemas import MillraceError, UnavailableError
from streams.agent.deadletters import failure_reason
from streams.agent.handler import DeadLetter, Handler, Outcome
from streams.agent.ownership import TOLD_AT, Partition
from streams.agent.rows import out_of_bounds
from streams.agent.saved import Snapshot
from streams.kafka import ConsumerRecord


class OutOfBoundsError(MillraceError):
    """A row holds what no sound program could have written."""

    title = "A row is out of bounds"


class Try(NamedTuple):
    """Records of a partition to be tried; carefully: with a look at the rows after each run."""

    part: Partition
    records: Sequence[ConsumerRecord]
    is_careful: bool


class Trial:
    """Tries records of a partition.

    Args:
        check: raises for outcomes that cannot be sent.
    """

    def __init__(self, handler: Handler, check: Callable[[Outcome], None]) -> None:
        self._handler, self._check = handler, check

    def handle(self, part: Partition, records: Sequence[ConsumerRecord], *, is_careful: bool) -> Outcome:
        """All of the records; those that fail alone are dead letters.

        Raises:
            UnavailableError: what the handler needs is away; rows are as they were before the run that met it.
        """
        whole = Outcome()
        for run in part.suspects.runs(records):
            self._run(part, run, is_careful, whole)
        return whole

    def handle_all(self, tries: Sequence[Try]) -> list[Outcome | UnavailableError]:
        """The records of different partitions at once; if anything fails, partition by partition, so that none costs
        another one more than time.

        Returns:
            For each what `handle` returns or raises.
        """
        return self._at_once(tries) or [self._alone(one) for one in tries]

    def _at_once(self, tries: Sequence[Try]) -> list[Outcome | UnavailableError]:
        """Nothing if that cannot be; then rows are as before."""
        if len(tries) < 2 or any(one.is_careful or one.part.suspects for one in tries):
            return []
        for one in tries:
            one.part.state.mark()
        try:
            outcomes = self._handler.handle_all([(one.part.state, one.records) for one in tries])
            for outcome in outcomes:
                self._check(outcome)
        except Exception:
            for one in tries:
                one.part.state.undo()
            return []
        return [*outcomes]

    def _alone(self, one: Try) -> Outcome | UnavailableError:
        try:
            return self.handle(one.part, one.records, is_careful=one.is_careful)
        except UnavailableError as error:
            return error

    def _run(self, part: Partition, run: Sequence[ConsumerRecord], is_careful: bool, whole: Outcome) -> None:
        part.state.mark()
        try:
            outcome = self._handler.handle(part.state, run)
            self._check(outcome)
            if is_careful or run[0].key in part.suspects:
                _check_rows(part)
        except UnavailableError:
            part.state.undo()
            raise
        except Exception as error:
            if len(run) == 1:
                whole.dead.append(self._quarantine(part, run[0], error))
                return
            part.state.undo()
            middle = len(run) // 2
            self._run(part, run[:middle], is_careful, whole)
            self._run(part, run[middle:], is_careful, whole)
        else:
            whole.outputs += outcome.outputs
            whole.dead += outcome.dead
            if len(run) == 1:
                part.suspects.passed(run[0].key)

    def _quarantine(self, part: Partition, record: ConsumerRecord, error: Exception) -> DeadLetter:
        """It fails alone: its rows are as before, and the reason says what and whose it is."""
        faults = part.state.faults()
        part.state.undo()
        in_a_row = part.suspects.failed(record.key)
        key = (record.key or b"").decode(errors="replace")
        if in_a_row in TOLD_AT:
            part.log.error("a key keeps failing", key=key, in_a_row=in_a_row, error=repr(error))
        elif in_a_row == 1:
            part.log.warning(
                "a record fails and is quarantined",
                topic=record.topic,
                offset=record.offset,
                key=key,
                error=repr(error),
            )
        told = [f"key {key!r}{self._tables(part, record)}, {in_a_row} in a row", *faults, failure_reason(error)]
        return DeadLetter(record, "\n".join(told), type(error).__name__)

    def _tables(self, part: Partition, record: ConsumerRecord) -> str:
        """Tables in which the key has a row: of an asset, its class."""
        names = [name for name, rows in part.state.tables.items() if record.key in rows]
        return f" with rows in {', '.join(names)}" if names else ""


def _check_rows(part: Partition) -> None:
    if faults := part.state.faults():
        raise OutOfBoundsError("; ".join(faults[:3]) + ".", "Please report it with the record and the model.")


def check_changes(part: Partition, snapshot: Snapshot) -> None:
    """Before a checkpoint: rows that it would save.

    Raises:
        OutOfBoundsError: some are out of bounds.
    """
    for name, (_, changes) in snapshot.tables.items():
        wrong = out_of_bounds(changes.rows, part.state.tables[name].bounds)
        if wrong:
            place, text = next(iter(wrong.items()))
            key = changes.keys[place].decode(errors="replace")
            raise OutOfBoundsError(
                f"{len(wrong)} rows of table {name} that were about to be saved, the first of {key!r}: {text}.",
                "They are loaded again and their records tried one by one. Please report it.",
            )
