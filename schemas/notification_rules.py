"""Notification rules: who is told of which alerts, and how, as the file of MILLRACE_NOTIFICATIONS_FILE says.

TOML or JSON ─► parse_notification_rules ─► NotificationRules: channels (how), rules (which alert ─► which channels)

Secrets stand in the file as `${NAME}`: they are taken from the environment by whoever sends, and are in no value here.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Sequence
from datetime import time
from pathlib import PurePath
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from schemas.base import Frozen, Label, Name
from schemas.errors import Fault, SettingsError, faults_of
from schemas.outputs import AlertKind, Severity

PARENT_FROM = 5  # assets of a site in trouble: they are told and shown as the site
ADVICE = "Nothing was started. Correct the file; docs/notifications.md has examples."
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GroupBy = Literal["site", "asset"]
BY_DEFAULT: tuple[GroupBy, ...] = ("site", "asset")
_ADDRESS = re.compile(r"https?://\S+")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError(f"{value!r} is no time of day such as 22:00")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone such as Europe/Berlin or UTC") from None
    return value


def _referring(value: str) -> str:
    """Whoever forgot the braces would sign, or sign in, with a text that anybody can read."""
    if "$" in REFERENCE.sub("", value):
        raise ValueError("has a $ that begins no reference: write ${NAME}, with braces (and a $ that is meant as %24)")
    return value


def _web_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("must be an address such as https://host/path, without spaces")
    return value


def _web_hook(value: str) -> str:
    return value if REFERENCE.match(value) and " " not in value else _web_address(value)


WebAddress = Annotated[str, AfterValidator(_web_address)]
Referring = Annotated[str, AfterValidator(_referring)]
Clock = Annotated[str, AfterValidator(_clock)]
Zone = Annotated[str, AfterValidator(_zone)]


class TimeWindow(Frozen):
    """A time of day on some days of the week, by the clocks of a place. One that ends before it begins goes over
    midnight, and belongs to the day on which it begins.
    """

    days: list[Day] = Field(default_factory=lambda: list(DAYS), min_length=1)
    start: Clock = Field("00:00", alias="from")
    end: Clock = Field("24:00", alias="to")
    zone: Zone = "UTC"

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        start, end = self.bounds
        if start == end and self.end != "24:00":
            raise ValueError(f"`from` and `to` are both {self.end}; for the whole day leave both out")
        return self

    @property
    def bounds(self) -> tuple[time, time]:
        """The end 24:00 as 00:00."""
        start, end = (time.fromisoformat(clock.replace("24:00", "00:00")) for clock in (self.start, self.end))
        return start, end


class NotificationChannel(Frozen):
    """Where notifications go: to a service that apprise knows by its URL, or as a signed request to a webhook."""

    name: Name
    url: Referring | None = Field(None, min_length=1, description="of apprise; secrets as ${NAME}")
    webhook: Annotated[Referring, AfterValidator(_web_hook)] | None = Field(
        None, description="address that takes a POST; secrets as ${NAME}"
    )
    secret: Referring | None = Field(None, description="of the webhook, as ${NAME}: base64 after whsec_")
    payload: Literal["millrace", "alertmanager"] = Field("millrace", description="body of the webhook")
    group_by: list[GroupBy] = Field(default_factory=lambda: list(BY_DEFAULT), description="[]: all in one")
    group_wait_s: float = Field(10, ge=0, le=3600, description="after the first news of a group, for others to come")
    group_interval_s: float = Field(300, ge=0, le=86_400, description="between two notifications of a group")
    most: int = Field(10, ge=1, le=1000, description="notifications in ten minutes")
    parent_from: int = Field(PARENT_FROM, ge=2, description="so many assets of a site in trouble are told as the site")
    repeat_h: float = Field(4, ge=0, le=720, description="until somebody acknowledges; 0: never")
    resolved: bool = Field(True, description="tell that an alert is cleared")
    quiet: list[TimeWindow] = Field(default_factory=list, description="what comes then is told after it, in one")
    critical_breaks_quiet: bool = Field(True, description="critical alerts are told in quiet hours too")

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.url is None) == (self.webhook is None):
            raise ValueError("either `url` (of apprise) or `webhook` is needed, and not both")
        if self.url is not None and (self.secret is not None or self.payload != "millrace"):
            raise ValueError("`secret` and `payload` are of a webhook, and it has a `url` of apprise")
        if self.webhook is not None and self.secret is None:
            raise ValueError("a webhook needs a `secret` to sign with, such as ${HOOK_SECRET}")
        return self


class NotificationRule(Frozen):
    """Which alerts are told where. Of each condition one value must fit; one that is not given always does."""

    name: Label
    channels: list[Name] = Field(min_length=1)
    asset_class: list[Name] = Field(default_factory=list)
    severity: Severity = Field("advisory", description="at least")
    kind: list[AlertKind] = Field(default_factory=list)
    site: list[Label] = Field(default_factory=list)
    line: list[Label] = Field(default_factory=list)
    labels: dict[Name, Label] = Field(default_factory=dict, description="all of them")
    when: list[TimeWindow] = Field(default_factory=list, description="the time at which it would be told")


class NotificationRules(Frozen):
    """The file."""

    console: WebAddress | None = Field(None, description="public address of the console, for links")
    past_after_h: float = Field(
        6, gt=0, le=1_000_000, description="what happened longer ago is history, as where it is replayed: told in one"
    )
    channels: list[NotificationChannel] = Field(default_factory=list, alias="channel", max_length=100)
    rules: list[NotificationRule] = Field(default_factory=list, alias="rule", max_length=1000)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = [channel.name for channel in self.channels]
        if not names:
            raise ValueError("there is no [[channel]], so nobody would be told of anything")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two channels are named {', '.join(twice)}")
        for rule in self.rules:
            if unknown := [name for name in rule.channels if name not in names]:
                raise ValueError(
                    f"rule {rule.name!r} names the channel {unknown[0]!r}, and there is {', '.join(names) or 'none'}"
                )
        if lost := set(names) - {name for rule in self.rules for name in rule.channels}:
            raise ValueError(f"no rule names the channel {sorted(lost)[0]!r}, so nothing would be told there")
        return self


def parse_notification_rules(text: str, source: PurePath) -> NotificationRules:
    """Rules from TOML, or from JSON where the file is named so.

    Raises:
        SettingsError: with each value that cannot be used, and of which channel or rule it is.
    """
    try:
        document = json.loads(text) if source.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # of both
        kind = "JSON" if source.suffix == ".json" else "TOML"
        raise SettingsError(f"{source} is not {kind}: {error}.", ADVICE) from error
    try:
        return NotificationRules.model_validate(document)
    except ValidationError as error:
        unknown = [one["loc"] for one in error.errors() if one["type"] == "extra_forbidden"]
        names = {".".join(map(str, path)): _names_beside(path) for path in unknown}
        faults = [f"{_named(one, document)}{one.message}{names.get(one.path, '')}" for one in faults_of(error)]
        raise SettingsError(f"{source}: {'; '.join(faults)}.", ADVICE) from error


def _names_beside(path: Sequence[int | str]) -> str:
    """What may stand where a name stands that is not known."""
    model: type[BaseModel] = NotificationRules
    for part in path[:-1]:
        if isinstance(part, str):
            field = next(field for name, field in model.model_fields.items() if part == (field.alias or name))
            model = next(one for one in get_args(field.annotation) if issubclass(one, BaseModel))
    names = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(str(path[-1]), names, 1)
    return f"{f' (did you mean {near[0]}?)' if near else ''}, and there are {', '.join(names)}"


def _named(fault: Fault, document: object) -> str:
    """`rule.2.severity` as `rule 'night', severity: `; of an entry of a list the entry is told."""
    what, _, rest = fault.path.partition(".")
    number, _, field = rest.partition(".")
    if field.rpartition(".")[2].isdigit() and isinstance(fault.value, str | int | float):
        field = f"{field.rpartition('.')[0]}: {fault.value!r}"
    listed = document.get(what) if isinstance(document, dict) else None
    if not number.isdigit() or not isinstance(listed, list) or int(number) >= len(listed):
        return f"{fault.path}: " if fault.path else ""
    entry = listed[int(number)]
    name = entry.get("name") if isinstance(entry, dict) else None
    text = f"{what} {name!r}" if isinstance(name, str) else f"{what} number {int(number) + 1}"
    return f"{text}, {field}: " if field else f"{text}: "
