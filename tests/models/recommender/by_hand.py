"""What the recommender's numbers mean, computed from a list of clicks in plain Python: slow, short and without arrays.

clicks ─► History (sessions as lists, items with the times of their clicks) ─► evidence, by name ─► features, by name

Everything is counted anew from the log for each question. Logs must be short enough to be remembered whole: sessions of
fewer than 20 clicks, each by a user of its own, who clicks an item at most twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt

from schemas import Click, RecommenderProfile

Evidence = dict[str, float]


@dataclass
class Session:
    key: str
    items: list[str] = field(default_factory=list)
    last: float = 0.0


@dataclass(frozen=True)
class Seen:
    """One click: when, whether its session had begun before, whether the session had the item, its context."""

    time: float
    is_continued: bool
    is_repeated: bool
    context: dict[str, object]


class History:
    """The log as it is known when a question is asked."""

    def __init__(self, profile: RecommenderProfile, clicks: Sequence[Click]) -> None:
        self.profile, self.total = profile, len(clicks)
        self.sessions: dict[str, Session] = {}
        self.items: dict[str, list[Seen]] = defaultdict(list)
        self.where: dict[str, list[tuple[str, int]]] = defaultdict(list)  # session and place, oldest first
        self.now = 0.0
        for click in clicks:
            key = click.session_id or ""
            is_continued = key in self.sessions
            session = self.sessions.setdefault(key, Session(key))
            time = float(len(self.sessions)) if profile.clock == "sessions" else click.event_time.timestamp()
            seen = Seen(time, is_continued, click.item_id in session.items, dict(click.context))
            self.items[click.item_id].append(seen)
            self.where[click.item_id].append((key, len(session.items)))
            session.items.append(click.item_id)
            session.last = self.now = max(self.now, time)
            assert len(session.items) < 20
            assert session.items.count(click.item_id) <= 2

    def time_of(self, click: Click) -> float:
        """Of a question."""
        return self.now if self.profile.clock == "sessions" else max(self.now, click.event_time.timestamp())

    def clicks(self, item: str) -> int:
        return len(self.items.get(item, ()))

    def rarity(self, item: str) -> float:
        return 1 / sqrt(self.clicks(item) + 5)

    def decayed(self, seen: Sequence[Seen], half_life: float, time: float) -> float:
        return sum(0.5 ** ((time - one.time) / half_life) for one in seen)

    def places(self, item: str, most: int, but: str | None = None) -> list[tuple[Session, int]]:
        """Where the item was clicked lately, in all sessions but one."""
        newest = [(self.sessions[key], place) for key, place in reversed(self.where[item]) if key != but]
        return newest[:most]


def newest_first(profile: RecommenderProfile, prefix: Sequence[str]) -> list[tuple[int, str]]:
    """(age, item) of the newest items of a session, each where it came last."""
    found: dict[str, int] = {}
    for age, item in enumerate(list(reversed(prefix))[: profile.prefix_items]):
        found.setdefault(item, age)
    return [(age, item) for item, age in found.items()]


def evidence(history: History, prefix: Sequence[str], own: str | None, time: float) -> dict[str, Evidence]:
    """Of each item that the log has any for: what kernel/evidence.c says of its columns."""
    found: dict[str, Evidence] = defaultdict(lambda: defaultdict(float))
    parts: dict[tuple[str, int], float] = defaultdict(float)
    for age, item in newest_first(history.profile, prefix):
        for session, place in history.places(item, history.profile.reads, own):
            for other, candidate in enumerate(session.items):
                if 0 < abs(other - place) <= history.profile.window:
                    passed = time - session.last
                    count_pair(history, found[candidate], item, age, other - place, passed)
                    parts[candidate, age] += history.profile.age_decay**age * history.rarity(item)
    for (candidate, _), part in parts.items():
        cosine = part * history.rarity(candidate)
        of = found[candidate]
        of["cosine"] += cosine
        of["cosine_max"] = max(of["cosine_max"], cosine)
        of["cosine_root"] += sqrt(cosine)
        of["covered"] += 1
    count_neighbours(history, found, prefix, own, time)
    if history.profile.second_order_items:
        count_second_order(history, found, prefix)
    return found


def count_pair(history: History, of: Evidence, item: str, age: int, distance: int, passed: float) -> None:
    profile, is_after = history.profile, distance > 0
    near, weight = 1 / abs(distance), profile.age_decay**age
    slow, fast = weight * exp(-passed / profile.slow), weight * exp(-passed / profile.fast)
    direction = "after" if is_after else "before"
    of[direction] += near * slow
    of["recent"] += near * fast * (1 if is_after else 0.5)
    of["directed"] += near * slow * history.rarity(item) * (1 if is_after else 0.7)
    of["next"] += weight * (distance == 1)
    if age == 0:
        of[f"{direction}_last"] += near * slow
        of["recent_last"] += near * fast * (1 if is_after else 0.5)
        of["next_last"] += distance == 1
        of["together_last"] += 1
    if age == 1:
        of["near_second"] += near


def shared(history: History, prefix: Sequence[str], own: str | None) -> dict[str, dict[int, int]]:
    """Of each session that was met: the ages of the prefix items that it has, and the newest place of each."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for age, item in newest_first(history.profile, prefix):
        for session, place in history.places(item, history.profile.reads, own):
            found[session.key].setdefault(age, place)
    return found


