"""Recommender profile: what differs between a shop and a news portal. Times are in units of the profile's clock.

TOML or a name ─► parse_profile ─► RecommenderProfile ─► catalogue view, candidates, policy

The figures behind the two built-in profiles are in docs/train.md and benchmarks/: each setting was chosen on
validation parts of Diginetica (shop) and Globo.com (portal).
"""

from __future__ import annotations

import tomllib
from pathlib import PurePath
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from schemas.base import Frozen, Name
from schemas.errors import SettingsError, text_of


class CandidateQuotas(Frozen):
    """How many items each generator may propose, in this order; what one does not use is left to the next."""

    neighbours: int = Field(0, ge=0, description="items of the nearest sessions, long memory")
    neighbours_recent: int = Field(0, ge=0, description="items of the nearest sessions, short memory")
    neighbours_after: int = Field(0, ge=0, description="items that came later in the nearest sessions")
    after: int = Field(0, ge=0, description="seen after the items of the prefix")
    cosine: int = Field(0, ge=0, description="seen together with the prefix, by cosine")
    after_last: int = Field(0, ge=0, description="seen after the last item")
    recent: int = Field(0, ge=0, description="seen with the prefix, fast decay")
    together_last: int = Field(0, ge=0, description="seen together with the last item")
    directed: int = Field(0, ge=0, description="cosine weighted by distance and direction")
    second_order: int = Field(0, ge=0, description="seen together with the best items of `directed`")


class HandWeights(Frozen):
    """The list that serves until a ranker is better: a weighted sum of quantities relative to the best candidate."""

    evidence: float = Field(1.0, description="sum of six generators (feature `evidence`)")
    recent: float = Field(0.0, description="fast co-visitation (feature `recent_relative`)")
    popularity: float = Field(0.25, description="recent clicks")
    own: float = Field(0.0, description="items of the session itself, falling by e every three clicks")


class ActionWeights(Frozen):
    """How much an action counts in popularity and co-visitation, and as what the ranker learns to predict. `remove`
    and `dislike` count nowhere: they take the item out of the lists of that user.
    """

    view: float = Field(1.0, gt=0, le=100)
    cart: float = Field(3.0, gt=0, le=100)
    purchase: float = Field(5.0, gt=0, le=100)
    like: float = Field(3.0, gt=0, le=100)
    share: float = Field(3.0, gt=0, le=100)


class ContextPopularity(Frozen):
    """A context field by whose values popularity is counted: numbers are clipped to 0 .. values - 1, texts hashed."""

    name: Name
    values: int = Field(ge=2, le=64)


class RecommenderProfile(Frozen):
    """Settings of the catalogue view, of candidate generation and of the policy."""

    name: Name
    clock: Literal["seconds", "sessions"] = Field(description="unit of all times: event time, or sessions begun so far")
    # memory of the catalogue view
    max_items: int = Field(
        1_000_000, ge=64, le=16_000_000, description="beyond it the longest unseen half is forgotten"
    )
    click_log: int = Field(1 << 20, ge=1024, description="clicks remembered one by one; a power of two")
    recent_sessions: int = Field(1 << 18, ge=256, description="sessions remembered as item lists; a power of two")
    session_silence_s: float = Field(1800.0, gt=0, description="ends a session that has no session_id")
    # reading the occurrences of the prefix items
    reads: int = Field(
        ge=1, description="newest occurrences that count per prefix item; 256 are read, others are in a summary"
    )
    all_reads: int = Field(3072, ge=1, description="and are read of all prefix items together; 1,024 at most")
    prefix_items: int = Field(ge=1, le=20, description="newest items of the session that are read")
    window: int = Field(ge=1, le=32, description="co-visitation reaches so many clicks in both directions")
    age_decay: float = Field(gt=0, le=1, description="weight of an item of the prefix against the next newer one")
    fast: float = Field(gt=0, description="decay constant of recent co-visitation")
    slow: float = Field(gt=0, description="decay constant of lasting co-visitation")
    # nearest sessions (VSTAN: Ludewig et al., Empirical analysis of session-based recommendation, 2020)
    neighbours: int = Field(500, ge=5, description="nearest sessions; the short memory takes a fifth of them")
    neighbour_recency: float = Field(gt=0, description="decay constant of a session's weight")
    neighbour_recency_short: float = Field(gt=0)
    prefix_decay: float = Field(3.0, gt=0, description="clicks within the prefix until an item's weight falls by e")
    prefix_decay_short: float = Field(1.5, gt=0)
    distance_decay: float = Field(3.0, gt=0, description="clicks from the shared item until the weight falls by e")
    distance_decay_short: float = Field(1.5, gt=0)
    # second order
    second_order_items: int = Field(0, ge=0, description="first-order items whose occurrences are read; 0: off")
    second_order_reads: int = Field(80, ge=1, description="of each of them, the newest; 2,048 at most")
    # candidates
    max_candidates: int = Field(150, ge=20, le=1000)
    min_candidates: int = Field(30, ge=0, description="filled up from the hot lists")
    own_items: bool = Field(description="the session's own items may be recommended")
    quotas: CandidateQuotas
    popularity_half_lives: tuple[float, float, float, float] = Field(description="shortest first")
    hot_items: int = Field(0, ge=0, le=128, description="candidates from each of the three hot lists")
    new_items: int = Field(0, ge=0, le=128, description="candidates from the list of new items")
    new_age: float = Field(ge=0, description="an item is new for so long")
    hot_refresh: float = Field(gt=0, description="time between two computations of the hot lists")
    hot_clicks: int = Field(20_000, ge=1, description="newest clicks from which the hot lists are computed")
    action_weights: ActionWeights = ActionWeights()
    # context
    context: tuple[Name, ...] = Field((), max_length=16, description="context fields that are features")
    context_popularity: tuple[ContextPopularity, ...] = Field((), max_length=4)
    hour_of_day: bool = Field(False, description="the hour (UTC) is a feature")
    # policy
    unknown_items: bool | None = Field(
        None, description="may items be recommended of which `items.v1` never told; none: as long as it told of no item"
    )
    exploration: float = Field(
        0.0, ge=0, le=0.5, description="share of the places of a list for new items that nobody has clicked yet"
    )
    fresh_bonus: float = Field(0.0, description="added to the score of fresh items")
    fresh_age: float = Field(0.0, ge=0, description="an item is fresh for so long after it was first seen")
    hand_weights: HandWeights = HandWeights()

    @model_validator(mode="after")
    def _sizes_are_powers_of_two(self) -> Self:
        for name in ("click_log", "recent_sessions"):
            size = getattr(self, name)
            if size & (size - 1):
                raise ValueError(f"{name} = {size} must be a power of two, such as {1 << size.bit_length()}")
        if sum(c.values for c in self.context_popularity) > 250:
            raise ValueError("context_popularity: the values of all fields together must be 250 or fewer")
        return self


