"""Findings: what is wrong in a file of events, rule by rule with examples, and what a model could learn from it.

rows ─► Validation.take ─► rules with counts and examples, tallies of assets, sensors, failures, clicks
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from statistics import median
from typing import Any, get_args

from millrace.events.files import Read
from millrace.tables import cure_of
from schemas import (
    CLICKS,
    Asset,
    Click,
    ClickAction,
    InputEvent,
    Item,
    Maintenance,
    MaintenanceKind,
    Settings,
    Telemetry,
)

EXAMPLES = 3
MOST_KEYS = 1_000_000  # ids and rows that are told apart; beyond it counts are "at least"
MOST_STRANGE, MOST_WORDS_SHOWN = 1000, 8  # words that are counted, and shown
OURS = {"kind": get_args(MaintenanceKind), "action": get_args(ClickAction), "available": ("true", "false")}
INTERVALS = 10_000  # of which the median is taken


@dataclass
class Rule:
    """One thing that should hold of every row. `is_fatal`: rows that break it would be dead letters."""

    title: str
    is_fatal: bool
    broken: int = 0
    examples: list[str] = field(default_factory=list)

    def breaks(self, number: int, what: str) -> None:
        self.broken += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"line {number}: {what}")

    @property
    def verdict(self) -> str:
        return "PASS" if not self.broken else "FAIL" if self.is_fatal else "WARN"


@dataclass
class Span:
    """First and last time, and the usual distance between two rows of one key."""

    first_s: float = inf
    last_s: float = -inf
    newest_s: dict[str, float] = field(default_factory=dict)
    intervals: list[float] = field(default_factory=list)
    longest_s: float = 0.0

    def take(self, key: str, time_s: float) -> float:
        """How far the row lies behind the newest one of its key, in seconds; 0 where it does not."""
        self.first_s, self.last_s = min(self.first_s, time_s), max(self.last_s, time_s)
        before = self.newest_s.get(key)
        if before is None:
            if len(self.newest_s) < MOST_KEYS:
                self.newest_s[key] = time_s
            return 0.0
        if time_s < before:
            return before - time_s
        self.newest_s[key] = time_s
        self.longest_s = max(self.longest_s, time_s - before)
        if time_s > before and len(self.intervals) < INTERVALS:
            self.intervals.append(time_s - before)
        return 0.0

    @property
    def days(self) -> float:
        return max(self.last_s - self.first_s, 0.0) / 86_400


@dataclass
class Sensor:
    count: int = 0
    low: float = inf
    high: float = -inf


@dataclass
class AssetFacts:
    """Of one asset class."""

    span: Span = field(default_factory=Span)
    readings: int = 0
    sensors: dict[str, Sensor] = field(default_factory=dict)
    entries: Counter[str] = field(default_factory=Counter)  # by kind
    failures: Counter[str] = field(default_factory=Counter)  # by component; "" the whole asset

    def read(self, event: Telemetry) -> None:
        self.readings += 1
        for name, value in event.readings.items():
            if isinstance(value, int | float):
                sensor = self.sensors.setdefault(name, Sensor())
                sensor.count, sensor.low, sensor.high = (
                    sensor.count + 1,
                    min(sensor.low, value),
                    max(sensor.high, value),
                )


class Validation:
    """What was found in the rows so far. Memory is bounded: by ids, not by rows."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._now = settings, time.time()
        self.events: Counter[str] = Counter()
        self.classes: dict[str, AssetFacts] = {}
        self.clicks, self.users, self.items, self.told = Span(), set[str](), set[str](), set[str]()
        self.placed = set[str]()
        self._seen: set[int] = set()
        self.strange: dict[str, Counter[str]] = {}  # by field, words that are none of the field's
        self.is_event = Rule("every row is an event", is_fatal=True)
        self.is_past = Rule("no event lies in the future", is_fatal=True)
        self.is_action = Rule("actions of clicks are words that are known", is_fatal=False)
        self.is_number = Rule("cells of sensors are numbers, or empty", is_fatal=False)
        self.is_clear = Rule("no local time lies in an hour that clocks left out or repeated", is_fatal=False)
        self.is_ordered = Rule("times of one asset or user do not go back", is_fatal=False)
        self.is_once = Rule("no row comes twice", is_fatal=False)

    @property
    def rules(self) -> list[Rule]:
        doubts = [self.is_action, self.is_number, self.is_clear, self.is_ordered, self.is_once]
        return [self.is_event, self.is_past, *doubts]

    @property
    def has_passed(self) -> bool:
        return bool(self.events) and not any(rule.verdict == "FAIL" for rule in self.rules)

    def take(self, read: Read) -> None:
        """Judge one row."""
        for odd in read.odd:
            self.is_number.breaks(read.number, odd)
        for name, word in read.strange:
            self._count_word(name, word)
        if read.unclear:
            self.is_clear.breaks(read.number, read.unclear)
        if read.row is None or read.row.event is None:
            self.is_event.breaks(read.number, read.why)
            return
        row, event = read.row, read.row.event
        self.events[row.topic] += 1
        if row.action:
            self.is_action.breaks(read.number, f"{row.action!r} counts as a view")
            self._count_word("action", row.action)
        ahead = row.time_s - self._now
        if ahead > getattr(self._settings, f"max_future_{row.topic.removesuffix('.v1')}_s"):
            self.is_past.breaks(read.number, f"{_shown(row.time_s)} is {_lasting(ahead)} ahead")
        if (identity := hash(row.value)) in self._seen:
            self.is_once.breaks(read.number, "an earlier row says the same: it would be taken once")
        elif len(self._seen) < MOST_KEYS:
            self._seen.add(identity)
        behind = self._count(event, row.time_s)
        if behind:
            self.is_ordered.breaks(
                read.number, f"{_shown(row.time_s)} is {_lasting(behind)} older than a row before it"
            )

    def _count_word(self, name: str, word: str) -> None:
        words = self.strange.setdefault(name, Counter())
        if word in words or len(words) < MOST_STRANGE:
            words[word] += 1

    def _count(self, event: InputEvent, time_s: float) -> float:
        if isinstance(event, Click):
            _add(self.users, event.user_id)
            _add(self.items, event.item_id)
            return self.clicks.take(event.user_id, time_s)
        if isinstance(event, Item):
            _add(self.told, event.item_id)
            return 0.0
        if isinstance(event, Asset):
            _add(self.placed, event.asset_id)
            return 0.0
        assert isinstance(event, Telemetry | Maintenance)
        facts = self.classes.setdefault(event.asset_class, AssetFacts())
        if isinstance(event, Telemetry):
            facts.read(event)
        else:
            facts.entries[event.kind] += 1
            if event.kind == "failure":
                facts.failures[event.component or ""] += 1
        return facts.span.take(event.asset_id, time_s)

    def facts(self) -> Iterator[str]:
        """What there is to learn from, a line for each asset class, and for clicks and items."""
        for name, one in sorted(self.classes.items()):
            yield from _class_lines(name, one)
        if self.events[CLICKS]:
            yield (
                f"{self.events[CLICKS]:,} clicks of {_many(self.users)} users on {_many(self.items)} items in "
                f"{self.clicks.days:.1f} days: `millrace train recommender`"
            )
        if self.told:
            yield f"{_many(self.told)} items are told"
        if self.placed:
            yield f"of {_many(self.placed)} assets it is told where they stand"
        for name, words in self.strange.items():
            yield _strange_line(name, words)

    def as_json(self) -> dict[str, Any]:
        """The same, for scripts."""
        return {
            "passed": self.has_passed,
            "events": dict(self.events),
            "rules": [
                {"rule": r.title, "verdict": r.verdict, "rows": r.broken, "examples": r.examples} for r in self.rules
            ],
            "unknown_words": {name: dict(words) for name, words in self.strange.items()},
            "asset_classes": {
                name: {
                    "assets": len(one.span.newest_s), "readings": one.readings, "sensors": list(one.sensors),
                    "failures": dict(one.failures), "days": one.span.days,
                }
                for name, one in self.classes.items()
            },
            "users": len(self.users), "items": len(self.items | self.told), "click_days": self.clicks.days,
        }  # fmt: skip


