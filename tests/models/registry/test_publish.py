"""Publishing without a broker: signatures, golden rows, records and back, what a store takes and what it refuses."""

from __future__ import annotations

import hashlib
import json
import stat
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.compiler.compile import compile_forest
from models.packs.golden import check_golden, make_golden
from models.packs.scorer import Scorer
from models.registry.folder import MANIFEST, Publication, document_of, read_document
from models.registry.publication import Assembler, records_of
from models.registry.signing import Trust, generate_key, load_key, manifest_digest, public_text
from models.registry.store import ModelStore
from schemas import (
    CHUNK_BYTES,
    AliasRecord,
    ChunkKey,
    Golden,
    ModelError,
    Settings,
    SettingsError,
    VersionKey,
    VersionRecord,
    key_text,
    parse_key,
)
from tests.models.forests import OBJECTIVES, random_case, small_booster
from tests.models.registry.test_store import manifest

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def trust(*keys: Ed25519PrivateKey, unsigned: bool = False) -> Trust:
    texts = ",".join(map(public_text, keys))
    return Trust.from_settings(Settings(model_public_keys=texts, allow_unsigned_models=unsigned))


@pytest.fixture(scope="module")
def blob() -> bytes:
    booster, rows = small_booster()
    return compile_forest(booster, "wear", rows)


@pytest.fixture
def store(tmp_path: Path, blob: bytes) -> ModelStore:
    store = ModelStore(tmp_path / "models")
    store.save(manifest(), {"score": blob, "low": blob}, "A card.")
    return store


# signatures


def test_a_signature_holds_however_the_json_is_laid_out(store: ModelStore) -> None:
    store.sign("wear", "1", KEY)
    model = store.load("wear", "1")
    assert str(model.manifest.signature).startswith(f"ed25519:{public_text(KEY)}:")
    assert model.check(trust(KEY))
    assert model.check(trust(OTHER, KEY))
    content = json.loads(model.document)
    backwards = json.dumps(dict(reversed(content.items()))).encode()
    assert trust(KEY).check(backwards, "it")
    assert manifest_digest(backwards) == manifest_digest(document_of(manifest_of(store)))


def manifest_of(store: ModelStore):  # type: ignore[no-untyped-def]
    return store.load("wear", "1").manifest.model_copy(update={"signature": None})


@pytest.mark.parametrize("field", ["name", "version", "features", "packs", "learned", "metrics", "created_at"])
def test_no_field_can_be_changed_after_signing(store: ModelStore, field: str) -> None:
    store.sign("wear", "1", KEY)
    content = json.loads(store.load("wear", "1").document)
    value = content[field]
    content[field] = {} if isinstance(value, dict) else [] if isinstance(value, list) else f"{value}0"
    with pytest.raises(ModelError, match="changed after signing"):
        trust(KEY).check(json.dumps(content).encode(), "it")


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (None, "it is not signed"),
        ("", "not a trusted key"),
        ("rsa:abc:def", "not a trusted key"),
        (f"ed25519:{public_text(OTHER)}:AAAA", "not a trusted key"),
        (f"ed25519:{public_text(KEY)}:AAAA", "changed after signing"),
        (f"ed25519:{public_text(KEY)}:not base64!", "changed after signing"),
        (f"ed25519:{public_text(KEY)}", "changed after signing"),
        (7, "not a trusted key"),
    ],
)
def test_what_is_no_good_signature_is_refused(store: ModelStore, signature: object, message: str) -> None:
    content = json.loads(store.load("wear", "1").document) | {"signature": signature}
    with pytest.raises(ModelError, match=message) as error:
        trust(KEY).check(json.dumps(content).encode(), "Model wear 1")
    assert "Model wear 1 is not served" in error.value.detail


def test_unsigned_models_need_a_setting_and_a_bad_signature_helps_nobody(store: ModelStore) -> None:
    document = store.load("wear", "1").document
    with pytest.raises(ModelError, match="MILLRACE_ALLOW_UNSIGNED_MODELS=true"):
        trust().check(document, "it")
    assert not trust(unsigned=True).check(document, "it")
    assert not trust(KEY, unsigned=True).check(document, "it")
    store.sign("wear", "1", OTHER)
    document = store.load("wear", "1").document
    assert not trust(unsigned=True).check(document, "it")  # nobody said which keys are good
    with pytest.raises(ModelError, match="not a trusted key"):
        trust(KEY, unsigned=True).check(document, "it")


