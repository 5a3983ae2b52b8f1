"""Every name that a person sees has a plain label and a hint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import httpx2

from console import install
from console.words import WORDS, word, word_of
from models.shrink.judge import METRICS
from models.stages import STAGES
from schemas import Alias, Recommendation, Settings
from streams.sink.source import HISTORY, SINK
from tests.api.conftest import serving

ROOT = Path(__file__).parents[2]
MEASURE = re.compile(r'"((?:cv|blend|held_out|candidate|hr|mrr)_[a-z0-9_]+|queries)": ')


def test_every_measure_of_a_model_is_explained() -> None:
    trainers = [path.read_text() for path in (ROOT / "models").glob("*/training/*.py")]
    names = {name for text in trainers for name in MEASURE.findall(text)} | {*METRICS.values(), "pinball_loss"}
    assert len(names) > 15
    for name in names:
        label, hint = word_of(name)
        assert name in WORDS, name
        assert len(hint) > 20
        assert "_" not in label


def test_stages_agents_and_the_like_are_explained() -> None:
    strategies = get_args(Recommendation.model_fields["strategy"].annotation)
    roles = ("edge", "sink", "input", "output", "internal", "rul", "failure_probability", "p50", "p99")
    for name in (*STAGES, *strategies, *get_args(Alias), SINK, HISTORY, "recommend", "maintain", *roles):
        assert WORDS[name].hint, name
    for label, hint in WORDS.values():
        assert label == label.strip()
        assert hint.endswith("."), hint


def test_an_unknown_name_is_shown_as_it_is_and_escaped() -> None:
    assert word("<b>x_y") == "&lt;b&gt;x y"
    assert word_of("mrr_20_before").label == "how far up the next click stood, before"
    assert word_of("low_pinball_loss").label == "error of the band, low"


def test_pages_have_the_hints(console: httpx2.Client) -> None:
    assert "Answers clicks with lists" in console.get("/streams").text
    assert "The trained forest chose" in console.get("/shop/users/ann").text
    assert "half of the batches took less" in console.get("/streams").text


def test_measures_of_a_version_are_explained(trained_home: Path, sqlite_url: str) -> None:
    with serving(Settings(home=trained_home, database_url=sqlite_url, api_port=0), extend=install) as client:
        for model in client.get("/v1/models").json()["items"]:
            page = client.get(f"/models/{model['name']}").text
            assert "What was measured of" in page
            for name in model["versions"][0]["metrics"]:
                assert f"({name})" in page, name
                assert word_of(name).hint.partition(".")[0] in page
