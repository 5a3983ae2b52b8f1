"""What crosses a boundary: events, topics, settings, model manifests, API bodies. pydantic only, no I/O."""

from schemas.asset_class import AssetClass, FailureTarget, PolicyLevel, RulTarget, parse_asset_class
from schemas.by_topic import INPUTS, OUTPUTS
from schemas.errors import MillraceError, ModelError, SettingsError, UnavailableError
from schemas.events import (
    Alert,
    CatalogueEntry,
    Cause,
    Click,
    Evidence,
    InputEvent,
    Item,
    Maintenance,
    ModelRef,
    OutputEvent,
    Recommendation,
    Score,
    ScoredItem,
    Telemetry,
    rfc3339,
)
from schemas.manifest import RECOMMENDER, Alias, Aliases, Golden, Manifest, Optimised, PackFile, Training
from schemas.profile import PROFILES, RecommenderProfile, parse_profile
from schemas.settings import Settings, load_settings
from schemas.topics import TOPICS, Topic, dead_letters_of, partition_count, topic_name
from schemas.worker_status import Bin, Comparison, Refusal, Running, WorkerStatus

__all__ = [
    "INPUTS",
    "OUTPUTS",
    "PROFILES",
    "RECOMMENDER",
    "TOPICS",
    "Alert",
    "Alias",
    "Aliases",
    "AssetClass",
    "Bin",
    "CatalogueEntry",
    "Cause",
    "Click",
    "Comparison",
    "Evidence",
    "FailureTarget",
    "Golden",
    "InputEvent",
    "Item",
    "Maintenance",
    "Manifest",
    "MillraceError",
    "ModelError",
    "ModelRef",
    "Optimised",
    "OutputEvent",
    "PackFile",
    "PolicyLevel",
    "Recommendation",
    "RecommenderProfile",
    "Refusal",
    "RulTarget",
    "Running",
    "Score",
    "ScoredItem",
    "Settings",
    "SettingsError",
    "Telemetry",
    "Topic",
    "Training",
    "UnavailableError",
    "WorkerStatus",
    "dead_letters_of",
    "load_settings",
    "parse_asset_class",
    "parse_profile",
    "partition_count",
    "rfc3339",
    "topic_name",
]
