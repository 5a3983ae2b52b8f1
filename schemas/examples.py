"""Examples: one valid body of each kind, for the documents of the API. A test checks that they are valid."""

from __future__ import annotations

from schemas.base import Json
from schemas.notifications import Notification
from schemas.outputs import Action, Alert, Recommendation, Score
from schemas.worker_status import COMPARISON_EXAMPLE, FIGURES_EXAMPLE, REFUSAL_EXAMPLE, WorkerStatus

_ALERT: Json = {
    "alert_id": "b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
    "asset_id": "pump-7",
    "asset_class": "pump",
    "site": "north",
    "line": "line-2",
    "labels": {"team": "hydraulics"},
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
    "severity": "warning",
    "health": 0.1456,
    "latest_scores": [Score.EXAMPLE],
    "site": "north",
    "line": "line-2",
    "labels": {"team": "hydraulics"},
    "commissioned_at": "2021-03-15T00:00:00Z",
}
_ASSET_COUNTS: Json = {"total": 400, "critical": 1, "warning": 4, "advisory": 9, "classes": {"pump": 250, "fan": 150}}
_ITEM: Json = {
    "item_id": "sku-12",
    "title": "Trail shoe",
    "category": "shoes",
    "attributes": {"brand": "Alto", "price": 89.9},
    "published_at": "2026-04-20T00:00:00Z",
    "available": True,
    "updated_at": "2026-05-01T09:00:00Z",
}
_CLICK: Json = {
    "event_time": "2026-05-01T12:00:00.250000Z",
    "item_id": "sku-3",
    "action": "view",
    "title": "Trail shoe",
    "category": "shoes",
    "session_id": "s-981",
}
_LISTED: list[Json] = [
    {"item_id": "sku-12", "score": 2.41, "title": "Trail shoe", "category": "shoes", "available": True},
    {"item_id": "sku-77", "score": 1.93, "title": "Running socks", "category": "socks", "available": True},
]
_RECOMMENDATION: Json = {k: v for k, v in Recommendation.EXAMPLE.items() if k != "feed_offset"} | {"items": _LISTED}
_POINT: Json = {"time": "2026-05-01T12:00:00Z", "min": 0.39, "mean": 0.41, "max": 0.47, "count": 12}
_SERIES: Json = {
    "asset_id": "pump-7",
    "asset_class": "pump",
    "start": "2026-05-01T12:00:00Z",
    "end": "2026-05-01T13:00:00Z",
    "bucket_s": 120.0,
    "series": [{"name": "vibration", "points": [_POINT]}],
    "regimes": [],
    "qualities": [{"time": "2026-05-01T12:00:00Z", "quality": "degraded"}],
}
_LETTER: Json = {
    "topic": "clicks.v1",
    "partition": 2,
    "offset": 7,
    "quarantined_at": "2026-05-01T12:00:01Z",
    "source_partition": 2,
    "source_offset": 40818,
    "exception": "DecodeError",
    "reason": "Invalid JSON: expected value at line 1 column 1",
    "key": "ann",
    "excerpt": "user=ann item=sku-3",
    "size": 19,
}
_TOPIC: Json = {
    "name": "clicks.v1",
    "key": "user_id",
    "purpose": "views of items by users",
    "direction": "input",
    "partitions": 4,
    "config": {"cleanup.policy": "delete"},
    "kept_offsets": {"2": 40819},
    "events_per_s": 210.4,
    "lag": {"recommend": {"0": 0, "2": 3}, "sink": {"2": 12}},
    "dead_letters_24h": 3,
}
_NOTIFICATION: Json = {
    "notification_id": Notification.EXAMPLE["notification_id"],
    "channel": "mechanics",
    "state": "failed",
    "created_at": "2026-05-01T12:00:10Z",
    "tries": 3,
    "reason": "answered 404: no such hook",
    "notification": Notification.EXAMPLE,
}
_CHANNEL: Json = {
    "name": "mechanics",
    "service": "E-Mail",
    "seen_at": "2026-05-01T12:00:00Z",
    "rules": ["all of hydraulics"],
    "is_quiet": False,
    "open_alerts": 2,
    "waiting": 0,
    "failed": 1,
    "last_sent_at": "2026-05-01T11:40:00Z",
}
_CURSOR = "WyJhc3NldHMiLDAsInB1bXAtNyJd"

