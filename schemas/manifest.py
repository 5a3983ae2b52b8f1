"""Model folders: the manifest beside the packs, and the aliases that say which version serves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from schemas.asset_class import AssetClass
from schemas.base import Frozen, Name, Time
from schemas.profile import RecommenderProfile

Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.\-]{0,63}$")]
Alias = Literal["champion", "challenger"]
RECOMMENDER = "recommender"  # name of the model that ranks; all others have the name of their asset class


class PackFile(Frozen):
    """One compiled forest of the model."""

    file: str = Field(pattern=r"^[A-Za-z0-9_.\-]+\.pack$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int
    trees: int
    features: int


class Golden(Frozen):
    """Rows with the raw scores that every evaluator of the kernel must give, bit for bit. Base64 of little-endian."""

    rows: str = Field(description="float32 (n, features)")
    scores: str = Field(description="float64 (n, outputs)")


class Training(Frozen):
    """What the model was learned from."""

    first_event: Time
    last_event: Time
    events: int
    rows: int
    seconds: float


class Optimised(Frozen):
    """How a version was made smaller from another one. Losses are shares of the metric, of its worst forest."""

    from_version: Version
    loss: float = Field(description="on held-out rows that took no part in the choice")
    loss_error: float = Field(description="standard error of `loss`")
    loss_on_choice: float = Field(description="on the held-out rows by which it was chosen")
    bytes_ratio: float = Field(description="bytes of the packs as a share of those of `from_version`")
    time_ratio: float = Field(description="likewise the time to score a row in batches of 100, where it was made")
    row_time_ratio: float = Field(description="likewise for a row that comes alone")
    forests: dict[str, str] = Field(description="by role, what is left and what there was")


class Manifest(Frozen):
    """Everything a worker needs besides the packs; JSON, written once."""

    format: Literal[1, 2] = 2
    name: Name
    version: Version
    kind: Literal["recommender", "rul", "failure_probability"]
    created_at: Time
    features: list[str] = Field(description="names in the order of a feature row")
    packs: dict[str, PackFile] = Field(description="by role, such as `score`, `low`, `high`")
    asset_class: AssetClass | None = None
    profile: RecommenderProfile | None = None
    learned: dict[str, Any] = Field(default_factory=dict, description="normalisation and whatever else was learned")
    training: Training
    metrics: dict[str, float] = Field(description="measured on held-out events while training")
    importance: dict[str, float] = Field(
        default_factory=dict, description="feature -> share of the gain of the first pack's splits (0 to 1), if known"
    )
    libraries: dict[str, str]
    golden: dict[str, Golden] = Field(default_factory=dict, description="by role")
    optimised: Optimised | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_signature(cls, content: Any) -> Any:
        """In the first format it lay inside; models/registry/first_format.py checks it."""
        if isinstance(content, dict) and content.get("format") == 1:
            return {name: value for name, value in content.items() if name != "signature"}
        return content


class AliasChange(Frozen):
    """A change of an alias, as a home remembers it: `alias_changes.jsonl` beside `aliases.json`, one a line."""

    name: Name
    alias: Alias
    kind: Literal["promoted", "rolled_back", "withdrawn"]
    version: Version | None = Field(description="that it points to since then; null: it was withdrawn")
    before: Version | None = Field(description="that it pointed to")
    changed_at: Time
    by: str | None = Field(
        description="name of the API key, `command line`, or `anybody` where the API has no keys; null: it was "
        "followed from models.v1, which does not tell who"
    )


class Aliases(Frozen):
    """`aliases.json`: model name -> alias -> version, and the versions each alias had before, newest first."""

    format: Literal[1] = 1
    models: dict[str, dict[Alias, str]] = Field(default_factory=dict)
    history: dict[str, dict[Alias, list[str]]] = Field(default_factory=dict)
    changed_at: dict[str, dict[Alias, Time]] = Field(default_factory=dict, description="the newest change counts")
