"""Answers: API bodies of what was pushed and is kept, and of the service itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from schemas.base import EventTime, Frozen, GivenId, Name, Time
from schemas.bodies import AssetBody, Page, RecommendationBody
from schemas.manifest import Alias
from schemas.outputs import ModelRef, Strategy
from schemas.worker_status import Figures


class ItemBody(Frozen):
    """What the shop said of an item."""

    item_id: str
    title: str | None = None
    category: str | None = None
    attributes: dict[str, JsonValue] = Field(default_factory=dict)
    published_at: Time | None = Field(None, description="not shown before")
    available: bool = True
    updated_at: Time = Field(description="time of the newest event about it")
    removed_at: Time | None = Field(None, description="null: it was not removed")


class TrendPoint(Frozen):
    """The clicks of a bucket of time."""

    time: Time = Field(description="its beginning")
    clicks: int = Field(description="on the item")
    of: int = Field(description="on all items")


class ItemTrend(Frozen):
    """How often an item was clicked, among the newest clicks that are kept: of each user the last
    MILLRACE_CLICKS_PER_USER. So an old bucket has fewer clicks than there were; the share of all of them stays right.
    """

    item_id: str
    looked_at: int = Field(description="clicks on all items that were counted, 50,000 at most")
    bucket_s: float = Field(description="width of a bucket")
    points: list[TrendPoint] = Field(description="by time, without gaps; empty: no click is kept")


class ClickBody(Frozen):
    """A click, with what the shop says of its item."""

    event_time: Time
    item_id: str
    action: str
    title: str | None = None
    category: str | None = None
    session_id: str | None = None
    recommendation_id: str | None = Field(None, description="the recommendation that the user followed")


class UserBody(Frozen):
    """A user: the newest clicks, the last first, and the list that the user gets."""

    user_id: str
    clicks: list[ClickBody]
    recommendations: RecommendationBody


class LogEntryBody(Frozen):
    """An entry of an asset's maintenance log."""

    event_time: Time
    kind: str
    code: str | None = None
    component: str | None = None


class PeakBody(Frozen):
    """The greatest figures of an agent in a minute, of all that its worker told in it."""

    lag: int
    events_per_s: float
    decision_p99_ms: float | None = None


class FiguresBody(Frozen):
    """What a worker measured in a minute."""

    minute: Time
    figures: Figures = Field(description="as it told last in this minute")
    peaks: dict[str, PeakBody] = Field(
        default_factory=dict, description="by agent; empty: kept by a version that had none"
    )


class OverviewAssets(Frozen):
    """How many there are, and how many have an open alert of which the worst is that."""

    total: int
    critical: int
    warning: int
    advisory: int


class AssetCountsBody(OverviewAssets):
    """By severity of the class asked for, by class of the severity asked for; of a large fleet some seconds old."""

    classes: dict[str, int] = Field(description="the largest 50, the largest first")
    without_model: dict[str, int] = Field({}, description="those of `classes` that no model serves yet")


class AssetPage(Page[AssetBody]):
    """One page of assets, with the counts beside it if they were asked for."""

    counts: AssetCountsBody | None = None


class OverviewAlerts(Frozen):
    """Open alerts; those that are shelved are counted apart."""

    critical: int
    warning: int
    advisory: int
    unacknowledged: int
    shelved: int


class OverviewAgent(Frozen):
    """An agent over all of its workers."""

    lag: int
    events_per_s: float
    outputs_per_s: float


class Overview(Frozen):
    """How things are at this moment."""

    time: Time
    assets: OverviewAssets
    alerts: OverviewAlerts
    workers: dict[Literal["edge", "sink"], int] = Field(description="that told within half a minute")
    agents: dict[str, OverviewAgent]
    dead_letters_24h: dict[str, int] = Field(description="quarantined in the last 24 hours, by topic")


