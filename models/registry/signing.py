"""Signing: who made a model. Ed25519 over the manifest, which holds the SHA-256 of each pack.

manifest.json without `signature` ─► canonical JSON ─► signature ─► into manifest.json ─► checked by whoever serves it

Canonical: keys sorted, no spaces, what Python's json writes; so white space and the order of keys do not count.
Source: RFC 8032 (Ed25519), through the library `cryptography`.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas import ModelError, Settings, SettingsError

PURPOSE = b"millrace model manifest 1\n"  # a signature for something else is none for a manifest
ALGORITHM = "ed25519"


@dataclass(frozen=True)
class Trust:
    """Whose models are served."""

    public_keys: dict[str, Ed25519PublicKey] = field(default_factory=dict)  # by their text
    allows_unsigned: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Trust:
        """Raises:
        SettingsError: a public key is none.
        """
        texts = [text.strip() for text in settings.model_public_keys.split(",") if text.strip()]
        return cls({text: _public_key(text) for text in texts}, settings.allow_unsigned_models)

    def check(self, document: bytes, what: str) -> bool:
        """Whether a manifest is signed by a trusted key; False: it is not, and need not be.

        Without any public key a signature cannot be checked, and the model counts as unsigned.

        Raises:
            ModelError: it has no signature and needs one, or has one that is not good.
        """
        signature = _parsed(document, what).get("signature")
        if signature is not None and self.public_keys:
            self._check_signature(document, str(signature), what)
            return True
        if not self.allows_unsigned:
            why = "it is not signed" if signature is None else "there is no key to check its signature with"
            raise ModelError(
                f"{what} is not served: {why}.",
                "Publish it with MILLRACE_MODEL_PRIVATE_KEY and give the workers MILLRACE_MODEL_PUBLIC_KEYS; or set "
                "MILLRACE_ALLOW_UNSIGNED_MODELS=true where everyone who can write to models.v1 is trusted.",
            )
        return False

    def _check_signature(self, document: bytes, signature: str, what: str) -> None:
        algorithm, _, rest = signature.partition(":")
        key, _, value = rest.partition(":")
        if algorithm != ALGORITHM or key not in self.public_keys:
            raise ModelError(
                f"{what} is not served: it is signed by {key or signature!r}, which is not a trusted key.",
                "Add the key to MILLRACE_MODEL_PUBLIC_KEYS if you trust its owner.",
            )
        try:
            self.public_keys[key].verify(b64decode(value, validate=True), signed_bytes(document, what))
        except (InvalidSignature, ValueError):
            raise ModelError(
                f"{what} is not served: its signature by {key} is wrong, so it was changed after signing.",
                "Publish it again from where it was trained, and look at who can write to models.v1.",
            ) from None


def signed_bytes(document: bytes, what: str = "the manifest") -> bytes:
    """What is signed: purpose and canonical JSON of a manifest without its signature.

    Raises:
        ModelError: it is no JSON object.
    """
    content = {name: value for name, value in _parsed(document, what).items() if name != "signature"}
    return PURPOSE + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def manifest_digest(document: bytes) -> str:
    """SHA-256 by which two manifests are the same but for their signatures."""
    return hashlib.sha256(signed_bytes(document)).hexdigest()


def sign(document: bytes, key: Ed25519PrivateKey) -> str:
    """The signature for a manifest: `ed25519:PUBLIC KEY:SIGNATURE`."""
    return f"{ALGORITHM}:{public_text(key)}:{b64encode(key.sign(signed_bytes(document))).decode()}"


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


def _parsed(document: bytes, what: str) -> dict[str, object]:
    try:
        content = json.loads(document)
    except ValueError as error:
        raise ModelError(f"{what} has a manifest that is no JSON: {error}.", "Publish it again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{what} has a manifest that is no JSON object.", "Publish it again.")
    return content
