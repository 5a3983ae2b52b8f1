"""Aliases: which version of each model serves, in one file that changes in one step.

change_aliases (locked) ─► Changing.move ... ─► aliases.json, and what was changed ─► alias_changes.jsonl

The time of the newest change of each alias is kept, of one that was withdrawn too, and it never goes back: so an older
record of models.v1, played again by whoever may write there, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from models.files import replace_file
from schemas import Alias, AliasChange, Aliases, AliasRecord, ModelError, text_of

ALIASES, CHANGES, LOCK = "aliases.json", "alias_changes.jsonl", ".aliases.lock"
KEPT_HISTORY = 20
CLOCK_TOLERANCE = timedelta(minutes=5)  # clocks of the machines that promote and serve may differ by this
STEP = timedelta(microseconds=1)
Changes = Mapping[str, Mapping[Alias, datetime]]  # model -> alias -> when it was pointed anew


@dataclass
class Changing:
    """The aliases while they are changed."""

    models: dict[str, dict[Alias, str]]
    history: dict[str, dict[Alias, list[str]]]
    changed_at: dict[str, dict[Alias, datetime]]
    noted: list[AliasChange] = field(default_factory=list)  # of this time, to be remembered

    def move(self, record: AliasRecord, by: str | None = None, *, is_back: bool = False) -> None:
        """Follows a record, unless a newer one is known.

        Args:
            by: who decided it; None: nobody knows here.
            is_back: it goes back to the version before.
        """
        known = self.changed_at.get(record.name, {}).get(record.alias)
        if is_older(record, known):
            return
        before = self.models.get(record.name, {}).get(record.alias)
        # a worker of this home may have followed it before whoever decided it says who that was
        if before != record.version or (by is not None and known == record.changed_at):
            kind = "withdrawn" if record.version is None else "rolled_back" if is_back else "promoted"
            what = record.model_dump(exclude={"signature"}) | {"kind": kind, "before": before, "by": by}
            self.noted.append(AliasChange.model_validate(what))
        self.changed_at.setdefault(record.name, {})[record.alias] = record.changed_at
        of_name = self.models.setdefault(record.name, {})
        if record.version is None:
            of_name.pop(record.alias, None)
        elif before != record.version:
            of_name[record.alias] = record.version
            if before:
                of = self.history.setdefault(record.name, {})
                of[record.alias] = [before, *of.get(record.alias, [])][:KEPT_HISTORY]


def remember(folder: Path, record: AliasRecord) -> None:
    """Keeps the time of a record that counts and cannot be followed, so that no older one is followed in its place."""
    with change_aliases(folder) as changing:
        of_name = changing.changed_at.setdefault(record.name, {})
        if not is_older(record, of_name.get(record.alias)):
            of_name[record.alias] = record.changed_at


def decided_now(changed_at: Changes, name: str, alias: Alias, version: str | None) -> AliasRecord:
    """A change of an alias that is newer than the one that is known, though its clock was ahead by some."""
    now = datetime.now(UTC)
    known = changed_at.get(name, {}).get(alias)
    at = known + STEP if known is not None and now <= known <= now + CLOCK_TOLERANCE else now
    return AliasRecord(name=name, alias=alias, version=version, changed_at=at)


def is_older(record: AliasRecord, known: datetime | None) -> bool:
    """Whether a newer change than this one is known.

    A time that no worker would take (`CLOCK_TOLERANCE`) counts for nothing: it came from the clock of this machine,
    which was wrong then or is now, and would stand above all that people decide.
    """
    return known is not None and record.changed_at < known <= datetime.now(UTC) + CLOCK_TOLERANCE


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
            f"{path} cannot be read: {text_of(error)}.",
            "Restore it, or delete it and promote the versions that shall serve.",
        ) from error


@contextmanager
def change_aliases(folder: Path) -> Iterator[Changing]:
    """Aliases to change; written at the end, in one step, while no one else does."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        aliases = read_aliases(folder).model_copy(deep=True)
        changing = Changing(aliases.models, aliases.history, aliases.changed_at)
        yield changing
        replace_file(folder / ALIASES, aliases.model_dump_json(indent=2).encode() + b"\n")
        if changing.noted:  # a file of its own: aliases.json is as the version before reads it
            with (folder / CHANGES).open("ab") as lines:
                lines.writelines(change.model_dump_json().encode() + b"\n" for change in changing.noted)
