"""Migrate: folders of the first format become those of the present one, each in one step.

MILLRACE_HOME/models ─► folders of the first format, verified ─► manifest without signature, SHA256SUMS, its signature
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.registry import first_format
from models.registry.folder import CARD, SUMS, Publication, publication_of, read_folder, read_manifest, replace_folder
from models.registry.signing import Trust, public_text
from schemas import ModelError


@dataclass(frozen=True)
class Migrated:
    """What became of a version folder of the first format. With an `error` it is as it was."""

    name: str
    version: str
    outcome: str = ""
    error: str = ""


@dataclass(frozen=True)
class Signer:
    """What happens to signatures: they are made again by `key`, or dropped; never lost without a word.

    Args:
        trust: whose signatures are made again, besides those by the key itself.
    """

    key: Ed25519PrivateKey | None
    trust: Trust
    drops: bool = False

    def again(self, before: Publication, now: Publication) -> tuple[Publication, str]:
        """The version in its new form, and a word on its signature.

        Raises:
            ModelError: it was signed by someone who is not trusted, or changed since.
        """
        if not before.is_signed:
            return now, "it was not signed"
        if self.key is None or self.drops:
            return now, "its signature was dropped"
        trusted = {**self.trust.public_keys, public_text(self.key): self.key.public_key()}
        before.check_signature(Trust(trusted))
        return now.signed(self.key), f"signed again by {public_text(self.key)}"


def migrate_folders(models: Path, signer: Signer) -> Iterator[Migrated]:
    """Migrates all version folders below `models` that are of the first format; others are left alone.

    Raises:
        ModelError: some are signed, and there is neither a key nor leave to drop signatures. Nothing was changed.
    """
    folders = sorted(p for p in models.glob("*/*") if p.is_dir() and not p.name.startswith("."))
    _check_signatures(folders, signer)
    for folder in folders:
        name, version = folder.parent.name, folder.name
        try:
            if read_manifest(folder).format == 1:
                yield Migrated(name, version, _migrate(folder, signer))
        except ModelError as error:
            yield Migrated(name, version, error=error.detail)


def _check_signatures(folders: list[Path], signer: Signer) -> None:
    if signer.key is not None or signer.drops:
        return
    signed = [f"{folder.parent.name} {folder.name}" for folder in folders if _is_signed_in_first_format(folder)]
    if signed:
        raise ModelError(
            f"Signed in the first format: {', '.join(signed)}. That signature does not fit the present format, and "
            "there is no key to sign again with. Nothing was changed.",
            "Set MILLRACE_MODEL_PRIVATE_KEY; or migrate where the key is and publish from there; or, where workers "
            "take what is not signed, add --drop-signatures.",
        )


def _is_signed_in_first_format(folder: Path) -> bool:
    try:
        return read_manifest(folder).format == 1 and read_folder(folder).is_signed
    except ModelError:  # damaged: told when its turn comes
        return False


def _migrate(folder: Path, signer: Signer) -> str:
    before = read_folder(folder)
    if (folder / CARD).exists() and not first_format.is_listed(CARD, before.files[CARD], (folder / SUMS).read_bytes()):
        raise ModelError(  # nobody minded in the first format, in which no signature covered it
            f"{folder / CARD} was changed after the model was saved. The folder is as it was.",
            "Restore the card; or remove it, and it is made again from the manifest.",
        )
    manifest = before.manifest.model_copy(update={"format": 2})
    now, outcome = signer.again(before, publication_of(manifest, before.packs, before.files[CARD].decode()))
    replace_folder(folder, now.on_disk())
    return outcome
