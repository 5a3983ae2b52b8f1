"""The stage clock: what is spent in a stage is booked there, once, and nowhere when no clock runs."""

from __future__ import annotations

import threading
import time

import pytest

from models.stages import STAGES, StageClock, apart, enter


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_the_stages_add_up_to_the_time_that_the_clock_ran() -> None:
    clock = StageClock()
    begin = time.thread_time()
    with clock.running("decode"):
        burn(0.002)
        enter("features")
        burn(0.004)
        enter("decode")
        burn(0.002)
    spent = time.thread_time() - begin
    burn(0.01)  # after the clock has stopped
    seconds = clock.take()
    assert tuple(seconds) == STAGES
    assert 0.004 <= seconds["decode"] <= spent - 0.004
    assert 0.004 <= seconds["features"] <= spent - 0.004
    assert (seconds["state"], seconds["score"], seconds["emit"]) == (0.0, 0.0, 0.0)
    assert 0.008 <= sum(seconds.values()) <= spent


def test_what_is_taken_is_not_given_again() -> None:
    clock = StageClock()
    with clock.running("score"):
        burn(0.001)
    assert clock.take()["score"] > 0
    assert set(clock.take().values()) == {0.0}


def test_waiting_costs_nothing() -> None:
    clock = StageClock()
    with clock.running("emit"):
        threading.Event().wait(0.05)
    assert clock.take()["emit"] < 0.04


def test_a_clock_that_runs_does_not_begin_again_and_neither_does_another() -> None:
    clock = StageClock()
    with clock.running("decode"):
        for nested in (clock, StageClock()):
            with pytest.raises(RuntimeError, match="a stage clock runs already"), nested.running("state"):
                pass
        enter("state")
        burn(0.001)
    assert clock.take()["state"] >= 0.001  # the refused ones changed nothing


def test_an_error_stops_the_clock() -> None:
    clock = StageClock()
    with pytest.raises(ZeroDivisionError), clock.running("decode"):
        burn(0.001 / 0)
    burn(0.005)
    assert 0 < clock.take()["decode"] < 0.005
    with clock.running("decode"):
        pass


def test_without_a_clock_entering_is_allowed_and_a_stage_that_does_not_exist_is_not() -> None:
    enter("score")
    with pytest.raises(ValueError, match="'thinking' is no stage"):
        enter("thinking")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="decode, state, features, score, emit"):
        enter("")  # type: ignore[arg-type]


def test_threads_have_clocks_of_their_own() -> None:
    clock, other = StageClock(), StageClock()

    def work() -> None:
        with other.running("state"):
            burn(0.002)

    with clock.running("score"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert other.take()["state"] >= 0.002
    assert clock.take()["state"] == 0.0


def test_work_apart_belongs_to_no_stage() -> None:
    clock = StageClock()
    with clock.running("state"):
        with apart():
            enter("score")
            burn(0.02)
        burn(0.002)
    seconds = clock.take()
    assert seconds["score"] == 0
    assert 0.002 <= seconds["state"] < 0.015