def _class_lines(name: str, one: AssetFacts) -> Iterator[str]:
    assets, days = len(one.span.newest_s), one.span.days
    if one.readings:
        usual = f", one every {_lasting(median(one.span.intervals))}" if one.span.intervals else ""
        yield (
            f"{name}: {one.readings:,} readings of {assets:,} assets in {days:.1f} days{usual}, the longest pause "
            f"{_lasting(one.span.longest_s)}"
        )
        for sensor, seen in one.sensors.items():
            share = seen.count / one.readings
            constant = ", always the same: nothing to learn from" if seen.low == seen.high else ""
            yield f"  {sensor}: in {share:.0%} of the readings, {seen.low:g} to {seen.high:g}{constant}"
        yield f"  sensors = [{', '.join(_quoted(sensor) for sensor in one.sensors)}]"
    if one.entries:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in one.entries.most_common())
        yield f"{name}: a log of {assets:,} assets in {days:.1f} days: {kinds}"
        yield from _failure_lines(one)


def _strange_line(name: str, words: Counter[str]) -> str:
    shown = ", ".join(f"{word!r} {count:,} times" for word, count in words.most_common(MOST_WORDS_SHOWN))
    more = f" and {len(words) - MOST_WORDS_SHOWN} more" if len(words) > MOST_WORDS_SHOWN else ""
    known = f"; {name} is {' or '.join(OURS[name])}" if name in OURS else ""
    return f"{name} has words of its own: {shown}{more}{known}. For example {cure_of(name, words.most_common(1)[0][0])}"


def _failure_lines(one: AssetFacts) -> Iterator[str]:
    whole = one.failures.get("", 0)
    parts = {name: count for name, count in one.failures.items() if name}
    if whole:
        yield f"  {whole:,} failures of whole assets: learned from three on, better from ten (target `rul`)"
    if parts:
        told = ", ".join(f"{name} {count:,}" for name, count in parts.items())
        yield f"  failures of components: {told}; learned from three of each on (target `failure_probability`)"
        if not whole:
            yield "  none of the whole asset: for the target `rul` say that no column is it: --map component="
    if not one.failures:
        yield "  no failure: a model needs some"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _add(ids: set[str], one: str) -> None:
    if len(ids) < MOST_KEYS:
        ids.add(one)


def _many(ids: set[str]) -> str:
    return f"{len(ids):,}{' or more' if len(ids) == MOST_KEYS else ''}"


def _shown(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _lasting(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
