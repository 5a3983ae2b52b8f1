"""Asset class: the one small file that a person writes for a kind of machine; everything else is learned by `train`."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from schemas.base import ErrorCode, Frozen, Name, SensorName
from schemas.errors import SettingsError, text_of
from schemas.outputs import Severity

YEAR_S = 365.25 * 86_400
LONGEST_S = 100 * YEAR_S
UNIT_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}


class RulTarget(Frozen):
    """Remaining useful life until the next failure, in the unit of the class, no more than `cap`."""

    kind: Literal["rul"]
    cap: float = Field(gt=0, description="beyond this the remaining life is only known to be `cap` or more")


class FailureTarget(Frozen):
    """Probability, for each component, that it fails within the horizon."""

    kind: Literal["failure_probability"]
    components: list[Name] = Field(min_length=1, max_length=16)
    horizon: float = Field(gt=0, description="in the unit of the class")


class PolicyLevel(Frozen):
    """One severity: raised at `on` for `on_delay` readings, cleared beyond `clear` for `off_delay`."""

    severity: Severity
    on: float
    clear: float
    on_delay: int = Field(1, ge=1)
    off_delay: int = Field(1, ge=1)


class SensorLabel(Frozen):
    """What people call a reading."""

    label: str = Field("", max_length=100, description="empty: its name, with spaces for underscores")
    unit: str = Field("", max_length=20, description="such as `mm/s`")


class AlertCosts(Frozen):
    """What alerts cost, in any currency: only their ratios count. They choose the thresholds that training finds."""

    miss: float = Field(4.0, gt=0, description="of a failure before which no alert was open")
    false_alarm: float = Field(1.0, gt=0, description="of an alert after which nothing failed")
    late: float = Field(0.5, ge=0, description="of a failure that was told with less than half a horizon to go")


class AssetClass(Frozen):
    """A kind of machine with its sensors, target and alert policy."""

    name: Name
    sensors: list[SensorName] = Field(
        max_length=256, description="readings that may tell of wear; none: failures are told from the log alone"
    )
    regime: list[SensorName] = Field(
        default_factory=list, max_length=16, description="readings that tell how the asset is run"
    )
    constants: list[SensorName] = Field(
        default_factory=list, max_length=16, description="readings used as they are, such as a type"
    )
    errors: list[ErrorCode] = Field(
        default_factory=list, max_length=32, description="error codes in the maintenance log"
    )
    unit: str = Field("hour", description="unit of time of this class, such as `cycle` or `hour`")
    unit_seconds: float = Field(
        3600.0, gt=0, description="length of that unit in event time; a file need not say that of a day, hour, minute"
    )
    target: Annotated[RulTarget | FailureTarget, Field(discriminator="kind")]
    costs: AlertCosts = Field(default_factory=AlertCosts, description="for a target `failure_probability`")
    labels: dict[SensorName, SensorLabel] = Field(
        default_factory=dict, description="for people: label and unit of readings, by their names"
    )
    policy: list[PolicyLevel] = Field(default_factory=list, max_length=3, description="empty: learned with the model")

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [*self.sensors, *self.regime, *self.constants]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"readings named twice among sensors, regime and constants: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _without_sensors_the_log_tells(self) -> Self:
        if self.sensors:
            return self
        if self.target.kind == "rul":
            raise ValueError("sensors: a remaining life is told from sensors; name some, or predict failures")
        if self.regime or self.constants:
            raise ValueError("regime, constants: they are readings, and a class without sensors has none")
        return self

    @model_validator(mode="after")
    def _labels_are_of_readings(self) -> Self:
        names = [*self.sensors, *self.regime, *self.constants]
        for name in self.labels:
            if name not in names:
                raise ValueError(f"labels.{name}: no such reading; there are {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _deadbands_are_open(self) -> Self:
        for level in self.policy:
            falling = self.target.kind == "rul"
            if (level.clear <= level.on) if falling else (level.clear >= level.on):
                side = "above" if falling else "below"
                raise ValueError(f"policy {level.severity}: clear = {level.clear} must be {side} on = {level.on}")
        return self

    def words_of(self, reading: str) -> tuple[str, str]:
        """Label and unit of a reading."""
        said = self.labels.get(reading)
        return (said.label if said and said.label else reading.replace("_", " ")), (said.unit if said else "")


def parse_asset_class(text: str, source: PurePath | str = "asset class") -> AssetClass:
    """An asset class from TOML.

    Raises:
        SettingsError: with each field that cannot be used, or that would do nothing, or not what it says. A manifest
            of before may have such a class, and serves.
    """
    try:
        asset_class = AssetClass.model_validate(_with_length(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{source} is not TOML: {error}.", "Correct the file; docs/train.md has an example."
        ) from error
    except ValidationError as error:
        raise SettingsError(
            f"{source}: {text_of(error)}.", "Correct the file; docs/train.md has an example."
        ) from error
    if vain := [*_vain_values(asset_class), *_vain_levels(asset_class)]:
        raise SettingsError(f"{source}: {'; '.join(vain)}.", "Correct the file; docs/train.md has an example.")
    return asset_class


def _with_length(file: dict[str, Any]) -> dict[str, Any]:
    """With the length of a unit that is a time. A manifest always has one, and is taken at its word."""
    unit = file.get("unit", "hour")
    if "unit_seconds" in file or not isinstance(unit, str) or unit not in UNIT_S:
        return file
    return file | {"unit_seconds": UNIT_S[unit]}


def _vain_values(of: AssetClass) -> Iterator[str]:
    """Values that a person wrote and that do nothing, or nothing sensible."""
    target = of.target
    if target.kind == "rul" and "costs" in of.model_fields_set:
        yield "costs: they do nothing for a target rul, whose levels follow from cap; leave them out, or set [[policy]]"
    name, length = ("cap", target.cap) if target.kind == "rul" else ("horizon", target.horizon)
    if not length * of.unit_seconds <= LONGEST_S:
        years = length * of.unit_seconds / YEAR_S
        wanted = "what a life lasts" if name == "cap" else "how long before a failure to tell"
        yield (
            f"target.{name} = {length:g} {of.unit} is {years:,.0f} years, as `unit_seconds` is {of.unit_seconds:g}: "
            f"nothing could be learned of it; give {wanted}"
        )
    for reading, said in of.labels.items():
        if "label" in said.model_fields_set and not said.label.strip():
            yield f"labels.{reading}.label is empty, so its name is shown; give one, or leave `label` out"


def _vain_levels(of: AssetClass) -> Iterator[str]:
    """Levels of the policy that no value reaches, or of which the worse is reached before the milder."""
    target = of.target
    is_life, most = target.kind == "rul", target.cap if target.kind == "rul" else 1.0
    severities: tuple[Severity, ...] = get_args(Severity)
    levels = sorted(of.policy, key=lambda level: severities.index(level.severity))
    for level in levels:
        if not 0 <= level.on < most or not 0 <= level.clear <= most:
            what = f"lives are told from 0 to cap = {most:g}" if is_life else "probabilities are from 0 to 1"
            values = f"on = {level.on:g}, clear = {level.clear:g}"
            yield f"policy {level.severity}: {values}: {what}, so it would never change"
    for mild, bad in itertools.pairwise(levels):
        if mild.severity == bad.severity:
            yield f"policy: two levels are {bad.severity}; leave one out"
        elif (bad.on > mild.on) if is_life else (bad.on < mild.on):
            yield (
                f"policy {bad.severity}: on = {bad.on:g} is {'above' if is_life else 'below'} that of {mild.severity}, "
                f"{mild.on:g}, so it would be {bad.severity} before it is {mild.severity}; exchange them"
            )
