"""Names of the features: float32 columns, in the order of the manifest.

kernel.FEATURES (the table in kernel/feature_table.h), then the context of the profile ─► feature_names ─► manifest

A new feature is a line of that table and the line in kernel/features.c that writes it.
"""

from __future__ import annotations

from models.recommender.kernel import FEATURES
from schemas import RecommenderProfile

EVIDENCE, ITEM_AGE = FEATURES.index("evidence"), FEATURES.index("item_age")


def feature_names(profile: RecommenderProfile) -> list[str]:
    """Names in the order of a feature row."""
    lifts = [f"lift_{c.name}" for c in profile.context_popularity]
    products = ["lift_all", "lift_popularity"] if lifts else []
    hour = ["context_hour"] if profile.hour_of_day else []
    return [*FEATURES, *lifts, *products, *(f"context_{name}" for name in profile.context), *hour]
