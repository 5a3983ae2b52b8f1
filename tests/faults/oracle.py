"""Oracle: what a site should have decided and should know, by an offline pass in event-time order, against what it has.

records of the input topics ─► the real handlers, undisturbed ─► decisions by id, rows ─► outputs, changelogs, database

Nothing here depends on the fault: all of them are judged by this one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from benchmarks.replays import in_event_time
from models.maintenance import AssetModel
from models.recommender import CatalogueView, Recommender
from models.registry import ModelStore
from schemas import (
    ALERTS,
    CLICKS,
    INPUTS,
    ITEMS,
    MAINTENANCE,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    ModelRef,
    Settings,
    dead_letters_of,
)
from streams.agent import HEADER, DeadLetter, Outcome, Outputs, PartitionState, empty_state
from streams.agent.saved import ReplayedChangelog, restore
from streams.maintain import Maintain
from streams.recommend import Recommend, ServedRanker
from tests.faults.reading import Reading

AT_ONCE = 1000
TOLD = 5  # examples of each kind in the details
Place = tuple[str, int, int]  # topic in the contract, partition, offset


@dataclass
class Verdict:
    """What was found; all but `repeated` are faults."""

    events: int = 0
    lost: int = 0  # decisions, dead letters or rows that are not there
    doubled: int = 0  # decisions that no event asks for, rows that counted otherwise than once
    contradicting: int = 0  # two values under one id, or another value than the undisturbed pass gives
    repeated: int = 0  # records that were sent again, and say the same
    details: list[str] = field(default_factory=list)

    def tell(self, kind: str, what: str, found: Iterable[Any]) -> None:
        """Count the findings, and name some."""
        named = list(found)
        if named:
            setattr(self, kind, getattr(self, kind) + len(named))
            self.details.append(f"{kind}: {len(named)} {what}, such as {named[:TOLD]}")

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.contradicting)

    def compare(self, what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> None:
        self.tell("lost", what, expected.keys() - found.keys())
        self.tell("doubled", what, found.keys() - expected.keys())
        self.tell("contradicting", what, [key for key in expected.keys() & found.keys() if expected[key] != found[key]])


@dataclass
class Expected:
    """What an undisturbed pass gives."""

    decisions: dict[str, dict[str, bytes | None]] = field(default_factory=lambda: defaultdict(dict))  # topic, id
    dead: set[Place] = field(default_factory=set)


@lru_cache(maxsize=4)
def handlers(models: Path, prefix: str) -> tuple[Maintain, Recommend]:
    """Those of the site's workers, with the same models."""
    settings = Settings(kafka="none:1", topic_prefix=prefix, home=models / "none")
    store = ModelStore(models)
    ranker = store.load("recommender")
    assert ranker.manifest.profile is not None
    profile = ranker.manifest.profile
    view = CatalogueView(profile)  # empty: what is recommended is not asked here
    served = ServedRanker(Recommender(ranker, profile), view, ModelRef(name="r", version="v"))
    return Maintain(settings, {"pump": AssetModel(store.load("pump"))}), Recommend(settings, served)


