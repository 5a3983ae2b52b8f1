"""Publishing without a broker: signatures, golden rows, records and back, what a store takes and what it refuses."""

from __future__ import annotations

import json
import resource
import shutil
import stat
import subprocess
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.compiler import compile_forest
from models.packs import Scorer, check_golden, pack_sha256, read_pack
from models.packs.golden import make_golden
from models.registry.folder import (
    CARD,
    MANIFEST,
    SIGNATURES,
    SUMS,
    Publication,
    document_of,
    publication_of,
    publication_of_files,
)
from models.registry.publication import Assembler, records_of
from models.registry.signing import SUMS_PURPOSE, Trust, generate_key, load_key, public_text, sign, sign_alias
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


def test_a_signature_is_detached_and_others_stay_beside_it(store: ModelStore) -> None:
    folder = store.folder / "wear" / "1"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.sign("wear", "1", KEY)
    store.sign("wear", "1", OTHER)
    store.sign("wear", "1", KEY)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = after.pop(SIGNATURES).decode().splitlines()
    assert after == before  # only the file of signatures was written
    assert [line.split(":")[:2] for line in lines] == sorted(["ed25519", public_text(key)] for key in (KEY, OTHER))
    publication = store.verify("wear", "1")
    for trusted in ((KEY,), (OTHER,), (OTHER, KEY)):
        assert publication.check_signature(trust(*trusted))
    assert store.load("wear", "1", trust(KEY)).is_signed


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_a_signature_is_checked_with_the_system_s_tools(store: ModelStore, tmp_path: Path) -> None:
    """Ed25519 over the purpose and the bytes of SHA256SUMS, as docs/publish.md says."""
    publication = store.sign("wear", "1", KEY)
    der = bytes.fromhex("302a300506032b6570032100") + KEY.public_key().public_bytes_raw()  # RFC 8410
    (tmp_path / "key.der").write_bytes(der)
    (tmp_path / "signature").write_bytes(b64decode(publication.signatures.strip().rsplit(":", 1)[1]))
    (tmp_path / "message").write_bytes(b"millrace model sums 2\n" + (store.folder / "wear" / "1" / SUMS).read_bytes())
    words = "openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in message -sigfile signature"
    check = subprocess.run(words.split(), cwd=tmp_path, capture_output=True, check=False)
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("file", [MANIFEST, CARD, "low.pack"])
def test_no_file_can_be_changed_after_signing(store: ModelStore, file: str) -> None:
    signed = store.sign("wear", "1", KEY)
    changed = {**signed.files, file: signed.files[file] + b" "}
    with pytest.raises(ModelError, match=f"wear/{file} was changed or damaged"):
        replace(signed, files=changed).verify("wear")
    forged = replace(publication_of_files(changed), signatures=signed.signatures)
    with pytest.raises(ModelError, match=r"Model wear 1 is not served.*changed after signing"):
        forged.check_signature(trust(KEY))


@pytest.mark.parametrize(
    ("signatures", "message"),
    [
        ("", "it is not signed"),
        ("\n", "not a trusted key"),
        ("rsa:abc:def", "not a trusted key"),
        (f"ed25519:{public_text(OTHER)}:AAAA", "not a trusted key"),
        (f"ed25519:{public_text(KEY)}:AAAA", "changed after signing"),
        (f"ed25519:{public_text(KEY)}:not base64!", "changed after signing"),
        (f"ed25519:{public_text(KEY)}", "changed after signing"),
        (sign(b"another purpose\n", KEY), "changed after signing"),
    ],
)
def test_what_is_no_good_signature_is_refused(store: ModelStore, signatures: str, message: str) -> None:
    publication = replace(store.verify("wear", "1"), signatures=signatures)
    with pytest.raises(ModelError, match=message) as error:
        publication.check_signature(trust(KEY))
    assert "Model wear 1 is not served" in error.value.detail


def test_a_signature_without_the_purpose_is_none(store: ModelStore) -> None:
    publication = store.verify("wear", "1")
    with pytest.raises(ModelError, match="changed after signing"):
        replace(publication, signatures=sign(publication.sums, KEY)).check_signature(trust(KEY))
    assert replace(publication, signatures=sign(SUMS_PURPOSE + publication.sums, KEY)).check_signature(trust(KEY))


def test_one_good_signature_is_enough(store: ModelStore) -> None:
    publication = store.sign("wear", "1", KEY)
    more = f"{publication.signatures}ed25519:{public_text(OTHER)}:AAAA\nnonsense\n"
    assert replace(publication, signatures=more).check_signature(trust(KEY, OTHER))


