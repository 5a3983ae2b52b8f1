"""A change of models while the handler cannot work: it is not held up, loses nothing, and a bad one changes nothing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.streams.agent.test_agents import events, told
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import OUTPUT_TOPIC, Trivial

pytestmark = pytest.mark.kafka


async def models_of(trial: Trial) -> dict[int, list[tuple[int, str]]]:
    """By partition: which model decided the records at which offsets, each decided once."""
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for record in await trial.read(OUTPUT_TOPIC):
        value = json.loads(record.value)
        offset = value["caused_by"]["offset"]
        assert offset not in found[record.partition]
        found[record.partition][offset] = value["model"]
    return {partition: sorted(of.items()) for partition, of in found.items()}


async def test_a_swap_while_the_handler_fails(trial_of: Callable[..., Any], tmp_path: Path) -> None:
    needed, named = tmp_path / "needed", tmp_path / "model"
    needed.touch()
    trial = await trial_of(Trivial(every=1, needs=str(needed), model="one", swaps=str(named)))
    await trial.produce("trivial.v1", events(600))
    worker = trial.start()
    await trial.until_applied()

    needed.unlink()
    await trial.produce("trivial.v1", events(600, 600))
    await trial.until(lambda: told(trial, "needed is not there"))
    named.write_text("bad")
    await trial.until(lambda: told(trial, "bad is refused"))
    named.write_text("two")
    await trial.until(lambda: told(trial, "two serves"))
    assert (await models_of(trial)).keys() == {0, 1}  # and the handler still fails
    assert sum(map(len, (await models_of(trial)).values())) == 600

    needed.touch()
    await trial.until_applied()
    trial.stop(worker)
    totals, _ = await trial.expected()
    assert await trial.totals() == totals
    for of in (await models_of(trial)).values():
        decided = [model for _, model in of]
        first = decided.index("two")
        assert decided == ["one"] * first + ["two"] * (len(decided) - first)
        assert [offset for offset, _ in of] == list(range(len(of)))
    assert sum(map(len, (await models_of(trial)).values())) == 1200
