"""Model folders: whole or absent, verified when loaded, served by alias."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.compiler import compile_forest
from models.registry.card import model_card
from models.registry.store import ModelStore
from schemas import Manifest, ModelError, Training
from tests.models.forests import small_booster

FEATURES = list("abcdef")


@pytest.fixture(scope="module")
def trained() -> tuple[bytes, np.ndarray, np.ndarray]:
    booster, rows = small_booster()
    return compile_forest(booster, "wear", rows), rows, booster.predict(rows)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def manifest(name: str = "wear", version: str = "1", day: int = 1) -> Manifest:
    return Manifest(
        name=name,
        version=version,
        kind="rul",
        created_at=datetime(2026, 1, day, tzinfo=UTC),
        features=FEATURES,
        packs={},
        learned={"median": [1.5, 2.5]},
        training=Training(
            first_event=datetime(2025, 1, 1, tzinfo=UTC),
            last_event=datetime(2025, 12, 31, tzinfo=UTC),
            events=20_631,
            rows=20_000,
            seconds=12.5,
        ),
        metrics={"rmse": 9.74},
        libraries={"lightgbm": "4.7.0"},
    )


def test_a_saved_model_scores_as_the_booster(store: ModelStore, trained) -> None:
    blob, rows, expected = trained
    folder = store.save(manifest(), {"score": blob, "low": blob})
    assert sorted(path.name for path in folder.iterdir()) == [
        *("SHA256SUMS", "card.md", "low.pack", "manifest.json", "score.pack")
    ]
    model = store.load("wear", "1")
    assert model.folder == folder
    assert sorted(model.scorers) == ["low", "score"]
    np.testing.assert_array_equal(model.scorers["score"].score(rows), expected)
    pack = model.manifest.packs["low"]
    assert (pack.file, pack.bytes, pack.trees, pack.features) == ("low.pack", len(blob), 12, 6)
    assert model.manifest.learned == {"median": [1.5, 2.5]}
    assert model.manifest.importance == {}


def test_importance_is_kept_in_the_manifest(store: ModelStore, trained) -> None:
    shares = {"b": 0.75, "a": 0.25}
    folder = store.save(manifest(), {"score": trained[0]}, importance=shares)
    assert store.load("wear", "1").manifest.importance == shares
    assert "| b | 75.0% |" in (folder / "card.md").read_text()


def test_sums_are_those_of_the_system_s_tool(store: ModelStore, trained) -> None:
    folder = store.save(manifest(), {"score": trained[0]})
    check = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert check.returncode == 0, check.stderr
    listed = [line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert listed == ["card.md", "manifest.json", "score.pack"]


@pytest.mark.parametrize("file", ["score.pack", "low.pack", "manifest.json", "card.md"])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_byte_is_told_with_its_file_and_the_cure(store: ModelStore, trained, file: str, where: float) -> None:
    path = store.save(manifest(), {"score": trained[0], "low": trained[0]}) / file
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        store.load("wear", "1")
    assert f"{path} was changed or damaged" in error.value.detail
    assert "millrace models rollback" in error.value.advice


@pytest.mark.parametrize("file", ["score.pack", "manifest.json", "card.md", "SHA256SUMS"])
def test_a_missing_file_is_told(store: ModelStore, trained, file: str) -> None:
    folder = store.save(manifest(), {"score": trained[0]})
    (folder / file).unlink()
    with pytest.raises(ModelError, match=file):
        store.load("wear", "1")


def test_a_folder_under_another_name_is_refused(store: ModelStore, trained) -> None:
    folder = store.save(manifest(), {"score": trained[0]})
    folder.rename(folder.with_name("2"))
    with pytest.raises(ModelError, match=r"is the manifest of wear 1"):
        store.load("wear", "2")


def test_a_version_is_written_once(store: ModelStore, trained) -> None:
    store.save(manifest(), {"score": trained[0]})
    with pytest.raises(ModelError, match="exists; it was left as it is"):
        store.save(manifest(), {"score": trained[0]})


def test_what_cannot_be_written_leaves_nothing(store: ModelStore, trained) -> None:
    store.folder.mkdir()
    (store.folder / "wear").write_text("a file in the place of the folder")
    with pytest.raises(ModelError, match="cannot be written"):
        store.save(manifest(), {"score": trained[0]})
    assert [path.name for path in store.folder.iterdir()] == ["wear"]


def test_a_damaged_pack_is_not_saved(store: ModelStore, trained) -> None:
    with pytest.raises(ModelError, match="is damaged"):
        store.save(manifest(), {"score": trained[0][:-1]})
    assert not store.folder.exists()


def test_a_draft_that_a_crash_left_is_no_version(store: ModelStore, trained) -> None:
    folder = store.save(manifest(), {"score": trained[0]})
    folder.with_name(".2.abcdef").mkdir()
    assert [m.version for m in store.versions()] == ["1"]


@pytest.mark.parametrize("name", ["..", "../wear", "a/b", "", "."])
def test_names_do_not_lead_out_of_the_folder(store: ModelStore, name: str) -> None:
    with pytest.raises(ModelError):
        store.load(name, "1")
    with pytest.raises(ModelError):
        store.load("wear", f"{name}/x")
    if name:
        with pytest.raises(ModelError):
            store.versions(name)


def test_what_is_not_there_is_told(store: ModelStore, trained) -> None:
    with pytest.raises(ModelError, match=r"wear has no champion.*millrace models promote wear"):
        store.load("wear")
    store.save(manifest(), {"score": trained[0]})
    with pytest.raises(ModelError, match=r"wear 7 is not a model.*millrace models list"):
        store.load("wear", "7")
    with pytest.raises(ModelError, match="wear 7 is not a model"):
        store.promote("wear", "7")
    assert store.aliases().models == {}


def test_versions_are_listed_oldest_first(store: ModelStore, trained) -> None:
    for version, day in (("b", 3), ("c", 1), ("a", 2)):
        store.save(manifest(version=version, day=day), {"score": trained[0]})
    store.save(manifest("other"), {"score": trained[0]})
    assert [(m.name, m.version) for m in store.versions()] == [
        *(("other", "1"), ("wear", "c"), ("wear", "a"), ("wear", "b"))
    ]
    assert [m.version for m in store.versions("wear")] == ["c", "a", "b"]
    assert store.versions("unknown") == []


def test_new_versions_do_not_collide(store: ModelStore, trained) -> None:
    versions = []
    for _ in range(3):
        versions.append(store.new_version("wear"))
        store.save(manifest(version=versions[-1]), {"score": trained[0]})
    assert versions == sorted(versions)


def test_rollback_goes_back_step_by_step(store: ModelStore, trained) -> None:
    for version in "123":
        store.save(manifest(version=version), {"score": trained[0]})
        store.promote("wear", version)
    store.promote("wear", "3")
    assert store.load("wear").manifest.version == "3"
    assert store.rollback("wear").version == "2"
    assert store.champions()["wear"].manifest.version == "2"
    assert store.rollback("wear").version == "1"
    with pytest.raises(ModelError, match="no earlier champion"):
        store.rollback("wear")
    assert store.aliases().models == {"wear": {"champion": "1"}}


def test_a_challenger_has_its_own_history(store: ModelStore, trained) -> None:
    for version in "12":
        store.save(manifest(version=version), {"score": trained[0]})
    store.promote("wear", "1")
    store.promote("wear", "1", "challenger")
    store.promote("wear", "2", "challenger")
    assert store.load("wear", "challenger").manifest.version == "2"
    assert store.rollback("wear", "challenger").version == "1"
    assert store.load("wear").manifest.version == "1"


def test_a_damaged_version_is_neither_promoted_nor_rolled_back_to(store: ModelStore, trained) -> None:
    for version in "12":
        store.save(manifest(version=version), {"score": trained[0]})
    store.promote("wear", "1")
    store.promote("wear", "2")
    pack = store.folder / "wear" / "1" / "score.pack"
    pack.write_bytes(pack.read_bytes()[:-7])
    with pytest.raises(ModelError, match="changed or damaged"):
        store.rollback("wear")
    with pytest.raises(ModelError, match="changed or damaged"):
        store.promote("wear", "1", "challenger")
    assert store.aliases().models == {"wear": {"champion": "2"}}


def test_damaged_aliases_are_told(store: ModelStore, trained) -> None:
    store.save(manifest(), {"score": trained[0]})
    store.promote("wear", "1")
    path = store.folder / "aliases.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(ModelError, match=r"aliases\.json cannot be read.*delete it and promote"):
        store.load("wear")


def _promote_in_turn(folder: Path, name: str) -> None:
    for turn in range(8):
        ModelStore(folder).promote(name, str(1 + turn % 2))


def test_aliases_change_at_the_same_time(store: ModelStore, trained) -> None:
    """Each changes its own model; no change of another's is lost, and readers never see half a file.

    Threads stand for processes: the lock is on the open file, and each change opens it anew.
    """
    names = ["one", "two", "three"]
    for name in names:
        for version in "12":
            store.save(manifest(name, version), {"score": trained[0]})
    with ThreadPoolExecutor(len(names)) as pool:
        changes = [pool.submit(_promote_in_turn, store.folder, name) for name in names]
        while not all(change.done() for change in changes):
            store.aliases()
        for change in changes:
            change.result()
    aliases = store.aliases()
    assert aliases.models == {name: {"champion": "2"} for name in names}
    assert all(aliases.history[name]["champion"] == list("1212121") for name in names)


def test_the_card_tells_what_a_person_wants_to_know() -> None:
    measured = manifest().model_copy(update={"importance": {"b": 0.75, "a": 0.25}})
    card = model_card(measured, "Learned from the turbofan runs.")
    assert card.startswith("# wear 1\n")
    assert "Learned from the turbofan runs." in card
    assert "20,631 events from 2025-01-01T00:00:00" in card
    assert "| rmse | 9.74 |" in card
    assert card.index("| b | 75.0% |") < card.index("| a | 25.0% |")
    assert "`a`, `b`" in model_card(manifest())