def test_unsigned_models_need_a_setting_and_a_bad_signature_helps_nobody(store: ModelStore) -> None:
    unsigned = store.verify("wear", "1")
    with pytest.raises(ModelError, match="MILLRACE_ALLOW_UNSIGNED_MODELS=true"):
        unsigned.check_signature(trust())
    assert not unsigned.check_signature(trust(unsigned=True))
    assert not unsigned.check_signature(trust(KEY, unsigned=True))
    signed = store.sign("wear", "1", OTHER)
    assert not signed.check_signature(trust(unsigned=True))  # nobody said which keys are good
    with pytest.raises(ModelError, match="not a trusted key"):
        signed.check_signature(trust(KEY, unsigned=True))


def aliased(version: str | None = "1") -> AliasRecord:
    record = AliasRecord(name="wear", alias="champion", version=version, changed_at=datetime(2026, 1, 2, 3, tzinfo=UTC))
    return sign_alias(record, KEY, "models.v1")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "tear"},
        {"alias": "challenger"},
        {"version": "2"},
        {"version": None},
        {"changed_at": datetime(2026, 1, 2, 3, 0, 0, 1, tzinfo=UTC)},
    ],
)
def test_nothing_of_an_alias_can_be_changed_after_signing(change: dict[str, object]) -> None:
    assert trust(KEY).check_alias(aliased())
    with pytest.raises(ModelError, match=r"is not followed.*changed after signing"):
        trust(KEY).check_alias(aliased().model_copy(update=change))
    assert trust(KEY).check_alias(aliased(None))
    with pytest.raises(ModelError, match=r"champion of wear was pointed to 1 at 2026-01-02T03:00:00Z is not followed"):
        trust(KEY).check_alias(aliased().model_copy(update={"signature": None}))
    assert not trust(KEY, unsigned=True).check_alias(aliased().model_copy(update={"signature": None}))


def test_an_alias_of_one_installation_says_nothing_in_another() -> None:
    texts = public_text(KEY)
    elsewhere = Trust.from_settings(Settings(model_public_keys=texts, topic_prefix="other."))
    with pytest.raises(ModelError, match="changed after signing"):
        elsewhere.check_alias(aliased())


def test_a_time_before_which_no_alias_counts() -> None:
    record = aliased()
    at = record.changed_at
    for since, counts in ((at, True), (at + timedelta(microseconds=1), False)):
        settings = Settings(model_public_keys=public_text(KEY), model_aliases_since=since)
        if counts:
            assert Trust.from_settings(settings).check_alias(record)
        else:
            with pytest.raises(ModelError, match=r"MILLRACE_MODEL_ALIASES_SINCE is 2026-01-02T03:00:00\.000001Z"):
                Trust.from_settings(settings).check_alias(record)


def test_a_time_is_signed_as_such_whatever_its_zone() -> None:
    there = datetime(2026, 1, 2, 5, tzinfo=timezone(timedelta(hours=2)))
    assert trust(KEY).check_alias(aliased().model_copy(update={"changed_at": there}))


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


def test_what_cannot_be_signed_is_left_as_it_was(store: ModelStore) -> None:
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))  # as a disk that is full
    try:
        with pytest.raises(ModelError, match=r"SHA256SUMS\.sig cannot be written"):
            store.sign("wear", "1", KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert not store.verify("wear", "1").is_signed
    assert not list((store.folder / "wear" / "1").glob("*.part"))


# golden rows


@pytest.mark.parametrize("objective", OBJECTIVES[::4])
def test_golden_rows_are_those_of_the_pack(objective: str) -> None:
    case = random_case(3, objective)
    blob = compile_forest(case.booster, objective, case.rows)
    golden = make_golden(*read_pack(blob))
    check_golden(golden, Scorer.load(blob), "it")
    assert make_golden(*read_pack(blob)) == golden


def test_golden_rows_go_different_ways(blob: bytes) -> None:
    scores = np.frombuffer(b64decode(make_golden(*read_pack(blob)).scores), "<f8")
    assert len(np.unique(scores)) >= 6


def test_other_scores_and_other_shapes_are_told(blob: bytes) -> None:
    golden = make_golden(*read_pack(blob))
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
    small = store.verify("wear", "1")
    packs = {"score": small.packs["score"], "low": bytes(range(256)) * 9000}
    file = small.manifest.packs["low"].model_copy(update={"sha256": pack_sha256(packs["low"])})
    told = small.manifest.model_copy(update={"packs": small.manifest.packs | {"low": file}})
    return publication_of(told, packs, "A card.").signed(KEY)


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
    changes = [
        *({"chunks": {"low": 3}}, {"chunks": {"low": 10**9}}, {"manifest": "{}"}, {"format": 3}, {"more": 1}),
        *({"card": "Another card."}, {"sums": ""}, {"sums": record["sums"] + record["sums"]}),
    ]
    for change in changes:
        with pytest.raises(ModelError):
            assembled([*records[:-1], (records[-1][0], json.dumps(record | change).encode())])


def test_no_byte_of_the_records_can_be_changed(store: ModelStore) -> None:
    """Whatever one flipped bit makes of them: it is refused, or says the same."""
    publication = store.sign("wear", "1", KEY)
    records = list(records_of(publication))
    refused = 0
    for place, (key, value) in enumerate(records):
        for at in range(place, len(value), 11):
            changed = value[:at] + bytes([value[at] ^ (1 << at % 7)]) + value[at + 1 :]
            try:
                found = assembled([*records[:place], (key, changed), *records[place + 1 :]])
                assert found.check_signature(trust(KEY))
                assert found.files == publication.files
            except ModelError:
                refused += 1
    assert refused > 500


def test_chunks_without_a_version_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.registry.publication.MOST_WAITING_BYTES", 1000)
    assembler = Assembler()
    for number in range(50):
        assembler.add(ChunkKey("wear", "1", "score", number), bytes(100))
    told = VersionRecord(sums="", signatures="", manifest="{}", card="", chunks={"score": 50})
    record = told.model_dump_json().encode()
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
    publication = store.sign("wear", "1", KEY)
    folder = edge.receive(publication)
    assert edge.load("wear", "1", trust(KEY)).is_signed
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
        f.name: f.read_bytes() for f in (store.folder / "wear" / "1").iterdir()
    }
    assert edge.receive(publication) == folder


