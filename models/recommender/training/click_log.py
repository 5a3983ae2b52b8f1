"""The log to learn from: events once through the functions that serve, kept as columns in the order of arrival.

events ─► encode, advance the users' rows ─► ClickLog ─► replay: the view as it was, asked as it was asked

About 76 bytes a click with the context of the portal while it is kept, 776 bytes a user while it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.progress import CountProgress
from models.recommender import (
    PREFIX,
    TURNED_DOWN,
    USER,
    CatalogueView,
    ClickRecord,
    ContextType,
    ItemRecord,
    Queries,
    Repeats,
    advance,
    context_fingerprint,
    encode_clicks,
    feed_items,
    halves,
)
from schemas import Click, Item, RecommenderProfile

MAX_CLICKS = 5_000_000  # the oldest beyond are left out; the view itself remembers a million
"""Called with what is being done, how far it is, and out of how many (None: not known)."""


class Columns(NamedTuple):
    """n accepted clicks."""

    users: Any  # (n,) u8
    sessions: Any  # (n,) u8
    items: Any  # (n,) u8
    times: Any  # (n,) f8
    lengths: Any  # (n,) u1: of the prefix
    codes: Any  # (n, K) u1
    context: Any  # (n, C) f4
    is_repeated: Any  # (n,) u1
    actions: Any  # (n,) u1


@dataclass(frozen=True)
class ClickLog:
    """Accepted clicks, and the item changes between them."""

    columns: Columns
    item_ids: list[str]
    changes: list[tuple[int, ItemRecord]]  # before which click
    duplicates: int
    fingerprint: int  # of the context fields
    context_types: Mapping[str, ContextType]  # of each context field that occurred

    def __len__(self) -> int:
        return len(self.item_ids)

    def targets(self) -> npt.NDArray[np.uint64]:
        """(n,) hash of the next item of the same session; 0 for the last click."""
        return self._of_next_click(self.columns.items)

    def target_actions(self) -> npt.NDArray[np.uint8]:
        """(n,) number of what was done with the next item of the same session; 0 for the last click, too."""
        return self._of_next_click(self.columns.actions)

    def _of_next_click(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        sessions = self.columns.sessions
        order = np.argsort(sessions, kind="stable")
        goes_on = sessions[order[1:]] == sessions[order[:-1]]
        found = np.zeros(len(column), column.dtype)
        found[order[:-1][goes_on]] = column[order[1:][goes_on]]
        return found

    def queries(self, which: npt.NDArray[np.int64]) -> Queries:
        """What these clicks asked: a prefix is the user's last `lengths` clicks."""
        c = self.columns
        order = np.argsort(c.users, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        lengths = c.lengths[which].astype(np.int64)
        steps_back = lengths[:, None] - 1 - np.arange(PREFIX)
        clicks = order[np.maximum(place[which][:, None] - steps_back, 0) % len(order)]
        prefixes = np.where(steps_back >= 0, c.items[clicks], np.uint64(0))
        nothing = np.zeros((len(which), TURNED_DOWN), np.uint32)
        return Queries(prefixes, lengths, c.sessions[which], c.times[which], c.codes[which], c.context[which], nothing)

    def record(self, first: int, end: int) -> ClickRecord:
        """The feed record of clicks first .. end - 1."""
        cut, c = slice(first, end), self.columns
        return ClickRecord(
            0,
            first,
            end - 1,
            np.arange(first, end),
            c.sessions[cut],
            c.items[cut],
            c.times[cut],
            c.codes[cut],
            self.item_ids[cut],
            self.fingerprint,
            halves(c.users[cut]),
            c.is_repeated[cut],
            c.actions[cut],
        )


class LogReader:
    """Turns events into a ClickLog. A user has one row from the first event to the last."""

    def __init__(self, profile: RecommenderProfile) -> None:
        self._profile = profile
        self._rows = np.zeros(1024, USER)
        self._slots: dict[int, int] = {}
        self._repeats = Repeats()
        self._known: dict[str, str] = {}  # one string an item instead of one a click
        self._pieces: list[tuple[Columns, list[str]] | ItemRecord] = []
        self._types: dict[str, ContextType] = {}
        self._clicks, self._changes = 0, 0

    def read(self, events: Iterable[Sequence[Click | Item]], progress: CountProgress) -> ClickLog:
        """All events, in the order in which they come."""
        seen, accepted = 0, 0
        for batch in events:
            for run in _runs(batch):
                if isinstance(run[0], Click):
                    seen += len(run)
                    accepted += self._add_clicks(run)
                else:
                    self._add_items(run)
            progress("reading events", seen, None)
        return self._log(seen - accepted)

    def _add_clicks(self, run: Sequence[Click | Item]) -> int:
        clicks = [event for event in run if isinstance(event, Click)]
        self._learn_types(clicks)
        arrays = encode_clicks(self._profile, clicks, self._types)
        users = arrays.moves.users
        slots = np.array([self._slots.setdefault(user, len(self._slots)) for user in users.tolist()], np.int64)
        while len(self._rows) < len(self._slots):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        arrays.moves.events[self._repeats.take(users, arrays.moves.events)] = 0
        steps = advance(self._rows, slots, arrays.moves, self._profile.session_silence_s)
        which = np.flatnonzero(steps.is_click)
        columns = Columns(
            users[which],
            steps.sessions[which],
            arrays.moves.items[which],
            steps.times[which],
            steps.lengths[which].astype(np.uint8),
            arrays.codes[which],
            arrays.context[which],
            steps.is_repeated[which].astype(np.uint8),
            arrays.moves.actions[which],
        )
        ids = [self._known.setdefault(item_id, item_id) for item_id in arrays.item_ids]
        self._pieces.append((columns, [ids[n] for n in which]))
        self._clicks += len(which)
        self._drop_oldest()
        return int(steps.is_accepted.sum())

    def _learn_types(self, clicks: Sequence[Click]) -> None:
        """Of fields that had not occurred: the type that most of these clicks give them. From then on they have it."""
        names = {*self._profile.context, *(c.name for c in self._profile.context_popularity)} - self._types.keys()
        for name in sorted(names):
            is_text = [isinstance(c.context[name], str) for c in clicks if name in c.context]
            if is_text:
                self._types[name] = "text" if 2 * sum(is_text) > len(is_text) else "number"

    def _drop_oldest(self) -> None:
        while self._clicks > MAX_CLICKS:
            oldest = next(n for n, piece in enumerate(self._pieces) if not isinstance(piece, ItemRecord))
            piece = self._pieces.pop(oldest)
            assert isinstance(piece, tuple)
            self._clicks -= len(piece[1])

    def _add_items(self, run: Sequence[Click | Item]) -> None:
        changes = [(event.item_id, event) for event in run if isinstance(event, Item)]
        offsets = np.arange(self._changes, self._changes + len(changes))
        self._changes += len(changes)
        self._pieces.append(feed_items(changes, 0, offsets, 0.0))

    def _log(self, duplicates: int) -> ClickLog:
        item_ids: list[str] = []
        columns: list[Columns] = []
        changes: list[tuple[int, ItemRecord]] = []
        for piece in self._pieces:
            if isinstance(piece, ItemRecord):
                changes.append((len(item_ids), piece))
            else:
                columns.append(piece[0])
                item_ids += piece[1]
        self._pieces = []
        empty = encode_clicks(self._profile, [])
        none = np.zeros(0, np.uint64)
        bytes_ = np.zeros(0, np.uint8)
        columns.append(Columns(none, none, none, np.zeros(0), bytes_, empty.codes, empty.context, bytes_, bytes_))
        joined = Columns(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
        fingerprint = context_fingerprint(self._profile)
        return ClickLog(joined, item_ids, changes, duplicates, fingerprint, dict(self._types))


def _runs(batch: Sequence[Click | Item]) -> Iterator[Sequence[Click | Item]]:
    """Runs of events of one kind, so that their order is kept."""
    first = 0
    for n in range(1, len(batch) + 1):
        if n == len(batch) or type(batch[n]) is not type(batch[first]):
            yield batch[first:n]
            first = n


def replay(
    log: ClickLog, view: CatalogueView, which: npt.NDArray[np.int64], ask: Callable[[int, Queries], None]
) -> None:
    """Apply the log to the view; before a click of `which` is applied, ask what it asked when it happened.

    Args:
        which: numbers of clicks, rising.
        ask: called with the place in `which` and the query (one row).
    """
    queries = log.queries(which)
    stops: list[tuple[int, int, ItemRecord | None]] = [(click, 0, record) for click, record in log.changes]
    stops += [(click, 1 + place, None) for place, click in enumerate(which.tolist())]
    done = 0
    for click, kind, record in sorted(stops, key=lambda stop: stop[:2]):
        if click > done:
            view.apply(log.record(done, click))
            done = click
        if record is not None:
            view.apply(record)
        else:
            ask(kind - 1, Queries._make(column[kind - 1 : kind] for column in queries))
    if len(log) > done:
        view.apply(log.record(done, len(log)))
