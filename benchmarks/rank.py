"""How long `POST /v1/rank` takes of a running service: p50 and p99 over HTTP, one request after the other.

items of the shop, users ─► POST /v1/rank ─► a table

    python -m benchmarks.rank http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

import httpx2

REQUESTS = 1000


def measure(api: str) -> None:
    chance = random.Random(1)
    with httpx2.Client(base_url=api, timeout=30) as client:
        pages = [client.get("/v1/items", params={"limit": 200}).json()]
        while pages[-1]["next"] and len(pages) < 5:
            pages.append(client.get("/v1/items", params={"limit": 200, "after": pages[-1]["next"]}).json())
        items = [item["item_id"] for page in pages for item in page["items"]]
        users = [f"user-{number:04}" for number in range(500)]
        print("| items | explained | p50 ms | p99 ms |\n|---|---|---|---|")
        for count, is_explained in ((1, False), (20, False), (100, False), (300, False), (20, True)):
            requests = REQUESTS // 10 if is_explained else REQUESTS
            times = []
            for _ in range(requests):
                body = {"user_id": chance.choice(users), "items": chance.sample(items, min(count, len(items)))}
                times.append(_time_of(client, body | {"explain": is_explained}))
            quantiles = statistics.quantiles(times[10:], n=100)
            print(f"| {count} | {is_explained} | {quantiles[49]:.1f} | {quantiles[98]:.1f} |", flush=True)


def _time_of(client: httpx2.Client, body: dict[str, object]) -> float:
    started = time.perf_counter()
    answer = client.post("/v1/rank", json=body)
    took_ms = (time.perf_counter() - started) * 1e3
    assert answer.status_code == 200, answer.text
    return took_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("api")
    measure(parser.parse_args().api)


if __name__ == "__main__":
    main()
