"""Aliases: which version of each model serves, in one file that changes in one step.

change_aliases (locked) ─► Changing.move ... ─► aliases.json
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from models.registry.folder import reason, replace_file
from schemas import Alias, Aliases, AliasRecord, ModelError

ALIASES, LOCK = "aliases.json", ".aliases.lock"
KEPT_HISTORY = 20


@dataclass
class Changing:
    """The aliases while they are changed."""

    models: dict[str, dict[Alias, str]]
    history: dict[str, dict[Alias, list[str]]]
    changed_at: dict[str, dict[Alias, datetime]]

    def move(self, record: AliasRecord) -> None:
        before = self.models.setdefault(record.name, {}).get(record.alias)
        self.changed_at.setdefault(record.name, {})[record.alias] = record.changed_at
        if before == record.version:
            return
        self.models[record.name][record.alias] = record.version
        if before:
            of = self.history.setdefault(record.name, {})
            of[record.alias] = [before, *of.get(record.alias, [])][:KEPT_HISTORY]

    def withdraw(self, name: str, alias: Alias, at: datetime) -> None:
        self.models.get(name, {}).pop(alias, None)
        self.changed_at.setdefault(name, {})[alias] = at


def read_aliases(folder: Path) -> Aliases:
    """What `aliases.json` in a folder says; empty while there is none.

    Raises:
        ModelError: the file cannot be read.
    """
    path = folder / ALIASES
    try:
        return Aliases.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Aliases()
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"{path} cannot be read: {reason(error)}.",
            "Restore it, or delete it and promote the versions that shall serve.",
        ) from error


@contextmanager
def change_aliases(folder: Path) -> Iterator[Changing]:
    """Aliases to change; written at the end, in one step, while no one else does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        aliases = read_aliases(folder).model_copy(deep=True)
        yield Changing(aliases.models, aliases.history, aliases.changed_at)
        replace_file(folder / ALIASES, aliases.model_dump_json(indent=2).encode() + b"\n")
