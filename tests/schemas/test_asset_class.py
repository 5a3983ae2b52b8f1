"""The file of an asset class: what would do nothing, or not what it says, is refused; manifests that have it load."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from schemas import AssetClass, SettingsError, parse_asset_class

ROOT = Path(__file__).parents[2]
RUL = 'name = "pump"\nsensors = ["s1"]\n{more}\n[target]\nkind = "rul"\ncap = {cap}\n'
FAILURE = RUL.replace("rul", "failure_probability").replace("cap = {cap}", 'components = ["seal"]\nhorizon = {horizon}')


def level(severity: str, on: float, clear: float) -> str:
    return f'[[policy]]\nseverity = "{severity}"\non = {on}\nclear = {clear}\n'


def rul(more: str = "", cap: str = "125", below: str = "") -> str:
    return RUL.format(more=more, cap=cap) + below


def failure(below: str = "", horizon: str = "24") -> str:
    return FAILURE.format(more="", horizon=horizon) + below


VAIN = [
    (rul(below="[costs]\nmiss = 9"), "costs: they do nothing for a target rul"),
    (rul(cap="1e9"), r"target.cap = 1e\+09 hour is 114,077 years, as `unit_seconds` is 3600"),
    (rul(cap="inf"), "target.cap = inf hour"), (failure(horizon="1e9"), r"target.horizon = 1e\+09 hour"),
    (rul(below=level("warning", 31, 40) + level("critical", 40, 50)),
     "policy critical: on = 40 is above that of warning, 31, so it would be critical before it is warning; exchange"),
    (rul(below=level("critical", 40, 50) + level("advisory", 31, 45)), "critical: on = 40 is above that of advisory"),
    (failure(level("warning", 0.6, 0.5) + level("critical", 0.4, 0.3)), "critical: on = 0.4 is below that of warning"),
    (failure(level("warning", 60, 50)), "on = 60, clear = 50: probabilities are from 0 to 1"),
    (rul(below=level("warning", 130, 140)), "on = 130, clear = 140: lives are told from 0 to cap = 125"),
    (rul(below=level("warning", 20, 140)), "clear = 140: lives are told"),
    (rul(below=level("warning", 20, 30) + level("warning", 10, 30)), "two levels are warning"),
    (rul(below='[labels.s1]\nlabel = ""'), "labels.s1.label is empty, so its name is shown; give one, or leave"),
    (rul(below='[labels.s1]\nlabel = "  "\nunit = "mm"'), "labels.s1.label is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), VAIN)
def test_what_would_not_do_what_it_says_is_refused_in_a_file_and_taken_from_a_manifest(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        parse_asset_class(text, "pump.toml")
    assert error.value.detail.startswith("pump.toml: ")
    assert AssetClass.model_validate(tomllib.loads(text)).name == "pump"


def test_a_unit_that_is_a_time_has_its_length() -> None:
    units = {"hour": 3600, "day": 86_400, "minute": 60}
    assert {unit: parse_asset_class(rul(f'unit = "{unit}"')).unit_seconds for unit in units} == units
    assert parse_asset_class(rul()).unit_seconds == 3600
    assert parse_asset_class(rul('unit = "day"\nunit_seconds = 60')).unit_seconds == 60
    assert parse_asset_class(rul('unit = "cycle"')).unit_seconds == 3600, "as it always was; training says so"
    before = tomllib.loads(rul('unit = "day"'))
    assert AssetClass.model_validate(before).unit_seconds == 3600, "a manifest of before is taken as it was"


def test_codes_are_as_a_plant_has_them_and_components_name_files() -> None:
    codes = ["E20/Lüfter", "Störung 17", "0x1F"]
    assert parse_asset_class(rul(f"errors = {codes}")).errors == codes
    with pytest.raises(SettingsError, match=r"components\.0: may hold letters of ASCII.*: 'Lüfter'"):
        parse_asset_class(failure().replace('"seal"', '"Lüfter"'))


@pytest.mark.parametrize(
    "text",
    [
        rul(), rul(below='[labels.s1]\nunit = "mm"'), failure("[costs]\nmiss = 9"),
        rul(below=level("critical", 10, 15) + level("advisory", 40, 50) + level("warning", 20, 30)),
        failure(level("advisory", 0.2, 0.1) + level("critical", 0.9, 0.8)), rul(cap="1e6", more="unit_seconds = 60"),
    ],
)  # fmt: skip
def test_what_does_what_it_says_is_taken(text: str) -> None:
    assert parse_asset_class(text).name == "pump"


def test_the_classes_of_the_documents_are_taken() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    blocks = [block for page in pages for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)]
    classes = [block for block in blocks if "[target]" in block and "name =" in block]
    assert classes
    for block in classes:
        parse_asset_class(block)
