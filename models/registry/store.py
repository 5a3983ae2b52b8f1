"""Model store: the versions of all models and the aliases that say which of them serves.

save, or receive from elsewhere ─► a folder a version ─► promote ─► aliases.json ─► verify ─► load

`verify` reads and hashes the files of a version; `load` decodes its packs and builds its scorers too, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter, ValidationError

from models.packs import Scorer, check_golden, pack_entries
from models.registry import first_format
from models.registry.aliases import change_aliases, decided_now, read_aliases
from models.registry.card import model_card
from models.registry.folder import (
    MANIFEST,
    Publication,
    publication_of,
    read_folder,
    read_manifest,
    read_or_clear,
    replace_folder,
    write_folder,
    write_signatures,
)
from models.registry.signing import SUMS_PURPOSE, Trust, with_good_ones
from schemas import Alias, Aliases, AliasRecord, Manifest, ModelError, Name, Version, text_of

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_VERSION: TypeAdapter[str] = TypeAdapter(Version)


@dataclass(frozen=True)
class Model:
    """A verified model: its manifest, a scorer for each role, and the folder it came from."""

    manifest: Manifest
    scorers: Mapping[str, Scorer]
    folder: Path
    is_signed: bool = False  # by a key that whoever loaded it trusts

    def check_golden(self) -> None:
        """Raises:
        ModelError: the kernel here scores otherwise than where the model was made.
        """
        for role, golden in self.manifest.golden.items():
            if role in self.scorers:
                check_golden(golden, self.scorers[role], f"Model {self.manifest.name} {self.manifest.version}, {role}")


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
        entries = {role: pack_entries(role, blob) for role, blob in packs.items()}
        found = {
            "format": 2,
            "packs": {role: file for role, (file, _) in entries.items()},
            "golden": {role: golden for role, (_, golden) in entries.items()},
            "importance": importance or manifest.importance,
        }
        manifest = Manifest.model_validate(manifest.model_dump() | found)
        target = self._version_folder(manifest.name, manifest.version)
        if target.exists():
            raise ModelError(f"{target} exists; it was left as it is.", "Save under another version.")
        write_folder(target, publication_of(manifest, packs, model_card(manifest, card)).on_disk())
        return target

    def receive(self, publication: Publication) -> Path:
        """Writes a version that was made elsewhere, verified; one that is there already only gets its signatures,
        beside those by others.

        Raises:
            ModelError: it is not whole, or another one is there under its name and version.
        """
        manifest = publication.manifest
        publication.verify(f"{manifest.name} {manifest.version}")
        target = self._version_folder(manifest.name, manifest.version)
        known = read_or_clear(target)
        if known is None:
            try:
                write_folder(target, publication.on_disk())
            except ModelError:
                if not target.exists():  # otherwise another worker of this home was faster
                    raise
            known = read_folder(target)
        if not publication.is_same(known):
            raise ModelError(
                f"{target} is another model than the one that was published as {manifest.name} {manifest.version}.",
                "Versions are written once: publish it under another version.",
            )
        if publication.sums == known.sums:
            signatures = with_good_ones(known.signatures, publication.signatures, SUMS_PURPOSE + known.sums)
            if signatures != known.signatures:
                write_signatures(target, signatures)
        elif (publication.is_signed or not known.is_signed) and manifest.format >= known.manifest.format:
            replace_folder(target, publication.on_disk())
        return target

    def sign(self, name: str, version: str, key: Ed25519PrivateKey) -> Publication:
        """Signs a version: only SHA256SUMS.sig is written, where signatures by other keys stay.

        Raises:
            ModelError: as `verify`; or it is of the first format.
        """
        publication = self.verify(name, version)
        first_format.refuse(publication.manifest)
        signed = publication.signed(key)
        write_signatures(self._version_folder(name, version), signed.signatures)
        return signed

    def verify(self, name: str, alias_or_version: str = "champion") -> Publication:
        """A version byte for byte, each of its files as SHA256SUMS says. Nothing is decoded.

        Raises:
            ModelError: no such model, alias or version, or a file that is missing or changed; names the file.
        """
        version = alias_or_version
        if alias_or_version in get_args(Alias):
            version = self._aliased(name, alias_or_version)
        folder = self._version_folder(name, version)
        publication = read_folder(folder)
        manifest = publication.manifest
        if (manifest.name, manifest.version) != (name, version):
            raise ModelError(
                f"{folder / MANIFEST} is the manifest of {manifest.name} {manifest.version}; it was refused.",
                "Put the folder where its manifest says.",
            )
        return publication

    def load(self, name: str, alias_or_version: str = "champion", trust: Trust | None = None) -> Model:
        """A verified model with its packs decoded and its scorers built, once.

        Args:
            trust: checks the signature before anything is decoded, and the golden rows with the very scorers.

        Raises:
            ModelError: as `verify`; a pack is malformed; or it is not trusted, or the kernel here scores otherwise.
        """
        publication = self.verify(name, alias_or_version)
        manifest = publication.manifest
        is_signed = trust is not None and publication.check_signature(trust)
        folder = self._version_folder(name, manifest.version)
        scorers = {
            role: Scorer.load(blob, place=str(folder / manifest.packs[role].file))
            for role, blob in publication.packs.items()
        }
        model = Model(manifest, scorers, folder, is_signed)
        if trust is not None:
            model.check_golden()
        return model

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

    def promote(self, name: str, version: str, alias: Alias = "champion", by: str | None = None) -> AliasRecord:
        """Points the alias to a version, after verifying it. The one before is remembered for `rollback`, and who did.

        Raises:
            ModelError: as `verify`; the alias stays where it was.
        """
        self.verify(name, version)
        with change_aliases(self.folder) as changing:
            record = decided_now(changing.changed_at, name, alias, version)
            changing.move(record, by)
        return record

    def move(self, record: AliasRecord, by: str | None = None) -> None:
        """Points an alias as someone else has decided, after verifying the version; or withdraws it. Its history
        stays. Where a newer change is known, nothing happens.

        Raises:
            ModelError: as `verify`; the alias stays where it was.
        """
        if record.version is not None:
            self.verify(record.name, record.version)
        with change_aliases(self.folder) as changing:
            changing.move(record, by)

    def rollback(self, name: str, alias: Alias = "champion", by: str | None = None) -> AliasRecord:
        """Points the alias to the version that it had before.

        Raises:
            ModelError: it had none before, or that version cannot be used; the alias stays where it was.
        """
        with change_aliases(self.folder) as changing:
            version = self.earlier(name, alias)
            record = decided_now(changing.changed_at, name, alias, version)
            self.verify(name, version)
            left = changing.history[name][alias][1:]
            changing.move(record, by, is_back=True)
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

    def withdrawal(self, name: str, alias: Alias) -> AliasRecord:
        """The record that removes an alias, for `move`; nothing is changed yet.

        Raises:
            ModelError: there is no such alias.
        """
        self._aliased(name, alias)
        return decided_now(self.aliases().changed_at, name, alias, None)

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
        raise ModelError(f"{value!r} is no {what}: {text_of(error)}.", "") from error
