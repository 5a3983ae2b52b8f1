"""Users: sessions, prefixes, duplicates; the kernel against a few lines of plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommender.users import PREFIX, RECENT_EVENTS, USER, Moves, Steps, advance

SILENCE_S = 1800.0
MOST_COUNTED = 15


def run(clicks: list[tuple[int, int, int, int, float]], rows: np.ndarray | None = None) -> Steps:
    """Clicks as (event, user, session_id or 0, item, time); the slot is the user."""
    events, users, sessions, items, times = (np.array(column) for column in zip(*clicks, strict=True))
    hashes = (column.astype(np.uint64) for column in (events, users, sessions, items))
    moves = Moves(*hashes, times.astype(float), np.zeros(len(times), np.uint8))
    return advance(np.zeros(10, USER) if rows is None else rows, users.astype(np.int64), moves, SILENCE_S)


def test_a_row_is_small() -> None:
    assert USER.itemsize <= 800


def test_users_are_told_apart_within_a_batch() -> None:
    steps = run([(1, 0, 0, 10, 0.0), (2, 1, 0, 20, 1.0), (3, 0, 0, 11, 2.0)])
    assert steps.prefixes[2, :3].tolist() == [10, 11, 0]
    assert steps.lengths.tolist() == [1, 1, 2]
    assert steps.sessions[0] == steps.sessions[2] != steps.sessions[1]


def test_a_repeated_event_changes_nothing() -> None:
    rows = np.zeros(10, USER)
    run([(1, 0, 0, 10, 0.0)], rows)
    before = rows.copy()
    steps = run([(1, 0, 0, 99, 5.0)], rows)
    assert not steps.is_accepted[0]
    assert rows.tobytes() == before.tobytes()


def test_the_memory_for_duplicates_is_bounded() -> None:
    rows = np.zeros(10, USER)
    run([(event, 0, 0, 1, 0.0) for event in range(1, RECENT_EVENTS + 2)], rows)
    assert not run([(2, 0, 0, 1, 0.0)], rows).is_accepted[0]
    assert run([(1, 0, 0, 1, 0.0)], rows).is_accepted[0]


def test_a_known_duplicate_changes_nothing() -> None:
    rows = np.zeros(10, USER)
    assert not run([(0, 0, 0, 10, 0.0)], rows).is_accepted[0]
    assert rows.tobytes() == np.zeros(10, USER).tobytes()


def test_what_a_user_clicks_again_and_again_counts_fifteen_times_an_hour_in_whatever_sessions() -> None:
    clicks = [(event, 0, event, 10 + event % 3, float(event)) for event in range(1, 101)]
    clicks += [(1000 + event, 1, 0, 10, float(event)) for event in range(1, 9)]
    clicks += [(event, 0, event, 10, 3700.0) for event in range(201, 203)]
    steps = run(clicks)
    assert [int((~steps.is_repeated[n:100:3]).sum()) for n in range(3)] == [MOST_COUNTED] * 3
    assert not steps.is_repeated[100:].any()


@pytest.mark.parametrize(("gap_s", "sessions"), [(1800.0, 1), (1801.0, 2)])
def test_silence_ends_a_session_without_an_id(gap_s: float, sessions: int) -> None:
    steps = run([(1, 0, 0, 10, 100.0), (2, 0, 0, 11, 100.0 + gap_s)])
    assert len(set(steps.sessions.tolist())) == sessions
    assert steps.lengths[1] == 3 - sessions


def test_a_session_id_decides_alone() -> None:
    steps = run([(1, 0, 5, 10, 0.0), (2, 0, 5, 11, 90_000.0), (3, 0, 6, 12, 90_001.0), (4, 0, 5, 13, 90_002.0)])
    assert steps.lengths.tolist() == [1, 2, 1, 1]
    assert steps.sessions[0] == steps.sessions[1] == steps.sessions[3] != steps.sessions[2]


def test_the_same_session_id_of_two_users_is_two_sessions() -> None:
    steps = run([(1, 0, 5, 10, 0.0), (2, 1, 5, 11, 0.0)])
    assert steps.sessions[0] != steps.sessions[1]


def test_time_never_runs_backwards() -> None:
    steps = run([(1, 0, 0, 10, 5000.0), (2, 0, 0, 11, 100.0), (3, 0, 0, 12, 5100.0)])
    assert steps.times.tolist() == [5000.0, 5000.0, 5100.0]
    assert steps.lengths.tolist() == [1, 2, 3]


def test_against_plain_python() -> None:
    random = np.random.default_rng(3)
    clicks = []
    for _ in range(2000):
        event, user, session, item = (int(random.integers(1, 5000)), int(random.integers(0, 5)),
                                      int(random.integers(0, 3)), int(random.integers(1, 50)))  # fmt: skip
        clicks.append((event, user, session, item, float(random.integers(0, 40_000))))
    rows = np.zeros(10, USER)
    state: dict[int, tuple[list[int], list[int], int, float]] = {}
    for first in range(0, 2000, 100):
        steps = run(clicks[first : first + 100], rows)
        for n, (event, user, session, item, time) in enumerate(clicks[first : first + 100]):
            prefix, events, known, last = state.get(user, ([], [], -1, 0.0))
            if event in events[-RECENT_EVENTS:]:
                assert not steps.is_accepted[n]
                continue
            if known == -1 or (session != known if session else time - last > SILENCE_S):
                prefix, known = [], session
            prefix = [*prefix, item][-PREFIX:]
            state[user] = (prefix, [*events, event], known, max(last, time))
            assert steps.prefixes[n, : steps.lengths[n]].tolist() == prefix
            assert steps.times[n] == max(last, time)