def test_a_store_takes_a_signature_that_came_later_and_a_good_copy_for_a_damaged_one(
    store: ModelStore, tmp_path: Path
) -> None:
    edge = ModelStore(tmp_path / "edge")
    unsigned = store.verify("wear", "1")
    folder = edge.receive(unsigned)
    signed = store.sign("wear", "1", KEY)
    edge.receive(signed)
    assert edge.verify("wear", "1") == signed
    edge.receive(unsigned)  # played again
    assert edge.verify("wear", "1") == signed
    (folder / "low.pack").write_bytes(b"damaged")
    edge.receive(signed)
    edge.load("wear", "1")


def test_a_store_does_not_take_another_model_under_a_known_version(store: ModelStore) -> None:
    publication = store.verify("wear", "1")
    other = publication.manifest.model_copy(update={"metrics": {"rmse": 1.0}})
    with pytest.raises(ModelError, match="another model than the one that was published as wear 1"):
        store.receive(publication_of(other, publication.packs, "A card."))
    with pytest.raises(ModelError, match="another model than the one that was published as wear 1"):
        store.receive(publication_of(publication.manifest, publication.packs, "Another card."))
    with pytest.raises(ModelError, match="has the files"):
        store.receive(replace(publication, files={MANIFEST: publication.files[MANIFEST]}))
    assert store.verify("wear", "1") == publication


def test_a_folder_of_a_newer_millrace_is_left_alone(store: ModelStore) -> None:
    publication = store.verify("wear", "1")
    folder = store.folder / "wear" / "1"
    newer = document_of(publication.manifest).replace(b'"format": 2', b'"format": 3')
    (folder / MANIFEST).write_bytes(newer)
    (folder / SUMS).write_bytes(publication_of_files({**publication.files, MANIFEST: newer}).sums)
    with pytest.raises(ModelError, match="is not a manifest that this Millrace reads: format"):
        store.receive(publication)
    assert (folder / MANIFEST).read_bytes() == newer


def test_an_alias_follows_what_someone_else_decided_and_never_goes_back(store: ModelStore, blob: bytes) -> None:
    store.save(manifest(version="2"), {"score": blob})
    first = store.promote("wear", "1")
    later = datetime.now(UTC) + timedelta(minutes=4)  # by a clock that is ahead
    store.move(AliasRecord(name="wear", alias="champion", version="2", changed_at=later))
    assert store.load("wear").manifest.version == "2"
    assert store.aliases().changed_at["wear"]["champion"] == later
    store.move(first)  # played again
    assert store.aliases().models == {"wear": {"champion": "2"}}
    back = store.rollback("wear")
    assert (back.version, back.changed_at) == ("1", later + timedelta(microseconds=1))


def test_a_time_that_nobody_would_take_holds_nobody_up(store: ModelStore, blob: bytes) -> None:
    store.save(manifest(version="2"), {"score": blob})
    wild = datetime.now(UTC) + timedelta(days=9000)
    store.move(AliasRecord(name="wear", alias="champion", version="1", changed_at=wild))
    assert store.promote("wear", "2").changed_at < wild
    assert store.aliases().models == {"wear": {"champion": "2"}}


def test_what_was_withdrawn_is_not_pointed_to_again(store: ModelStore) -> None:
    promoted = store.promote("wear", "1", "challenger")
    record = store.withdrawal("wear", "challenger")
    assert store.aliases().models == {"wear": {"challenger": "1"}}  # it is only a record yet
    for _ in range(2):
        store.move(record)
        assert store.aliases().models == {"wear": {}}
    store.move(promoted)  # played again
    assert store.aliases().models == {"wear": {}}
    with pytest.raises(ModelError, match="has no challenger"):
        store.withdrawal("wear", "challenger")
