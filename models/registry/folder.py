"""One version of a model on disk: written whole or not at all, verified whenever it is read.

files ─► write_folder ─► <name>/<version>/{manifest.json, <role>.pack, card.md, SHA256SUMS} ─► read_folder ─► files
                                          SHA256SUMS.sig, where someone has signed the sums
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from models.files import exchange, replace_file, sync_folder, unmixed, write_file
from models.packs import RESTORE_IT, changed_error, pack_sha256
from models.registry import first_format
from models.registry.signing import SUMS_PURPOSE, Trust, key_of, sign, with_signature
from schemas import Manifest, ModelError, text_of

MANIFEST, CARD, SUMS, SIGNATURES = "manifest.json", "card.md", "SHA256SUMS", "SHA256SUMS.sig"


class OtherFormatError(ModelError):
    """A manifest that is as it was written, by another Millrace."""


@dataclass(frozen=True)
class Publication:
    """A version as it is stored and as it travels, byte for byte.

    Args:
        files: name -> content of manifest.json, card.md and the packs.
        sums: SHA256SUMS over these files.
        signatures: SHA256SUMS.sig, a line for each key that has signed the sums.
    """

    files: Mapping[str, bytes]
    sums: bytes
    signatures: str = ""

    @cached_property
    def manifest(self) -> Manifest:
        """Raises:
        OtherFormatError: not a manifest that this Millrace reads.
        """
        return parse_manifest(self.files[MANIFEST], MANIFEST)

    @property
    def packs(self) -> dict[str, bytes]:
        """By role."""
        return {role: self.files[pack.file] for role, pack in self.manifest.packs.items()}

    @property
    def signers(self) -> list[str]:
        """The keys by which it says that it is signed; `check_signature` looks whether that is so."""
        return [key_of(line) for line in self._lines]

    @property
    def is_signed(self) -> bool:
        return bool(self._lines)

    @property
    def _lines(self) -> list[str]:
        is_first = self.manifest.format == 1
        return first_format.signatures_of(self.files[MANIFEST]) if is_first else self.signatures.splitlines()

    def is_same(self, other: Publication) -> bool:
        """Whether both are one model, but for signatures; where one is of the first format, and for the card too."""
        if 1 in (self.manifest.format, other.manifest.format):
            return first_format.is_same(self.manifest, other.manifest)
        return self.sums == other.sums

    def verify(self, place: str) -> None:
        """Whether all files are there as the sums say, and the packs those of the manifest. Nothing is decoded.

        Args:
            place: where it comes from, for messages.

        Raises:
            ModelError: a file is missing, too many or changed; names it.
        """
        wanted = {MANIFEST, CARD, *(pack.file for pack in self.manifest.packs.values())}
        if self.files.keys() != wanted:
            raise ModelError(f"{place} has the files {sorted(self.files)} instead of {sorted(wanted)}.", RESTORE_IT)
        found = {file: pack_sha256(content) for file, content in self.files.items()}
        listed = parse_sums(self.sums)
        told = [*listed.items(), *((pack.file, pack.sha256) for pack in self.manifest.packs.values())]
        for file, expected in told:
            if found.get(file) != expected:
                raise changed_error(f"{place}/{file}", found.get(file, "none"), expected)
        if self.sums != sums_of(found):
            raise ModelError(
                f"{place}/{SUMS} does not list {sorted(wanted)}, sorted; the model was refused.", RESTORE_IT
            )

    def check_signature(self, trust: Trust) -> bool:
        """Whether a trusted key has signed it; False: none has, and none need have.

        Raises:
            ModelError: it is not signed by a trusted key.
        """
        refused = f"Model {self.manifest.name} {self.manifest.version} is not served"
        is_first = self.manifest.format == 1
        message = first_format.signed_bytes(self.files[MANIFEST]) if is_first else SUMS_PURPOSE + self.sums
        return trust.check(message, self._lines, refused)

    def signed(self, key: Ed25519PrivateKey) -> Publication:
        """The same with a signature by this key; those by others stay."""
        return replace(self, signatures=with_signature(self.signatures, sign(SUMS_PURPOSE + self.sums, key)))

    def on_disk(self) -> dict[str, bytes]:
        """All files of its folder."""
        signatures = {SIGNATURES: self.signatures.encode()} if self.signatures else {}
        return {**self.files, SUMS: self.sums, **signatures}


def publication_of(manifest: Manifest, packs: Mapping[str, bytes], card: str) -> Publication:
    """A new version, not signed; `packs` by role, as the manifest names them."""
    files = {manifest.packs[role].file: blob for role, blob in packs.items()}
    files |= {MANIFEST: document_of(manifest), CARD: card.encode()}
    return publication_of_files(files)


def publication_of_files(files: Mapping[str, bytes]) -> Publication:
    return Publication(files, sums_of({file: pack_sha256(content) for file, content in files.items()}))


def document_of(manifest: Manifest) -> bytes:
    """The bytes of manifest.json."""
    return manifest.model_dump_json(indent=2).encode() + b"\n"


def sums_of(digests: Mapping[str, str]) -> bytes:
    """SHA256SUMS of files whose SHA-256 are known, as the tool `sha256sum` writes it, sorted by name."""
    return "".join(f"{digests[file]}  {file}\n" for file in sorted(digests)).encode()


def parse_sums(sums: bytes) -> dict[str, str]:
    """File -> SHA-256."""
    return {line[66:]: line[:64] for line in sums.decode(errors="replace").splitlines()}


def read_manifest(folder: Path) -> Manifest:
    """Raises:
    ModelError: it is missing, not as its sum says, or of another Millrace; names the file.
    """
    return unmixed(folder, _read_head, ModelError)[0]


def read_folder(folder: Path) -> Publication:
    """Everything of a version, verified.

    Raises:
        ModelError: a file is missing or changed, or the manifest is of another Millrace; names it.
    """
    return unmixed(folder, _read_folder, ModelError)


def _read_folder(folder: Path) -> Publication:
    manifest, document, sums = _read_head(folder)
    files = {MANIFEST: document}
    for pack in manifest.packs.values():
        files[pack.file] = _read(folder / pack.file)
    if manifest.format == 1:
        first_format.tell(manifest.name, manifest.version, str(folder))
        files[CARD] = first_format.read_card(folder / CARD, manifest)
        publication = publication_of_files(files)  # its own sums are in no order, and two of one file for a moment
    else:
        files[CARD] = _read(folder / CARD)
        signatures = _read(folder / SIGNATURES) if (folder / SIGNATURES).exists() else b""
        publication = Publication(files, sums, signatures.decode(errors="replace"))
    publication.verify(str(folder))
    return publication


def read_or_clear(folder: Path) -> Publication | None:
    """A version that is there; a damaged one goes out of the way of its good copy.

    Raises:
        OtherFormatError: it is of a newer Millrace, and not damaged.
    """
    try:
        return read_folder(folder)
    except OtherFormatError:
        raise
    except ModelError:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        return None


def parse_manifest(document: bytes, what: str) -> Manifest:
    """Raises:
    OtherFormatError: not a manifest that this Millrace reads.
    """
    try:
        return Manifest.model_validate_json(document)
    except ValidationError as error:
        raise OtherFormatError(
            f"{what} is not a manifest that this Millrace reads: {text_of(error)}.",
            "Train the model again with this version, or run the version that wrote it.",
        ) from error


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """All files in a hidden folder beside the target, on the disk, and only then under its name.

    Raises:
        ModelError: the disk refuses; nothing was kept.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = _draft(target, files)
        try:
            draft.rename(target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error}. Nothing was kept.", "Free the disk.") from error


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Other files for a version, in one step; what lies beside them, such as a picture, stays.

    Raises:
        ModelError: the disk refuses; the folder is as it was.
    """
    try:
        draft = _draft(target, files)
        try:
            for path in target.iterdir():
                if path.is_file() and path.name != SIGNATURES and not (draft / path.name).exists():
                    shutil.copy2(path, draft)
            exchange(draft, target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error}. It is as it was.", "Free the disk.") from error


def write_signatures(folder: Path, signatures: str) -> None:
    """SHA256SUMS.sig, in one step; nothing else of the folder is touched.

    Raises:
        ModelError: the disk refuses.
    """
    try:
        replace_file(folder / SIGNATURES, signatures.encode())
    except OSError as error:
        raise ModelError(f"{folder / SIGNATURES} cannot be written: {error}.", "Free the disk.") from error


def _draft(target: Path, files: Mapping[str, bytes]) -> Path:
    """The files in a hidden folder beside the target, on the disk."""
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for file, content in files.items():
            write_file(draft / file, content)
        draft.chmod(0o755)
        sync_folder(draft)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return draft


def _read_head(folder: Path) -> tuple[Manifest, bytes, bytes]:
    """Manifest, its bytes and the sums."""
    path = folder / MANIFEST
    try:
        document, sums = path.read_bytes(), (folder / SUMS).read_bytes()
    except FileNotFoundError as error:
        raise ModelError(
            f"{error.filename} does not exist: {folder.parent.name} {folder.name} is not a model.",
            "`millrace models list` shows the models and their versions.",
        ) from error
    except OSError as error:
        raise ModelError(f"{folder} cannot be read: {error}.", RESTORE_IT) from error
    found, expected = pack_sha256(document), parse_sums(sums).get(MANIFEST, "none")
    if found != expected and not first_format.is_listed(MANIFEST, document, sums):
        raise changed_error(str(path), found, expected)
    return parse_manifest(document, str(path)), document, sums


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", RESTORE_IT) from error
