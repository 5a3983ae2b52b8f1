"""The pages of models: who changed what serves, and which figures may stand beside each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx2
import pytest

from api import read_models
from api.model_list import read_changes
from console import install
from console.models import measures_of
from models.registry import ModelStore
from schemas import Settings, Training, VersionBody
from tests.api.conftest import serving
from tests.console.test_pages import Reader
from tests.support.decisions import NOON
from tests.support.versions import save_as

SEEN = Training(first_event=NOON, last_event=NOON, events=1, rows=1, seconds=1.0)


@pytest.fixture
def store(trained_home: Path, tmp_path: Path) -> ModelStore:
    shutil.copytree(trained_home / "models", tmp_path / "models")
    store = ModelStore(tmp_path / "models")
    save_as(store, store.verify("pump"), "2", by=1.0)
    return store


def version(name: str, made_from: str | None = None, **metrics: float) -> VersionBody:
    return VersionBody(
        version=name, kind="rul", created_at=NOON, training=SEEN, metrics=metrics, made_from=made_from
    )  # fmt: skip


def test_who_changed_what_serves_is_remembered(store: ModelStore, sqlite_url: str) -> None:
    first = store.aliases().models["pump"]["champion"]
    store.promote("pump", "2", by="jo")
    store.promote("pump", "2", by="again")  # changes nothing
    store.rollback("pump", by="command line")
    challenger = store.promote("pump", "2", "challenger", by="anybody")
    store.move(store.withdrawal("pump", "challenger"))  # as a worker follows models.v1
    [pump] = [one for one in read_models(store.folder) if one.name == "pump"]
    told = [(one.kind, one.version, one.before, one.by) for one in pump.changes[:4]]
    assert told == [
        ("withdrawn", None, "2", None),
        ("promoted", "2", None, "anybody"),
        ("rolled_back", first, "2", "command line"),
        ("promoted", "2", first, "jo"),
    ]
    assert pump.changes[1].changed_at == challenger.changed_at
    with serving(Settings(home=store.folder.parent, database_url=sqlite_url, api_port=0), extend=install) as client:
        words = Reader(client.get("/models/pump").text).words
        assert f"went back to {first} as champion" in " ".join(words.split())
        assert "command line" in words
        assert "this server has no keys" in words
        assert "by command line" in Reader(client.get("/models").text).words
        assert client.get("/v1/models").json()["items"][0]["changes"][0]["kind"] == "withdrawn"


def test_a_worker_of_the_home_may_be_faster_than_whoever_decides(store: ModelStore) -> None:
    """`withdraw` publishes first; the worker that follows it does not know who it was."""
    store.promote("pump", "2", "challenger", by="jo")
    record = store.withdrawal("pump", "challenger")
    store.move(record)
    store.move(record, "jo")
    changes = read_changes(store.folder / "alias_changes.jsonl")
    assert [(one.kind, one.before, one.by) for one in changes[:2]] == [
        ("withdrawn", "2", "jo"), ("promoted", None, "jo"),
    ]  # fmt: skip


def test_a_broken_line_hides_no_other(store: ModelStore) -> None:
    store.promote("pump", "2", by="jo")
    file = store.folder / "alias_changes.jsonl"
    file.write_bytes(b'{"name": "pump", "ali\n\xff\xfe\n' + file.read_bytes())
    store.rollback("pump", by="<b>bo</b>")
    assert [one.by for one in read_changes(file)][:2] == ["<b>bo</b>", "jo"]
    assert read_changes(store.folder / "none.jsonl") == []


def test_a_manifest_that_changes_is_read_anew(store: ModelStore) -> None:
    def metrics() -> dict[str, float]:
        return {key: value for one in read_models(store.folder) for key, value in one.versions[0].metrics.items()}

    assert metrics() == metrics() != {}
    for file in store.folder.glob("*/*/manifest.json"):
        changed = json.loads(file.read_text()) | {"metrics": {"other": 1.5}}
        file.write_text(json.dumps(changed))
    assert metrics() == {"other": 1.5}
    for file in store.folder.glob("*/*/manifest.json"):
        file.write_text("{")
    assert metrics() == {}, "what is no manifest is left out"


def test_a_smaller_version_is_compared_with_its_origin_on_the_same_rows() -> None:
    whole = version("1", cv_rmse=20.0, cv_lives=9.0)
    small = version("1-opt", "1", rmse=17.5, rmse_before=17.0)
    found = measures_of(whole, small)
    assert found.compared == [("rmse", 17.0, 17.5)]
    assert (found.of_present, found.of_wanted) == ({"cv_rmse": 20.0, "cv_lives": 9.0}, {})
    assert found.are_of_same_rows
    assert measures_of(small, whole).compared == [("rmse", 17.5, 17.0)]


def test_measures_of_different_things_stand_apart() -> None:
    found = measures_of(version("2", cv_rmse=20.0), version("1-opt", "1", rmse=17.5, rmse_before=17.0))
    assert found.compared == []
    assert found.of_present == {"cv_rmse": 20.0}
    assert found.of_wanted == {"rmse": 17.5, "rmse_before": 17.0}
    assert measures_of(version("1", cv_rmse=3.0), version("2", cv_rmse=2.0)).compared == [("cv_rmse", 3.0, 2.0)]
    assert measures_of(None, version("2", cv_rmse=2.0)).of_wanted == {"cv_rmse": 2.0}


def test_the_page_says_what_cannot_be_compared(store: ModelStore, sqlite_url: str, trained_home: Path) -> None:
    with serving(Settings(home=store.folder.parent, database_url=sqlite_url, api_port=0), extend=install) as client:
        page: httpx2.Response = client.get("/models/pump/change?version=2")
        words = " ".join(Reader(page.text).words.split())
    assert page.status_code == 200
    assert "Each on what its own training held out" in words
    assert "Measured of" not in words