def similarities(
    history: History, ages: dict[str, dict[int, int]], length: int, time: float, fall: float, recency: float
) -> dict[str, float]:
    found = {}
    for key, of in ages.items():
        session = history.sessions[key]
        scale = 1 / sqrt(length * len(session.items)) * exp(-(time - session.last) / recency)
        found[key] = sum(exp(-age / fall) for age in of) * scale
    return found


def nearest(similarity: dict[str, float], count: int) -> dict[str, float]:
    """The `count` most similar, and those that are as similar as the last of them."""
    least = sorted(similarity.values(), reverse=True)[:count][-1] if similarity else 0.0
    return {key: value for key, value in similarity.items() if value >= least * (1 - 1e-6)}


def count_neighbours(
    history: History, found: dict[str, Evidence], prefix: Sequence[str], own: str | None, time: float
) -> None:
    """Items of the nearest sessions, by their distance from the newest shared item."""
    p, ages = history.profile, shared(history, prefix, own)
    long = similarities(history, ages, len(prefix), time, p.prefix_decay, p.neighbour_recency)
    short = similarities(history, ages, len(prefix), time, p.prefix_decay_short, p.neighbour_recency_short)
    long, short = nearest(long, p.neighbours), nearest(short, max(p.neighbours // 5, 1))
    for key in long.keys() | short.keys():
        at = ages[key][min(ages[key])]
        for place, candidate in enumerate(history.sessions[key].items):
            distance, of = place - at, found[candidate]
            if distance == 0:
                continue
            if key in long:
                score = long[key] * exp(-abs(distance) / p.distance_decay)
                of["neighbours"] += score
                of["neighbours_after"] += score * (distance > 0)
                of["neighbour_count"] += 1
                of["nearest"] = max(of["nearest"], long[key])
            of["neighbours_recent"] += short.get(key, 0.0) * exp(-abs(distance) / p.distance_decay_short)
    for candidate, of in found.items():
        inverse = log(history.total + 1) - log(history.clicks(candidate) + 1)
        for name in ("neighbours", "neighbours_after", "neighbours_recent"):
            of[name] *= inverse
        of["directed"] *= history.rarity(candidate)
        of["neighbours_rare"] = (0.5 * of["neighbours"] + of["neighbours_after"]) * history.rarity(candidate)


def count_second_order(history: History, found: dict[str, Evidence], prefix: Sequence[str]) -> None:
    """Items close to those that have most `directed`."""
    known = {item for _, item in newest_first(history.profile, prefix)}
    ranked = sorted((of["directed"], item) for item, of in found.items() if item not in known and of["directed"] > 0)
    for directed, item in ranked[::-1][: history.profile.second_order_items]:
        for session, place in history.places(item, history.profile.second_order_reads):
            for other, candidate in enumerate(session.items):
                if 0 < abs(other - place) <= 4:
                    near = directed * history.rarity(item) / abs(other - place)
                    found[candidate]["second_order"] += near * history.rarity(candidate)


def features(
    history: History, prefix: Sequence[str], own: str | None, click: Click, candidates: Sequence[str]
) -> list[dict[str, float]]:
    """Of each candidate, what the names of `models.recommender.features` say."""
    time = history.time_of(click)
    known = evidence(history, prefix, own, time)
    mine = [known.get(item) or defaultdict(float) for item in candidates]
    best: Evidence = defaultdict(float)
    for of in mine:
        for name, value in of.items():
            best[name] = max(best[name], value)
    rows = []
    for item, of in zip(candidates, mine, strict=True):
        relative = {f"{name}_relative": value / best[name] for name, value in of.items() if best[name] > 0}
        row = defaultdict(float, relative | dict(of) | item_features(history, item, time))
        row |= session_features(prefix, item) | confidence(history, row, of, prefix[-1], item, time)
        row |= {"best_neighbours": best["neighbours"], "best_after": best["after"], "items_met": len(known)}
        rows.append(row | context_features(history, row, item, click))
    return rows


def item_features(history: History, item: str, time: float) -> dict[str, float]:
    clicks, lives = history.items[item], history.profile.popularity_half_lives
    popularity = [history.decayed(clicks, life, time) for life in lives]
    continued = [history.decayed([c for c in clicks if c.is_continued], life, time) for life in lives[:2]]
    return {f"popularity_{n + 1}": value for n, value in enumerate(popularity)} | {
        "trend_short": (popularity[0] + 0.1) / (popularity[1] + 0.6),
        "trend_long": (popularity[1] + 0.1) / (popularity[3] + 2.4),
        "item_age": time - clicks[0].time,
        "item_idle": time - clicks[-1].time,
        "continued_1": continued[0],
        "continued_2": continued[1],
        "continued_share": (continued[1] + 0.5) / (popularity[1] + 1),
        "item_clicks": len(clicks),
        "item_repeat_rate": (sum(c.is_repeated for c in clicks) + 1) / (len(clicks) + 10),
    }


def session_features(prefix: Sequence[str], item: str) -> dict[str, float]:
    return {
        "times_in_session": Counter(prefix)[item],
        "clicks_since": [*reversed(prefix)].index(item) if item in prefix else 99,
        "is_first_of_session": float(prefix[0] == item),
        "session_length": len(prefix),
        "session_variety": len(set(prefix)) / len(prefix),
    }


def confidence(
    history: History, row: dict[str, float], of: Evidence, last: str, item: str, time: float
) -> dict[str, float]:
    last_clicks, clicks = history.clicks(last), history.clicks(item)
    six = ("neighbours", "after", "cosine", "directed", "cosine_root", "second_order")
    return {
        "next_rate": of["next_last"] / (last_clicks + 3),
        "cosine_last": of["together_last"] / sqrt((last_clicks + 5) * (clicks + 5)),
        "together_rate": of["together_last"] / (clicks + 2),
        "recent_rate": of["recent"] / (row["popularity_2"] + 1),
        "evidence": sum(row[f"{name}_relative"] for name in six) + row["second_order_relative"],
        "last_item_clicks": last_clicks,
        "last_item_age": time - history.items[last][0].time if last_clicks else float("nan"),
    }


def context_features(history: History, row: dict[str, float], item: str, click: Click) -> dict[str, float]:
    """How much more the item is clicked under the values of the context than others are, and the context as numbers."""
    profile, found, product = history.profile, dict[str, float](), 1.0
    half_life, everything = profile.popularity_half_lives[2], [c for clicks in history.items.values() for c in clicks]
    for counted in profile.context_popularity:
        value, lift = click.context.get(counted.name), float("nan")
        if value is not None:
            alike = [c for c in everything if c.context.get(counted.name) == value]
            under, total = (history.decayed(some, half_life, history.now) for some in (alike, everything))
            share = (under + 1) / (total + 10)
            own = [c for c in history.items[item] if c.context.get(counted.name) == value]
            of_item = history.decayed(own, half_life, history.time_of(click))
            lift = (of_item + 2 * share) / (row["popularity_3"] + 2) / share
            product *= lift
        found[f"lift_{counted.name}"] = lift
    if profile.context_popularity:
        found |= {"lift_all": product, "lift_popularity": product * row["popularity_2"]}
    for name in profile.context:
        number = click.context.get(name)
        found[f"context_{name}"] = float(number) if isinstance(number, int | float) else float("nan")
    at = click.event_time
    return found | {"context_hour": at.hour + at.minute / 60 + at.second / 3600}
