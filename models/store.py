"""Model folders: written whole or not at all, verified whenever they are loaded; aliases say which version serves.

save ─► <folder>/<name>/<version>/{manifest.json, <role>.pack, card.md, SHA256SUMS} ─► promote ─► aliases.json ─► load
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from models.card import model_card
from models.pack import RESTORE, changed, describe_pack, pack_sha256
from models.scorer import Scorer
from schemas.errors import ModelError
from schemas.events import Name
from schemas.manifest import Alias, Aliases, Manifest, PackFile, Version

MANIFEST, CARD, SUMS, ALIASES, LOCK = "manifest.json", "card.md", "SHA256SUMS", "aliases.json", ".aliases.lock"
KEPT_HISTORY = 20
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_VERSION: TypeAdapter[str] = TypeAdapter(Version)


@dataclass(frozen=True)
class Model:
    """A verified model: its manifest, a scorer for each role, and the folder it came from."""

    manifest: Manifest
    scorers: Mapping[str, Scorer]
    folder: Path


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
        files = {f"{role}.pack": blob for role, blob in packs.items()}
        manifest = Manifest.model_validate(
            manifest.model_dump()
            | {"packs": {role: _pack_file(role, blob) for role, blob in packs.items()}}
            | ({"importance": importance} if importance else {})
        )
        files[MANIFEST] = manifest.model_dump_json(indent=2).encode() + b"\n"
        files[CARD] = model_card(manifest, card).encode()
        files[SUMS] = "".join(f"{pack_sha256(content)}  {file}\n" for file, content in files.items()).encode()
        target = self._version_folder(manifest.name, manifest.version)
        if target.exists():
            raise ModelError(f"{target} exists; it was left as it is.", "Save under another version.")
        try:
            _write_folder(target, files)
        except OSError as error:
            raise ModelError(f"{target} cannot be written: {error}. Nothing was kept.", "Free the disk.") from error
        return target

    def load(self, name: str, alias_or_version: str = "champion") -> Model:
        """A model with all of its files verified.

        Raises:
            ModelError: no such model, alias or version, or a file that is missing or changed; names the file.
        """
        version = alias_or_version
        if alias_or_version in get_args(Alias):
            version = self._aliased(name, alias_or_version)
        folder = self._version_folder(name, version)
        manifest = _read_manifest(folder)
        if (manifest.name, manifest.version) != (name, version):
            raise ModelError(
                f"{folder / MANIFEST} is the manifest of {manifest.name} {manifest.version}; it was refused.",
                "Put the folder where its manifest says.",
            )
        scorers = {role: Scorer.load(folder / pack.file, sha256=pack.sha256) for role, pack in manifest.packs.items()}
        return Model(manifest, scorers, folder)

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
        manifests = [_read_manifest(folder) for folder in folders]
        return sorted(manifests, key=lambda m: (m.name, m.created_at, m.version))

    def aliases(self) -> Aliases:
        """What `aliases.json` says; empty while there is none.

        Raises:
            ModelError: the file cannot be read.
        """
        path = self.folder / ALIASES
        try:
            return Aliases.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Aliases()
        except (OSError, ValidationError) as error:
            raise ModelError(
                f"{path} cannot be read: {_reason(error)}.",
                "Restore it, or delete it and promote the versions that shall serve.",
            ) from error

    def promote(self, name: str, version: str, alias: Alias = "champion") -> None:
        """Points the alias to a version, after verifying it. The one before is remembered for `rollback`.

        Raises:
            ModelError: as `load`; the alias stays where it was.
        """
        self.load(name, version)
        with self._changing_aliases() as (models, history):
            before = models.setdefault(name, {}).get(alias)
            if before == version:
                return
            models[name][alias] = version
            if before:
                of = history.setdefault(name, {})
                of[alias] = [before, *of.get(alias, [])][:KEPT_HISTORY]

    def rollback(self, name: str, alias: Alias = "champion") -> str:
        """Points the alias to the version that it had before, and returns that.

        Raises:
            ModelError: it had none before, or that version cannot be used; the alias stays where it was.
        """
        with self._changing_aliases() as (models, history):
            earlier = history.get(name, {}).get(alias, [])
            if not earlier:
                raise ModelError(
                    f"{name} has no earlier {alias}; the alias was left as it is.",
                    "Promote a version: `millrace models list` shows them.",
                )
            version = earlier[0]
            self.load(name, version)
            models[name][alias] = version
            history[name][alias] = earlier[1:]
        return version

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

    @contextmanager
    def _changing_aliases(self) -> Iterator[tuple[dict[str, dict[Alias, str]], dict[str, dict[Alias, list[str]]]]]:
        """Aliases and history to change; written at the end, in one step, while no one else does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            aliases = self.aliases().model_copy(deep=True)
            yield aliases.models, aliases.history
            _write_file(self.folder / f"{ALIASES}.new", aliases.model_dump_json(indent=2).encode() + b"\n")
            (self.folder / f"{ALIASES}.new").replace(self.folder / ALIASES)
            _sync_folder(self.folder)


def _pack_file(role: str, blob: bytes) -> PackFile:
    summary = describe_pack(blob)
    return PackFile(
        file=f"{role}.pack",
        sha256=summary.sha256,
        bytes=summary.bytes,
        trees=summary.trees,
        features=summary.features,
    )


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        sums = {line[66:]: line[:64] for line in (folder / SUMS).read_text().splitlines()}
    except FileNotFoundError as error:
        raise ModelError(
            f"{error.filename} does not exist: {folder.parent.name} {folder.name} is not a model.",
            "`millrace models list` shows the models and their versions.",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / SUMS} cannot be read: {_reason(error)}.", RESTORE) from error
    _check_sum(path, content, sums.get(MANIFEST, "none"))
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(
            f"{path} is not a manifest that this Millrace reads: {_reason(error)}.",
            "Train the model again with this version, or run the version that wrote it.",
        ) from error


def _check_sum(path: Path, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise changed(str(path), found, expected)


def _checked(pattern: TypeAdapter[str], value: str, what: str) -> str:
    try:
        return pattern.validate_python(value)
    except ValidationError as error:
        raise ModelError(f"{value!r} is no {what}: {_reason(error)}.", "") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")
    return str(error)


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """All files in a hidden folder beside the target, on the disk, and only then under its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for file, content in files.items():
            _write_file(draft / file, content)
        draft.chmod(0o755)
        _sync_folder(draft)
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync_folder(target.parent)


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
