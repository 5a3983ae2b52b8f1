"""Publishing without a broker: records and back, what a store takes and what it refuses."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.packs import pack_sha256
from models.registry.folder import (
    MANIFEST,
    SUMS,
    Publication,
    document_of,
    publication_of,
    publication_of_files,
    read_folder,
    replace_folder,
)
from models.registry.records import Assembler, records_of
from models.registry.store import ModelStore
from schemas import (
    CHUNK_BYTES,
    AliasRecord,
    ChunkKey,
    ModelError,
    VersionKey,
    VersionRecord,
    key_text,
    parse_key,
)
from tests.models.registry.keys import KEY, OTHER, assembled, trust
from tests.models.registry.test_store import manifest

# records


def big(store: ModelStore) -> Publication:
    """With a pack of several chunks; nobody loads it."""
    small = store.verify("wear", "1")
    packs = {"score": small.packs["score"], "low": bytes(range(256)) * 9000}
    file = small.manifest.packs["low"].model_copy(update={"sha256": pack_sha256(packs["low"])})
    told = small.manifest.model_copy(update={"packs": small.manifest.packs | {"low": file}})
    return publication_of(told, packs, "A card.").signed(KEY)


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
    monkeypatch.setattr("models.registry.records.MOST_WAITING_BYTES", 1000)
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


def test_what_comes_over_the_topic_takes_no_signature_by_another_key_away(store: ModelStore) -> None:
    told = store.sign("wear", "1", KEY)
    both = store.sign("wear", "1", OTHER)
    store.receive(told)
    assert store.verify("wear", "1").signers == both.signers


def test_what_comes_over_the_topic_puts_no_bad_line_in_the_place_of_a_good_one(store: ModelStore) -> None:
    told = store.sign("wear", "1", KEY)
    both = store.sign("wear", "1", OTHER)
    by_other = next(line for line in both.signatures.splitlines() if line not in told.signatures)
    forged = by_other[: by_other.rindex(":") + 1] + told.signatures.strip().rpartition(":")[2]
    store.receive(replace(told, signatures=f"{told.signatures}{forged}\nno signature\n"))
    assert store.verify("wear", "1").signatures == both.signatures


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


@pytest.mark.long
def test_who_reads_while_a_folder_is_replaced_finds_the_old_or_the_new_one(store: ModelStore) -> None:
    now = store.verify("wear", "1")
    folder = store.folder / "wear" / "1"
    other = publication_of(now.manifest.model_copy(update={"metrics": {"x": 1.0}}), now.packs, "Another card.")
    reading = threading.Event()

    def replace() -> None:
        while not reading.is_set():
            replace_folder(folder, other.on_disk())
            replace_folder(folder, now.on_disk())

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        for _ in range(2000):
            assert read_folder(folder).sums in {now.sums, other.sums}
    finally:
        reading.set()
        replacing.join()
