"""What an open tab costs its browser: python -m benchmarks.tab URL [--minutes 10]

Opens the page Live of a running console in a headless Chromium for ten minutes and tells each minute, over the protocol
of the developer tools: the memory of JavaScript after a collection, nodes and listeners, repaints a second, CPU time of
scripts and of all of the page's work, and how many decisions a second the service made meanwhile. Memory that grows
from minute to minute is a leak. Put load on the service beside it: `millrace replay FILE --rate 1000`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections import Counter
from typing import Any

import httpx2
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TRACED_S = 10.0  # of each minute: a trace of all of it would be a load of its own
FRAME_US = 8000  # paints that lie closer together are one repaint
COLUMNS = "minute  heap MB  nodes  listeners  repaints/s  most in 1 s  script ms/s  all ms/s  decisions/s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="of the console, as http://127.0.0.1:8000")
    parser.add_argument("--minutes", type=int, default=10)
    options = parser.parse_args()
    url, minutes = options.url.rstrip("/"), options.minutes
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        print("there is no Chromium on this machine", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(f"{url}/")
        page.locator(".chart canvas").first.wait_for()
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable")
        print(COLUMNS)
        heaps = [_minute(number, url, browser, page, tools) for number in range(1, minutes + 1)]
        browser.close()
    later = heaps[len(heaps) // 3 :]
    slope = statistics.linear_regression(range(len(later)), later).slope if len(later) > 1 else 0.0
    print(f"heap of the last {len(later)} minutes: {slope:+.3f} MB a minute")
    return 0


def _minute(number: int, url: str, browser: Browser, page: Page, tools: CDPSession) -> float:
    """Measures and prints a minute; returns the memory at its end, in MB."""
    before, started = _metrics(tools), time.monotonic()
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    page.wait_for_timeout(TRACED_S * 1000)
    mean, most = _repaints(browser.stop_tracing())
    page.wait_for_timeout(max(0.0, 60 - (time.monotonic() - started)) * 1000)
    tools.send("HeapProfiler.collectGarbage")
    after, passed_s = _metrics(tools), time.monotonic() - started
    spent = {name: (after[name] - before[name]) / passed_s * 1000 for name in ("ScriptDuration", "TaskDuration")}
    heap = float(after["JSHeapUsedSize"]) / 1e6
    print(
        f"{number:6} {heap:8.2f} {after['Nodes']:6.0f} {after['JSEventListeners']:10.0f} {mean:11.1f} {most:12} "
        f"{spent['ScriptDuration']:12.1f} {spent['TaskDuration']:9.1f} {_decisions(url):12.0f}",
        flush=True,
    )
    return heap


def _metrics(tools: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}


def _repaints(trace: bytes) -> tuple[float, int]:
    """A second, and the most in one."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    times = sorted(event["ts"] for event in events if event["name"] == "Paint")
    frames = [time for n, time in enumerate(times) if n == 0 or time - times[n - 1] > FRAME_US]
    seconds = Counter((time - frames[0]) // 1_000_000 for time in frames) if frames else Counter()
    return len(frames) / TRACED_S, max(seconds.values(), default=0)


def _decisions(url: str) -> float:
    agents = httpx2.get(f"{url}/v1/overview", timeout=10).json()["agents"]
    return sum(own["events_per_s"] for name, own in agents.items() if name in {"recommend", "maintain"})


if __name__ == "__main__":
    sys.exit(main())
