"""Examples: one valid body of each kind, for the documents of the API. A test checks that they are valid."""

from __future__ import annotations

from schemas.base import Json
from schemas.outputs import Alert, CatalogueEntry, Recommendation, Score
from schemas.worker_status import COMPARISON_EXAMPLE, REFUSAL_EXAMPLE

_ALERT: Json = {
    "alert_id": "b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
    "asset_id": "pump-7",
    "asset_class": "pump",
    "failure_mode": "wear",
    "state": "raised",
    "severity": "warning",
    "score": 18.2,
    "raised_at": "2026-05-01T12:00:00Z",
    "updated_at": "2026-05-01T12:00:00Z",
    "acknowledgement": {"acknowledged_at": "2026-05-01T12:04:10Z", "by": "jo", "comment": "bearing ordered"},
}
_ASSET: Json = {
    "asset_id": "pump-7",
    "asset_class": "pump",
    "first_seen": "2026-03-01T00:00:00Z",
    "last_seen": "2026-05-01T12:00:00Z",
}
_CURSOR = "WyJhc3NldHMiLDAsInB1bXAtNyJd"

BODY_EXAMPLES: dict[str, Json] = {
    "RecommendationBody": {k: v for k, v in Recommendation.EXAMPLE.items() if k != "feed_offset"},
    "ItemList": {"event_time": "2026-05-01T12:00:00Z", "items": CatalogueEntry.EXAMPLE["items"]},
    "Page[AssetBody]": {"items": [_ASSET], "next": _CURSOR},
    "AssetDetail": {**_ASSET, "latest_scores": [Score.EXAMPLE], "open_alerts": [_ALERT]},
    "Page[Score]": {"items": [Score.EXAMPLE], "next": None},
    "Page[AlertBody]": {"items": [_ALERT], "next": None},
    "AlertDetail": {**_ALERT, "transitions": [Alert.EXAMPLE]},
    "AcknowledgeBody": {"by": "jo", "comment": "bearing ordered"},
    "Page[ModelBody]": {
        "items": [
            {
                "name": "pump",
                "aliases": {"champion": "20260501-120000", "challenger": "20260601-120000"},
                "versions": [
                    {
                        "version": "20260501-120000",
                        "kind": "rul",
                        "created_at": "2026-05-01T12:00:00Z",
                        "asset_class": "pump",
                        "training": {
                            "first_event": "2026-03-01T00:00:00Z",
                            "last_event": "2026-05-01T00:00:00Z",
                            "events": 120000,
                            "rows": 118000,
                            "seconds": 21.5,
                        },
                        "metrics": {"rmse": 9.7},
                        "card": "# pump 20260501-120000\n",
                        "running_on": [
                            {
                                "worker": "edge-1-4711",
                                "alias": "champion",
                                "since": "2026-05-01T12:10:00Z",
                                "is_signed": True,
                            }
                        ],
                    }
                ],
                "refused": [{"worker": "edge-1-4711", **REFUSAL_EXAMPLE}],
                "comparisons": [COMPARISON_EXAMPLE],
            }
        ],
        "next": None,
    },
    "Health": {"status": "ready", "checks": {"database": "0001"}},
}
