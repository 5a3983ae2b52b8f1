"""docs/reference.md: the tables of settings, topics and metrics, written from the code so that they are true.

Settings, TOPICS, Prometheus registry ─► Markdown; `make generate` writes it, a test compares it
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import REGISTRY
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from schemas import TOPICS, Settings

HEAD = """\
# Reference

Written by `make generate` from the code; a test fails when it is out of date. The events themselves are described by
JSON Schemas and an AsyncAPI document in `schemas/generated/`, the HTTP API by `openapi.json` there and by `/docs`.
"""


def reference() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_settings(), *_topics(), *_metrics()])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines] + [""]


def _settings() -> list[str]:
    rows = []
    for name, field in Settings.model_fields.items():
        rows.append(
            (f"`MILLRACE_{name.upper()}`", _default(field.default), field.description or _choices(field.annotation))
        )
    return [
        "## Settings",
        "",
        "Environment variables; one that is empty is as if it were not set.",
        "",
        *_table(("variable", "default", "meaning"), rows),
    ]


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value is None or value in ("", PydanticUndefined) else f"`{value}`"


def _choices(annotation: Any) -> str:
    choices = getattr(annotation, "__args__", ())
    return " or ".join(f"`{choice}`" for choice in choices if isinstance(choice, str))


def _topics() -> list[str]:
    rows = []
    for topic in TOPICS:
        partitions = str(topic.partitions or "P")
        config = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        rows.append((f"`{topic.name}`", topic.key, partitions, topic.purpose, config))
    text = "P is `MILLRACE_PARTITIONS`. `millrace topics apply` creates them; auto-creation is off."
    return ["## Topics", "", text, "", *_table(("topic", "key", "partitions", "holds", "configuration"), rows)]


def _metrics() -> list[str]:
    import api
    import notify
    import streams.metrics

    assert api is not None  # it brings its metrics
    assert notify is not None
    assert streams.metrics is not None
    rows = []
    for family in sorted(REGISTRY.collect(), key=lambda family: family.name):
        if family.name.startswith("millrace_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            rows.append((f"`{name}`", family.type, family.documentation))
    text = "Workers serve them on `MILLRACE_METRICS_PORT`, the API on `/metrics`."
    return ["## Metrics", "", text, "", *_table(("metric", "type", "meaning"), rows)]
