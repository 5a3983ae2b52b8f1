"""What a worker runs and measures, told on workers.v1 whenever it changes and every few seconds."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import Json, OutputEvent, Time
from schemas.manifest import Alias

# for the examples
REFUSAL_EXAMPLE: Json = {
    "version": "20260520-120000",
    "alias": "challenger",
    "reason": "Model pump 20260520-120000 is not served: it is not signed.",
    "refused_at": "2026-05-20T12:00:00Z",
}
COMPARISON_EXAMPLE: Json = {
    "name": "pump",
    "champion": "20260501-120000",
    "challenger": "20260601-120000",
    "since": "2026-06-01T12:00:00Z",
    "decisions": 1200,
    "difference_mean": -0.4,
    "difference_deviation": 2.1,
    "histogram": [20, 580, 570, 30],
    "edges": [-3.0, 0.0, 3.0],
    "calibration": [
        {"count": 600, "champion": 31.0, "challenger": 30.2},
        {"count": 600, "champion": 96.5, "challenger": 96.1},
    ],
    "agreement_at_20": None,
    "next_clicks": 0,
    "champion_hits": 0,
    "challenger_hits": 0,
    "cpu_us": 1.4,
}
FIGURES_EXAMPLE: Json = {
    "role": "edge",
    "version": "0.1.0",
    "started_at": "2026-06-01T12:00:00Z",
    "is_ready": True,
    "memory_bytes": 310000000,
    "cpu_share": 0.21,
    "agents": {
        "recommend": {
            "lag": 0,
            "events_per_s": 210.4,
            "outputs_per_s": 210.4,
            "dead_letters": 3,
            "handling_ms": 2.1,
            "cpu_us": {"decode": 9.1, "state": 21.0, "features": 160.2, "score": 88.5, "emit": 30.7},
            "decision_p50_ms": 3.1,
            "decision_p99_ms": 14.0,
            "topics": {"clicks.v1": {"events_per_s": 210.4, "lag": {"0": 0, "1": 0}}},
        }
    },
}


class Running(OutputEvent):
    """A version that the worker has loaded."""

    name: str
    alias: Alias
    version: str
    since: Time
    is_signed: bool = Field(description="by a key that the worker trusts")


class Refusal(OutputEvent):
    """A version, or a change of an alias, that the worker does not take, and why; what served before goes on."""

    name: str
    version: str
    alias: Alias | None = Field(None, description="that pointed to it")
    reason: str
    refused_at: Time


class Bin(OutputEvent):
    """Decisions whose champion score lies in one tenth of what it has been so far, or of 0 to 1."""

    count: int
    champion: float = Field(description="mean score")
    challenger: float


class Comparison(OutputEvent):
    """A challenger beside its champion, over the same decisions, none of the challenger's emitted."""

    name: str
    champion: str
    challenger: str
    since: Time
    decisions: int
    difference_mean: float = Field(description="challenger - champion, in the unit of the raw scores")
    difference_deviation: float = Field(description="standard deviation")
    histogram: list[int] = Field(description="decisions by difference, between the edges")
    edges: list[float] = Field(description="inner edges of the histogram")
    calibration: list[Bin] = Field(description="mean scores by the champion's score, low to high")
    agreement_at_20: float | None = Field(None, description="recommenders: share of the champion's 20 in both lists")
    next_clicks: int = Field(0, description="recommenders: clicks of users who had both lists before")
    champion_hits: int = Field(0, description="of these, on an item of the champion's list")
    challenger_hits: int = 0
    cpu_us: float = Field(description="CPU time of the challenger for one decision")


class TopicFigures(OutputEvent):
    """What an agent reads of a topic (its name on the broker)."""

    events_per_s: float = 0.0
    lag: dict[int, int] = Field(default_factory=dict, description="partition -> records not applied yet")


class AgentFigures(OutputEvent):
    """What an agent did since the worker told last, and how far it is behind."""

    lag: int = Field(description="records of its topics that it has not applied yet")
    events_per_s: float
    outputs_per_s: float = 0.0
    dead_letters: int = Field(0, description="records quarantined since the start")
    handling_ms: float | None = Field(None, description="mean time of a batch; null: there was none")
    cpu_us: dict[str, float] = Field(default_factory=dict, description="CPU time of an event, by stage")
    decision_p50_ms: float | None = Field(
        None, description="from the oldest event of a batch on its topic to its decisions acknowledged; half took less"
    )
    decision_p99_ms: float | None = Field(None, description="the same; one in a hundred batches took more")
    topics: dict[str, TopicFigures] = Field(default_factory=dict, description="the same by topic")


class Figures(OutputEvent):
    """What a worker measured since it told last."""

    role: Literal["edge", "sink"]
    version: str = Field(description="of Millrace")
    started_at: Time
    is_ready: bool
    memory_bytes: int
    cpu_share: float = Field(description="of one core")
    agents: dict[str, AgentFigures]


class RankPlace(OutputEvent):
    """Where a worker ranks given items, and whose users it knows: those of these partitions of `clicks.v1`."""

    address: str = Field(description="for the API's servers: `http://host:port`")
    partitions: list[int]
    of: int = Field(description="partitions that the topic has")


class WorkerStatus(OutputEvent):
    """Key of the record: `worker`. A worker that ends in order leaves a null value."""

    worker: str = Field(description="host and process")
    event_time: Time
    evaluator: str = Field(description="how the kernel evaluates on this CPU; empty: it evaluates nothing")
    running: list[Running]
    refused: list[Refusal]
    comparisons: list[Comparison]
    figures: Figures | None = Field(None, description="null: told by a version that had none")
    ranks: RankPlace | None = Field(None, description="null: it does not rank given items, or not yet")

    @property
    def runs_models(self) -> bool:
        """Before there were figures, only those that do told of themselves."""
        return self.figures is None or self.figures.role == "edge"

    EXAMPLE: ClassVar[Json] = {
        "worker": "edge-1-4711",
        "event_time": "2026-06-01T12:20:00Z",
        "evaluator": "avx512",
        "running": [
            {
                "name": "pump",
                "alias": "champion",
                "version": "20260501-120000",
                "since": "2026-05-01T12:10:00Z",
                "is_signed": True,
            }
        ],
        "refused": [{"name": "pump", **REFUSAL_EXAMPLE}],
        "comparisons": [COMPARISON_EXAMPLE],
        "figures": FIGURES_EXAMPLE,
        "ranks": {"address": "http://edge-1:8003", "partitions": [0, 1], "of": 4},
    }
