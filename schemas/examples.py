"""Examples: one valid value of each event, for the documents of the contract. A test checks that they are valid."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_CLICK_CAUSE: Json = {"topic": "clicks.v1", "partition": 2, "offset": 40817, "event_id": "c-40817"}
_READING_CAUSE: Json = {"topic": "telemetry.v1", "partition": 1, "offset": 90210, "event_id": "t-90210"}
_RANKED: list[Json] = [{"item_id": "sku-12", "score": 2.41}, {"item_id": "sku-77", "score": 1.93}]
_PUMP_MODEL: Json = {"name": "pump", "version": "20260501-120000"}
_SHOP_MODEL: Json = {"name": "shop", "version": "20260501-120500"}

EXAMPLES: dict[str, Json] = {
    "clicks.v1": {
        "event_id": "c-40817",
        "event_time": "2026-05-01T12:00:00.250Z",
        "user_id": "ann",
        "item_id": "sku-3",
        "session_id": "s-981",
        "action": "view",
        "context": {"device": "phone", "hour": 14},
    },
    "items.v1": {
        "item_id": "sku-3",
        "event_time": "2026-05-01T09:00:00Z",
        "title": "Trail shoe",
        "category": "shoes",
        "attributes": {"brand": "Alto", "price": 89.9},
        "published_at": "2026-04-20T00:00:00Z",
        "available": True,
    },
    "telemetry.v1": {
        "event_id": "t-90210",
        "event_time": 1777636800000,
        "asset_id": "pump-7",
        "asset_class": "pump",
        "readings": {"vibration": 0.41, "temperature": 71.5, "pressure": None},
    },
    "maintenance.v1": {
        "event_id": "m-17",
        "event_time": "2026-05-01T06:30:00Z",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "kind": "replacement",
        "component": "bearing",
    },
    "recommendations.v1": {
        "recommendation_id": "6f1a1f0e-8a0b-5c0e-9a59-0a1f6c1b7d11",
        "event_time": "2026-05-01T12:00:00.250000Z",
        "user_id": "ann",
        "caused_by": _CLICK_CAUSE,
        "model": _SHOP_MODEL,
        "strategy": "ranker",
        "feed_offset": 160233,
        "items": _RANKED,
    },
    "scores.v1": {
        "score_id": "0d7f6c52-3f0a-5e6e-8f57-6b1f2f3a9c40",
        "event_time": "2026-05-01T12:00:00Z",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "caused_by": _READING_CAUSE,
        "model": _PUMP_MODEL,
        "kind": "rul",
        "value": 18.2,
        "low": 11.0,
        "high": 26.9,
        "unit": "hour",
    },
    "alerts.v1": {
        "alert_id": "b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
        "sequence": 0,
        "event_time": "2026-05-01T12:00:00Z",
        "asset_id": "pump-7",
        "asset_class": "pump",
        "failure_mode": "wear",
        "state": "raised",
        "severity": "warning",
        "score": 18.2,
        "evidence": {
            "reason": "rul at or below 20 for 3 readings",
            "value": 18.2,
            "threshold": 20.0,
            "low": 11.0,
            "high": 26.9,
            "contributions": [{"feature": "vibration_mean", "contribution": -21.4}],
        },
        "model": _PUMP_MODEL,
        "caused_by": _READING_CAUSE,
    },
    "catalogue.v1": {
        "key": "list/trending",
        "kind": "trending",
        "event_time": "2026-05-01T12:00:00Z",
        "feed_offset": 160233,
        "items": _RANKED,
    },
}

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
_REFUSAL: Json = {
    "version": "20260520-120000",
    "alias": "challenger",
    "reason": "Model pump 20260520-120000 is not served: it is not signed.",
    "refused_at": "2026-05-20T12:00:00Z",
}
_COMPARISON: Json = {
    "name": "pump",
    "champion": "20260501-120000",
    "challenger": "20260601-120000",
    "since": "2026-06-01T12:00:00Z",
    "decisions": 1200,
    "difference_mean": -0.4,
    "difference_deviation": 2.1,
    "histogram": [20, 580, 570, 30],
    "edges": [-3.0, 0.0, 3.0],
    "calibration": [
        {"count": 600, "champion": 31.0, "challenger": 30.2},
        {"count": 600, "champion": 96.5, "challenger": 96.1},
    ],
    "agreement_at_20": None,
    "next_clicks": 0,
    "champion_hits": 0,
    "challenger_hits": 0,
    "cpu_us": 1.4,
}
EXAMPLES["workers.v1"] = {
    "worker": "edge-1-4711",
    "event_time": "2026-06-01T12:20:00Z",
    "evaluator": "avx512",
    "running": [
        {
            "name": "pump",
            "alias": "champion",
            "version": "20260501-120000",
            "since": "2026-05-01T12:10:00Z",
            "is_signed": True,
        }
    ],
    "refused": [{"name": "pump", **_REFUSAL}],
    "comparisons": [_COMPARISON],
}
_CURSOR = "WyJhc3NldHMiLDAsInB1bXAtNyJd"

BODY_EXAMPLES: dict[str, Json] = {
    "RecommendationBody": {k: v for k, v in EXAMPLES["recommendations.v1"].items() if k != "feed_offset"},
    "ItemList": {"event_time": "2026-05-01T12:00:00Z", "items": _RANKED},
    "Page[AssetBody]": {"items": [_ASSET], "next": _CURSOR},
    "AssetDetail": {**_ASSET, "latest_scores": [EXAMPLES["scores.v1"]], "open_alerts": [_ALERT]},
    "Page[Score]": {"items": [EXAMPLES["scores.v1"]], "next": None},
    "Page[AlertBody]": {"items": [_ALERT], "next": None},
    "AlertDetail": {**_ALERT, "transitions": [EXAMPLES["alerts.v1"]]},
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
                "refused": [{"worker": "edge-1-4711", **_REFUSAL}],
                "comparisons": [_COMPARISON],
            }
        ],
        "next": None,
    },
    "Health": {"status": "ready", "checks": {"database": "0001"}},
}
