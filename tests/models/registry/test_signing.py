"""Signatures of versions and of aliases: nothing that was signed can be changed, and whose word counts is asked."""

from __future__ import annotations

import resource
import shutil
import stat
import subprocess
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from models.registry.folder import (
    CARD,
    MANIFEST,
    SIGNATURES,
    SUMS,
    publication_of_files,
)
from models.registry.signing import SUMS_PURPOSE, Trust, generate_key, load_key, public_text, sign, sign_alias
from models.registry.store import ModelStore
from schemas import (
    AliasRecord,
    ModelError,
    Settings,
    SettingsError,
)
from tests.models.registry.keys import KEY, OTHER, trust


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