SHOP = RecommenderProfile(
    name="shop",
    clock="sessions",
    reads=2500,
    prefix_items=10,
    window=19,
    age_decay=0.6,
    fast=9_000,
    slow=93_000,
    neighbour_recency=93_000,
    neighbour_recency_short=9_300,
    second_order_items=20,
    second_order_reads=30,  # 80 find no more: validation on Diginetica, HR@20 .5691 and .5695
    own_items=True,
    quotas=CandidateQuotas(
        neighbours=35,
        neighbours_recent=10,
        neighbours_after=5,
        after=15,
        cosine=10,
        after_last=5,
        recent=10,
        directed=30,
        second_order=30,
    ),
    popularity_half_lives=(2_000, 10_000, 50_000, 1e7),
    new_age=2_000,
    hot_refresh=100,
    hand_weights=HandWeights(evidence=1.0, popularity=0.25, own=1.5),
)
PORTAL = RecommenderProfile(
    name="portal",
    clock="seconds",
    reads=512,
    prefix_items=6,
    window=5,
    age_decay=0.6,
    fast=2 * 3600,
    slow=48 * 3600,
    neighbour_recency=24 * 3600,
    neighbour_recency_short=3600,
    own_items=False,
    quotas=CandidateQuotas(
        neighbours=25, neighbours_recent=15, neighbours_after=10, after=20, after_last=10, recent=30
    ),
    popularity_half_lives=(600, 3600, 6 * 3600, 24 * 3600),
    hot_items=22,
    new_items=30,
    new_age=2 * 3600,
    hot_refresh=60,
    context=("environment", "device", "os", "country", "region", "referrer"),
    context_popularity=(
        ContextPopularity(name="region", values=32),
        ContextPopularity(name="referrer", values=8),
        ContextPopularity(name="device", values=8),
    ),
    hour_of_day=True,
    fresh_bonus=0.9,
    fresh_age=3600,
    hand_weights=HandWeights(evidence=0.0, recent=1.0, popularity=0.01),
)
PROFILES: dict[str, RecommenderProfile] = {"shop": SHOP, "portal": PORTAL}


def parse_profile(text: str, source: PurePath | str = "profile") -> RecommenderProfile:
    """A profile from TOML; `based_on = "shop"` or `"portal"` gives what the file does not say.

    Raises:
        SettingsError: with each field that cannot be used.
    """
    advice = "Correct the file; docs/train.md has an example."
    try:
        given: dict[str, Any] = tomllib.loads(text)
        base = given.pop("based_on", None)
        if base is not None and (not isinstance(base, str) or base not in PROFILES):
            raise SettingsError(f"{source}: based_on = {base!r} is none of {', '.join(PROFILES)}.", advice)
        return RecommenderProfile.model_validate((PROFILES[base].model_dump() if base else {}) | given)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not TOML: {error}.", advice) from error
    except ValidationError as error:
        raise SettingsError(f"{source}: {text_of(error)}.", advice) from error
