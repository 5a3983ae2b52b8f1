"""Metrics of the API, for Prometheus. Labels are routes, never paths, which have ids in them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric

# A read takes 2 to 5 ms, most of it in FastAPI.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)

REQUESTS = Counter("millrace_api_requests", "Requests answered", ["route", "method", "status"])
ERRORS = Counter("millrace_api_errors", "Answers that say that the service failed, by status", ["status"])
for _status in ("500", "503"):  # from 0 on, so that an alert sees the first increment
    ERRORS.labels(_status)
DURATION = Histogram("millrace_api_request_seconds", "Time to the start of an answer", ["route"], buckets=_SECONDS)
STREAMS = Gauge("millrace_api_streams", "Live streams that are open")


class _OwnMetrics:
    """What this process measures. It may hold modules of the workers too, and would tell their metrics: a worker that
    is never ready."""

    def collect(self) -> Iterator[Metric]:
        for family in REGISTRY.collect():
            if family.name.startswith(("millrace_api_", "process_", "python_")):
                yield family


OWN = _OwnMetrics()
