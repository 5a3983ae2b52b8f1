"""Read rows: scores and readings of an asset one by one, the oldest first, for whoever takes them elsewhere.

time of an asset ─► how many there are ─► rows, so many at a time, from a key on
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, column, func, literal, select, tuple_

from storage.kept_tables import ReadingRow
from storage.read_assets import within
from storage.tables import ScoreRow

AssetKey = tuple[str, str]  # asset_class, asset_id
MOST_SENSORS = 512
ScoreKey = tuple[datetime, str]
_SCORE = (ScoreRow.event_time, ScoreRow.kind, ScoreRow.component, ScoreRow.value, ScoreRow.unit, ScoreRow.low,
          ScoreRow.high, ScoreRow.model_name, ScoreRow.model_version, ScoreRow.regime,
          ScoreRow.quality)  # fmt: skip


class RowReading:
    _connection: Connection

    def count_scores(self, asset: AssetKey, since: datetime | None, until: datetime | None, most: int) -> int:
        """How many there are, counted up to `most`."""
        some = select(literal(1)).select_from(ScoreRow).where(*_of(ScoreRow, asset))
        some = some.where(*within(ScoreRow.event_time, since, until)).limit(most)
        return self._connection.scalar(select(func.count()).select_from(some.subquery())) or 0

    def count_readings(self, asset: AssetKey, since: datetime | None, until: datetime | None, most: int) -> int:
        """How many are kept, counted up to `most`."""
        some = select(literal(1)).select_from(ReadingRow).where(*_of(ReadingRow, asset))
        some = some.where(*within(ReadingRow.slot, since, until)).limit(most)
        return self._connection.scalar(select(func.count()).select_from(some.subquery())) or 0

    def score_rows(
        self, asset: AssetKey, since: datetime | None, until: datetime | None, after: ScoreKey | None, limit: int
    ) -> list[tuple[ScoreKey, tuple[Any, ...]]]:
        """Each with its key, and time, kind, component, value, unit, low, high, name and version of the
        model, regime, quality."""
        statement = select(ScoreRow.score_id, *_SCORE).where(*_of(ScoreRow, asset))
        statement = statement.where(*within(ScoreRow.event_time, since, until))
        if after is not None:
            values = (literal(after[0], ScoreRow.event_time.type), literal(after[1], ScoreRow.score_id.type))
            statement = statement.where(tuple_(ScoreRow.event_time, ScoreRow.score_id) > tuple_(*values))
        rows = self._connection.execute(statement.order_by(ScoreRow.event_time, ScoreRow.score_id).limit(limit))
        return [((row[1], row[0]), tuple(row[1:])) for row in rows]

    def reading_rows(
        self, asset: AssetKey, since: datetime | None, until: datetime | None, after: datetime | None, limit: int
    ) -> list[tuple[datetime, datetime, dict[str, Any]]]:
        """Each with its slot, which is its key, its time and its values by sensor."""
        statement = select(ReadingRow.slot, ReadingRow.event_time, ReadingRow.readings).where(*_of(ReadingRow, asset))
        statement = statement.where(*within(ReadingRow.slot, since, until))
        if after is not None:
            statement = statement.where(ReadingRow.slot > after)
        rows = self._connection.execute(statement.order_by(ReadingRow.slot).limit(limit))
        return [(slot, time, readings) for slot, time, readings in rows]

    def sensors_of(self, asset: AssetKey, since: datetime | None, until: datetime | None) -> list[str]:
        """The sensors that readings of this time have, by name, MOST_SENSORS at most."""
        is_postgres = self._connection.dialect.name == "postgresql"
        each = func.jsonb_each(ReadingRow.readings) if is_postgres else func.json_each(ReadingRow.readings)
        pairs = each.table_valued(column("key"), column("value"), joins_implicitly=True).alias("pairs")
        statement = select(pairs.c.key).select_from(ReadingRow, pairs).distinct().where(*_of(ReadingRow, asset))
        statement = statement.where(*within(ReadingRow.slot, since, until))
        return sorted(self._connection.scalars(statement.limit(MOST_SENSORS)))


def _of(table: type[ScoreRow] | type[ReadingRow], asset: AssetKey) -> tuple[Any, Any]:
    return table.asset_class == asset[0], table.asset_id == asset[1]
