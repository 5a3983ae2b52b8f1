"""API bodies: what the API answers and what it is sent. Events appear in it as they are on their topics."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from schemas.asset_class import SensorLabel
from schemas.base import Frozen, Time
from schemas.manifest import Alias, AliasChange, Training
from schemas.outputs import Action, Alert, AlertKind, AlertState, Cause, ModelRef, Score, Severity, Strategy, Verdict
from schemas.worker_status import Comparison

InService = Literal["in_service", "out_of_service", "decommissioned"]

Entry = TypeVar("Entry")


class Page(Frozen, Generic[Entry]):
    """One page of a list."""

    items: list[Entry]
    next: str | None = Field(None, description="send it as `after` for the next page; null: this is the last one")


class ListedItem(Frozen):
    """An item of a list, with what the shop says of it. One that is not available is in no list."""

    item_id: str
    score: float
    title: str | None = None
    category: str | None = None
    available: bool = True


class ItemList(Frozen):
    """Items, best first."""

    event_time: Time | None = Field(description="when the list was made; null: there is none yet")
    items: list[ListedItem]


class RecommendationBody(Frozen):
    """The items for a user. A user without a recommendation gets the trending list, and `strategy` says so."""

    user_id: str
    strategy: Strategy
    event_time: Time | None
    recommendation_id: str | None = Field(None, description="send it with the click that follows")
    model: ModelRef | None = None
    caused_by: Cause | None = None
    items: list[ListedItem]


class Acknowledgement(Frozen):
    """Who has seen an alert, and when."""

    acknowledged_at: Time
    by: str
    comment: str | None = None


class Shelving(Frozen):
    """Until when a failure mode of an asset does not want attention, as a person said it."""

    until: Time = Field(description="then it comes back by itself")
    by: str
    reason: str
    shelved_at: Time


class Closing(Frozen):
    """Who ended an alert by hand, and why."""

    closed_at: Time
    by: str
    reason: str


class OutcomeBody(Frozen):
    """What an alert came to, as the last person said it."""

    verdict: Verdict
    found: str | None = None
    replaced: str | None = None
    by: str
    at: Time


class AlertBody(Frozen):
    """Where an alert stands."""

    alert_id: str
    asset_id: str
    asset_class: str
    site: str | None = Field(None, description="where its asset stands, as `assets.v1` told last")
    line: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    failure_mode: str
    kind: AlertKind = Field("machine", description="`data`: it is about what the asset sends")
    state: AlertState
    severity: Severity
    score: float | None
    raised_at: Time
    updated_at: Time = Field(description="time of the latest transition")
    acknowledgement: Acknowledgement | None = None
    shelving: Shelving | None = Field(None, description="null: it is not shelved at this moment")
    suppressed_by: str | None = Field(
        None, description="the site of its asset, where so many have an open alert that the site is the alarm"
    )
    assignee: str | None = Field(None, description="who looks after it")
    closing: Closing | None = Field(None, description="null: it was not closed by hand")
    outcome: OutcomeBody | None = None


class SiteAlertsBody(Frozen):
    """How many assets of a site have an open alert, by the severity of the worst of each."""

    site: str
    assets: int
    critical: int = 0
    warning: int = 0
    advisory: int = 0
    suppresses: bool = Field(description="they are so many that the site is the alarm, and suppresses theirs")


class AlertDetail(AlertBody):
    """An alert with all that happened to it, each transition with its evidence, and all that people did about it."""

    transitions: list[Alert]
    actions: list[Action] = Field(default_factory=list, description="the first one first")


class AssetBody(Frozen):
    """An asset: when it was seen, and what was told of it."""

    asset_id: str
    asset_class: str
    first_seen: Time
    last_seen: Time
    severity: Severity | None = Field(None, description="of its worst open alert; null: none is open")
    health: float | None = Field(
        None,
        description="0 to 1: the least of its latest scores, see there; 1 where they do not tell it, null: it has none",
    )
    latest_scores: list[Score] = Field(default_factory=list, description="the newest of each of its targets")
    service: InService = Field("in_service", description="as its log says by now; nothing watches one that is not")
    service_since: Time | None = Field(None, description="null: the log says nothing of it")
    site: str | None = Field(None, description="where it stands, as `assets.v1` told last")
    line: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    commissioned_at: Time | None = None


class WindowBody(Frozen):
    """A maintenance window: no alert of the asset is raised while it is open."""

    start: Time
    end: Time | None = Field(None, description="null: its end is not told yet")
    code: str | None = None


class AssetDetail(AssetBody):
    """An asset with the newest score of each of its targets, its open alerts, and its maintenance windows."""

    open_alerts: list[AlertBody]
    windows: list[WindowBody] = Field(
        default_factory=list, description="those that are open or ahead, the one that begins first first"
    )


class RunningBody(Frozen):
    """An edge worker that runs a version."""

    worker: str
    alias: Alias
    since: Time
    is_signed: bool = Field(description="by a key that the worker trusts")


class RefusalBody(Frozen):
    """An edge worker that does not take a version; what it ran before goes on."""

    worker: str
    version: str
    alias: Alias | None = Field(description="that pointed to it; null: it was refused when it was published")
    reason: str
    refused_at: Time


class VersionBody(Frozen):
    """One trained version of a model."""

    version: str
    kind: str
    created_at: Time
    asset_class: str | None = None
    training: Training
    metrics: dict[str, float]
    made_from: str | None = Field(
        None,
        description="version that it is a smaller one of; its `metrics` and those with `_before`, of that version, "
        "are of the same held-out rows",
    )
    regimes: list[dict[str, float]] = Field(
        default_factory=list,
        description="of a class with several operating regimes, what is typical of each: values "
        "of the variables that tell it; the first is regime 0",
    )
    labels: dict[str, SensorLabel] = Field(
        default_factory=dict, description="of an asset class, what people call its readings, and their units"
    )
    card: str | None = Field(None, description="Markdown, for people")
    running_on: list[RunningBody] = Field(default_factory=list, description="edge workers, as they told last")


class ModelBody(Frozen):
    """A model with its aliases and versions, newest first."""

    name: str
    aliases: dict[Alias, str] = Field(description="which version serves (`champion`), which is tried (`challenger`)")
    previous: dict[Alias, str] = Field(default_factory=dict, description="which it was before: where a rollback goes")
    versions: list[VersionBody]
    changes: list[AliasChange] = Field(
        default_factory=list, description="of the aliases, in the home of this API server; the last 50, newest first"
    )
    refused: list[RefusalBody] = Field(default_factory=list, description="versions that workers did not take, and why")
    comparisons: list[Comparison] = Field(default_factory=list, description="challengers beside champions, by worker")


class FieldError(Frozen):
    field: str = Field(description="path to the field, such as `query.limit` or `body.by`")
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str = Field(description="address of the page that explains it")
    title: str
    status: int
    detail: str
    instance: str | None = Field(None, description="path that was asked for")
    errors: list[FieldError] | None = Field(None, description="which fields were wrong, and why")


class Health(Frozen):
    status: Literal["alive", "ready"]
    checks: dict[str, JsonValue] = Field(default_factory=dict, description="what was looked at, and how it is")
