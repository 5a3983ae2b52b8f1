"""Read assets: which there are, how they stand, their scores, readings and logs, whole or as so many points.

select ─► rows ─► bodies
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, literal, literal_column, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from schemas import (
    AssetBody,
    AssetCountsBody,
    AssetDetail,
    InService,
    LogEntryBody,
    Score,
)
from storage.counting import AssetCounts
from storage.kept_tables import LogRow
from storage.kept_write import ASSET
from storage.keys import any_of
from storage.read_alerts import AlertFilter, AlertReading, precedes
from storage.read_pushed import PushedReading
from storage.read_words import beginning_with, with_words
from storage.service import is_in, services_of, windows_of
from storage.sites import ANYWHERE, SEVERITIES, PlaceFilter
from storage.tables import AssetRow, LatestScoreRow, ScoreRow

OPEN_ALERTS_SHOWN = 100
MOST_CLASSES = 50  # that are counted by name
RANKS = (None, *SEVERITIES)  # numbers of the column `severity`
After = tuple[datetime, str]
AssetKey = tuple[str, str]  # asset_class, asset_id
Order = Literal["id", "worst", "last_seen"]


class AssetFilter(NamedTuple):
    """Which assets a list shows; none: any. `words`: each is the beginning of a word of the id or class; `services`:
    what they are now, by their log.
    """

    asset_class: str | None = None
    severity: str | None = None
    words: tuple[str, ...] = ()
    place: PlaceFilter = ANYWHERE
    services: tuple[InService, ...] = ()


ANY_ASSET = AssetFilter()


def place_of(asset: AssetBody, order: Order) -> tuple[Any, ...]:
    """Where an asset stands in that order: what `Reader.assets` goes on after."""
    first: dict[Order, tuple[Any, ...]] = {
        "worst": (RANKS.index(asset.severity), 1.0 if asset.health is None else asset.health),
        "last_seen": (asset.last_seen,),
    }
    return (*first.get(order, ()), asset.asset_class, asset.asset_id)


class AssetReading(PushedReading, AlertReading):
    _connection: Connection
    _asset_counts: AssetCounts

    def silent_assets(self, since: datetime, until: datetime) -> dict[str, int]:
        """By asset class, how many assets in service were last seen in that time; 0 for classes that have others."""
        statement = select(AssetRow.asset_class, func.count()).group_by(AssetRow.asset_class)
        is_quiet = (*within(AssetRow.last_seen, since, until), is_in(["in_service"]))
        found = self._connection.execute(statement.where(*is_quiet))
        silent = {row[0]: row[1] for row in found}
        return {name: silent.get(name, 0) for name in self.class_names(sys.maxsize)}

    def assets(
        self,
        which: AssetFilter | str | None,
        after: tuple[Any, ...] | str | None,
        limit: int,
        order: Order = "id",
    ) -> list[AssetBody]:
        """Assets with their latest scores.

        Args:
            which: a filter, or a class alone.
            after: the key of the last one before: (asset_class, asset_id), which `worst` has its severity and health
                before and `last_seen` its time; an id alone goes on within a class.
            order: by class and id; the worst open alert first and then the least health; or the last seen first.
        """
        wanted = which if isinstance(which, AssetFilter) else AssetFilter(which)
        rows = self._worst(wanted, after, limit) if order == "worst" else self._assets(wanted, after, limit, order)
        keys = [(row["asset_class"], row["asset_id"]) for row in rows]
        latest, told = self._latest(keys), self._told(keys)
        return [_asset(row, latest.get(key, []), told[key]) for key, row in zip(keys, rows, strict=True)]

    def _told(self, keys: list[AssetKey]) -> dict[AssetKey, dict[str, Any]]:
        """What people tell of assets: where they stand, whether they are in service."""
        sites, services = self.sites_of(keys), services_of(self._connection, keys)
        found: dict[AssetKey, dict[str, Any]] = {key: dict(sites.get(key, {})) for key in keys}
        for key, (service, since) in services.items():
            found[key] |= {"service": service, "service_since": since}
        return found

    def _worst(self, wanted: AssetFilter, after: Any, limit: int) -> list[Any]:
        """Severity by severity: each of them is a range of the index in the order of health."""
        first, *place = after or (len(RANKS) - 1,)  # severity, health, asset_class, asset_id
        rows: list[Any] = []
        for severity in range(first, -1, -1):
            if len(rows) < limit and wanted.severity in (None, RANKS[severity]):
                key = tuple(place) if place and severity == first else None
                is_so = AssetRow.severity == severity
                rows += self._assets(wanted, key, limit - len(rows), "worst", is_so)
        return rows

    def _assets(
        self, wanted: AssetFilter, after: Any, limit: int, order: Order, *conditions: ColumnElement[bool]
    ) -> list[Any]:
        id_key = (AssetRow.asset_class, AssetRow.asset_id)
        first: dict[Order, tuple[Any, ...]] = {"worst": (AssetRow.health,), "last_seen": (AssetRow.last_seen,)}
        keys = (*first.get(order, ()), *id_key)
        if isinstance(after, str):
            after = (wanted.asset_class, after)
        statement = select(AssetRow.__table__).where(*conditions).limit(limit)
        if wanted.asset_class is not None:  # then the class is not part of the order, nor of the index after the first
            statement = statement.where(AssetRow.asset_class == wanted.asset_class)
            keys = tuple(key for key in keys if key is not AssetRow.asset_class)
            after = after and (*after[:-2], after[-1])
        statement = statement.order_by(*(key.desc() if order == "last_seen" else key for key in keys))
        if wanted.severity is not None:
            # of an index of those with an open alert, which is only taken where the statement says so
            has_alert = AssetRow.severity > literal_column("0")
            statement = statement.where(AssetRow.severity == RANKS.index(wanted.severity), has_alert)
        if wanted.services:
            statement = statement.where(is_in(wanted.services))
        sought = [*beginning_with(ASSET, wanted.words), *wanted.place.sought]
        statement = with_words(self._connection, statement, sought, id_key)
        if after is not None:
            values = tuple_(*(literal(value, key.type) for value, key in zip(after, keys, strict=True)))
            statement = statement.where(tuple_(*keys) < values if order == "last_seen" else tuple_(*keys) > values)
        return list(self._connection.execute(statement).mappings())

    def count_assets(self, which: AssetFilter = ANY_ASSET) -> AssetCountsBody:
        """How many there are by the severity of the worst open alert, of the class of the filter; and by class, of its
        severity. Its words do not count.
        """
        total, of_severity, of_class = 0, Counter[str](), Counter[str]()
        for (asset_class, severity), count in self._asset_counts.get(self._connection).items():
            if which.asset_class in (None, asset_class):
                total += count
                of_severity[RANKS[severity] or ""] += count
            if which.severity in (None, RANKS[severity]):
                of_class[asset_class] += count
        named = {str(name): of_severity[str(name)] for name in SEVERITIES}
        classes = dict(of_class.most_common(MOST_CLASSES))
        without = {name: count for name, count in classes.items() if not self.is_scored(name)}
        return AssetCountsBody(total=total, **named, classes=classes, without_model=without)

    def is_scored(self, asset_class: str) -> bool:
        """Has an asset of this class a score? None has, as long as no model serves the class."""
        is_of_class = LatestScoreRow.asset_class == asset_class
        return self._connection.scalar(select(LatestScoreRow.asset_id).where(is_of_class).limit(1)) is not None

    def class_names(self, most: int = 50) -> list[str]:
        """The classes that assets have: one look at the index for each."""
        found: list[str] = []
        while len(found) < most:
            statement = select(func.min(AssetRow.asset_class))
            if found:
                statement = statement.where(AssetRow.asset_class > found[-1])
            name: str | None = self._connection.scalar(statement)
            if name is None:
                break
            found.append(name)
        return found

    def classes_of(self, asset_id: str) -> list[str]:
        """The asset classes that have an asset of this id, in order."""
        statement = select(AssetRow.asset_class).where(AssetRow.asset_id == asset_id)
        return list(self._connection.scalars(statement.order_by(AssetRow.asset_class)))

    def asset(self, asset_id: str, asset_class: str | None = None) -> AssetDetail | None:
        """An asset. Without a class: all that goes by this id; the scores and alerts of each class say which it is."""
        which = [AssetRow.asset_id == asset_id]
        if asset_class is not None:
            which.append(AssetRow.asset_class == asset_class)
        statement = select(AssetRow.__table__).where(*which).order_by(AssetRow.asset_class)
        rows = list(self._connection.execute(statement).mappings())
        if not rows:
            return None
        keys = [(row["asset_class"], row["asset_id"]) for row in rows]
        latest, told = self._latest(keys), self._told(keys)
        scores = [score for _, of_asset in sorted(latest.items()) for score in of_asset]
        is_open = AlertFilter(state="raised", asset_id=asset_id, asset_class=asset_class)
        shown = _asset(rows[0], scores, told[keys[0]]).model_dump()
        open_alerts = self.alerts(is_open, None, OPEN_ALERTS_SHOWN)
        return AssetDetail(**shown, open_alerts=open_alerts, windows=windows_of(self._connection, keys[0]))

    def _latest(self, assets: list[AssetKey]) -> dict[AssetKey, list[Score]]:
        if not assets:
            return {}
        is_wanted = any_of(LatestScoreRow.asset_class, LatestScoreRow.asset_id, assets)
        statement = select(LatestScoreRow.event).where(is_wanted)
        statement = statement.order_by(
            LatestScoreRow.asset_class, LatestScoreRow.asset_id, LatestScoreRow.kind, LatestScoreRow.component
        )
        found: dict[AssetKey, list[Score]] = {}
        for event in self._connection.scalars(statement):
            score = Score.model_validate(event)
            found.setdefault((score.asset_class, score.asset_id), []).append(score)
        return found

    def scores(
        self,
        asset_id: str,
        since: datetime | None,
        until: datetime | None,
        after: After | None,
        limit: int,
        asset_class: str | None = None,
    ) -> list[Score]:
        """Newest first, with `since <= event_time < until`; `after` is (event_time, score_id).

        Without a class: of every class that has the id. The class is part of the key, so they are looked up one by one.
        """
        classes = self.classes_of(asset_id) if asset_class is None else [asset_class]
        found = [score for name in classes for score in self._scores_of((name, asset_id), since, until, after, limit)]
        if len(classes) > 1:
            found.sort(key=lambda score: (score.event_time, score.score_id), reverse=True)
        return found[:limit]

    def _scores_of(
        self, asset: AssetKey, since: datetime | None, until: datetime | None, after: After | None, limit: int
    ) -> list[Score]:
        is_of_asset = (ScoreRow.asset_class == asset[0], ScoreRow.asset_id == asset[1])
        statement = select(ScoreRow.__table__).where(*is_of_asset, *within(ScoreRow.event_time, since, until))
        if after is not None:
            statement = statement.where(precedes(ScoreRow.event_time, ScoreRow.score_id, after))
        statement = statement.order_by(ScoreRow.event_time.desc(), ScoreRow.score_id.desc()).limit(limit)
        return [_score(row) for row in self._connection.execute(statement)]

    def log(
        self, asset: AssetKey, since: datetime | None, until: datetime | None, after: tuple[Any, ...] | None, limit: int
    ) -> list[tuple[tuple[datetime, int, int], LogEntryBody]]:
        """Entries of the maintenance log, the last first, each with its key (event_time, partition, offset)."""
        keys = (LogRow.event_time, LogRow.partition, LogRow.offset)
        statement = select(*keys, LogRow.kind, LogRow.code, LogRow.component)
        is_of_asset = (LogRow.asset_class == asset[0], LogRow.asset_id == asset[1])
        statement = statement.where(*is_of_asset, *within(LogRow.event_time, since, until))
        if after is not None:
            values = tuple_(*(literal(value, key.type) for value, key in zip(after, keys, strict=True)))
            statement = statement.where(tuple_(*keys) < values)
        rows = self._connection.execute(statement.order_by(*(key.desc() for key in keys)).limit(limit))
        return [
            ((time, partition, offset), LogEntryBody(event_time=time, kind=kind, code=code, component=component))
            for time, partition, offset, kind, code, component in rows
        ]


def within(
    time: InstrumentedAttribute[datetime], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """`since <= time < until`; none: open."""
    found = [] if since is None else [time >= since]
    return found if until is None else [*found, time < until]


def _asset(row: Any, scores: list[Score], told: dict[str, Any]) -> AssetBody:
    standing = {"severity": RANKS[row["severity"]], "latest_scores": scores}
    return AssetBody(**dict(row) | standing | ({} if scores else {"health": None}), **told)


def _score(row: Row[Any]) -> Score:
    values = dict(row._mapping)
    cause = {name: values.pop(f"caused_{name}") for name in ("topic", "partition", "offset", "event_id")}
    model = {name: values.pop(f"model_{name}") for name in ("name", "version")}
    return Score(**values | {"sensors": values["sensors"] or []}, caused_by=cause, model=model)
