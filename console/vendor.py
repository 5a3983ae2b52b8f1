"""Vendor: fetches the files of `vendor.lock` with npm, and refuses what is not as the lock says. For `make vendor`.

vendor.lock ─► npm pack ─► file of the package ─► SHA-256 ─► static/vendor
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from console.files import Vendored, read_lock


def main() -> int:
    """Exit status: 1 where a file is not the one of the lock; nothing is written then."""
    found = {one: _fetch(one) for one in read_lock()}
    wrong = [one for one, content in found.items() if hashlib.sha256(content).hexdigest() != one.sha256]
    for one in wrong:
        digest = hashlib.sha256(found[one]).hexdigest()
        print(f"{one.package} {one.version} {one.path} is {digest}, the lock says {one.sha256}", file=sys.stderr)  # noqa: T201 - a command
    if wrong:
        return 1
    for one, content in found.items():
        one.file.write_bytes(content)
    return 0


def _fetch(one: Vendored) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{one.package}@{one.version}"]
        name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603 - names of the lock
        with tarfile.open(Path(folder) / name) as package:
            file = package.extractfile(f"package/{one.path}")
            assert file is not None, one.path
            return file.read()


if __name__ == "__main__":
    sys.exit(main())
