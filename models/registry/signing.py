"""Signing: who made a model, and who pointed an alias to it. Ed25519, detached.

SHA256SUMS of a version ─► signature in SHA256SUMS.sig;  alias record ─► signature inside it;  both ─► Trust.check*

A signature is a line `ed25519:PUBLIC KEY:SIGNATURE`, both in base64. What is signed begins with its purpose, so that a
signature for one thing is none for another. Source: RFC 8032 (Ed25519), through the library `cryptography`.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas import MODELS, AliasRecord, ModelError, Settings, SettingsError, rfc3339, topic_name

SUMS_PURPOSE = b"millrace model sums 2\n"
ALIAS_PURPOSE = b"millrace model alias 2\n"
ALGORITHM = "ed25519"


@dataclass(frozen=True)
class Trust:
    """Whose models are served, and whose word on aliases counts."""

    public_keys: dict[str, Ed25519PublicKey] = field(default_factory=dict)  # by their text
    allows_unsigned: bool = False
    topic: str = MODELS  # on the broker: an alias of one installation says nothing in another
    aliases_since: datetime | None = None  # what was decided before may be an old record that is played again

    @classmethod
    def from_settings(cls, settings: Settings) -> Trust:
        """Raises:
        SettingsError: a public key is none.
        """
        texts = [text.strip() for text in settings.model_public_keys.split(",") if text.strip()]
        keys = {text: _public_key(text) for text in texts}
        return cls(keys, settings.allow_unsigned_models, topic_name(settings, MODELS), settings.model_aliases_since)

    @property
    def needs_signatures(self) -> bool:
        """Whether what nobody can sign, such as a null value, counts for nothing."""
        return bool(self.public_keys) and not self.allows_unsigned

    def check(self, message: bytes, signatures: Iterable[str], refused: str) -> bool:
        """Whether a trusted key has signed the message; False: none has, and none need have.

        Without any public key a signature cannot be checked, and the message counts as unsigned.

        Args:
            message: its purpose first.
            signatures: by any number of keys; one that is trusted is enough.
            refused: what follows if it is not, for the error: `Model pump 1 is not served`.

        Raises:
            ModelError: it has no signature and needs one, or has none that is good.
        """
        found = list(signatures)
        if found and self.public_keys:
            self._check_signatures(message, found, refused)
            return True
        if not self.allows_unsigned:
            why = "there is no key to check its signature with" if found else "it is not signed"
            raise ModelError(
                f"{refused}: {why}.",
                "Publish or promote it again with MILLRACE_MODEL_PRIVATE_KEY and give the workers "
                "MILLRACE_MODEL_PUBLIC_KEYS; or set MILLRACE_ALLOW_UNSIGNED_MODELS=true where everyone who can write "
                "to models.v1 is trusted.",
            )
        return False

    def check_alias(self, record: AliasRecord) -> bool:
        """`check` of an alias record, and that it is not from before `aliases_since`.

        Raises:
            ModelError: it needs a signature by a trusted key and has none, or it is too old.
        """
        refused = f"{described(record)} is not followed"
        if self.aliases_since is not None and record.changed_at < self.aliases_since:
            raise ModelError(
                f"{refused}: MILLRACE_MODEL_ALIASES_SINCE is {rfc3339(self.aliases_since)}.",
                "Promote the version again if it shall serve.",
            )
        signatures = [] if record.signature is None else [record.signature]
        return self.check(alias_bytes(record, self.topic), signatures, refused)

    def _check_signatures(self, message: bytes, signatures: list[str], refused: str) -> None:
        by_key = dict(_parted(signature) for signature in signatures)
        trusted = by_key.keys() & self.public_keys.keys()
        if not trusted:
            raise ModelError(
                f"{refused}: it is signed by {', '.join(sorted(by_key))}, which is not a trusted key.",
                "Add the key to MILLRACE_MODEL_PUBLIC_KEYS if you trust its owner.",
            )
        if not any(_is_good(self.public_keys[key], by_key[key], message) for key in trusted):
            raise ModelError(
                f"{refused}: its signature by {', '.join(sorted(trusted))} is wrong, so it was changed after signing.",
                "Publish or promote it again from where it was trained, and look at who can write to models.v1.",
            )


def sign(message: bytes, key: Ed25519PrivateKey) -> str:
    """The signature of a message that begins with its purpose: `ed25519:PUBLIC KEY:SIGNATURE`."""
    return f"{ALGORITHM}:{public_text(key)}:{b64encode(key.sign(message)).decode()}"


def with_signature(signatures: str, signature: str) -> str:
    """Lines of signatures with one more, in the place of an earlier one by its key; sorted."""
    others = [line for line in signatures.splitlines() if key_of(line) != key_of(signature)]
    return "".join(f"{line}\n" for line in sorted([*others, signature]))


def with_good_ones(signatures: str, told: str, message: bytes) -> str:
    """Lines of signatures with those told that are good by the key that they name, whoever that is: nobody who can only
    write to the topic puts another line in the place of a good one."""
    for signature in told.splitlines():
        key, value = _parted(signature)
        try:
            is_good = _is_good(_public_key(key), value, message)
        except SettingsError:
            is_good = False
        if is_good:
            signatures = with_signature(signatures, signature)
    return signatures


def key_of(signature: str) -> str:
    """The key that a signature names."""
    return _parted(signature)[0]


def sign_alias(record: AliasRecord, key: Ed25519PrivateKey, topic: str) -> AliasRecord:
    """The record with a signature that counts on this topic (its name on the broker)."""
    return record.model_copy(update={"signature": sign(alias_bytes(record, topic), key)})


def alias_bytes(record: AliasRecord, topic: str) -> bytes:
    """What is signed of an alias record: a line each, none of which can hold the end of one."""
    lines = (topic, record.name, record.alias, record.version or "", rfc3339(record.changed_at))
    return ALIAS_PURPOSE + "\n".join(lines).encode()


def described(record: AliasRecord) -> str:
    """An alias record in words."""
    what = "withdrawn" if record.version is None else f"pointed to {record.version}"
    return f"That {record.alias} of {record.name} was {what} at {rfc3339(record.changed_at)}"


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key as MILLRACE_MODEL_PUBLIC_KEYS takes it: base64 of its 32 bytes."""
    return b64encode(key.public_key().public_bytes_raw()).decode()


