"""Recommender profile: what differs between a shop and a news portal. Times are in units of the profile's clock."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import Name


class RecommenderProfile(BaseModel):
    """Settings of the catalogue view, of candidate generation and of the policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    clock: Literal["seconds", "sessions"] = Field(description="unit of all times: event time, or sessions begun so far")


PROFILES: dict[str, RecommenderProfile] = {}