class TopicBody(Frozen):
    """A topic as it should be, and what is kept of it."""

    name: str
    key: str
    purpose: str
    direction: Literal["input", "output", "internal", "quarantine"]
    partitions: int
    config: dict[str, str]
    kept_offsets: dict[int, int] = Field(description="partition -> the next record that the database gets")
    events_per_s: float | None = Field(None, description="records that are read of it; null: no worker tells")
    lag: dict[str, dict[int, int]] = Field(
        default_factory=dict, description="agent -> partition -> records that it has not applied yet"
    )
    dead_letters_24h: int | None = Field(None, description="inputs: quarantined in the last 24 hours")


class SentEvent(Frozen):
    """What became of one event: its place on its topic, or why it was not sent."""

    index: int = Field(description="its place in the request, from 0")
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    error: str | None = Field(None, description="why it was not sent; null: it is on its topic")
    decisions: list[dict[str, JsonValue]] = Field(
        default_factory=list, description="with `wait`: what came of it, as {topic, event}; or {topic, reason}"
    )
    undecided: str | None = Field(None, description="with `wait`: why a click or reading has no decision of its own")


class SentEvents(Frozen):
    """What became of each event, in the order of the request."""

    sent: int
    refused: int
    events: list[SentEvent]


class RankBody(Frozen):
    """Items to rank, and for whom. Who sends neither user nor session asks for what is good for anybody."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # as in events

    user_id: GivenId | None = Field(None, description="whose session, and what was turned down, count; null: nobody's")
    session: list[GivenId] | None = Field(
        None, max_length=200, description="items clicked so far, oldest first; null: the user's own session"
    )
    items: list[GivenId] = Field(min_length=1, max_length=300, description="named twice, it counts once")
    context: dict[Name, Annotated[str, Field(max_length=200)] | float | None] = Field(
        default_factory=dict, max_length=32, description="as of a click"
    )
    event_time: EventTime | None = Field(None, description="as of when; null: the newest event that the worker knows")
    explain: bool = Field(False, description="say what moved each score")
    limit: int = Field(300, ge=1, le=300, description="most items of the answer")


class Contribution(Frozen):
    """What a feature adds to a score; `expected` is the score of which nothing is known, `fresh_bonus` the policy's."""

    name: str
    contribution: float
    value: float | None = Field(None, description="of the feature; null: missing, or it is no feature")


class RankedItem(Frozen):
    item_id: str
    score: float
    contributions: list[Contribution] | None = Field(
        None, description="the strongest first; they sum to the score, up to rounding"
    )


class LeftOut(Frozen):
    """An item that is not for this user, or for nobody now."""

    item_id: str
    reason: Literal["unknown", "unavailable", "turned_down"] = Field(
        description="nothing was ever heard of it; it is sold out, removed, not yet published, or was never described "
        "where the profile wants that; or the user turned it down"
    )


class RankAnswer(Frozen):
    """The items, best first, by the scores that they would have in the user's own list."""

    user_id: str | None = None
    event_time: Time
    strategy: Strategy
    model: ModelRef
    items: list[RankedItem]
    left_out: list[LeftOut]


class TraceHop(Frozen):
    """A record that an input record led to: a decision, or a dead letter with its reason."""

    topic: str
    partition: int
    offset: int
    time: Time = Field(description="of the record, by the broker's or the worker's clock")
    after_ms: int = Field(description="after the input record")
    event: dict[str, JsonValue] | None = None
    reason: str | None = Field(None, description="of a dead letter")
    is_kept: bool | None = Field(None, description="whether the database has it; null: it keeps nothing of the kind")


class TraceBody(Frozen):
    """An input record and what came of it."""

    topic: str
    partition: int
    offset: int
    time: Time = Field(description="when it came to its topic")
    key: str | None
    value: str | None = Field(description="as text; of a large one the first 64 KiB")
    size: int = Field(description="bytes of the value")
    headers: dict[str, str]
    taken_from: str | None = Field(None, description="where a producer had put it, on another partition than its key's")
    hops: list[TraceHop] = Field(description="empty: nothing came of it, or not yet")


class PromoteBody(Frozen):
    """Which version is to serve."""

    version: Annotated[str, Field(min_length=1, max_length=100)]
    alias: Alias = Field("champion", description="`champion` serves; `challenger` is scored in the shadow")


class AliasBody(Frozen):
    """What an alias of a model points to."""

    name: str
    alias: Alias
    version: str | None