def generate_key(path: Path) -> str:
    """Write a new private key, readable by its owner only; returns the public one.

    Raises:
        SettingsError: the file exists or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}.", "Name a file that does not exist."
        ) from error
    return public_text(key)


def load_key(path: Path) -> Ed25519PrivateKey:
    """Raises:
    SettingsError: the file is not there, or is no Ed25519 key without a password.
    """
    advice = "Make one with `millrace models keygen FILE`, or correct MILLRACE_MODEL_PRIVATE_KEY."
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise SettingsError(f"The key {path} cannot be read: {error.strerror}.", advice) from error
    except (ValueError, TypeError) as error:
        raise SettingsError(f"The key {path} is no PEM file without a password: {error}.", advice) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"The key {path} is of another kind than Ed25519.", advice)
    return key


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(b64decode(text, validate=True))
    except ValueError as error:
        raise SettingsError(
            f"MILLRACE_MODEL_PUBLIC_KEYS has {text!r}, which is not the base64 of an Ed25519 key: {error}.",
            "Put there what `millrace models keygen` printed.",
        ) from error


def _parted(signature: str) -> tuple[str, str]:
    """Key and signature; what is none has itself for a key, which nobody trusts."""
    algorithm, _, rest = signature.partition(":")
    key, _, value = rest.partition(":")
    return (key, value) if algorithm == ALGORITHM and key else (repr(signature), "")


def _is_good(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True
