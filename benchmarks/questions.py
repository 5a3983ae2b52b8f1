"""What a question to the catalogue view costs on logs of different density, and a digest of all lists.

log of clicks ─► view ─► the last 1,920 clicks ask, in batches of 64 or alone ─► candidates, feature rows, the best 20

    python -m benchmarks.questions            (in two checkouts, one after the other: equal digests are equal lists)
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import numpy as np

from millrace.demo import Shop
from models.recommender import CatalogueView, Queries, Recommender
from models.recommender.training import ClickLog, LogReader
from schemas import CLICKS, PROFILES, Click, Item

ASKED = 1_920
START = 1_700_000_000.0
PROFILE = PROFILES["shop"]
Draw = Callable[[np.random.Generator], int]

SYNTHETIC: dict[str, tuple[Draw, float | None]] = {  # which item is clicked, mean length of a session (None: no end)
    "Pareto .6 over 100,000": (lambda chance: min(99_999, int(1 + chance.pareto(0.6))), None),
    "ten items": (lambda chance: int(chance.integers(10)), None),
    "three items": (lambda chance: int(chance.integers(3)), None),
    "uniform over 100,000": (lambda chance: int(chance.integers(100_000)), 5.0),
}


def _simulated() -> Iterator[Sequence[Click | Item]]:
    events = [event.value for event in itertools.islice(Shop(7).events(START), 40_000) if event.topic == CLICKS]
    yield [Click.model_validate(value) for value in events]


def _synthetic(draw: Draw, mean: float | None, clicks: int) -> Iterator[Sequence[Click | Item]]:
    chance, start = np.random.default_rng(3), datetime(2026, 1, 1, tzinfo=UTC)
    sessions = np.zeros(2_000, int)
    for first in range(0, clicks, 10_000):
        batch = []
        for number in range(first, min(first + 10_000, clicks)):
            user = int(chance.integers(2_000))
            sessions[user] += mean is not None and chance.random() < 1 / mean
            batch.append(
                Click(
                    event_id=str(number),
                    event_time=start + timedelta(seconds=number / 50),
                    user_id=f"u{user}",
                    session_id=f"u{user}-{sessions[user]}" if mean else None,
                    item_id=f"i{draw(chance)}",
                )
            )
        yield batch


def _ask(log: ClickLog, size: int) -> tuple[list[float], str]:
    """Microseconds a question, by batch, and the digest of everything that came out."""
    recommender, view, digest = Recommender(None, PROFILE), CatalogueView(PROFILE), blake2b(digest_size=6)
    begin = len(log) - ASKED
    view.apply(log.record(0, begin))
    queries = log.queries(np.arange(begin, len(log)))
    took = []
    for first in range(0, ASKED, size):
        asked = Queries._make(column[first : first + size] for column in queries)
        started = time.perf_counter()
        found = recommender.candidates(view, asked)
        places, scores = recommender.best(found, recommender.by_hand(found))
        took.append((time.perf_counter() - started) / size * 1e6)
        for array in (found.items, found.rows, found.counts, places, scores):
            digest.update(array.tobytes())
        view.apply(log.record(begin + first, begin + first + size))
    return took, digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=200_000, help="of each synthetic log")
    clicks = parser.parse_args().clicks
    logs = {"shop simulator": _simulated()} | {
        kind: _synthetic(draw, mean, clicks) for kind, (draw, mean) in SYNTHETIC.items()
    }
    print("| log | batch | mean us | p50 | p99 | digest |\n|---|---|---|---|---|---|")
    for kind, events in logs.items():
        log = LogReader(PROFILE).read(events, lambda *_: None)
        for size in (64, 1):
            took, digest = _ask(log, size)
            took = took[len(took) // 10 :]  # the first ones warm up
            middle, slow = np.quantile(took, (0.5, 0.99))
            print(f"| {kind} | {size} | {np.mean(took):.0f} | {middle:.0f} | {slow:.0f} | {digest} |", flush=True)


if __name__ == "__main__":
    main()
