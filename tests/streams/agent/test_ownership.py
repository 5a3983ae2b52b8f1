"""The life of a partition: which moves lead where, whatever order they come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.agent.ownership import Partition, Phase
from streams.agent.rows import empty_state

MOVES = ("opened", "resume", "suspend", "doubt", "fence")
LAST = {Phase.DOUBTFUL, Phase.FENCED}


def partition() -> Partition:
    return Partition(0, empty_state(0, {}))


def may(part: Partition, move: str) -> bool:
    """What the runtime asks before it makes a move."""
    return {"opened": part.phase is Phase.OPENING, "resume": part.is_sound}.get(move, True)


@given(st.lists(st.sampled_from(MOVES), max_size=12))
def test_whatever_happens_doubtful_memory_is_never_used(moves: list[str]) -> None:
    part = partition()
    for move in moves:
        if not may(part, move):
            continue
        phase, epoch = part.phase, part.epoch
        getattr(part, move)()
        if phase in LAST:
            assert part.phase in LAST
            assert part.phase is phase or (phase, move) == (Phase.DOUBTFUL, "fence")
        assert not (part.is_ready and phase is Phase.OPENING), "not without being opened"
        assert part.epoch == epoch + (move in {"resume", "suspend", "fence"}), "what is on its way is stale"
        assert not part.is_ready or part.is_sound


@pytest.mark.parametrize("last", ["doubt", "fence"])
def test_no_move_leads_back(last: str) -> None:
    part = partition()
    part.opened()
    part.resume()
    assert part.is_ready
    getattr(part, last)()
    assert not part.is_sound
    part.suspend()
    assert not part.is_sound
    with pytest.raises(AssertionError):
        part.resume()
