"""Forget: what retention takes from each table, in small transactions between which the sink writes.

Ages ─► the oldest rows of each table, a few thousand at once ─► counts
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, delete, literal, select, tuple_

from schemas import TRENDING_KEY
from storage.database import transaction
from storage.kept_tables import (
    ClickRow,
    DeadLetterRow,
    FiguresRow,
    ForgottenRow,
    ItemRow,
    LogRow,
    ReadingRow,
    SiteRow,
    WordRow,
)
from storage.kept_write import ASSET
from storage.keys import any_of
from storage.notification_tables import NotificationRow
from storage.tables import (
    AcknowledgementRow,
    ActionRow,
    AlertRow,
    AssetRow,
    CatalogueRow,
    LatestScoreRow,
    RecommendationRow,
    Table,
    TransitionRow,
)

AT_ONCE = 2000  # rows a transaction; about 10 ms, so that the sink hardly waits
Stop = Callable[[], bool]


class Ages(NamedTuple):
    """Days after which rows go."""

    readings: float = 30
    clicks: float = 30
    log: float = 730
    dead_letters: float = 30
    figures: float = 7
    lists: float = 365
    alerts: float = 730
    removed_items: float = 30
    notifications: float = 30


def forget(writing: Engine, reading: Engine, ages: Ages, should_stop: Stop) -> dict[str, int]:
    """Delete what is older. Returns how many rows went, by table."""
    now = datetime.now(UTC)
    oldest = Ages(*(now - timedelta(days=age) for age in ages))  # type: ignore[arg-type]  # as times
    rules: tuple[tuple[type[Table], ColumnElement[bool]], ...] = (
        (ClickRow, ClickRow.event_time < oldest.clicks),
        (ForgottenRow, ForgottenRow.forgotten_at < oldest.clicks),
        (DeadLetterRow, DeadLetterRow.quarantined_at < oldest.dead_letters),
        (FiguresRow, FiguresRow.minute < oldest.figures),
        (RecommendationRow, RecommendationRow.event_time < oldest.lists),
        (CatalogueRow, (CatalogueRow.event_time < oldest.lists) & (CatalogueRow.key != TRENDING_KEY)),
        (ItemRow, ItemRow.removed_at < oldest.removed_items),
        (NotificationRow, (NotificationRow.state != "waiting") & (NotificationRow.created_at < oldest.notifications)),
        (SiteRow, SiteRow.removed_at < oldest.removed_items),
    )
    counts = {table.__tablename__: _delete_all(writing, table, is_old, should_stop) for table, is_old in rules}
    for by_asset, time, since in ((ReadingRow, "slot", oldest.readings), (LogRow, "event_time", oldest.log)):
        counts[by_asset.__tablename__] = sum(
            _delete_all(writing, by_asset, is_of_asset & (getattr(by_asset, time) < since), should_stop)
            for is_of_asset in _assets_of(reading, by_asset, should_stop)
        )
    counts["alerts"] = _forget_alerts(writing, oldest.alerts, should_stop)  # type: ignore[arg-type]
    counts["assets"] = _forget_assets(writing, oldest.alerts, should_stop)  # type: ignore[arg-type]
    return counts


def _delete_all(writing: Engine, table: type[Table], is_old: ColumnElement[bool], should_stop: Stop) -> int:
    keys = tuple_(*table.__table__.primary_key)
    some = select(*table.__table__.primary_key).where(is_old).limit(AT_ONCE)
    deleted = 0
    while not should_stop():
        with transaction(writing) as connection:
            count = int(connection.execute(delete(table).where(keys.in_(some))).rowcount)
        deleted += count
        if count < AT_ONCE:
            break
    return deleted


def _assets_of(reading: Engine, table: Any, should_stop: Stop) -> Iterator[ColumnElement[bool]]:
    """Each asset that has rows: by its key from one to the next, however many rows lie between."""
    after = ("", "")
    key = (table.asset_class, table.asset_id)
    while not should_stop():
        statement = select(*key).where(tuple_(*key) > tuple_(*map(literal, after))).order_by(*key).limit(1)
        with transaction(reading) as connection:
            found = connection.execute(statement).one_or_none()
        if found is None:
            return
        after = (found[0], found[1])
        yield (table.asset_class == after[0]) & (table.asset_id == after[1])


def _forget_alerts(writing: Engine, oldest: datetime, should_stop: Stop) -> int:
    """Cleared alerts, with what happened to them. One that is open stays, however old it is."""
    is_old = (AlertRow.raised_at < oldest) & (AlertRow.updated_at < oldest) & (AlertRow.state == "cleared")
    deleted = 0
    while not should_stop():
        with transaction(writing) as connection:
            some = list(connection.scalars(select(AlertRow.alert_id).where(is_old).limit(AT_ONCE // 4)))
            for table in (TransitionRow, ActionRow, AcknowledgementRow, AlertRow):
                connection.execute(delete(table).where(table.alert_id.in_(some)))
        if not some:
            break
        deleted += len(some)
    return deleted


def _forget_assets(writing: Engine, oldest: datetime, should_stop: Stop) -> int:
    """Assets that nobody has heard of for so long and that have no open alert."""
    deleted = 0
    while not should_stop():
        with transaction(writing) as connection:
            is_old = (AssetRow.last_seen < oldest) & (AssetRow.severity == 0)
            some = connection.execute(select(AssetRow.asset_class, AssetRow.asset_id).where(is_old).limit(AT_ONCE // 4))
            keys = [(asset_class, asset_id) for asset_class, asset_id in some]
            for table in (LatestScoreRow, AssetRow):
                connection.execute(delete(table).where(any_of(table.asset_class, table.asset_id, keys)))
            is_word = (WordRow.of == ASSET) & any_of(WordRow.part, WordRow.key, keys)
            connection.execute(delete(WordRow).where(is_word))
        if not keys:
            break
        deleted += len(keys)
    return deleted
