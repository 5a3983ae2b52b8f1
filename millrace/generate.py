"""Generate: the contract as files, from the code. A test checks that they have not drifted.

schemas, api ─► schemas/generated/{<topic>,asyncapi,openapi}.json, docs/{problems,reference}.md

`make generate` runs it as `python -m millrace.generate`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import structlog

from api import build_api, markdown
from millrace.reference import reference
from schemas import INPUTS, OUTPUTS, Settings, asyncapi_document, event_schema

log = structlog.get_logger(__name__)
CONTRACT_VERSION = "1"  # of the documents in the repository, so that they only change with the contract


def generated_files() -> dict[str, str]:
    """Path in the repository -> text, of every generated file."""
    openapi = build_api(
        Settings(home=Path("unused"), database_url="", api_keys_file=None, api_host="127.0.0.1")
    ).openapi()
    openapi["info"]["version"] = CONTRACT_VERSION
    documents: dict[str, dict[str, Any]] = {topic: event_schema(topic) for topic in (*INPUTS, *OUTPUTS)}
    documents |= {"asyncapi": asyncapi_document(CONTRACT_VERSION), "openapi": openapi}
    files = {f"schemas/generated/{name}.json": _dump(document) for name, document in documents.items()}
    return files | {"docs/problems.md": markdown(), "docs/reference.md": reference()}


def _dump(document: dict[str, Any]) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def write(root: Path) -> list[str]:
    """Write what differs below the root of the repository, remove what is not generated any more; both are named."""
    files = generated_files()
    changed = [path for path, text in files.items() if not _is_same(root / path, text)]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path])
    for found in (root / "schemas" / "generated").glob("*.json"):
        path = str(found.relative_to(root))
        if path not in files:
            found.unlink()
            changed.append(path)
    return changed


def _is_same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    log.info("the contract is generated", changed=write(Path(__file__).parents[1]))
