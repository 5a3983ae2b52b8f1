"""A topic that is deleted and made anew under its name is noticed, running or not, and read from its beginning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas import dead_letters_of
from tests.streams.agent.test_agents import events, told
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import OUTPUT_TOPIC
from tests.support.kafka import delete_topics

pytestmark = pytest.mark.kafka


async def made_anew(trial: Trial, *names: str) -> None:
    await delete_topics(trial.settings, *names)
    await trial.create_topics()


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
async def test_the_input_topic(trial_of: Callable[..., Any], is_running: bool) -> None:
    trial = await trial_of()
    await trial.produce("trivial.v1", events(300))
    worker = trial.start()
    await trial.until_applied()
    first = await trial.outputs()
    if not is_running:
        trial.stop(worker)
    await made_anew(trial, "trivial.v1")
    await trial.produce("trivial.v1", events(900, 1000))  # beyond the old positions
    if not is_running:
        worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    assert "deleted and made anew" in trial.logs()
    totals = await trial.totals()
    assert sum(count for count, _, _ in totals.values()) == 1200
    second = {key: value for key, value in (await trial.outputs()).items() if key not in first}
    assert len(second) > 20  # no id of before names another event


async def test_all_topics_under_a_running_worker(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    await trial.produce("trivial.v1", events(300))
    worker = trial.start()
    await trial.until_applied()
    first = await trial.outputs()
    everything = ("trivial.v1", dead_letters_of("trivial.v1"), trial.handler.changelog, OUTPUT_TOPIC)
    await made_anew(trial, *everything)
    await trial.produce("trivial.v1", events(300))
    await trial.until(lambda: told(trial, "made anew"))
    await trial.until_applied()
    trial.stop(worker)
    assert sum(count for count, _, _ in (await trial.totals()).values()) == 300
    again = await trial.outputs()
    assert again
    assert not set(first) & set(again)
