"""The strips under the scores of an asset: operating regimes, and the quality of the input."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import httpx2
from hypothesis import given
from hypothesis import strategies as st

from api import read_models
from console import install
from console.strips import strip_of
from models.maintenance import AssetModel
from models.registry import ModelStore
from schemas import ModelRef, Point, RegimePoint, Series, SeriesBody, Settings
from storage import Store
from tests.api.conftest import serving
from tests.console.test_pages import Reader
from tests.storage.test_kept import reading
from tests.support.decisions import at, score

RECT = re.compile(r'<rect class="regime-(\d)" x="([\d.]+)" width="([\d.]+)"')


def test_the_strip_shows_when_an_asset_was_in_which_regime(console: httpx2.Client, store: Store) -> None:
    assert 'id="strip"' not in console.get("/assets/pump/p1?range=all").text, "its class has one regime"
    store.write([score(n, "p9", regime=(n // 20) % 3) for n in range(100)], [])
    page = console.get("/assets/pump/p9?range=all").text
    runs = [(int(colour), float(x), float(width)) for colour, x, width in RECT.findall(page)]
    assert [colour for colour, _, _ in runs] == [0, 1, 2, 0, 1]
    assert [round(x) for _, x, _ in runs] == [0, 20, 40, 60, 80]
    assert all(19 < width < 21.5 for _, _, width in runs)
    words = Reader(page).words
    assert all(f"regime {n}" in words for n in (1, 2, 3))
    assert "regime 0" not in words, "people count from one"
    assert "of version" not in words


QUALITY = re.compile(r'<rect class="quality-(\w+)" x="([\d.]+)" width="([\d.]+)"')


def test_a_strip_shows_where_the_input_was_not_good(console: httpx2.Client, store: Store) -> None:
    assert 'id="quality"' not in console.get("/assets/pump/p1?range=all").text, "nothing tells of it"
    store.write([score(n, "p8", quality="good") for n in range(50)], [])
    assert 'id="quality"' not in console.get("/assets/pump/p8?range=all").text, "it was good at all times"
    told = ["good"] * 30 + ["degraded"] * 20 + ["good"] * 25 + ["poor"] * 10 + ["good"] * 15
    store.write([score(n, "p9", quality=quality) for n, quality in enumerate(told)], [])
    page = console.get("/assets/pump/p9?range=all").text
    runs = [(quality, round(float(x)), round(float(width))) for quality, x, width in QUALITY.findall(page)]
    assert runs == [("degraded", 30, 20), ("poor", 75, 10)]
    words = Reader(page).words
    assert "degraded: something stands in" in words
    assert "poor: most sensors" in words
    assert 'id="strip"' not in page, "of regimes nothing is told"


def test_each_version_numbers_its_own(console: httpx2.Client, store: Store) -> None:
    for n in range(40):
        store.write([score(n, "p9", regime=0, model=ModelRef(name="pump", version="1" if n < 20 else "2"))], [])
    words = Reader(console.get("/assets/pump/p9?range=all").text).words
    assert "regime 1 of version 1" in words
    assert "regime 1 of version 2" in words


def test_the_legend_says_what_is_typical(trained_home: Path, sqlite_url: str, store: Store) -> None:
    model = AssetModel(ModelStore(trained_home / "models").load("pump"))
    store.write([score(n, "p9", regime=n // 10, model=model.reference) for n in range(20)], [])
    [pump] = [one for one in read_models(trained_home / "models") if one.name == "pump"]
    regimes = pump.versions[0].regimes
    assert model.has_regimes
    assert len(regimes) > 1
    assert set(regimes[0]) == {"speed", "load"}
    assert len({tuple(one.values()) for one in regimes}) == len(regimes)
    with serving(Settings(home=trained_home, database_url=sqlite_url, api_port=0), extend=install) as client:
        assert re.search(r"regime 1 .*typically speed [\d.,]+, load [\d.,]+", client.get("/assets/pump/p9").text)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 3)), min_size=1, max_size=60), st.floats(1.0, 30.0))
def test_runs_follow_each_other_and_cover_every_bucket(steps: list[tuple[int, int]], bucket_s: float) -> None:
    """Whatever the silences: runs do not overlap, and each bucket begins in a run of its regime."""
    seconds, regimes = 0.0, []
    for step, regime in steps:
        seconds += step * bucket_s
        regimes.append(RegimePoint(time=at(seconds), model=ModelRef(name="pump", version="1"), regime=regime))
    points = [Point(time=one.time, min=1.0, mean=1.0, max=1.0, count=1) for one in regimes]
    body = SeriesBody(
        asset_id="p", asset_class="pump", start=points[0].time, end=points[-1].time, bucket_s=bucket_s,
        series=[Series(name="rul", points=points)], regimes=regimes,
    )  # fmt: skip
    strip = strip_of(body, [])
    assert strip is not None
    runs = strip["runs"]
    for run, after in itertools.pairwise(runs):
        assert run["x"] + run["width"] <= after["x"] + 1e-6
        assert run["width"] > 0
    places = {int(one["text"].removeprefix("regime ")) - 1: one["colour"] for one in strip["legend"]}
    for one in regimes:
        x = one.time.timestamp() - strip["start"]
        [colour] = [run["colour"] for run in runs if run["x"] - 1e-6 <= x < run["x"] + run["width"] - 1e-6]
        assert colour == places[one.regime]


def test_sensors_are_called_as_people_call_them(trained_home: Path, sqlite_url: str, store: Store) -> None:
    model = AssetModel(ModelStore(trained_home / "models").load("pump"))
    sensor = next(iter(model.asset_class.labels))
    label, unit = model.asset_class.words_of(sensor)
    readings = [reading(1, 3.0, "p9", sensor), reading(30, 1.0, "p9", "odd")]  # of two slots
    store.write([score(1, "p9", model=model.reference), *readings], [])
    [pump] = [one for one in read_models(trained_home / "models") if one.name == "pump"]
    assert pump.versions[0].labels == model.asset_class.labels
    with serving(Settings(home=trained_home, database_url=sqlite_url, api_port=0), extend=install) as client:
        words = " ".join(Reader(client.get("/assets/pump/p9?range=all").text).words.split())
    assert label
    assert unit
    assert f"{label} in {unit}" in words
    assert "odd" in words
