"""A document that can be wrong is tested: reference tables, links, README commands, settings named in the text."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("schemas", "models", "storage", "notify", "streams", "api", "console", "millrace", "migrations")
PACKAGES += ("tests", "benchmarks")
FOLDERS = (*PACKAGES, "deploy", "docs")
IDS = [str(document.relative_to(ROOT)) for document in DOCUMENTS]


def test_reference_is_what_the_code_says() -> None:
    from millrace.reference import reference

    assert (ROOT / "docs" / "reference.md").read_text() == reference(), "run `make generate`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_settings_and_topics_that_are_named_exist(document: Path) -> None:
    from schemas import TOPICS, Settings

    text = document.read_text()
    outside = {"MILLRACE_HOME", "MILLRACE_EVALUATOR"}  # the room of models has no settings
    for name in set(re.findall(r"MILLRACE_[A-Z_]+[A-Z]", text)) - outside:
        assert name.removeprefix("MILLRACE_").lower() in Settings.model_fields, name
    topics = {topic.name for topic in TOPICS}
    for name in re.findall(r"`([a-z.]+\.v1(?:\.dlq)?)`", text):
        assert name in topics, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_files_and_names_of_python_that_are_named_exist(document: Path) -> None:
    """`streams/agent/merge.py`, `models/kernel/`, `derive_bits.c`; `models.compiler.compile_forest(...)`."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./]*)`", text):
        assert (ROOT / name).exists(), name
    files = {file.name for package in PACKAGES for file in (ROOT / package).rglob("*.*")}
    for name in re.findall(r"`(\w+\.(?:py|c|h))`", text):
        assert name in files, name
    for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)(?:\([^`]*\))?`", text):
        if not re.search(r"\.v\d+$", name):  # a topic
            assert is_python(name), name


def is_python(name: str) -> bool:
    """A module, or what one has."""
    *parts, last = name.split(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return bool(parts) and is_python(".".join(parts)) and hasattr(pkgutil.resolve_name(".".join(parts)), last)
    return True


def commands() -> list[str]:
    """Lines of shell blocks that call millrace."""
    found = set()
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:sh|shell|console|bash)\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                bare = re.sub(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?", "", line.strip())
                if bare.startswith("millrace "):
                    found.add(re.split(r" [|&>#] ?| #", bare)[0].strip())
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_commands_in_documents_parse(command: str) -> None:
    """Every command and option that a document shows is one that the command line knows."""
    from millrace.cli import app

    words = [word for word in shlex.split(command)[1:] if not word.startswith("<")]
    path = []
    for word in words:
        if word.startswith("-") or "/" in word or "." in word:
            break
        if CliRunner().invoke(app, [*path, word, "--help"]).exit_code:
            break
        path.append(word)
    assert path, f"{command}: no such command"
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300"}).output
    for option in re.findall(r" (--[a-z-]+)", command):
        assert option in shown, f"millrace {' '.join(path)} has no {option}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_routes_that_are_named_exist(document: Path) -> None:
    """`/v1/assets?sort=worst`: the path, and each parameter of its query."""
    import orjson

    paths = orjson.loads((ROOT / "schemas" / "generated" / "openapi.json").read_bytes())["paths"]
    text = document.read_text().partition("\n## Recipes\n")[0]  # what a recipe adds is not there yet
    for named in re.findall(r"`(?:GET |POST )?(/v1/[^`\s]*)`", text):
        path, _, query = named.partition("?")
        fits = [known for known in paths if re.fullmatch(re.sub(r"\{\w+\}", ".+", known), path)]
        assert fits, named
        parameters = {p["name"] for p in next(iter(paths[fits[0]].values())).get("parameters", [])}
        assert {part.partition("=")[0] for part in query.split("&") if part} <= parameters, named


def test_make_targets_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for target in re.findall(r"\bmake ([a-z]+)`", document.read_text()):
            assert target in targets, f"{document.name}: make {target}"
