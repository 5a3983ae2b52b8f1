"""Puts a history of clicks on the click feed of a running installation without asking for answers.

    python -m benchmarks.backfill clicks.jsonl --profile portal --until 2017-10-14T00:00:00Z

So that the catalogue view of an evaluation begins where offline evaluation begins, in seconds instead of an hour. The
records are those that the agent would have sent: same functions, under a partition number that no topic has.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np

from millrace.commands import connected_settings
from models.recommender import USER, advance, encode_clicks, encode_record, feed_clicks
from schemas import FEED, PROFILES, Click, RecommenderProfile
from streams.kafka import EventProducer

PARTITION = 0xFFFFFFFF
BATCH = 1000


def records(file: Path, profile: RecommenderProfile, until: datetime) -> Iterator[bytes]:
    """Feed records of the clicks before `until`, in the order of the file."""
    rows, slot_of, done = np.zeros(1 << 16, USER), dict[str, int](), 0
    with file.open("rb") as lines:
        while batch := [Click.model_validate_json(line) for line in islice(lines, BATCH)]:
            batch = [click for click in batch if click.event_time < until]
            if not batch:
                return
            slots = np.array([slot_of.setdefault(click.user_id, len(slot_of)) for click in batch])
            if len(slot_of) > len(rows):
                rows = np.concatenate([rows, np.zeros(len(rows), USER)])
            clicks = encode_clicks(profile, batch)
            steps = advance(rows, slots, clicks.moves, profile.session_silence_s)
            yield encode_record(feed_clicks(clicks, steps, PARTITION, np.arange(done, done + len(batch))))
            done += len(batch)


async def fill(file: Path, profile: RecommenderProfile, until: datetime) -> int:
    count = 0
    async with EventProducer(connected_settings()) as producer:
        for record in records(file, profile, until):
            await producer.push_bytes(FEED, None, record)
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clicks", type=Path)
    parser.add_argument("--profile", choices=list(PROFILES), default="shop")
    parser.add_argument("--until", type=datetime.fromisoformat, required=True)
    given = parser.parse_args()
    print(f"{asyncio.run(fill(given.clicks, PROFILES[given.profile], given.until)):,} feed records")


if __name__ == "__main__":
    main()
