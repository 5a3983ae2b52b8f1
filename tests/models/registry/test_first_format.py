"""Folders and records of the first format, which `first_format/` has as Millrace wrote them before the second one:
versions 1 and 2 of a recommender are signed by the key of these tests, 3 is not; 2 is the champion."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from millrace.cli import run
from models.registry import first_format
from models.registry.folder import CARD, MANIFEST, Publication
from models.registry.migrate import Signer, migrate_folders
from models.registry.records import Assembler, records_of
from models.registry.signing import Trust, generate_key, public_text
from models.registry.store import ModelStore
from schemas import ChunkKey, ModelError, VersionKey, parse_key
from tests.models.registry.keys import KEY, OTHER, assembled, trust

WRITTEN = Path(__file__).with_name("first_format")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    shutil.copytree(WRITTEN / "models", tmp_path / "models")
    return ModelStore(tmp_path / "models")


def first_records() -> list[tuple[str, bytes | None]]:
    """What was on models.v1."""
    written = json.loads((WRITTEN / "models.v1.json").read_text())
    return [(key, None if value is None else b64decode(value)) for key, value in written]


def received() -> dict[str, Publication]:
    """The versions on the topic."""
    assembler, found = Assembler(), {}
    for text, value in first_records():
        key = parse_key(text)
        if isinstance(key, ChunkKey) and value is not None:
            assembler.add(key, value)
        elif isinstance(key, VersionKey) and value is not None:
            found[key.version] = assembler.complete(key, value)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def signed_by(key: Ed25519PrivateKey | None, drops: bool = False) -> Signer:
    return Signer(key, Trust(), drops)


# read


def test_a_home_of_before_is_used_and_told_once(store: ModelStore) -> None:
    first_format.tell.cache_clear()
    structlog.reset_defaults()  # a command that ran in this process may have silenced warnings
    with capture_logs() as logs:
        for _ in range(2):
            model = store.load("recommender", trust=trust(KEY))
    assert (model.manifest.version, model.is_signed) == ("2", True)
    [told] = logs
    assert told["cure"] == "Bring it to the present format: `millrace models migrate`."
    assert store.rollback("recommender").version == "1"
    assert [manifest.version for manifest in store.versions()] == ["1", "2", "3"]


def test_its_signatures_are_checked_as_they_were(store: ModelStore) -> None:
    with pytest.raises(ModelError, match=r"recommender 2 is not served: it is signed by .* not a trusted key"):
        store.load("recommender", "2", trust(OTHER))
    with pytest.raises(ModelError, match="recommender 3 is not served: it is not signed"):
        store.load("recommender", "3", trust(KEY))
    assert not store.load("recommender", "3", trust(KEY, unsigned=True)).is_signed


@pytest.mark.parametrize(
    "field", ["name", "version", "features", "packs", "learned", "metrics", "created_at", "format"]
)
def test_no_field_could_be_changed_after_signing(field: str) -> None:
    document = (WRITTEN / "models" / "recommender" / "1" / MANIFEST).read_bytes()
    content = json.loads(document)
    backwards = json.dumps(dict(reversed(content.items()))).encode()
    signatures = first_format.signatures_of(backwards)
    assert trust(KEY).check(first_format.signed_bytes(backwards), signatures, "it is refused")
    content[field] = [] if isinstance(content[field], list) else f"{content[field]}0"
    with pytest.raises(ModelError, match="changed after signing"):
        trust(KEY).check(first_format.signed_bytes(json.dumps(content).encode()), signatures, "it is refused")


@pytest.mark.parametrize("file", [MANIFEST, "score.pack"])
def test_its_damaged_files_are_told(store: ModelStore, file: str) -> None:
    path = store.folder / "recommender" / "2" / file
    path.write_bytes(path.read_bytes()[:-2] + b"\n}")
    with pytest.raises(ModelError, match=f"{path} was changed or damaged"):
        store.verify("recommender", "2")


def test_a_new_signature_is_none_for_a_manifest_of_before(store: ModelStore) -> None:
    """Whoever may write cannot make the first format of the second one, or the other way round."""
    second = dict(migrated(store, signed_by(KEY)))["2"]
    document = second.files[MANIFEST].replace(b'"format": 2', b'"format": 1')
    forged = Publication({**second.files, MANIFEST: document}, b"", second.signatures)
    with pytest.raises(ModelError, match="it is not signed"):
        forged.check_signature(trust(KEY))


def test_records_of_before_are_kept_with_their_signatures(store: ModelStore, tmp_path: Path) -> None:
    edge = ModelStore(tmp_path / "edge")
    for version, publication in received().items():
        edge.receive(publication)
        assert edge.verify("recommender", version) == store.verify("recommender", version)
        store.receive(publication)
    assert edge.load("recommender", "1", trust(KEY)).is_signed


def test_a_record_of_before_whose_pack_was_changed_is_refused() -> None:
    records = [(key, value) for key, value in first_records() if value is not None and "/1" in key]
    assert assembled(records).is_signed
    (key, chunk), version = records
    with pytest.raises(ModelError, match=r"recommender 1/score\.pack was changed or damaged"):
        assembled([(key, chunk[:-1]), version])


def test_what_is_of_the_first_format_is_neither_signed_nor_published(store: ModelStore) -> None:
    with pytest.raises(ModelError, match=r"not signed or published any more.*millrace models migrate"):
        store.sign("recommender", "2", KEY)
    with pytest.raises(ModelError, match=r"not signed or published any more.*millrace models migrate"):
        list(records_of(store.verify("recommender", "3")))


# migrated


def migrated(store: ModelStore, signer: Signer) -> list[tuple[str, Publication]]:
    assert [one.error for one in migrate_folders(store.folder, signer)] == ["", "", ""]
    return [(version, store.verify("recommender", version)) for version in "123"]


def test_folders_become_what_would_be_saved_today(store: ModelStore) -> None:
    before = [store.load("recommender", version) for version in "123"]
    (store.folder / "recommender" / "2" / "frontier.svg").write_text("a picture that someone drew")
    for (version, publication), was in zip(migrated(store, signed_by(KEY)), before, strict=True):
        model = store.load("recommender", version, trust(KEY, unsigned=True))
        assert model.manifest == was.manifest.model_copy(update={"format": 2})
        assert model.is_signed == publication.is_signed == (version != "3")
        assert b"signature" not in publication.files[MANIFEST]
        assert publication.files[CARD] == (WRITTEN / "models" / "recommender" / version / CARD).read_bytes()
        assert assembled(list(records_of(publication))) == publication
    assert (store.folder / "recommender" / "2" / "frontier.svg").exists()
    after = contents(store.folder)
    assert [*migrate_folders(store.folder, signed_by(KEY))] == []
    assert contents(store.folder) == after
    assert not [path for path in after if "/." in path]


def test_a_migrated_version_replaces_that_of_before_and_is_not_replaced_by_it(
    store: ModelStore, tmp_path: Path
) -> None:
    edge = ModelStore(tmp_path / "edge")
    first = received()
    for version, publication in migrated(store, signed_by(KEY)):
        edge.receive(first[version])
        edge.receive(publication)
        edge.receive(first[version])  # it is on the topic until it is published again
        assert edge.verify("recommender", version) == publication


def test_signatures_are_not_lost_without_a_word(store: ModelStore) -> None:
    before = contents(store.folder)
    with pytest.raises(ModelError, match=r"recommender 1, recommender 2\. .* Nothing was changed.*--drop-signatures"):
        list(migrate_folders(store.folder, signed_by(None)))
    assert contents(store.folder) == before
    assert not any(publication.is_signed for _, publication in migrated(store, signed_by(None, drops=True)))


def test_what_another_has_signed_is_not_signed_again(store: ModelStore) -> None:
    outcome = {one.version: one for one in migrate_folders(store.folder, signed_by(OTHER))}
    assert "not a trusted key" in outcome["1"].error
    assert outcome["3"].error == ""
    assert store.verify("recommender", "1").manifest.format == 1
    trusting = Signer(OTHER, trust(KEY))
    assert [one.error for one in migrate_folders(store.folder, trusting)] == ["", ""]
    assert store.load("recommender", "1", trust(OTHER)).is_signed


def test_what_is_damaged_is_left_as_it_was(store: ModelStore) -> None:
    (store.folder / "recommender" / "1" / "score.pack").write_bytes(b"?")
    (store.folder / "recommender" / "2" / CARD).write_text("This one is good, believe me.\n")
    (store.folder / "recommender" / "3" / CARD).unlink()
    before = contents(store.folder)
    outcome = {one.version: one for one in migrate_folders(store.folder, signed_by(KEY))}
    assert "was changed or damaged" in outcome["1"].error
    assert "was changed after the model was saved" in outcome["2"].error
    assert outcome["3"].error == ""
    after = contents(store.folder)
    assert {path: after[path] for path in before if "/3/" not in path} == {
        path: content for path, content in before.items() if "/3/" not in path
    }
    assert store.verify("recommender", "3").files[CARD].startswith(b"# recommender 3")  # made again


def test_a_migration_that_fails_leaves_the_folder(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Path) -> None:
        raise OSError("no space left")

    before = contents(store.folder)
    monkeypatch.setattr("models.registry.folder.exchange", fails)
    assert all("cannot be written" in one.error for one in migrate_folders(store.folder, signed_by(KEY)))
    assert contents(store.folder) == before


def test_the_command_says_what_it_did(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.delenv("MILLRACE_MODEL_PRIVATE_KEY", raising=False)
    assert run(["models", "list"]) == 0
    assert "3 of them are of the first format: `millrace models migrate`." in capsys.readouterr().out
    assert run(["models", "migrate"]) == 1
    assert "Nothing was changed" in " ".join(capsys.readouterr().err.split())
    generate_key(tmp_path / "key.pem")
    monkeypatch.setenv("MILLRACE_MODEL_PRIVATE_KEY", str(tmp_path / "key.pem"))
    monkeypatch.setenv("MILLRACE_MODEL_PUBLIC_KEYS", public_text(KEY))
    (store.folder / "recommender" / "2" / "score.pack").unlink()
    assert run(["models", "migrate"]) == 1
    said = capsys.readouterr()
    assert "recommender 1: migrated, signed again by" in said.out
    assert "recommender 3: migrated, it was not signed." in said.out
    assert "2 migrated in" in said.out
    assert "1 could not be migrated and are as they were: recommender 2" in " ".join(said.err.split())
    shutil.rmtree(store.folder / "recommender" / "2")
    assert run(["models", "migrate"]) == 0
    assert "0 migrated in" in capsys.readouterr().out
    (store.folder / "recommender" / "3" / "note.txt").write_text("not of the model")
    assert run(["models", "list"]) == 0
    assert "first format" not in capsys.readouterr().out
    assert run(["models", "sign", "recommender", "3"]) == 0
    assert store.verify("recommender", "3").signers == store.verify("recommender", "1").signers
    assert store.verify("recommender", "3").is_signed
