"""Kept tables: what was pushed, as far as people ask for it, and what workers tell: each bounded by a retention.

input records, dead letters, figures ─► rows of these tables ─► bodies of the API
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, true
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Table, partial

# Compared by code points on both databases: the words that begin with `sho` are then one range of the index
CodePoints = String().with_variant(String(collation="C"), "postgresql")


class ItemRow(Table):
    """What the shop said of an item; one that it removed stays, without its values, until no list can hold it.

    `told` has for each field the microseconds since 1970 of the newest event that named it: an older one may only fill
    what none has set.
    """

    __tablename__ = "items"
    __table_args__ = (Index(None, "category", "item_id"), Index(None, "removed_at"))
    item_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    category: Mapped[str | None]
    attributes: Mapped[dict[str, Any] | None]
    published_at: Mapped[datetime | None]
    available: Mapped[bool] = mapped_column(server_default=true())
    updated_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    told: Mapped[dict[str, Any]]


class ClickRow(Table):
    """Recent clicks, so many a user. The place on the topic is the key.

    `event_hash` is of user and event id, by which a click that is sent again is known; none: written before 0005.
    """

    __tablename__ = "clicks"
    __table_args__ = (
        Index(None, "user_id", "event_time", "partition", "offset"),
        Index(None, "event_time"),
        Index(None, "event_hash", unique=True),
    )
    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    event_time: Mapped[datetime]
    item_id: Mapped[str]
    action: Mapped[str]
    session_id: Mapped[str | None]
    recommendation_id: Mapped[str | None]
    event_hash: Mapped[bytes | None] = mapped_column(LargeBinary())


class ForgottenRow(Table):
    """When a user was forgotten, by a hash of the name: clicks of before do not come back, however often sent."""

    __tablename__ = "forgotten_users"
    __table_args__ = (Index(None, "forgotten_at"),)
    user_hash: Mapped[bytes] = mapped_column(LargeBinary(), primary_key=True)
    forgotten_at: Mapped[datetime]


class ReadingRow(Table):
    """One reading of an asset in each `slot` of MILLRACE_READINGS_EVERY_S: the first that came, with its other parts.

    The key is what bounds the table: however often something is read, sent or replayed, a slot has one row.
    """

    __tablename__ = "readings"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    event_time: Mapped[datetime]
    readings: Mapped[dict[str, Any]]


LOG_KEY = ("asset_class", "asset_id", "event_time", "partition", "offset")
ABOUT_SERVICE = ("out_of_service", "in_service", "decommissioned", "replacement")  # kinds of entries


class LogRow(Table):
    """The maintenance log of an asset.

    `event_hash` is of the event id, by which an entry that is sent again is known; none: written before 0012.
    """

    __tablename__ = "asset_log"
    __table_args__ = (
        Index(None, "kind", "event_time"),
        Index("ix_asset_log_service", *LOG_KEY, **partial(f"kind in {ABOUT_SERVICE}")),
        {"sqlite_with_rowid": False},
    )
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    event_time: Mapped[datetime] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code: Mapped[str | None]
    component: Mapped[str | None]
    event_hash: Mapped[bytes | None] = mapped_column(LargeBinary())


class DeadLetterRow(Table):
    """Quarantined records by their place in the quarantine of `topic`; of a large one the beginning of its value.

    `topic` is the input topic, `size` that of the whole value in bytes.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index(None, "quarantined_at", "topic", "partition", "offset"),
        Index(None, "topic", "quarantined_at", "partition", "offset"),
    )
    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True)
    quarantined_at: Mapped[datetime]
    source_partition: Mapped[int]
    source_offset: Mapped[int]
    exception: Mapped[str]
    reason: Mapped[str]
    key: Mapped[bytes | None] = mapped_column(LargeBinary())
    value: Mapped[bytes | None] = mapped_column(LargeBinary())
    size: Mapped[int]
    replayed_at: Mapped[datetime | None]


class SiteRow(Table):
    """Where an asset stands, as assets.v1 told last; what was taken back stays, without its values, for a while."""

    __tablename__ = "asset_sites"
    __table_args__ = (Index(None, "removed_at"), {"sqlite_with_rowid": False})
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    event_time: Mapped[datetime]
    site: Mapped[str | None]
    line: Mapped[str | None]
    labels: Mapped[dict[str, Any]]
    commissioned_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class FiguresRow(Table):
    """What each worker measured, one row a minute."""

    __tablename__ = "worker_figures"
    __table_args__ = (Index(None, "minute"),)
    worker: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]]
    peaks: Mapped[dict[str, Any] | None] = mapped_column(comment="by agent, as `PeakBody` of the API")


class WordRow(Table):
    """The words by which an item or an asset is found: an index that both databases have.

    `of` is item or asset, or of assets the site, the line or a label as it is, `name:value`; `part` is the class of an
    asset, and empty for an item.
    """

    __tablename__ = "words"
    __table_args__ = (Index(None, "of", "part", "key", "word"), {"sqlite_with_rowid": False})
    of: Mapped[str] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(CodePoints, primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