@pytest.mark.parametrize("document", [b"", b"[1]", b'"text"', b"{"])
def test_what_is_no_manifest_cannot_be_checked(document: bytes) -> None:
    with pytest.raises(ModelError, match="no JSON"):
        trust(KEY).check(document, "it")


def test_keys_are_made_and_read(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    public = generate_key(file)
    assert public_text(load_key(file)) == public
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(SettingsError, match="File exists"):
        generate_key(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_key(tmp_path / "none.pem")
    file.write_text("no key")
    with pytest.raises(SettingsError, match="no PEM file"):
        load_key(file)
    with pytest.raises(SettingsError, match="not the base64 of an Ed25519 key"):
        Trust.from_settings(Settings(model_public_keys=f"{public}, abc"))


def test_signing_leaves_a_readable_folder_at_every_step(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of its writes were done when the power went."""
    from models.registry import folder as model_folder

    folder = store.folder / "wear" / "1"
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    for done in range(3):
        for name, content in whole.items():
            (folder / name).write_bytes(content)
        left = [done]

        def fails(path: Path, content: bytes, left: list[int] = left) -> None:
            if not left[0]:
                raise OSError("no space left")
            left[0] -= 1
            path.write_bytes(content)

        monkeypatch.setattr(model_folder, "replace_file", fails)
        with pytest.raises(ModelError, match="cannot be written"):
            store.sign("wear", "1", KEY)
        store.load("wear", "1")


# golden rows


@pytest.mark.parametrize("objective", OBJECTIVES[::4])
def test_golden_rows_are_those_of_the_pack(objective: str) -> None:
    case = random_case(3, objective)
    blob = compile_forest(case.booster, objective, case.rows)
    golden = make_golden(blob)
    check_golden(golden, Scorer.load(blob), "it")
    assert make_golden(blob) == golden


def test_golden_rows_go_different_ways(blob: bytes) -> None:
    scores = np.frombuffer(b64decode(make_golden(blob).scores), "<f8")
    assert len(np.unique(scores)) >= 6


def test_other_scores_and_other_shapes_are_told(blob: bytes) -> None:
    golden = make_golden(blob)
    scores = bytearray(b64decode(golden.scores))
    scores[3] ^= 1
    wrong = Golden(rows=golden.rows, scores=b64encode(bytes(scores)).decode())
    with pytest.raises(ModelError, match=r"wear: the kernel here \(\w+\) scores golden row 0 as"):
        check_golden(wrong, Scorer.load(blob), "wear")
    for broken in (
        Golden(rows="AAAA", scores=golden.scores),
        Golden(rows="?", scores="?"),
        Golden(rows="", scores="A"),
    ):
        with pytest.raises(ModelError, match="do not fit the forest"):
            check_golden(broken, Scorer.load(blob), "wear")


# records


def big(store: ModelStore) -> Publication:
    """With a pack of several chunks; nobody loads it."""
    small = store.publication("wear", "1")
    packs = {"score": small.packs["score"], "low": bytes(range(256)) * 9000}
    file = small.manifest.packs["low"].model_copy(update={"sha256": hashlib.sha256(packs["low"]).hexdigest()})
    told = small.manifest.model_copy(update={"packs": small.manifest.packs | {"low": file}})
    return Publication(document_of(told), packs, small.card)


def assembled(records: list[tuple[str, bytes]]) -> Publication:
    assembler, found = Assembler(), None
    for text, value in records:
        key = parse_key(text)
        if isinstance(key, ChunkKey):
            assembler.add(key, value)
        elif isinstance(key, VersionKey):
            found = assembler.complete(key, value)
    assert found is not None
    return found


def test_a_version_survives_the_topic(store: ModelStore) -> None:
    publication = big(store)
    records = list(records_of(publication))
    assert [parse_key(key) for key, _ in records][-1] == VersionKey("wear", "1")
    assert len(records) == 1 + 1 + 3
    assert all(len(value) <= CHUNK_BYTES for key, value in records if key.startswith("pack/"))
    assert assembled(records) == publication
    assert assembled([*records[:2], *records]) == publication  # a publisher that began anew


def test_what_is_not_whole_is_refused(store: ModelStore) -> None:
    records = list(records_of(big(store)))
    for missing in range(4):
        with pytest.raises(ModelError, match="is missing"):
            assembled(records[:missing] + records[missing + 1 :])
    key, value = records[2]
    with pytest.raises(ModelError, match="was changed or damaged"):
        assembled([(k, v if k != key else value[:-1]) for k, v in records])
    with pytest.raises(ModelError, match="wear 2 has the manifest of wear 1"):
        assembled([(k.replace("/1", "/2", 1), v) for k, v in records])
    record = json.loads(records[-1][1])
    for change in ({"chunks": {"low": 3}}, {"chunks": {"low": 10**9}}, {"manifest": "{}"}, {"format": 2}, {"more": 1}):
        with pytest.raises(ModelError):
            assembled([*records[:-1], (records[-1][0], json.dumps(record | change).encode())])


def test_chunks_without_a_version_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.registry.publication.MOST_WAITING_BYTES", 1000)
    assembler = Assembler()
    for number in range(50):
        assembler.add(ChunkKey("wear", "1", "score", number), bytes(100))
    record = VersionRecord(manifest="{}", card="", chunks={"score": 50}).model_dump_json().encode()
    with pytest.raises(ModelError, match="chunk 0 of 50 of its pack score is missing"):
        assembler.complete(VersionKey("wear", "1"), record)


@pytest.mark.parametrize("text", ["", "model/a", "model/a/b/c", "pack/a/1/score/x", "alias/a", "other/a/b", "a"])
def test_other_keys_are_none(text: str) -> None:
    assert parse_key(text) is None


def test_keys_are_read_as_they_are_written() -> None:
    for key in (VersionKey("a", "1"), ChunkKey("a", "1", "score-x", 12)):
        assert parse_key(key_text(key)) == key


# what a store takes


def test_a_store_keeps_what_it_receives(store: ModelStore, tmp_path: Path) -> None:
    edge = ModelStore(tmp_path / "edge")
    store.sign("wear", "1", KEY)
    publication = store.publication("wear", "1")
    folder = edge.receive(publication)
    assert edge.load("wear", "1").check(trust(KEY))
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
        f.name: f.read_bytes() for f in (store.folder / "wear" / "1").iterdir()
    }
    assert edge.receive(publication) == folder


def test_a_store_takes_a_signature_that_came_later_and_a_good_copy_for_a_damaged_one(
    store: ModelStore, tmp_path: Path
) -> None:
    edge = ModelStore(tmp_path / "edge")
    folder = edge.receive(store.publication("wear", "1"))
    store.sign("wear", "1", KEY)
    signed = store.publication("wear", "1")
    edge.receive(signed)
    assert edge.load("wear", "1").check(trust(KEY))
    (folder / "low.pack").write_bytes(b"damaged")
    edge.receive(signed)
    edge.load("wear", "1")


def test_a_store_does_not_take_another_model_under_a_known_version(store: ModelStore, tmp_path: Path) -> None:
    publication = store.publication("wear", "1")
    changed = publication.manifest.model_copy(update={"metrics": {"rmse": 1.0}})
    with pytest.raises(ModelError, match="another model than the one that was published as wear 1"):
        store.receive(Publication(document_of(changed), publication.packs, publication.card))
    assert read_document(store.folder / "wear" / "1") == publication.document
    with pytest.raises(ModelError, match=r"came with packs \['score'\]"):
        store.receive(Publication(publication.document, {"score": publication.packs["score"]}, ""))
    assert MANIFEST == "manifest.json"


def test_an_alias_follows_what_someone_else_decided(store: ModelStore, blob: bytes) -> None:
    store.save(manifest(version="2"), {"score": blob})
    store.promote("wear", "1")
    later = datetime.now(UTC) + timedelta(hours=1)
    store.move(AliasRecord(name="wear", alias="champion", version="2", changed_at=later))
    assert store.load("wear").manifest.version == "2"
    assert store.aliases().changed_at["wear"]["champion"] == later
    assert store.rollback("wear").version == "1"
    store.promote("wear", "2", "challenger")
    store.withdraw("wear", "challenger")
    assert store.aliases().models == {"wear": {"champion": "1"}}
    with pytest.raises(ModelError, match="has no challenger"):
        store.withdraw("wear", "challenger")
