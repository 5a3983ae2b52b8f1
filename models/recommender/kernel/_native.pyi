from typing import Any

import numpy as np

# Lower-case names, in order: of counters and clocks of a view, columns of the evidence, features without the context
COUNTERS: tuple[str, ...]
CLOCKS: tuple[str, ...]
COLUMNS: tuple[str, ...]
FEATURES: tuple[str, ...]
GENERATORS: tuple[str, ...]  # columns of the evidence, in the order of the quotas
LAYOUTS: dict[str, dict[str, tuple[int, int]]]  # of a row: (offset, bytes) by field; "": (0, size)
KEPT: int  # in a change of an item: nothing was said of this
VIEW: int  # number of an action
TURN_DOWN: int
LIST_LENGTH: int  # items of a recommendation
DENSE: int  # clicks on an item in the log: as many as make a summary of it
CO_VISITS: int  # items in one summary at most
ALL_PAIRS: int  # that a question counts in the log, about
ALL_READS: int  # occurrences that a question reads of all items of a prefix at most

Question = np.ndarray  # one of: prefixes, lengths, sessions, times, codes, context, turned_down, now

class View:
    """Kernels on the arrays of a catalogue view, in the order of `Arrays`. ValueError: one is not as it must be."""

    def __new__(cls, arrays: tuple[np.ndarray, ...], clock: np.ndarray, /) -> View: ...
    def register(self, keys: np.ndarray, rows: np.ndarray, added: np.ndarray, /) -> int: ...
    def apply_clicks(
        self,
        beyond: int,
        offsets: np.ndarray,
        sessions: np.ndarray,
        rows: np.ndarray,
        times: np.ndarray,
        codes: np.ndarray,
        users: np.ndarray,
        is_repeated: np.ndarray,
        actions: np.ndarray,
        /,
    ) -> int: ...
    def apply_items(
        self,
        beyond: int,
        offsets: np.ndarray,
        rows: np.ndarray,
        times: np.ndarray,
        published: np.ndarray,
        is_available: np.ndarray,
        is_removed: np.ndarray,
        /,
    ) -> int: ...
    def summarise(self) -> None: ...
    def renumber(self, rows: np.ndarray, /) -> None: ...
    def row_of(self, key: int, /) -> int: ...
    def may_be_shown(self, row: int, now: float, /) -> bool: ...
    def shown_once(self, now: float, rows: np.ndarray, shown: np.ndarray, /) -> int: ...
    def build_rows(self, settings: np.ndarray, *question_given_items_rows_facts: Any) -> int: ...
    def evidence(self, settings: np.ndarray, *question_items_evidence: Any) -> tuple[int, int, int]: ...
    def choose(self, settings: np.ndarray, *question_items_evidence_chosen: Any) -> int: ...

class Repeats:
    def __new__(cls, ring: np.ndarray, /) -> Repeats: ...
    def take(self, until: int, users: np.ndarray, events: np.ndarray, is_known: np.ndarray, /) -> int: ...

def advance(silence_s: float, slots: np.ndarray, rows: np.ndarray, *moves_and_steps: np.ndarray) -> None: ...
def index(count: int, table: np.ndarray, records: np.ndarray, /) -> None: ...
def hand_weighted(
    evidence: float,
    recent: float,
    popularity: float,
    own: float,
    rows: np.ndarray,
    scores: np.ndarray,
    counts: np.ndarray,
    chosen: np.ndarray,
    /,
) -> None: ...
def choose_best(
    bonus: float,
    fresh_age: float,
    rows: np.ndarray,
    scores: np.ndarray,
    keys: np.ndarray,
    counts: np.ndarray,
    top: np.ndarray,
    top_scores: np.ndarray,
    /,
) -> None: ...
def threshold(count: int, scores: np.ndarray, values: np.ndarray, /) -> float: ...
