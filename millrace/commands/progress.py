"""Progress of long work: a bar for each stage on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Stages:
    """A context manager with one bar for each stage that it is told of, in the order of their first mention."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._current = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._finish(self._current)
        self._bars.stop()

    def count(self, stage: str, done: int, total: int | None) -> None:
        """`done` of `total` steps of a stage; a total that is not known makes a bar that only moves."""
        if stage != self._current:
            self._finish(self._current)
            self._current = stage
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
            if self._bars.disable:
                sys.stderr.write(f"{stage}\n")
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def share(self, stage: str, share: float) -> None:
        """A stage of work of which a share is done in all; each stage gets a bar that ends with the next one."""
        self.count(stage, round(1000 * share), 1000)

    def _finish(self, stage: str) -> None:
        if stage in self._tasks:
            self._bars.update(self._tasks[stage], completed=1, total=1)