BODY_EXAMPLES: dict[str, Json] = {
    "RecommendationBody": _RECOMMENDATION,
    "ItemList": {"event_time": "2026-05-01T12:00:00Z", "items": _LISTED},
    "Page[SiteAlertsBody]": {
        "items": [{"site": "north", "assets": 312, "critical": 3, "warning": 309, "advisory": 0, "suppresses": True}],
        "next": None,
    },
    "AssetPage": {"items": [_ASSET], "next": _CURSOR, "counts": _ASSET_COUNTS},
    "AssetDetail": {**_ASSET, "open_alerts": [_ALERT]},
    "Page[Score]": {"items": [Score.EXAMPLE], "next": None},
    "Page[AlertBody]": {"items": [_ALERT], "next": None},
    "AlertDetail": {**_ALERT, "transitions": [Alert.EXAMPLE], "actions": [Action.EXAMPLE]},
    "Page[NotificationBody]": {"items": [_NOTIFICATION], "next": None},
    "NotificationBody": _NOTIFICATION,
    "Page[NotificationChannelBody]": {"items": [_CHANNEL], "next": None},
    "AcknowledgeBody": {"by": "jo", "comment": "bearing ordered"},
    "CommentBody": {"by": "jo", "comment": "hot since the pump beside it stands"},
    "ShelveBody": {"by": "jo", "reason": "the bearing comes on Monday", "until": "2026-05-04T06:00:00Z"},
    "UnshelveBody": {"by": "jo", "reason": "it came today"},
    "CloseBody": {"by": "jo", "reason": "the pump was sold"},
    "AssignBody": {"by": "jo", "assignee": "mechanics, early shift"},
    "SayOutcomeBody": {"by": "jo", "verdict": "true_alarm", "found": "inner race worn", "replaced": "bearing"},
    "Page[ModelBody]": {
        "items": [
            {
                "name": "pump",
                "aliases": {"champion": "20260501-120000", "challenger": "20260601-120000"},
                "previous": {"champion": "20260401-120000"},
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
    "ItemBody": _ITEM,
    "Page[ItemBody]": {"items": [_ITEM], "next": None},
    "UserBody": {"user_id": "ann", "clicks": [_CLICK], "recommendations": _RECOMMENDATION},
    "SeriesBody": _SERIES,
    "Page[LogEntryBody]": {
        "items": [{"event_time": "2026-05-01T06:30:00Z", "kind": "replacement", "component": "bearing"}],
        "next": None,
    },
    "Page[WorkerStatus]": {"items": [WorkerStatus.EXAMPLE], "next": None},
    "Page[FiguresBody]": {"items": [{"minute": "2026-06-01T12:20:00Z", "figures": FIGURES_EXAMPLE}], "next": None},
    "Page[DeadLetterBody]": {"items": [_LETTER], "next": None},
    "DeadLetterDetail": {**_LETTER, "value": "user=ann item=sku-3", "is_whole": True},
    "ItemTrend": {
        "item_id": "sku-3",
        "looked_at": 41200,
        "bucket_s": 3600.0,
        "points": [
            {"time": "2026-05-01T11:00:00Z", "clicks": 12, "of": 1930},
            {"time": "2026-05-01T12:00:00Z", "clicks": 31, "of": 2114},
        ],
    },
    "Page[DeadLetterReason]": {
        "items": [
            {
                "topic": "clicks.v1",
                "reason": _LETTER["reason"],
                "exception": "DecodeError",
                "count": 12,
                "not_replayed": 12,
                "newest": _LETTER,
            }
        ],
        "next": None,
    },
    "Page[PutBackBody]": {
        "items": [
            {
                "topic": "clicks.v1",
                "time": "2026-05-01T12:30:00Z",
                "by": "jo",
                "count": 12,
                "what": "those of: Invalid JSON: expected value at line … column …",
            }
        ],
        "next": None,
    },
    "ReplayBody": {"topic": "clicks.v1", "reason": _LETTER["reason"]},
    "ReplayedBody": {"topic": "clicks.v1", "sent": 12, "truncated": 0, "deleted": 0},
    "Page[TopicBody]": {"items": [_TOPIC], "next": None},
    "Overview": {
        "time": "2026-06-01T12:20:00Z",
        "assets": {"total": 120, "critical": 1, "warning": 4, "advisory": 9},
        "alerts": {"critical": 1, "warning": 5, "advisory": 9, "unacknowledged": 6, "shelved": 2},
        "workers": {"edge": 2, "sink": 1},
        "agents": {"recommend": {"lag": 0, "events_per_s": 210.4, "outputs_per_s": 210.4}},
        "dead_letters_24h": {"clicks.v1": 3},
    },
    "SentEvents": {
        "sent": 1,
        "refused": 1,
        "events": [
            {"index": 0, "topic": "clicks.v1", "partition": 2, "offset": 40817},
            {"index": 1, "topic": "clicks.v1", "error": "Field required - at user_id"},
        ],
    },
    "PerformanceBody": {
        "start": "2026-05-01T00:00:00Z",
        "end": "2026-05-02T00:00:00Z",
        "is_whole": True,
        "raised": 12,
        "by_severity": {"advisory": 8, "warning": 3, "critical": 1},
        "per_hour": 0.5,
        "most_in_ten_minutes": 2,
        "flood_share": 0.0,
        "stale": 1,
        "acknowledged": 9,
        "median_acknowledge_s": 340.0,
        "p90_acknowledge_s": 1800.0,
        "worst": [{"asset_class": "pump", "asset_id": "pump-7", "failure_mode": "wear", "raised": 4, "chatters": True}],
        "outcomes": {"true_alarm": 6, "false_alarm": 1, "unclear": 0, "not_said": 5, "precision": 0.857},
        "failures": {
            "failures": 7,
            "found": 6,
            "missed": 1,
            "missed_per_asset_month": 0.02,
            "median_lead_s": 86400.0,
        },
    },
    "RankBody": {"user_id": "ann", "items": ["sku-3", "sku-7", "sku-9"], "context": {"device": "phone"}},
    "RankAnswer": {
        "user_id": "ann",
        "event_time": "2026-06-01T12:20:00Z",
        "strategy": "ranker",
        "model": {"name": "recommender", "version": "20260501-120000"},
        "items": [{"item_id": "sku-7", "score": 1.21}, {"item_id": "sku-3", "score": -0.4}],
        "left_out": [{"item_id": "sku-9", "reason": "unavailable"}],
    },
    "PromoteBody": {"version": "20260501-120000", "alias": "champion"},
    "AliasBody": {"name": "pump", "alias": "champion", "version": "20260501-120000"},
    "TraceBody": {
        "topic": "telemetry.v1",
        "partition": 1,
        "offset": 90210,
        "time": "2026-06-01T12:20:00.012Z",
        "key": "pump-7",
        "value": '{"asset_id":"pump-7"}',
        "size": 21,
        "headers": {},
        "hops": [
            {
                "topic": "scores.v1",
                "partition": 1,
                "offset": 88123,
                "time": "2026-06-01T12:20:00.017Z",
                "after_ms": 5,
                "event": {"value": 18.2, "unit": "hour"},
                "is_kept": True,
            }
        ],
    },
    "Health": {"status": "ready", "checks": {"database": "0001"}},
}
