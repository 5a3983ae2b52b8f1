"""Model store: the versions of all models and the aliases that say which of them serves.

save, or receive from elsewhere ─► a folder a version ─► promote ─► aliases.json ─► load
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter, ValidationError

from models.packs import Scorer, check_golden, make_golden
from models.registry.aliases import change_aliases, read_aliases
from models.registry.card import model_card
from models.registry.folder import (
    MANIFEST,
    Publication,
    document_of,
    pack_file,
    parse_manifest,
    read_document,
    read_folder,
    read_manifest,
    reason,
    replace_document,
    write_folder,
)
from models.registry.signing import Trust, manifest_digest, sign
from schemas import Alias, Aliases, AliasRecord, Manifest, ModelError, Name, Version

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_VERSION: TypeAdapter[str] = TypeAdapter(Version)


@dataclass(frozen=True)
class Model:
    """A verified model: its manifest, a scorer for each role, and the folder it came from."""

    manifest: Manifest
    scorers: Mapping[str, Scorer]
    folder: Path
    document: bytes = b""  # the manifest, byte for byte

    def check(self, trust: Trust) -> bool:
        """Signature and golden rows: what a worker asks before it serves the model. Returns whether it is signed.

        Raises:
            ModelError: not signed by a trusted key, or the kernel here scores otherwise.
        """
        what = f"Model {self.manifest.name} {self.manifest.version}"
        is_signed = trust.check(self.document, what)
        for role, golden in self.manifest.golden.items():
            if role in self.scorers:
                check_golden(golden, self.scorers[role], f"{what}, {role}")
        return is_signed


class ModelStore:
    """The models of one `MILLRACE_HOME/models`. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_version(self, name: str) -> str:
        """A version for a model that is to be saved now: the time, so that versions sort by age."""
        stem = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        taken = [stem, *(f"{stem}-{i}" for i in range(2, 100))]
        return next(version for version in taken if not self._version_folder(name, version).exists())

    def save(
        self,
        manifest: Manifest,
        packs: Mapping[str, bytes],
        card: str = "",
        importance: Mapping[str, float] | None = None,
    ) -> Path:
        """Writes a version folder. It appears complete or not at all; nothing is served from it until `promote`.

        Args:
            manifest: of the new version; its `packs` are filled in here.
            packs: role (such as `score`) -> pack.
            card: what the trainer says of the model, for its card.
            importance: feature -> share of the gain, for the manifest.

        Raises:
            ModelError: the version exists already, a pack or a role cannot be used, or the disk is full.
        """
        found = {
            "packs": {role: pack_file(role, blob) for role, blob in packs.items()},
            "golden": {role: make_golden(blob) for role, blob in packs.items()},
            "importance": importance or manifest.importance,
        }
        manifest = Manifest.model_validate(manifest.model_dump() | found)
        target = self._version_folder(manifest.name, manifest.version)
        if target.exists():
            raise ModelError(f"{target} exists; it was left as it is.", "Save under another version.")
        write_folder(target, Publication(document_of(manifest), packs, model_card(manifest, card)).files())
        return target

    def receive(self, publication: Publication) -> Path:
        """Writes a version that was made elsewhere, unless it is there already; its packs are verified.

        Raises:
            ModelError: it is not whole, or another one is there under its name and version.
        """
        publication.check_packs()
        manifest = publication.manifest
        target = self._version_folder(manifest.name, manifest.version)
        if not self._is_whole(target):
            try:
                write_folder(target, publication.files())
            except ModelError:
                if not target.exists():  # otherwise another worker of this home was faster
                    raise
        known = read_document(target)
        if manifest_digest(known) != manifest_digest(publication.document):
            raise ModelError(
                f"{target} is another model than the one that was published as {manifest.name} {manifest.version}.",
                "Versions are written once: publish it under another version.",
            )
        if known != publication.document and manifest.signature:
            replace_document(target, publication.document)
        return target

    def sign(self, name: str, version: str, key: Ed25519PrivateKey) -> None:
        """Signs a version; its manifest then says by whom.

        Raises:
            ModelError: no such version, or its manifest was changed.
        """
        folder = self._version_folder(name, version)
        document = read_document(folder)
        signed = parse_manifest(document, str(folder)).model_copy(update={"signature": sign(document, key)})
        replace_document(folder, document_of(signed))

    def publication(self, name: str, version: str) -> Publication:
        """A version as it travels, verified.

        Raises:
            ModelError: as `load`.
        """
        self.load(name, version)
        return read_folder(self._version_folder(name, version))

    def load(self, name: str, alias_or_version: str = "champion") -> Model:
        """A model with all of its files verified.

        Raises:
            ModelError: no such model, alias or version, or a file that is missing or changed; names the file.
        """
        version = alias_or_version
        if alias_or_version in get_args(Alias):
            version = self._aliased(name, alias_or_version)
        folder = self._version_folder(name, version)
        document = read_document(folder)
        manifest = parse_manifest(document, str(folder / MANIFEST))
        if (manifest.name, manifest.version) != (name, version):
            raise ModelError(
                f"{folder / MANIFEST} is the manifest of {manifest.name} {manifest.version}; it was refused.",
                "Put the folder where its manifest says.",
            )
        scorers = {role: Scorer.load(folder / pack.file, sha256=pack.sha256) for role, pack in manifest.packs.items()}
        return Model(manifest, scorers, folder, document)

    def champions(self) -> dict[str, Model]:
        """The model that serves, by name, for all names that have a champion.

        Raises:
            ModelError: as `load`.
        """
        return {name: self.load(name) for name, of in self.aliases().models.items() if "champion" in of}

    def versions(self, name: str | None = None) -> list[Manifest]:
        """The manifests of all versions, of one model or of all; by name, then oldest first.

        Raises:
            ModelError: a manifest is missing or changed.
        """
        pattern = f"{_checked(_NAME, name, 'model name')}/*" if name else "*/*"
        folders = [path for path in self.folder.glob(pattern) if path.is_dir() and not path.name.startswith(".")]
        manifests = [read_manifest(folder) for folder in folders]
        return sorted(manifests, key=lambda m: (m.name, m.created_at, m.version))

    def aliases(self) -> Aliases:
        """What `aliases.json` says; empty while there is none.

        Raises:
            ModelError: the file cannot be read.
        """
        return read_aliases(self.folder)

    def promote(self, name: str, version: str, alias: Alias = "champion") -> AliasRecord:
        """Points the alias to a version, after verifying it. The one before is remembered for `rollback`.

        Raises:
            ModelError: as `load`; the alias stays where it was.
        """
        record = AliasRecord(name=name, alias=alias, version=version, changed_at=datetime.now(UTC))
        self.move(record)
        return record

    def move(self, record: AliasRecord) -> None:
        """Points an alias as someone else has decided, after verifying the version.

        Raises:
            ModelError: as `load`; the alias stays where it was.
        """
        self.load(record.name, record.version)
        with change_aliases(self.folder) as changing:
            changing.move(record)

    def rollback(self, name: str, alias: Alias = "champion") -> AliasRecord:
        """Points the alias to the version that it had before.

        Raises:
            ModelError: it had none before, or that version cannot be used; the alias stays where it was.
        """
        with change_aliases(self.folder) as changing:
            version = self.earlier(name, alias)
            record = AliasRecord(name=name, alias=alias, version=version, changed_at=datetime.now(UTC))
            self.load(name, version)
            left = changing.history[name][alias][1:]
            changing.move(record)
            changing.history[name][alias] = left
        return record

    def earlier(self, name: str, alias: Alias = "champion") -> str:
        """The version that an alias had before.

        Raises:
            ModelError: it had none.
        """
        versions = self.aliases().history.get(name, {}).get(alias, [])
        if not versions:
            raise ModelError(
                f"{name} has no earlier {alias}; the alias was left as it is.",
                "Promote a version: `millrace models list` shows them.",
            )
        return versions[0]

    def withdraw(self, name: str, alias: Alias) -> None:
        """Removes an alias; its history stays.

        Raises:
            ModelError: there is no such alias.
        """
        self._aliased(name, alias)
        with change_aliases(self.folder) as changing:
            changing.withdraw(name, alias, datetime.now(UTC))

    def _is_whole(self, folder: Path) -> bool:
        """Whether a version is there; a damaged one goes out of the way of its good copy."""
        try:
            read_folder(folder)
        except ModelError:
            if folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
            return False
        return True

    def _version_folder(self, name: str, version: str) -> Path:
        return self.folder / _checked(_NAME, name, "model name") / _checked(_VERSION, version, "version or alias")

    def _aliased(self, name: str, alias: str) -> str:
        version = {str(a): v for a, v in self.aliases().models.get(name, {}).items()}.get(alias)
        if version is None:
            raise ModelError(
                f"Model {name} has no {alias} in {self.folder}.",
                f"Train it, or `millrace models promote {name} VERSION`; `millrace models list` shows the versions.",
            )
        return version


def _checked(pattern: TypeAdapter[str], value: str, what: str) -> str:
    try:
        return pattern.validate_python(value)
    except ValidationError as error:
        raise ModelError(f"{value!r} is no {what}: {reason(error)}.", "") from error
