"""Recipes of CONTRIBUTING.md, followed on a copy of the code.

CONTRIBUTING.md ─► recipes_of ─► Change, in the order of the text ─► Checkout.follow ─► processes that run the copy
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.extensions import built

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "models", "storage", "notify", "streams", "api", "console", "millrace", "migrations")
BESIDE = ("tests", "benchmarks", "docs", "deploy", "README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")
AT_THE_END, NEW_FILE = "at the end", "a new file"


@dataclass(frozen=True)
class Change:
    """One piece of a diff: `before` stands once in the file, and is replaced by `after`."""

    file: str
    before: str
    after: str
    place: str = ""  # or AT_THE_END, NEW_FILE

    def apply(self, folder: Path) -> None:
        path = folder / self.file
        if self.place == NEW_FILE:
            assert not path.exists(), f"{self.file} is there already"
            path.write_text(self.after)
            return
        text = path.read_text()
        if self.place == AT_THE_END:
            path.write_text(f"{text}\n\n{self.after}")
            return
        assert self.before.strip(), f"{self.file}: nothing shows the place of\n{self.after}"
        count = f"\n{text}".count(f"\n{self.before}")
        assert count == 1, f"{self.file} has {count} of these places instead of one:\n{self.before}"
        path.write_text(f"\n{text}".replace(f"\n{self.before}", f"\n{self.after}")[1:])


def recipes_of(text: str) -> dict[str, list[Change]]:
    """By heading, the changes of each recipe."""
    sections = re.split(r"^### (.+)\n", text.partition("\n## Recipes\n")[2], flags=re.MULTILINE)[1:]
    return {
        name: [
            change for block in re.findall(r"```diff\n(.*?)```", body, re.DOTALL) for change in _changes(block, name)
        ]
        for name, body in zip(sections[::2], sections[1::2], strict=True)
    }


def _changes(block: str, recipe: str) -> list[Change]:
    found = []
    for part in re.split(r"^\+\+\+ ", block, flags=re.MULTILINE)[1:]:
        file, _, pieces = part.partition("\n")
        for piece in re.split(r"^@@", pieces, flags=re.MULTILINE)[1:]:
            place, _, body = piece.partition("\n")
            lines = body.splitlines(keepends=True)
            assert all(line[0] in "+- \n" for line in lines), f"{recipe}: {file} has a line that is of no diff"
            before = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
            after = "".join(line[1:] or "\n" for line in lines if line[0] != "-")
            found.append(Change(file, before, after, place.strip()))
    return found


class Checkout:
    """A copy of the code, or of the tests alone where a recipe changes nothing else; C files are built anew."""

    def __init__(self, folder: Path, changes: Sequence[Change]) -> None:
        self.folder = folder
        is_of_tests = all(change.file.startswith("tests/") for change in changes)
        for name in BESIDE if is_of_tests else (*PACKAGES, *BESIDE):
            source, copy = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        for change in changes:
            change.apply(folder)
        for package in sorted({Path(change.file).parent for change in changes if change.file.endswith((".c", ".h"))}):
            built(folder / package, folder / package / "_native.abi3.so")
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str, **environment: str) -> str:
        """`python` with these arguments, in the copy. Returns what it printed.

        Raises:
            AssertionError: it failed; with all that it said.
        """
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def test(self, *arguments: str, **environment: str) -> str:
        return self.run("-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments, **environment)
