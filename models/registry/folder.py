"""One version of a model on disk: written whole or not at all, verified whenever it is read.

files ─► write_folder ─► <name>/<version>/{manifest.json, <role>.pack, card.md, SHA256SUMS} ─► read_folder ─► files
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from models.packs import RESTORE, changed, describe_pack, pack_sha256
from schemas import Manifest, ModelError, PackFile

MANIFEST, CARD, SUMS = "manifest.json", "card.md", "SHA256SUMS"


@dataclass(frozen=True)
class Publication:
    """A version as it travels: the manifest byte for byte, its packs by role, and the card."""

    document: bytes
    packs: Mapping[str, bytes]
    card: str

    @cached_property
    def manifest(self) -> Manifest:
        """Raises:
        ModelError: not a manifest that this Millrace reads.
        """
        return parse_manifest(self.document, "the manifest")

    def check_packs(self) -> None:
        """Raises:
        ModelError: a pack is missing, too many, or not the one that the manifest names.
        """
        manifest = self.manifest
        if self.packs.keys() != manifest.packs.keys():
            raise ModelError(
                f"{manifest.name} {manifest.version} came with packs {sorted(self.packs)}, its manifest names "
                f"{sorted(manifest.packs)}.",
                "Publish it again.",
            )
        for role, pack in manifest.packs.items():
            check_sum(Path(pack.file), self.packs[role], pack.sha256)

    def files(self) -> dict[str, bytes]:
        files = {self.manifest.packs[role].file: blob for role, blob in self.packs.items()}
        files[MANIFEST], files[CARD] = self.document, self.card.encode()
        files[SUMS] = "".join(f"{pack_sha256(content)}  {file}\n" for file, content in files.items()).encode()
        return files


def document_of(manifest: Manifest) -> bytes:
    """The bytes of manifest.json."""
    return manifest.model_dump_json(indent=2).encode() + b"\n"


def pack_file(role: str, blob: bytes) -> PackFile:
    """What a manifest says of a pack.

    Raises:
        ModelError: it is none.
    """
    summary = describe_pack(blob)
    return PackFile(
        file=f"{role}.pack",
        sha256=summary.sha256,
        bytes=summary.bytes,
        trees=summary.trees,
        features=summary.features,
    )


def read_document(folder: Path) -> bytes:
    """manifest.json, verified.

    Raises:
        ModelError: missing or changed; names the file.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        sums = [line[:64] for line in (folder / SUMS).read_text().splitlines() if line[66:] == MANIFEST]
    except FileNotFoundError as error:
        raise ModelError(
            f"{error.filename} does not exist: {folder.parent.name} {folder.name} is not a model.",
            "`millrace models list` shows the models and their versions.",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / SUMS} cannot be read: {reason(error)}.", RESTORE) from error
    if pack_sha256(content) not in sums:  # two of them while it is being signed
        check_sum(path, content, sums[0] if sums else "none")
    return content


def read_manifest(folder: Path) -> Manifest:
    """Raises:
    ModelError: missing, changed, or of another Millrace.
    """
    return parse_manifest(read_document(folder), str(folder / MANIFEST))


def parse_manifest(document: bytes, what: str) -> Manifest:
    """Raises:
    ModelError: not a manifest that this Millrace reads.
    """
    try:
        return Manifest.model_validate_json(document)
    except ValidationError as error:
        raise ModelError(
            f"{what} is not a manifest that this Millrace reads: {reason(error)}.",
            "Train the model again with this version, or run the version that wrote it.",
        ) from error


def read_pack_file(folder: Path, pack: PackFile) -> bytes:
    """Raises:
    ModelError: missing or changed; names the file.
    """
    path = folder / pack.file
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", RESTORE) from error
    check_sum(path, blob, pack.sha256)
    return blob


def read_folder(folder: Path) -> Publication:
    """Everything of a version, verified.

    Raises:
        ModelError: a file is missing or changed; names it.
    """
    document = read_document(folder)
    manifest = parse_manifest(document, str(folder / MANIFEST))
    packs = {role: read_pack_file(folder, pack) for role, pack in manifest.packs.items()}
    return Publication(document, packs, _read_card(folder))


def _read_card(folder: Path) -> str:
    """It is for people only: without it a model serves all the same."""
    try:
        return (folder / CARD).read_text(errors="replace")
    except OSError:
        return f"The card of {folder.parent.name} {folder.name} is lost.\n"


def replace_document(folder: Path, document: bytes) -> None:
    """Another manifest.json for a folder. Whoever reads meanwhile, or after a crash, finds the old or the new one.

    Raises:
        ModelError: the folder is damaged, or the disk refuses.
    """
    read_document(folder)
    path, sums = folder / MANIFEST, folder / SUMS
    line = f"{pack_sha256(document)}  {MANIFEST}\n"
    try:
        old = sums.read_text()
        replace_file(sums, (old + line).encode())
        replace_file(path, document)
        lines = [line if known[66:].strip() == MANIFEST else known for known in old.splitlines(keepends=True)]
        replace_file(sums, "".join(dict.fromkeys(lines)).encode())
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error}.", "Free the disk.") from error


def check_sum(path: Path, content: bytes, expected: str) -> None:
    """Raises:
    ModelError: the content is not what it was.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise changed(str(path), found, expected)


def reason(error: Exception) -> str:
    """An error in one clause; of several wrong fields the first."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")
    return str(error)


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """All files in a hidden folder beside the target, on the disk, and only then under its name.

    Raises:
        ModelError: the disk refuses; nothing was kept.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            for file, content in files.items():
                write_file(draft / file, content)
            draft.chmod(0o755)
            sync_folder(draft)
            draft.rename(target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error}. Nothing was kept.", "Free the disk.") from error


def write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """In one step: whoever reads it sees the old content or the new one."""
    draft = path.with_name(f"{path.name}.new")
    write_file(draft, content)
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
