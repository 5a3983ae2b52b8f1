"""Alerts: which there are, and one of them with its evidence. What people do about them is in `alert_actions`.

filters ─► Store.reading ─► list;  alert ─► what happened, what moved the score, charts around it
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from api import AlertId, Database, InHandling, InPlace, ProblemError, from_cursor, to_cursor
from console.alert_actions import SHELVED_H
from console.charts import chart_of, marks_of
from console.page import build_pages, link, number, show
from schemas import Action, ActionKind, Alert, AlertBody, AlertDetail, AlertKind, AlertState, Id, Name, Severity
from storage import AlertFilter, PlaceFilter, Reader, parse_words, place_of_alert

router = build_pages()
PAGE = 50
NO_NULL = r"^[^\x00]*$"
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
LEAST_AROUND = timedelta(minutes=10)
Sort = Literal["worst", "raised_at"]
LISTS: dict[Sort, Literal["alerts", "alerts/worst"]] = {"worst": "alerts/worst", "raised_at": "alerts"}
MOST_BARS = 12
MOST_CHARTS = 4  # of sensors
DONE: dict[ActionKind, str] = {
    "acknowledged": "acknowledged", "commented": "commented", "assigned": "assigned", "shelved": "shelved",
    "unshelved": "back in sight", "closed": "closed", "outcome": "judged",
}  # fmt: skip


class Chosen(NamedTuple):
    """The filters of the list."""

    state: AlertState | Literal["all"]
    severity: Severity | None
    acknowledged: bool | None
    shelved: bool | None
    assignee: str | None
    asset_class: str | None
    failure_mode: str | None
    about: AlertKind | None
    query: str
    site: str | None
    line: str | None
    label: list[str]
    raised: Literal["hour", "day", "week"] | None
    suppressed: bool | None
    sort: Sort | None

    @property
    def order(self) -> Sort:
        """The worst first of what is open, unless another one is asked for."""
        return self.sort or ("worst" if self.state == "raised" else "raised_at")

    def filter(self) -> AlertFilter | None:
        """None: a text without a word, so nothing is found."""
        words = parse_words(self.query)
        if self.query.strip() and not words:
            return None
        severities = (self.severity,) if self.severity else ()
        state = None if self.state == "all" else self.state
        since = None if self.raised is None else datetime.now(UTC) - SPANS[self.raised]
        # what is shelved is out of sight until somebody looks for it
        shelved = False if self.shelved is None and state == "raised" else self.shelved
        return AlertFilter(
            state, severities, None, self.asset_class, self.acknowledged, shelved, self.assignee, since, None, words,
            self.failure_mode, self.about, PlaceFilter(self.site, self.line, tuple(self.label)), self.suppressed,
        )  # fmt: skip


class _Of(NamedTuple):
    asset_class: str | None
    failure_mode: str | None
    about: AlertKind | None
    query: str
    site: str | None
    line: str | None
    label: list[str]


async def _of(
    place: InPlace,
    asset_class: Annotated[Name | None, Query()] = None,
    failure_mode: Annotated[Id | None, Query()] = None,
    about: Annotated[AlertKind | None, Query(description="the machine, or what it sends")] = None,
    query: Annotated[str, Query(max_length=100, pattern=NO_NULL)] = "",
) -> _Of:
    return _Of(asset_class, failure_mode, about, query, place.site, place.line, list(place.labels))


async def _chosen(
    handling: InHandling,
    of: Annotated[_Of, Depends(_of)],
    state: Annotated[AlertState | Literal["all"], Query()] = "raised",
    severity: Annotated[Severity | None, Query()] = None,
    raised: Annotated[Literal["hour", "day", "week"] | None, Query(description="within the last")] = None,
    suppressed: Annotated[bool | None, Query(description="by its site, where so many are in trouble")] = None,
    sort: Annotated[Sort | None, Query()] = None,
) -> Chosen:
    acknowledged, shelved, assignee = handling
    return Chosen(state, severity, acknowledged, shelved, assignee, *of, raised, suppressed, sort)


async def _said(
    done: Annotated[int | None, Query(ge=0, description="how many were just acted on")] = None,
    kind: Annotated[ActionKind, Query()] = "acknowledged",
    left: Annotated[int, Query(ge=0, description="how many were not, as they were cleared or gone")] = 0,
    unchanged: Annotated[int, Query(ge=0, description="how many were so before")] = 0,
) -> str | None:
    """What was just done, in words."""
    if done is None:
        return None
    text = f"{done} alert{'' if done == 1 else 's'} {DONE[kind]}."
    if unchanged:
        text += f" {unchanged} {'was' if unchanged == 1 else 'were'} so before, and nothing changed."
    return f"{text} {left} of those chosen {'is' if left == 1 else 'are'} cleared already, or gone." if left else text


@router.get("/alerts")
def list_alerts(
    request: Request,
    store: Database,
    which: Annotated[Chosen, Depends(_chosen)],
    said: Annotated[str | None, Depends(_said)],
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Open ones first; each filter is a link, so a view can be kept as a bookmark."""
    order, wanted, chosen = which.order, which.filter(), which._asdict()
    key = _place(after, order)
    with store.reading() as reader:
        found = reader.alerts(wanted, key, PAGE + 1, order) if wanted else []
        counts, classes, sites = reader.count_open_alerts(), reader.class_names(), reader.site_names()
        sentences = reader.sentences([one.alert_id for one in found[:PAGE]])
        parents = [one for one in reader.sites_in_trouble() if one.suppresses] if sites else []
    shown: list[AlertBody] = found[:PAGE]
    next_after = to_cursor(LISTS[order], *place_of_alert(shown[-1], order)) if len(found) > PAGE else None
    values: dict[str, Any] = {
        "alerts": shown,
        "sentences": sentences,
        "counts": counts,
        "chosen": chosen,
        "order": order,
        "classes": classes,
        "sites": sites,
        "parents": parents,
        "said": said,
        "spans": SHELVED_H,
        "here": (here := link("/alerts", **chosen, after=after)),
        "is_all_open": here == link("/alerts", state="raised"),
        "next": link("/alerts", **chosen, after=next_after) if next_after else None,
    }
    return show(request, "alerts.html", **values)


