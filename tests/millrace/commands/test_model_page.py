"""`millrace models show`: card, packs from inside, importance as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from millrace.cli import run
from models.compiler import compile_forest, gain_shares
from models.registry import ModelStore, public_text
from tests.models.forests import small_booster
from tests.models.registry.keys import KEY
from tests.models.registry.test_store import FEATURES, manifest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    store = ModelStore(tmp_path / "models")
    booster, rows = small_booster()
    blob = compile_forest(booster, "wear", rows)
    store.save(manifest(version="old"), {"score": blob, "low": blob})
    store.save(manifest(version="new"), {"score": blob}, "Of the turbofan runs.", gain_shares(booster, FEATURES))
    store.promote("wear", "new")
    return store


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["models", "show", "wear", *arguments]) == 0
    return capsys.readouterr().out


def test_the_page_tells_card_packs_and_importance(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    page = shown(capsys)
    assert "Of the turbofan runs." in page
    assert "12 with 180 leaves" in page
    assert "share of the gain of all splits" in page
    assert "| b |" not in page  # told by the picture
    bars = {line.split()[0]: line.count("█") for line in page.splitlines() if "█" in line}
    shares = store.load("wear").manifest.importance
    assert max(bars, key=bars.__getitem__) == max(shares, key=shares.__getitem__) == "b"
    assert bars["b"] == 60
    assert bars["a"] == pytest.approx(60 * shares["a"] / shares["b"], abs=1)


def test_without_gains_the_picture_says_what_it_shows(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    page = shown(capsys, "old")
    assert page.count("no gains are known") == 2
    assert page.index("Importance in score.pack") < page.index("Importance in low.pack")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(
    store: ModelStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich takes the pipe for a terminal
    monkeypatch.setenv("NO_COLOR", "1")
    for version in ("old", "new"):
        lines = shown(capsys, version).splitlines()
        plain = [line for line in lines if "\x1b" not in line and not line.startswith("Folder")]
        assert max(map(len, plain)) <= width


def test_the_same_facts_as_json(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(shown(capsys, "--json"))
    assert facts["manifest"]["version"] == "new"
    assert facts["signed_by"] == []
    store.sign("wear", "new", KEY)
    assert json.loads(shown(capsys, "--json"))["signed_by"] == [public_text(KEY)]
    assert f"Signed by: {public_text(KEY)}" in shown(capsys)
    assert facts["packs"]["score"]["trees"] == 12
    assert "gain" in facts["importance"]["score"]["measure"]
    assert facts["importance"]["score"]["shares"] == store.load("wear").manifest.importance
    derived = json.loads(shown(capsys, "old", "--json"))["importance"]
    assert sum(derived["low"]["shares"].values()) == pytest.approx(1)


def test_a_lost_card_is_told(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    (store.folder / "wear" / "new" / "card.md").unlink()
    assert run(["models", "show", "wear"]) == 1
    assert "card.md cannot be read" in " ".join(capsys.readouterr().err.split())
