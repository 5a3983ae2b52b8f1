"""What a dense item was seen with, counted from the list of clicks pair by pair, as summaries.c says that it is.

clicks ─► lists of sessions ─► pairs, each with when it was and how far things had gone by then ─► weighed at the end
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp

from models.recommender.kernel import DENSE
from schemas import Click, RecommenderProfile


@dataclass
class List:
    """One session; the tests have none that is longer than a list."""

    number: int
    items: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    last: float = 0.0


@dataclass(frozen=True)
class Pair:
    other: str
    distance: int
    action: str
    time: float
    gone_by: float


class Summaries:
    """Of a log that nothing has left."""

    def __init__(self, profile: RecommenderProfile) -> None:
        self.profile = profile
        self.lists: dict[str, List] = {}
        self.pairs: dict[str, list[Pair]] = {}  # of the dense items
        self._clicks: Counter[str] = Counter()
        self._occurrences: dict[str, list[tuple[int, List, int]]] = defaultdict(list)
        self._count = 0

    def gone_by(self, item: str) -> float:
        """E-folds that would have taken from a pair of the first moment."""
        p = self.profile
        return self._count / p.click_log + len(self.lists) / p.recent_sessions + self._clicks[item] / p.reads

    def click(self, click: Click) -> None:
        item, of = click.item_id, self.lists.setdefault(str(click.session_id), List(len(self.lists)))
        of.items.append(item)
        of.actions.append(click.action)
        of.last = max(of.last, len(self.lists) if self.profile.clock == "sessions" else click.event_time.timestamp())
        self._count += 1
        self._clicks[item] += 1
        self._occurrences[item].append((self._count, of, len(of.items) - 1))
        has_all = self._clicks[item] >= DENSE and item not in self.pairs
        if has_all:
            self.pairs[item] = list(self._of_the_log(item))
        for place in range(max(0, len(of.items) - 1 - self.profile.window), len(of.items) - 1):
            self._add(item, of, len(of.items) - 1, place, has_all)

    def _add(self, item: str, of: List, newest: int, place: int, has_all: bool) -> None:
        other, distance = of.items[place], newest - place
        if item in self.pairs and not has_all:
            self.pairs[item].append(Pair(other, -distance, of.actions[place], of.last, self.gone_by(item)))
        if other in self.pairs and not (has_all and other == item):
            self.pairs[other].append(Pair(item, distance, of.actions[newest], of.last, self.gone_by(other)))

    def _of_the_log(self, item: str) -> Iterator[Pair]:
        p = self.profile
        for age, (number, of, place) in enumerate(self._occurrences[item][: -p.reads - 1 : -1]):
            since = (self._count - number) / p.click_log + (len(self.lists) - of.number) / p.recent_sessions
            for other, name in enumerate(of.items):
                if 0 < abs(other - place) <= p.window:
                    gone_by = self.gone_by(item) - since - age / p.reads
                    yield Pair(name, other - place, of.actions[other], of.last, gone_by)

    def sums(self, item: str, time: float) -> dict[str, dict[str, float]]:
        """Of each item that it was seen with: columns of the evidence that are of the last item alone."""
        found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for pair in self.pairs[item]:
            passed, lasts = max(time - pair.time, 0.0), exp(pair.gone_by - self.gone_by(item))
            strength = lasts / abs(pair.distance) * getattr(self.profile.action_weights, pair.action)
            of, is_after = found[pair.other], pair.distance > 0
            of["after_last" if is_after else "before_last"] += strength * exp(-passed / self.profile.slow)
            of["recent_last"] += strength * (1 if is_after else 0.5) * exp(-passed / self.profile.fast)
            of["next_last"] += lasts * (pair.distance == 1)
            of["together_last"] += lasts
        return found