def _place(after: str | None, order: Sort) -> Any:
    """Where the list goes on. A bookmark of a place in the other order, as there was one before, is its beginning.

    Raises:
        ProblemError: it is no place in a list of alerts.
    """
    try:
        return from_cursor(LISTS[order], after)
    except ProblemError:
        from_cursor(LISTS["worst" if order == "raised_at" else "raised_at"], after)
        return None


@router.get("/alerts/{alert_id:id}")
def get_alert(
    request: Request, alert_id: AlertId, store: Database, said: Annotated[str | None, Depends(_said)]
) -> Response:
    """One alert: why, what moved it, what happened around it."""
    with store.reading() as reader:
        alert = reader.alert(alert_id)
        if alert is None:
            raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
        charts, entries = _around(reader, alert)
        asset = reader.asset(alert.asset_id, alert.asset_class)
    scores = asset.latest_scores if asset else []
    is_life = any(score.kind == "rul" for score in scores)
    is_share = any(score.kind == "failure_probability" for score in scores)
    unit = next((score.unit for score in scores if score.kind == "rul"), "")
    raised = [t for t in alert.transitions if t.state == "raised"]
    why = raised[-1] if raised else alert.transitions[-1]
    return show(
        request, "alert.html", alert=alert, why=why, unit=unit, bars=_bars(alert, is_life), charts=charts,
        entries=entries, history=_history(alert), is_share=is_share, spans=SHELVED_H, said=said,
    )  # fmt: skip


def _history(alert: AlertDetail) -> list[Alert | Action]:
    """What the machine and what people did, the last first. The machine's time is that of its readings."""
    told: list[Alert | Action] = [*alert.transitions, *alert.actions]
    return sorted(told, key=lambda one: one.event_time, reverse=True)


def _around(reader: Reader, alert: AlertDetail) -> tuple[list[dict[str, Any]], list[Any]]:
    """Charts of the score and of the sensors that the evidence names, and the maintenance log of that time."""
    key = (alert.asset_class, alert.asset_id)
    around = max(2 * (alert.updated_at - alert.raised_at), LEAST_AROUND)
    start, end = alert.raised_at - around, alert.updated_at + around / 2
    scores = reader.score_series(key, start, end, 300)
    readings = reader.reading_series(key, start, end, 300, [])
    entries = [entry for _, entry in reader.log(key, None, end, None, 10)]
    parts = [part for transition in alert.transitions for part in transition.evidence.contributions]
    parts += [{"feature": one.sensor} for transition in alert.transitions for one in transition.evidence.sensors]
    named = {one.name: part for one in readings.series if (part := _about(one.name, parts)) is not None}
    sensors = [one for one in readings.series if one.name in named][:MOST_CHARTS]
    marks = marks_of(alert.transitions, entries)
    charts = [chart_of(one, marks) for one in scores.series]
    return charts + [chart_of(one, marks) | _labelled(one.name, named[one.name]) for one in sensors], entries


def _about(sensor: str, parts: Sequence[dict[str, str | float]]) -> dict[str, str | float] | None:
    """The first line of evidence that is about a sensor; versions before told of features (`heat.level`), and of health
    indexes that named their sensors in words."""
    for part in parts:
        feature, words = str(part.get("feature", "")), str(part.get("words", ""))
        if sensor in (feature, feature.partition(".")[0]) or f"(mainly {sensor}" in words or f", {sensor}" in words:
            return part
    return None


def _labelled(sensor: str, part: Mapping[str, str | float]) -> dict[str, Any]:
    """Label and unit of a sensor's chart, with what is normal of it."""
    label, unit = part.get("label") or sensor, part.get("unit") or ""
    if part.get("normal_low") is not None:
        unit = f"{unit} (normally {number(float(part['normal_low']))} to {number(float(part['normal_high']))})".strip()
    return {"title": label, "unit": unit}


def _bars(alert: AlertDetail, is_life: bool) -> list[dict[str, Any]]:
    """What moved the score at the last transition that has evidence: from -1 to 1 of the strongest, and whether that is
    for the worse: less life, or a higher probability of failure."""
    with_evidence = [t for t in reversed(alert.transitions) if t.evidence.contributions]
    parts = with_evidence[0].evidence.contributions if with_evidence else []
    found = [
        (str(part.get("words") or part.get("feature", "")), float(part.get("contribution", 0.0))) for part in parts
    ]
    most = max((abs(moved) for _, moved in found), default=0.0) or 1.0
    found.sort(key=lambda pair: -abs(pair[1]))
    digits = max(0, 2 - math.floor(math.log10(most)))  # the same in all lines, so that they can be compared at a glance
    return [
        {"name": name, "moved": _signed(moved, digits), "share": moved / most, "is_worse": (moved < 0) == is_life}
        for name, moved in found[:MOST_BARS]
    ]


def _signed(value: float, digits: int) -> str:
    return f"{value:+,.{digits}f}".replace("-", "\N{MINUS SIGN}")
