"""Read items: lists for users, what is trending or similar, what the shop said of items, recent clicks.

select ─► rows ─► bodies
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, literal, not_, or_, select

from schemas import TRENDING_KEY, CatalogueEntry, ClickBody, ItemBody, Recommendation, similar_key
from storage.kept_tables import ClickRow, ItemRow
from storage.kept_write import ITEM
from storage.read_words import beginning_with, with_words
from storage.tables import CatalogueRow, RecommendationRow

IN_AT_ONCE = 500
_NEWEST_CLICKS = (ClickRow.event_time.desc(), ClickRow.partition.desc(), ClickRow.offset.desc())


class ItemFilter(NamedTuple):
    """Which items a list shows; none: any. `words`: each is the beginning of a word that an item has."""

    words: tuple[str, ...] = ()
    category: str | None = None
    available: bool | None = None  # and published by now


TURNING_DOWN = frozenset({"remove", "dislike"})
MOST_TURNED_DOWN = 20  # as a worker knows of each user


class ItemReading:
    _connection: Connection

    def recommendation(self, user_id: str) -> Recommendation | None:
        statement = select(RecommendationRow.event).where(RecommendationRow.user_id == user_id)
        event = self._connection.scalars(statement).one_or_none()
        return Recommendation.model_validate(event) if event else None

    def newest_recommendations(self, limit: int) -> list[Recommendation]:
        """The lists of the users who clicked last."""
        statement = select(RecommendationRow.event).order_by(RecommendationRow.event_time.desc()).limit(limit)
        return [Recommendation.model_validate(event) for event in self._connection.scalars(statement)]

    def trending(self) -> CatalogueEntry | None:
        return self._catalogue_entry(TRENDING_KEY)

    def similar(self, item_id: str) -> CatalogueEntry | None:
        """What is similar to an item."""
        return self._catalogue_entry(similar_key(item_id))

    def _catalogue_entry(self, key: str) -> CatalogueEntry | None:
        event = self._connection.scalars(select(CatalogueRow.event).where(CatalogueRow.key == key)).one_or_none()
        return CatalogueEntry.model_validate(event) if event else None

    def items_of(self, item_ids: Iterable[str]) -> dict[str, ItemBody]:
        """What the shop said of these, also of those that it removed; the others are left out."""
        ids, found = sorted(set(item_ids)), dict[str, ItemBody]()
        for start in range(0, len(ids), IN_AT_ONCE):
            statement = _select_items().where(ItemRow.item_id.in_(ids[start : start + IN_AT_ONCE]))
            found |= {row["item_id"]: _item(row) for row in self._connection.execute(statement).mappings()}
        return found

    def items(self, which: ItemFilter, after: str | None, limit: int) -> list[ItemBody]:
        """By id, without those that were removed; `after` is an item_id."""
        statement = _select_items().where(ItemRow.removed_at.is_(None)).order_by(ItemRow.item_id).limit(limit)
        if which.category is not None:
            statement = statement.where(ItemRow.category == which.category)
        if which.available is not None:
            is_published = or_(ItemRow.published_at.is_(None), ItemRow.published_at <= datetime.now(UTC))
            can_be_had = and_(ItemRow.available, is_published)
            statement = statement.where(can_be_had if which.available else not_(can_be_had))
        place = (literal(""), ItemRow.item_id)
        statement = with_words(self._connection, statement, beginning_with(ITEM, which.words), place)
        if after is not None:
            statement = statement.where(ItemRow.item_id > after)
        return [_item(row) for row in self._connection.execute(statement).mappings()]

    def items_to_be_had(self, category: str, now: datetime, but: Collection[str], limit: int) -> list[ItemBody]:
        """Of a category, by id: those that are available and published, without some."""
        statement = _select_items().where(ItemRow.category == category, ItemRow.removed_at.is_(None), ItemRow.available)
        statement = statement.where(or_(ItemRow.published_at.is_(None), ItemRow.published_at <= now))
        rows = self._connection.execute(statement.order_by(ItemRow.item_id).limit(limit + len(but)))
        return [item for row in rows.mappings() if (item := _item(row)).item_id not in but][:limit]

    def clicks(self, user_id: str, limit: int) -> list[ClickBody]:
        """The newest clicks of a user, the last first."""
        names = ("event_time", "item_id", "action", "session_id", "recommendation_id")
        statement = select(*(getattr(ClickRow, name) for name in names)).where(ClickRow.user_id == user_id)
        rows = self._connection.execute(statement.order_by(*_NEWEST_CLICKS).limit(limit))
        return [ClickBody(**row) for row in rows.mappings()]

    def turned_down(self, user_id: str) -> set[str]:
        """Items that a user does not want: as a worker does, by the newest of what was more than a view."""
        statement = select(ClickRow.item_id, ClickRow.action).where(ClickRow.user_id == user_id)
        statement = statement.where(ClickRow.action != "view").order_by(*_NEWEST_CLICKS)
        decided: dict[str, str] = {}
        for item_id, action in self._connection.execute(statement):
            decided.setdefault(item_id, action)
        unwanted = (item_id for item_id, action in decided.items() if action in TURNING_DOWN)
        return set(islice(unwanted, MOST_TURNED_DOWN))


def _select_items() -> Select[Any]:
    columns = ItemRow.__table__.columns
    return select(*(column for column in columns if column.name != "told"))


def _item(row: Any) -> ItemBody:
    values = dict(row)
    removed_at = values.pop("removed_at")
    is_available = values["available"] and removed_at is None
    more = {"attributes": values["attributes"] or {}, "removed_at": removed_at, "available": is_available}
    return ItemBody(**values | more)
