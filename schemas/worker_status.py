"""What an edge worker runs, told on workers.v1 whenever it changes and every few seconds."""

from __future__ import annotations

from pydantic import Field

from schemas.events import OutputEvent, Time
from schemas.manifest import Alias


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


class WorkerStatus(OutputEvent):
    """Key of the record: `worker`. A worker that ends in order leaves a null value."""

    worker: str = Field(description="host and process")
    event_time: Time
    evaluator: str = Field(description="how the kernel evaluates on this CPU")
    running: list[Running]
    refused: list[Refusal]
    comparisons: list[Comparison]
