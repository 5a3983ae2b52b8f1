"""The event of each public topic: what is on it, by the topic's name in the contract."""

from __future__ import annotations

from schemas.events import (
    Alert,
    CatalogueEntry,
    Click,
    InputEvent,
    Item,
    Maintenance,
    OutputEvent,
    Recommendation,
    Score,
    Telemetry,
)
from schemas.worker_status import WorkerStatus

INPUTS: dict[str, type[InputEvent]] = {
    "clicks.v1": Click,
    "items.v1": Item,
    "telemetry.v1": Telemetry,
    "maintenance.v1": Maintenance,
}
OUTPUTS: dict[str, type[OutputEvent]] = {
    "recommendations.v1": Recommendation,
    "scores.v1": Score,
    "alerts.v1": Alert,
    "catalogue.v1": CatalogueEntry,
    "workers.v1": WorkerStatus,
}
