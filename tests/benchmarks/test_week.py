"""The simulated week with trouble of every kind, short: replayed in any cut, shuffled and with kills, its alerts are
the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from benchmarks import trouble
from benchmarks.replays import ContradictionError, Told, fill, recorded, replayed, shuffled, told, worked
from benchmarks.trouble import KINDS, Sent, Week
from benchmarks.week import count_of, differences, handler_of, train_plant, without_offsets
from millrace.demo import simulate
from schemas import Settings
from streams.maintain import Maintain
from tests.support.cached import cached

SETTINGS = Settings(topic_prefix="w.", partitions=2)
BEGIN = 1_760_000_000.0


class Short(NamedTuple):
    """A short week as it came, and what the first replay of it told."""

    models: Path
    maintain: Maintain
    sent: list[Sent]
    expected: Told


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Short:
    sources = [Path(simulate.__file__), Path(trouble.__file__)]
    models = cached(train_plant, tmp_path_factory.mktemp("plant"), sources)
    maintain = handler_of(models, SETTINGS)
    sent, _ = recorded(Week(2, BEGIN, days=0.4, pumps=7, presses=5), maintain, SETTINGS)
    return Short(models, maintain, sent, replayed(sent, maintain, SETTINGS))


@pytest.mark.long
def test_each_kind_of_trouble_befalls_a_plant_and_alerts_of_both_kinds_are_told(short: Short) -> None:
    week = Week(2, BEGIN, days=0.4, pumps=7, presses=5)
    assert {one.kind for troubles in week.troubles.values() for one in troubles} == set(KINDS)
    events = [orjson.loads(value) for values in short.expected.values() for value in values]
    seen = Counter((event["kind"], event["state"]) for event in events)
    assert min(seen[kind, state] for kind in ("machine", "data") for state in ("raised", "cleared")) > 5
    said = " ".join(event["evidence"]["reason"] for event in events)
    assert all(word in said for word in ("no reading for", "clock", "is missing", "closed by hand", "out of service"))


@pytest.mark.long
@given(st.integers(0, 2**32), st.integers(0, 12))
@examples(max_examples=8)
def test_however_a_week_is_cut_and_taken_up_again_the_alerts_are_the_same(short: Short, seed: int, kills: int) -> None:
    found = replayed(short.sent, short.maintain, SETTINGS, random.Random(seed), kills)
    assert differences(short.expected, found) == []


@pytest.mark.long
@given(st.integers(0, 2**32))
@examples(max_examples=5)
def test_however_the_assets_of_a_week_are_shuffled_the_alerts_are_the_same(short: Short, seed: int) -> None:
    chance = random.Random(seed)
    mixed = shuffled(short.sent, chance)
    assert mixed != short.sent
    assert all(of(mixed, key) == of(short.sent, key) for key in {one.key for one in mixed})
    found = replayed(mixed, short.maintain, SETTINGS, chance, kills=4)
    assert differences(without_offsets(short.expected), without_offsets(found)) == []


def of(sent: Sequence[Sent], key: str) -> list[Sent]:
    return [one for one in sent if one.key == key]


async def test_workers_that_are_killed_again_and_again_tell_the_same_alerts(short: Short, settings: Settings) -> None:
    chance = random.Random(7)
    await fill(settings, short.sent)
    found = await worked(settings, short.models, count_of(short.expected), chance, kills=2)
    assert differences(short.expected, found) == []


def test_what_is_other_is_found() -> None:
    first, second = (orjson.dumps({"asset_id": "a", "caused_by": {"offset": n}}) for n in (1, 2))
    assert told([("x", first), ("y", second), ("x", first)]) == {"a": [first, second]}
    with pytest.raises(ContradictionError):
        told([("x", first), ("x", second)])
    assert differences({"a": [first]}, {"a": [first]}) == []
    assert len(differences({"a": [first], "b": [second]}, {"a": [second]})) == 2
    assert differences(without_offsets({"a": [first]}), without_offsets({"a": [second]})) == []
