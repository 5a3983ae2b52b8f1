"""Sites: where assets stand and what people call them by, as assets.v1 told last.

Asset, Removal ─► the newest of each asset ─► `asset_sites`, and `words` (site, line, labels), by which lists find them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

from sqlalchemy import Connection, func, select

from schemas import PARENT_FROM, Asset, Severity, SiteAlertsBody
from storage.counting import AssetCounts
from storage.kept_rows import Row
from storage.kept_tables import SiteRow, WordRow
from storage.kept_write import IN_AT_ONCE, put, put_words
from storage.keys import any_of
from storage.read_words import Sought
from storage.records import Removal
from storage.tables import EPOCH

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
SITE, LINE, LABEL = "site", "line", "label"  # `of` of words
AssetKey = tuple[str, str]  # asset_class, asset_id


class Place(NamedTuple):
    """Where an asset stands; nothing where nothing is told of it."""

    site: str | None = None
    line: str | None = None
    labels: Mapping[str, str] = {}


NOWHERE = Place()


class PlaceFilter(NamedTuple):
    """Which assets a list shows by where they stand; none: any. Labels are `name:value`, and all of them must hold."""

    site: str | None = None
    line: str | None = None
    labels: tuple[str, ...] = ()

    @property
    def sought(self) -> list[Sought]:
        """The words of the assets that are meant."""
        named = [(LABEL, label) for label in self.labels]
        named += [(of, word) for of, word in ((LINE, self.line), (SITE, self.site)) if word is not None]
        return [Sought(of, word, is_whole=True) for of, word in named]


ANYWHERE = PlaceFilter()


def write_sites(connection: Connection, changes: Mapping[str, list[Asset | Removal]]) -> int:
    """Write what was told of each asset_id, in the order of the topic. Returns how many rows changed."""
    ids, known = list(changes), dict[AssetKey, Row]()
    for start in range(0, len(ids), IN_AT_ONCE):
        statement = select(SiteRow.__table__).where(SiteRow.asset_id.in_(ids[start : start + IN_AT_ONCE]))
        known |= {(row["asset_class"], row["asset_id"]): dict(row) for row in connection.execute(statement).mappings()}
    new = dict(known)
    for asset_id, of_id in changes.items():
        for change in of_id:
            _take(new, asset_id, change)
    changed = {key: row for key, row in sorted(new.items()) if row != known.get(key)}
    put(connection, SiteRow, list(changed.values()), renewed=True)
    for of, words in ((SITE, _site), (LINE, _line), (LABEL, _labels)):
        put_words(connection, of, {key: words(row) for key, row in changed.items()})
    return len(changed)


def _take(rows: dict[AssetKey, Row], asset_id: str, change: Asset | Removal) -> None:
    """The newest event_time stands. A removal is of all classes of the id, and of what is older than it."""
    if isinstance(change, Removal):
        for key in [key for key in rows if key[1] == asset_id and rows[key]["removed_at"] is None]:
            at = max(change.at or rows[key]["event_time"], rows[key]["event_time"])
            rows[key] = {**_nothing(key), "event_time": at, "removed_at": at}
        return
    key = (change.asset_class, asset_id)
    if key in rows and change.event_time < rows[key]["event_time"]:
        return
    told = {name: getattr(change, name) for name in ("site", "line", "labels", "commissioned_at")}
    rows[key] = {**_nothing(key), "event_time": change.event_time, **told}


def _nothing(key: AssetKey) -> Row:
    row: Row = {"asset_class": key[0], "asset_id": key[1], "event_time": EPOCH, "site": None, "line": None}
    return row | {"labels": {}, "commissioned_at": None, "removed_at": None}


def _site(row: Row) -> set[str]:
    return {row["site"]} if row["site"] else set()


def _line(row: Row) -> set[str]:
    return {row["line"]} if row["line"] else set()


def _labels(row: Row) -> set[str]:
    return {f"{name}:{value}" for name, value in row["labels"].items()}


class SiteReading:
    _connection: Connection
    _site_counts: AssetCounts

    def sites_of(self, assets: Iterable[AssetKey]) -> dict[AssetKey, dict[str, Any]]:
        """Site, line, labels and commissioned_at of those assets of which something is told."""
        keys, found = sorted(set(assets)), dict[AssetKey, dict[str, Any]]()
        columns = (SiteRow.site, SiteRow.line, SiteRow.labels, SiteRow.commissioned_at)
        for start in range(0, len(keys), IN_AT_ONCE):
            some = any_of(SiteRow.asset_class, SiteRow.asset_id, keys[start : start + IN_AT_ONCE])
            statement = select(SiteRow.asset_class, SiteRow.asset_id, *columns).where(some)
            for row in self._connection.execute(statement.where(SiteRow.removed_at.is_(None))).mappings():
                values = dict(row)
                found[values.pop("asset_class"), values.pop("asset_id")] = values
        return found

    def places_of(self, assets: Iterable[AssetKey]) -> dict[AssetKey, Place]:
        """The same, as values."""
        return {key: Place(told["site"], told["line"], told["labels"]) for key, told in self.sites_of(assets).items()}

    def sites_in_trouble(self) -> list[SiteAlertsBody]:
        """Those that have assets with an open alert, the most assets first; of many assets as of some seconds ago."""
        counts: dict[str, dict[str, int]] = {}
        for (site, severity), count in self._site_counts.get(self._connection).items():
            counts.setdefault(site, {})[SEVERITIES[severity - 1]] = count
        totals = {site: sum(own.values()) for site, own in counts.items()}
        return [
            SiteAlertsBody(site=site, assets=totals[site], suppresses=totals[site] >= PARENT_FROM, **counts[site])
            for site in sorted(counts, key=lambda name: (-totals[name], name))
        ]

    def suppressing(self) -> set[str]:
        """The sites whose alerts are suppressed by the site itself."""
        return {one.site for one in self.sites_in_trouble() if one.suppresses}

    def site_names(self, most: int = 50) -> list[str]:
        """The sites that assets have: one look at the index for each."""
        found: list[str] = []
        while len(found) < most:
            statement = select(func.min(WordRow.word)).where(WordRow.of == SITE)
            if found:
                statement = statement.where(WordRow.word > found[-1])
            name: str | None = self._connection.scalar(statement)
            if name is None:
                break
            found.append(name)
        return found
