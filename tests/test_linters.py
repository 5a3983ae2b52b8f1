"""The contract as others' tools read it: OpenAPI through redocly and spectral, AsyncAPI through its own parser.

tests/linters/package-lock.json ─► npm ci, once a machine ─► each linter over schemas/generated

They are programs of Node. Where that is missing, or its packages cannot be had, the tests are skipped and say so.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest

pytestmark = pytest.mark.long
Json = dict[str, Any]
LINTERS = Path(__file__).parent / "linters"
GENERATED = Path(__file__).parents[1] / "schemas" / "generated"
INSTALL_S, RUN_S = 240, 120
COMMANDS: dict[str, list[str]] = {
    "redocly": ["node", "node_modules/@redocly/cli/bin/cli.js", "lint"],
    "spectral": [
        "node", "node_modules/@stoplight/spectral-cli/dist/index.js", "lint", "--ruleset", "spectral.yaml",
        "--fail-severity", "warn",
    ],
    "asyncapi": ["node", "asyncapi.mjs"],
}  # fmt: skip


@functools.cache
def _installed() -> Path | str:
    """The folder with the linters; or why there is none."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not on this machine"
    files = sorted(file for file in LINTERS.iterdir() if file.is_file())
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = platformdirs.user_cache_path("millrace") / "linters" / key
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for file in files:
            shutil.copy(file, made)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1"]
        try:
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            return f"{' '.join(command)} takes more than {INSTALL_S} s"
        if done.returncode:
            return f"{' '.join(command)} failed: {done.stderr[-500:]}"
        try:
            Path(made).rename(folder)  # whole or not at all; another run may have been quicker
        except OSError:
            assert folder.exists()
        else:
            Path(made).mkdir()
    return folder


def lint(linter: str, document: Path) -> tuple[int, str]:
    """Exit code, and what it says."""
    folder = _installed()
    if isinstance(folder, str):
        pytest.skip(f"the contract is not linted: {folder}")
    environment = os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
    done = subprocess.run(
        [*COMMANDS[linter], str(document)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


OF: dict[str, str] = {"redocly": "openapi", "spectral": "openapi", "asyncapi": "asyncapi"}


@pytest.mark.parametrize("linter", OF)
def test_the_contract_has_no_error(linter: str) -> None:
    code, said = lint(linter, GENERATED / f"{OF[linter]}.json")
    assert code == 0, said


def _twice(document: Json) -> None:
    document["paths"]["/v1/assets"]["get"]["operationId"] = "list_alerts"


def _without_title(document: Json) -> None:
    del document["info"]["title"]


def _elsewhere(document: Json) -> None:
    document["operations"]["receive_clicks.v1"]["channel"]["$ref"] = "#/channels/nowhere"


@pytest.mark.parametrize(
    ("linter", "spoil"),
    [
        ("redocly", _twice), ("redocly", _without_title), ("spectral", _twice), ("spectral", _without_title),
        ("asyncapi", _without_title), ("asyncapi", _elsewhere),
    ],
)  # fmt: skip
def test_an_error_would_be_found(linter: str, spoil: Callable[[Any], None], tmp_path: Path) -> None:
    document = json.loads((GENERATED / f"{OF[linter]}.json").read_bytes())
    spoil(document)
    spoiled = tmp_path / f"{OF[linter]}.json"
    spoiled.write_text(json.dumps(document))
    code, said = lint(linter, spoiled)
    assert code != 0, said


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (LINTERS / "package-lock.json").read_text()