class Oracle:
    """Judges a site again and again, each time when it has decided and saved all that there is.

    It follows the events as an undisturbed worker would: `states` are the rows it should have by now.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._reading = settings, Reading(settings)
        self._maintain, self._recommend = handlers(settings.home / "models", settings.topic_prefix)
        self.expected = Expected()
        numbers = range(settings.partitions)
        self.states = {n: (self._empty(self._maintain, n), self._empty(self._recommend, n)) for n in numbers}
        self.reads_as: Callable[[], AbstractContextManager[None]] = nullcontext  # the version that saves the rows
        self._found: dict[str, dict[str, bytes | None]] = defaultdict(dict)  # topic -> id -> the first value
        self._found_dead: Counter[Place] = Counter()
        self._saved = {
            handler.changelog: defaultdict(ReplayedChangelog) for handler in (self._maintain, self._recommend)
        }

    @staticmethod
    def _empty(handler: Any, number: int) -> PartitionState:
        return empty_state(number, handler.layouts())

    async def judge(self) -> Verdict:
        """Outputs and saved rows against the undisturbed pass; only what is new is counted."""
        records = await self._reading.new(*INPUTS)
        verdict = Verdict(len(records))
        for number, (assets, users) in self.states.items():
            own = [record for record in records if record.partition == number]
            self._follow_plant(assets, [r for r in own if r.topic.endswith((TELEMETRY, MAINTENANCE))])
            self._follow_shop(users, [r for r in own if r.topic.endswith((CLICKS, ITEMS))])
        await self._judge_outputs(verdict)
        await self._judge_dead(verdict)
        await self._judge_rows(verdict)
        return verdict

    # the undisturbed pass

    def _follow_plant(self, state: PartitionState, records: Sequence[Any]) -> None:
        ordered = in_event_time(records, self._maintain)
        for start in range(0, len(ordered), AT_ONCE):
            outcome = self._handle(self._maintain, state, ordered[start : start + AT_ONCE])
            for output in outcome.outputs:
                self.expected.decisions[output.topic][_id(output.headers)] = output.value
            self.expected.dead |= {self._place(letter.record) for letter in outcome.dead}

    def _handle(self, handler: Maintain | Recommend, state: PartitionState, records: Sequence[Any]) -> Outcome:
        """A record that fails alone is a dead letter that changed nothing."""
        state.mark()
        try:
            return handler.handle(state, records)
        except Exception as error:
            state.undo()
            if len(records) == 1:
                return Outcome(dead=[DeadLetter(records[0], repr(error))])
        parts = [self._handle(handler, state, [record]) for record in records]
        return Outcome(
            Outputs(o for part in parts for o in part.outputs), [letter for part in parts for letter in part.dead]
        )

    def made_anew(self, topics: Mapping[str, str]) -> None:
        """Topics by name, with their new ids, which ids of decisions are made of from now on."""
        self._reading.forget(*topics)
        for states in self.states.values():
            for state in states:
                state.origins = {**state.origins, **{name: f"{name}@{topic_id}" for name, topic_id in topics.items()}}

    def _follow_shop(self, state: PartitionState, records: Sequence[Any]) -> None:
        """Clicks and items in the order of their offsets; which answers there are, not what they say."""
        ordered = sorted(records, key=lambda record: (record.topic.endswith(CLICKS), record.offset))
        for start in range(0, len(ordered), AT_ONCE):
            outcome = self._handle(self._recommend, state, ordered[start : start + AT_ONCE])
            answers = [output for output in outcome.outputs if output.topic == RECOMMENDATIONS]
            self.expected.decisions[RECOMMENDATIONS] |= {_id(output.headers): None for output in answers}
            self.expected.dead |= {self._place(letter.record) for letter in outcome.dead}

    def _place(self, record: Any) -> Place:
        return record.topic.removeprefix(self._settings.topic_prefix), record.partition, record.offset

    # what there is

    async def _judge_outputs(self, verdict: Verdict) -> None:
        for topic in (SCORES, ALERTS, RECOMMENDATIONS):
            first, otherwise = self._found[topic], []
            for record in await self._reading.new(topic):
                known = first.setdefault(_id(record.headers), record.value)
                verdict.repeated += known is not record.value and known == record.value
                if known != record.value:
                    otherwise.append((record.offset, record.value))
            verdict.tell("contradicting", f"records of {topic} that say otherwise under their id", otherwise)
            wanted = self.expected.decisions[topic]
            if topic == RECOMMENDATIONS:  # what is recommended depends on the view: the first answer is the answer
                wanted |= {key: first[key] for key in wanted if key in first}
            verdict.compare(topic, wanted, first)

    async def _judge_dead(self, verdict: Verdict) -> None:
        for record in await self._reading.new(*map(dead_letters_of, INPUTS)):
            headers = {name.removeprefix(HEADER): value.decode() for name, value in record.headers}
            self._found_dead[headers["topic"], int(headers["partition"]), int(headers["offset"])] += 1
        verdict.compare("dead letters", dict.fromkeys(self.expected.dead), dict.fromkeys(self._found_dead))

    async def _judge_rows(self, verdict: Verdict) -> None:
        """As a worker would load them; nobody is fenced."""
        for at, handler in enumerate((self._maintain, self._recommend)):
            records = await self._reading.new(handler.changelog)
            with self.reads_as():
                self._judge_rows_of(at, handler, records, verdict)

    def _judge_rows_of(self, at: int, handler: Maintain | Recommend, records: Sequence[Any], verdict: Verdict) -> None:
        replayed = self._saved[handler.changelog]
        for record in records:
            replayed[record.partition].take([record])
        for number, states in self.states.items():
            wanted = _rows(states[at])
            saved = _rows(restore(number, handler.layouts(), replayed[number].rows))
            verdict.tell("lost", "saved rows", wanted.keys() - saved.keys())
            wrong = [key for key, row in saved.items() if wanted.get(key) != row]
            verdict.tell("doubled", "saved rows that counted otherwise than once", wrong)


def _rows(state: PartitionState) -> dict[tuple[str, bytes], bytes]:
    tables = state.tables.items()
    return {(name, key): table.array[table.find(key)].tobytes() for name, table in tables for key in list(table.keys())}


def _id(headers: Iterable[tuple[str, bytes]]) -> str:
    return dict(headers)["ce_id"].decode()


def decoded(values: Mapping[str, bytes | None]) -> dict[str, dict[str, Any]]:
    return {key: orjson.loads(value) for key, value in values.items() if value}
